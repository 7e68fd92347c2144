"""A request to a model, and functions that read its body.

A body may hold any JSON anywhere; what is not text counts as empty. Tokens are estimated for
default replies, and read from `usage` of replies that the test gives.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol, TypeGuard

Body = dict[str, Any]
"""A JSON object: the body of a request or a reply, or a part of it."""

_ALPHANUMERIC = bytes.maketrans(b"+/", b"Aa")

_TIERS = {"flex": "flex", "scale": "scale", "priority": "priority", "fast": "priority"}
"""The tiers that a reply repeats, by those of requests (types of the SDK, version 3.57)."""


class ModelRequest(NamedTuple):
    """A request to a model: all that a default reply depends on."""

    endpoint: str
    """`/v1/chat/completions`."""
    body: dict[str, Any]
    key: bytes
    """32 bytes that are unique to the request; the ids in the reply are made of them."""
    created: int
    """When it is answered, in unix seconds."""
    model: str
    """The model in the reply, a snapshot."""
    name: str = "the request"
    """Its name in messages: `custom_id 'a'`."""

    @property
    def service_tier(self) -> str:
        """The tier that serves it: that of the request, "default" for "auto"."""
        tier = self.body.get("service_tier")
        return _TIERS.get(tier, "default") if isinstance(tier, str) else "default"

    def letters(self, count: int, purpose: str = "") -> str:
        """Up to 86 letters and digits, unique to the request and the purpose."""
        return letters(blake2b(self.key + purpose.encode()).digest(), count)

    def digits(self) -> str:
        """128 hexadecimal digits, unique to the request."""
        return blake2b(self.key).hexdigest()


class PlainReply(NamedTuple):
    """The values in which the replies to plain requests differ; all else is the same."""

    content: str | Json
    """The text, or what stands in its place."""
    prompt: int
    """The tokens of the prompt."""
    completion: int
    """The tokens of the reply."""
    id: str = ""
    item_id: str = ""
    """The id of the message in the reply, where it has one."""
    reasoning_id: str = ""
    """The id of the reasoning before the message, where there is any."""
    params: str = ""
    """The parameters of the request that the reply repeats, as `repr` writes them."""


class Json(Protocol):
    """JSON that is written when it is needed; its length is known before."""

    def __len__(self) -> int: ...
    def __bytes__(self) -> bytes: ...


def letters(digest: bytes, count: int) -> str:
    """Letters and digits made of a digest, at most four for three bytes."""
    return b2a_base64(digest)[:count].translate(_ALPHANUMERIC).decode()


# --- JSON of any form


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether a JSON value is a list."""
    return isinstance(value, list)


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def members(value: Any) -> dict[str, Any]:
    """The value if it is an object, else {}."""
    return value if is_object(value) else {}


def at_path(value: Any, path: str) -> Any:
    """The member at a path such as `text.format.type`; None if there is none."""
    for name in path.split("."):
        value = members(value).get(name)
    return value


def elements(value: Any) -> list[Any]:
    """The value if it is a list, else []."""
    return value if is_list(value) else []


# --- text


def text_of(content: Any) -> str:
    """The text of a message: its content, or the joined text parts of its content."""
    if isinstance(content, str):
        return content
    texts = (part.get("text") if is_object(part) else part for part in elements(content))
    return "".join(text for text in texts if isinstance(text, str))


def read_conversation(conversation: Any) -> tuple[str, int]:
    """The text that a default reply echoes, and the length of all texts of a conversation.

    The text is that of the last user message; if there is none, of the last message. A conversation
    may be a string, which is one user message.
    """
    # in one pass, because a large batch calls this for each of its lines
    if isinstance(conversation, str):
        return conversation, len(conversation)
    question, last, length = None, "", 0
    for item in elements(conversation):
        if is_object(item) and "content" in item:
            last = text_of(item["content"])
            length += len(last)
            question = last if item.get("role") == "user" else question
    return last if question is None else question, length


def prompts(value: Any) -> list[Any]:
    """The prompts or inputs of one request, each a string or a list of token ids."""
    is_single = not is_list(value) or (len(value) > 0 and isinstance(value[0], int))
    return [value] if is_single else value


def choice_count(n: Any) -> int:
    """The number of choices for a parameter `n`: 1 to 128, else 1."""
    return n if type(n) is int and 1 <= n <= 128 else 1


# --- tokens


CHARACTERS = 4
"""The characters of a token: as many as in English."""


def tokens(length: int) -> int:
    """The tokens of a text of this length."""
    return -(-length // CHARACTERS)


def prompt_tokens(value: Any) -> int:
    """The tokens of `prompt` or `input`, which has strings or lists of token ids."""
    return sum(
        tokens(len(prompt)) if isinstance(prompt, str) else len(elements(prompt))
        for prompt in prompts(value)
    )


def input_tokens(body: Mapping[str, Any]) -> int:
    """The tokens of all input of a request, for any endpoint."""
    inputs = (body.get(name) for name in ("instructions", "messages", "input", "prompt"))
    return sum(
        tokens(read_conversation(value)[1])
        if any(map(is_object, prompts(value)))
        else prompt_tokens(value)
        for value in inputs
    )


class Usage(NamedTuple):
    """The tokens of a reply, or of all replies of a batch."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


def usage(body: Any) -> Usage:
    """The usage in a reply body; zero for what is missing or not a number."""
    stated = members(members(body).get("usage"))
    # /v1/responses has input and output tokens, older endpoints prompt and completion tokens
    names = ("input", "output") if "input_tokens" in stated else ("prompt", "completion")
    sent, received = names
    counts = (
        stated.get(f"{sent}_tokens"),
        stated.get(f"{received}_tokens"),
        members(stated.get(f"{sent}_tokens_details")).get("cached_tokens"),
        members(stated.get(f"{received}_tokens_details")).get("reasoning_tokens"),
    )
    return Usage(*(n if type(n) is int and n > 0 else 0 for n in counts))

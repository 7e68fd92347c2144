"""A request to a model: all that a reply may depend on, and what can be read out of its body.

Anything may stand anywhere in a body; what is not text counts as none. Numbers of tokens are
plausible for our own replies, and read from `usage` for anybody else's.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple, TypeGuard

_NO_SIGNS = bytes.maketrans(b"+/", b"Aa")


class ModelRequest(NamedTuple):
    """One request to a model. A default reply is a pure function of it."""

    endpoint: str
    """`/v1/chat/completions`."""
    body: dict[str, Any]
    key: bytes
    """32 random bytes that no other request has; the ids of the reply follow from them."""
    created: int
    """When it is answered, in unix seconds."""
    model: str
    """The snapshot that the reply names."""
    name: str = "the request"
    """What messages call it: `custom_id 'a'`."""

    def letters(self, count: int, purpose: str = "") -> str:
        """Up to 86 letters and digits of this request alone, others for each purpose."""
        return letters(blake2b(self.key + purpose.encode()).digest(), count)

    def digits(self) -> str:
        """128 hexadecimal digits of this request alone."""
        return blake2b(self.key).hexdigest()


def letters(digest: bytes, count: int) -> str:
    """Letters and digits, at most four for three bytes of digest."""
    return b2a_base64(digest)[:count].translate(_NO_SIGNS).decode()


# --- JSON of any form


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether a JSON value is a list."""
    return isinstance(value, list)


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def members(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if is_object(value) else {}


def elements(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if is_list(value) else []


# --- text


def text_of(content: Any) -> str:
    """The text of a message: its content, or the text parts of its content joined."""
    if isinstance(content, str):
        return content
    texts = (part.get("text") if is_object(part) else part for part in elements(content))
    return "".join(text for text in texts if isinstance(text, str))


def read_conversation(conversation: Any) -> tuple[str, int]:
    """The text that a default reply echoes, and the length of all texts of a conversation.

    That is the last message of the user; without a user the last message; without that nothing. A
    conversation that is a bare string is one message of the user.
    """
    # in one pass: a large batch calls this for each of its lines
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
    """The prompts or inputs of one request, each a text or a list of token numbers."""
    is_single = not is_list(value) or (len(value) > 0 and isinstance(value[0], int))
    return [value] if is_single else value


def copies(n: Any) -> int:
    """How many choices `n` asks for; the API takes 1 to 128."""
    return n if type(n) is int and 1 <= n <= 128 else 1


# --- tokens


def tokens(length: int) -> int:
    """The tokens of a text of this length: one for four characters, as English has about."""
    return -(-length // 4)


def prompt_tokens(value: Any) -> int:
    """The tokens of `prompt` or `input`, where these are texts or lists of token numbers."""
    return sum(
        tokens(len(prompt)) if isinstance(prompt, str) else len(elements(prompt))
        for prompt in prompts(value)
    )


def input_tokens(body: Mapping[str, Any]) -> int:
    """The tokens of all input of a request, whichever endpoint it is for."""
    inputs = (body.get(name) for name in ("instructions", "messages", "input", "prompt"))
    return sum(
        tokens(read_conversation(value)[1])
        if any(map(is_object, prompts(value)))
        else prompt_tokens(value)
        for value in inputs
    )


class Usage(NamedTuple):
    """The tokens that a reply, or a batch of them, was charged for."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


def usage(body: Any) -> Usage:
    """The usage that a reply body states, in either vocabulary; zero where it is no number."""
    stated = members(members(body).get("usage"))
    # /v1/responses says input and output, the older endpoints prompt and completion.
    first, then = ("input", "output") if "input_tokens" in stated else ("prompt", "completion")
    counts = (
        stated.get(f"{first}_tokens"),
        stated.get(f"{then}_tokens"),
        members(stated.get(f"{first}_tokens_details")).get("cached_tokens"),
        members(stated.get(f"{then}_tokens_details")).get("reasoning_tokens"),
    )
    return Usage(*(n if type(n) is int and n > 0 else 0 for n in counts))

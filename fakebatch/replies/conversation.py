"""The conversation in a request body: its text, wherever it stands, and how many tokens it has.

Anything may stand anywhere in a body; no text counts as none. Tokens are plausible numbers for our
own replies, and the printed ones for anybody else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeGuard

Turn = tuple[Any, str]
"""Who said something, and what."""


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


def text_of(content: Any) -> str:
    """The text of a message: its content, or the text parts of its content joined."""
    if isinstance(content, str):
        return content
    return "".join(map(_text_of_part, elements(content)))


def _text_of_part(part: Any) -> str:
    text = part.get("text") if is_object(part) else part
    return text if isinstance(text, str) else ""


def turns(conversation: Any) -> list[Turn]:
    """What was said, in order; a conversation that is a bare string is said by the user."""
    if isinstance(conversation, str):
        return [("user", conversation)]
    return [
        (item.get("role"), text_of(item["content"]))
        for item in elements(conversation)
        if is_object(item) and "content" in item
    ]


def last_question(said: list[Turn]) -> str:
    """What the user said last; without a user what was said last; without that nothing."""
    for role, text in reversed(said):
        if role == "user":
            return text
    return said[-1][1] if said else ""


def heard(conversation: Any) -> tuple[str, int]:
    """The last question of a conversation, and how long all together is that was said."""
    # in one pass: a large batch asks this of each of its lines
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
    """The prompts of one request, each a text or a list of token numbers."""
    one = not is_list(value) or (len(value) > 0 and isinstance(value[0], int))
    return [value] if one else value


def copies(n: Any) -> int:
    """How many choices `n` asks for; the API takes 1 to 128."""
    return n if type(n) is int and 1 <= n <= 128 else 1


# --- tokens


def count(texts: Iterable[str]) -> int:
    """About four characters a token, as English has; one at least where there is text."""
    return tokens(sum(map(len, texts)))


def tokens(length: int) -> int:
    """The tokens of a text of so many characters."""
    return -(-length // 4)


def count_prompt(prompt: Any) -> int:
    """The tokens of a prompt, which is a text or a list of token numbers."""
    return count([prompt]) if isinstance(prompt, str) else len(elements(prompt))


def asked(body: Mapping[str, Any]) -> int:
    """The tokens of what a request asks, whichever endpoint it is for."""
    return sum(_heard(body.get(name)) for name in ("instructions", "messages", "input", "prompt"))


def _heard(said: Any) -> int:
    inputs = prompts(said)
    if any(map(is_object, inputs)):
        return count(text for _, text in turns(said))
    return sum(map(count_prompt, inputs))


Charge = tuple[int, int, int, int]
"""What one reply was charged for: a `Usage` without its names."""


class Usage(NamedTuple):
    """What a reply, or a batch of them, was charged for."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


def usage(body: Any) -> Usage:
    """What a reply body says it used, in either vocabulary; zero where it says nothing sensible."""
    used = members(members(body).get("usage"))
    # /v1/responses says input and output, the older endpoints prompt and completion.
    taken, given = ("input", "output") if "input_tokens" in used else ("prompt", "completion")
    return Usage(
        _number(used, f"{taken}_tokens"),
        _number(used, f"{given}_tokens"),
        _number(used.get(f"{taken}_tokens_details"), "cached_tokens"),
        _number(used.get(f"{given}_tokens_details"), "reasoning_tokens"),
    )


def _number(counts: Any, name: str) -> int:
    number = members(counts).get(name)
    return number if type(number) is int and number > 0 else 0

"""Counts tokens: plausible numbers for our own replies, the printed ones for anybody's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fakebatch.replies.text import elements, is_object, members, prompts, turns


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

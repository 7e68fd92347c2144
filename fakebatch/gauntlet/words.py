"""Words of findings: ids, numbers and answers, as parts of sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fakebatch.errors import first_of
from fakebatch.gauntlet.answers import cut_off, texts

SHOWN = 3
"""How many ids a sentence names at most."""


def named(ids: Sequence[str]) -> str:
    """Some ids, of which more than one are `each of`; at most SHOWN of them."""
    names = dict.fromkeys(ids)
    return ("each of " if len(names) > 1 else "") + first_of(names, SHOWN)


def number(count: int, noun: str) -> str:
    """`2 batches`."""
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def short(value: object) -> str:
    """A value in one line of at most 60 characters."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return f"{text[:57]}..." if len(text) > 60 else text


def quoted(answer: object) -> str:
    """An answer in one line, a text in quotes."""
    return repr(short(answer)) if isinstance(answer, str) else short(answer)


def answered(body: Any) -> str:
    """What a response body says: a predicate."""
    text, cut = next(iter(texts(body)), ""), cut_off(body)
    how = f"was answered with {quoted(text)}" if text else "was answered without a text"
    return f"{how} ({cut})" if cut else how

"""Words of findings: ids, numbers and answers, as parts of sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fakebatch.errors import first_of
from fakebatch.gauntlet.answers import cut_off, texts

SHOWN = 3
"""How many ids a sentence names at most."""


def named(ids: Sequence[str]) -> str:
    """Some ids, of which more than one are `each of`; at most SHOWN of them."""
    names = dict.fromkeys(ids)
    return ("each of " if len(names) > 1 else "") + first_of(names, SHOWN)


def alike(words: Mapping[str, str]) -> str:
    """What is so of some ids, by predicates: a sentence about the first, and that others are alike.

    Ids with the same predicate are in one sentence.
    """
    first, *rest = words
    same = [id_ for id_, predicate in words.items() if predicate == words[first]]
    others = [id_ for id_ in rest if id_ not in same]
    sentence = f"{named(same)} {words[first]}."
    return f"{sentence} It is similar with {named(others)}." if others else sentence


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
    """An answer in one line, a text in quotes; of a response body its text."""
    if isinstance(answer, str):
        return repr(short(answer))
    text = next(iter(texts(answer)), "")
    return f"a body with the text {short(text)!r}" if text else short(answer)


def answered(body: Any) -> str:
    """What a response body says: a predicate."""
    text, cut = next(iter(texts(body)), ""), cut_off(body)
    how = f"was answered with {quoted(text)}" if text else "was answered without a text"
    return f"{how} ({cut})" if cut else how

"""The shape of a JSON object, as one line of text: which keys, in which order, from which fact.

    id=custom_id custom_id response.status_code response.request_id="" response.body error

A key may have a path (`response.body` nests). What stands after `=` is a fact, a member of one
(`errors.data`), or a JSON literal without spaces; without `=` the fact is called as the key is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

Facts = Mapping[str, Any]
Read = Callable[[Facts], Any]


class Place(NamedTuple):
    """One value of an object: where it stands, and which it is."""

    path: tuple[str, ...]
    source: tuple[str, ...]
    """A fact, and the members on the way into it; empty: `literal` is the value."""
    literal: Any = None


def shaped(shape: str, facts: Facts) -> dict[str, Any]:
    """The object that `facts` make in this shape."""
    made: dict[str, Any] = _reader(shape)(facts)
    return made


@lru_cache(maxsize=256)
def places(shape: str) -> tuple[Place, ...]:
    """The places of a shape, in the order of the wire."""
    return tuple(_place(word) for word in shape.split())


def _place(word: str) -> Place:
    wire, equals, said = word.partition("=")
    path = tuple(wire.split("."))
    if not equals:
        return Place(path, (path[-1],))
    try:
        return Place(path, (), json.loads(said))
    except ValueError:
        return Place(path, tuple(said.split(".")))


@lru_cache(maxsize=256)
def _reader(shape: str) -> Read:
    return _object(places(shape))


def _object(of: tuple[Place, ...]) -> Read:
    """Makes an object; most of its values are facts as they are, which a name alone stands for."""
    members = tuple(
        (key, _member(tuple(place for place in of if place.path[0] == key)))
        for key in dict.fromkeys(place.path[0] for place in of)
    )
    return lambda facts: {
        key: facts[read] if isinstance(read, str) else read(facts) for key, read in members
    }


def _member(of: tuple[Place, ...]) -> str | Read:
    first = of[0]
    if len(first.path) > 1:
        return _object(tuple(place._replace(path=place.path[1:]) for place in of))
    if not first.source:
        return lambda _: first.literal
    return first.source[0] if len(first.source) == 1 else lambda facts: _within(first.source, facts)


def _within(source: tuple[str, ...], facts: Facts) -> Any:
    found: Any = facts
    for member in source:
        found = found.get(member) if isinstance(found, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return found  # pyright: ignore[reportUnknownVariableType]

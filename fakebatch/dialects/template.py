"""Templates in dialect files: shapes of JSON objects, and sentences with names in braces.

A shape is one line: the keys of the object, in their order, each with the field that it shows.

    id=custom_id custom_id response.status_code response.request_id="" response.body error

A key may be a path (`response.body` nests). After `=` comes a field, a member of a field
(`errors.data`), or a JSON literal without spaces; without `=` the field has the name of the key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, cast

Fields = Mapping[str, Any]

_NUMBERS = frozenset({"limit", "most", "least"})
"""The fields that are numbers, which may have a format: `{limit:,}`."""


class Literal(NamedTuple):
    """A JSON literal in a shape."""

    value: Any


Tree = dict[str, Any]
"""A parsed shape: for each key a field, the path to a member of a field, a literal, or a tree."""


def render(shape: str, fields: Fields) -> dict[str, Any]:
    """The object of this shape with these fields."""
    return _filled(parse(shape), fields)


@lru_cache(maxsize=256)
def parse(shape: str) -> Tree:
    """Parse a shape.

    Raises:
        ValueError: a key is empty, appears twice, or has both a value and nested keys.
    """
    tree: Tree = {}
    for word in shape.split():
        key, equals, value = word.partition("=")
        *parents, name = key.split(".")
        if not all((*parents, name, value or not equals)):
            raise ValueError(f"{word!r} has no key or no value")
        below: Any = tree
        for parent in parents:
            below = below.setdefault(parent, Tree())
            if below.__class__ is not dict:
                raise ValueError(f"{key!r} is nested in a key that has a value")
        if name in below:
            raise ValueError(f"{key!r} appears twice")
        try:
            below[name] = Literal(json.loads(value)) if equals else name
        except ValueError:
            below[name] = tuple(value.split(".")) if "." in value else value
    return tree


def _filled(tree: Tree, fields: Fields) -> dict[str, Any]:
    return {
        key: fields[source] if source.__class__ is str else _value(source, fields)
        for key, source in tree.items()
    }


def _value(source: Any, fields: Fields) -> Any:
    if source.__class__ is dict:
        return _filled(source, fields)
    if isinstance(source, Literal):
        return source.value
    value: Any = fields
    for name in source:
        value = cast("Fields", value).get(name) if isinstance(value, Mapping) else None
    return value


def _shown(tree: Tree) -> Iterator[str]:
    """The fields, and members of fields, in a shape."""
    for source in tree.values():
        if source.__class__ is dict:
            yield from _shown(source)
        elif not isinstance(source, Literal):
            yield source if isinstance(source, str) else ".".join(source)


class Shape:
    """Checks a shape, which may show these fields; `body.*` is any member of `body`."""

    def __init__(self, fields: str, needs: str = "") -> None:
        self.fields, self._needs = fields, needs

    def __call__(self, shape: str) -> str:
        """The shape."""
        known, names = f"A shape can have {self.fields}, and literals.", {*self.fields.split()}
        try:
            tree = parse(shape)
        except ValueError as error:
            raise ValueError(str(error), known) from error
        for field in _shown(tree):
            if names.isdisjoint((field, f"{field.partition('.')[0]}.*")):
                raise ValueError(f"there is no field {field!r}", known)
        if self._needs and self._needs not in tree:
            raise ValueError(f"the key {self._needs!r} is missing", "Lists and clients need it.")
        return shape


class Sentence:
    """Checks a text, which may have these fields in braces."""

    def __init__(self, *fields: str) -> None:
        self.fields = fields

    def __call__(self, text: str) -> str:
        """The text."""
        known = ", ".join(f"{{{name}}}" for name in self.fields) or "no fields"
        known = f"It can have {known}; a brace itself is written {{{{ or }}}}."
        try:
            text.format_map({name: 0 if name in _NUMBERS else "" for name in self.fields})
        except KeyError as error:
            raise ValueError(f"{text!r} has an unknown field, {error}", known) from error
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            raise ValueError(f"{text!r} cannot be filled in: {error}", known) from error
        return text

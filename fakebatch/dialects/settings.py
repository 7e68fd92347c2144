"""Builds frozen dataclasses from plain data, as TOML files and keyword arguments have it.

The annotations of the fields decide. A list becomes a tuple or frozenset, a table a dataclass or a
mapping. TOML has no null, so `""` and `inf` stand for None. The check in `Annotated[type, check]`,
and `__post_init__`, reject a value by ValueError(problem, what is allowed). Dataclasses, and
mappings whose keys are a closed set, are changed entry by entry; other values are replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import partial
from math import inf
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin
from urllib.parse import urlsplit

from fakebatch.durations import microseconds
from fakebatch.errors import UsageError

_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?|[0-9a-f:.]*:[0-9a-f:.]*")

HELP = "docs/dialects.md has every setting with its meaning and OpenAI's value, and an example."

_TYPES: dict[Any, str] = {str: "a string", int: "a whole number", bool: "true or false"}

ValueT = TypeVar("ValueT")


class OneOf:
    """Checks that a value is one of a set; values are compared as text, for keys of TOML tables."""

    def __init__(self, *values: Any) -> None:
        self.values = {str(value): value for value in values}

    def __call__(self, value: Any) -> Any:
        """The value of the set."""
        if str(value) in self.values:
            return self.values[str(value)]
        known = [*self.values]
        listed = ", ".join(known) if len(known) < 100 else f"{known[0]} to {known[-1]}"
        raise ValueError(f"{value!r} is unknown", f"Known there: {listed}.")


def amount(value: Any) -> int:
    """A whole number that is not negative."""
    if type(value) is not int:
        raise ValueError(f"{value!r} is not {_TYPES[int]}", f"It must be {_TYPES[int]}.")
    if value < 0:
        raise ValueError(f"{value} is negative", "It must be 0 or more.")
    return value


def duration(value: Any) -> int:
    """The microseconds of a number of seconds, or of text such as `1h30m`."""
    try:
        return microseconds(value)
    except UsageError as error:
        raise ValueError(f"{value!r} is not a duration", error.args[1]) from error


def address(url: str) -> str:
    """A base URL, whose host may begin with `*.`."""
    try:
        parts = urlsplit(url)
        host = _HOST.fullmatch(parts.hostname or "") if parts.port != 0 else None
    except ValueError:  # a bad port, or bad brackets
        host = None
    if host is None or not url.startswith(("http://", "https://")):
        raise ValueError(f"{url!r} is not a base URL", "A base URL is like https://host:8000/v1.")
    return url


def url_path(endpoint: str) -> str:
    """The path of an endpoint, which begins with a slash."""
    if not endpoint.startswith("/"):
        raise ValueError(f"{endpoint!r} is not a path", "A path is like /v1/chat/completions.")
    return endpoint


def pattern(expression: str) -> str:
    """A regular expression."""
    try:
        re.compile(expression)
    except re.error as error:
        known = "It must be a regular expression, as Python's `re` has it."
        raise ValueError(f"{expression!r} is not valid: {error}", known) from error
    return expression


def build(
    kind: type[ValueT], data: Mapping[str, Any], *place: str, like: ValueT | None = None
) -> ValueT:
    """The dataclass with these fields; those left out are taken from `like`.

    Raises:
        UsageError: there is no such field, its value is invalid, or it is missing and there is no
            `like`. The message begins with `place`: a source, and the path in it.
    """
    known = {field.name: field for field in fields(cast("Any", kind))}
    values: dict[str, Any] = {}
    for name, value in data.items():
        checked(OneOf(*known), name, place)
        old = getattr(like, name, None)
        values[name] = _value(known[name].type, old, value, (*place, name))
    for name, field in known.items() if like is None else ():
        if name not in values and field.default is field.default_factory:  # MISSING
            raise refusal(place, f"{name} is missing", "It is required in a new table.")
    make: Any = kind if like is None else partial(replace, cast("Any", like))
    built: ValueT = checked(lambda values: make(**values), values, place)
    return built


def _value(kind: Any, old: Any, value: Any, place: tuple[str, ...]) -> Any:
    origin: Any = get_origin(kind)
    args = get_args(kind)
    is_list, is_table = origin in (tuple, frozenset), origin is Mapping or is_dataclass(kind)
    if origin in (Union, UnionType):
        return None if value in (None, "", inf) else _value(args[0], old, value, place)
    if is_table and isinstance(value, Mapping):
        return _table(kind, old, cast("Mapping[str, Any]", value), place)
    if is_list and isinstance(value, list | tuple | frozenset):
        items = [_value(args[0], None, item, place) for item in cast("Iterable[Any]", value)]
        return tuple(items) if origin is tuple else frozenset(items)
    if origin is Annotated and (isinstance(value, str) or args[0] is int):
        return checked(args[1], value, place)
    if kind is Any or type(value) is kind:
        return value
    plain = args[0] if origin is Annotated else kind
    expected = _TYPES.get(plain, "a list" if is_list else "a table")
    raise refusal(place, f"{value!r} is not {expected}", f"It must be {expected}.")


def _table(kind: Any, old: Any, table: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    if is_dataclass(kind):
        return build(cast("type[Any]", kind), table, *place, like=old)
    key_kind, item_kind = get_args(kind)
    closed = get_origin(key_kind) is Annotated
    entries: dict[Any, Any] = dict(old or {}) if closed else {}
    for name, value in table.items():
        key = checked(get_args(key_kind)[1], name, place) if closed else name
        entries[key] = _value(item_kind, entries.get(key), value, (*place, str(name)))
    return entries


def checked(check: Callable[[Any], Any], value: Any, place: tuple[str, ...]) -> Any:
    """The value that a check returns.

    Raises:
        UsageError: the check rejects the value.
    """
    try:
        return check(value)
    except ValueError as error:
        raise refusal(place, *error.args) from error


def refusal(place: tuple[str, ...], problem: str, known: str) -> UsageError:
    """The error for a problem at a place: a source, and the path in it."""
    source, *path = place
    where = f"{source}: {'.'.join(path)}" if path else source
    return UsageError(f"{where}: {problem}.", known, HELP)

"""Makes texts that a regular expression matches, from the shortest on.

Python's own parser reads the expression. It is private, but the libraries that do this, such as
rstr and hypothesis, rest on it too, and choose by chance. Lookarounds and back references are
passed over: who takes a text should try it.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import chain
from typing import Any

_parser: Any = import_module("re._parser")

_WORD = string.ascii_lowercase + string.digits + string.ascii_uppercase + "_"
_CHARS = _WORD + "- .:/@" + string.printable
_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": str.isdigit,
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_WORD": _WORD.__contains__,
}


def matching(pattern: str, attempts: int) -> Iterator[str]:
    """Texts that `pattern` should match, each repeating more of it."""
    tree = _parser.parse(pattern)
    for extra in range(attempts):
        yield _sequence(tree, extra)


def _sequence(tree: Any, extra: int) -> str:
    # What has no text, such as a position, is not in the table.
    known = ((_PIECES.get(str(what)), value) for what, value in tree)
    return "".join(piece(value, extra) for piece, value in known if piece)


def _repeat(value: Any, extra: int) -> str:
    least, most, item = value
    times: int = min(least + extra, most, 2**16)
    return _sequence(item, extra) * times


def _member(kinds: list[tuple[Any, Any]], _extra: int = 0) -> str:
    """A character that the set allows, a plain one if there is one."""
    negated = str(kinds[0][0]) == "NEGATE"
    for char in chain(_CHARS, _first_chars(kinds)):
        if any(_covers(kind, value, char) for kind, value in kinds) != negated:
            return char
    return ""


def _first_chars(kinds: list[tuple[Any, Any]]) -> Iterator[str]:
    for kind, value in kinds:
        if str(kind) in {"LITERAL", "RANGE"}:
            yield chr(value[0] if str(kind) == "RANGE" else value)


def _covers(kind: Any, value: Any, char: str) -> bool:
    match str(kind):
        case "LITERAL":
            return chr(value) == char
        case "RANGE":
            return chr(value[0]) <= char <= chr(value[1])
        case "CATEGORY":
            plain = str(value).replace("_NOT_", "_")
            return _CATEGORIES[plain](char) == (plain == str(value))
        case _:
            return False


_PIECES: dict[str, Callable[[Any, int], str]] = {
    "ANY": lambda _, __: "a",
    "ATOMIC_GROUP": _sequence,
    "BRANCH": lambda value, extra: _sequence(value[1][0], extra),
    "IN": _member,
    "LITERAL": lambda value, _: chr(value),
    "MAX_REPEAT": _repeat,
    "MIN_REPEAT": _repeat,
    "NOT_LITERAL": lambda value, _: _member([("NEGATE", None), ("LITERAL", value)]),
    "POSSESSIVE_REPEAT": _repeat,
    "SUBPATTERN": lambda value, extra: _sequence(value[-1], extra),
}

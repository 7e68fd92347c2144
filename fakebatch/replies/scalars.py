"""Makes strings and numbers that are valid for a schema."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from typing import Any

from fakebatch.replies.pattern import matching

_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "duration": "P1D",
    "email": "user@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "00:00:00Z",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}

_WITHIN: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": operator.ge,
    "maximum": operator.le,
    "exclusiveMinimum": operator.gt,
    "exclusiveMaximum": operator.lt,
}

_MOST = 2**16  # no count is taken for more, lest a slip in a schema fill the memory


class Impossible(Exception):
    """No value is valid for the schema, or none that we know to make."""


def whole(rules: dict[str, Any], keyword: str, default: int) -> int:
    """A keyword that counts something; the default where it is absent or odd."""
    given = rules.get(keyword)
    return min(given, _MOST) if type(given) is int and given >= 0 else default


def string(rules: dict[str, Any], text: str) -> str:
    """The text itself where the schema allows it, else one of its format or pattern."""
    least, most = whole(rules, "minLength", 0), whole(rules, "maxLength", max(len(text), _MOST))
    form, pattern = rules.get("format"), _compiled(rules.get("pattern"))
    if pattern:
        return _patterned(pattern, text, least, most)
    if isinstance(form, str) and form in _FORMATS:
        return _FORMATS[form]
    return text.ljust(least, "a")[:most]


def _compiled(pattern: Any) -> re.Pattern[str] | None:
    # What only ECMAScript understands is passed over.
    with suppress(re.error):
        return re.compile(pattern) if isinstance(pattern, str) else None
    return None


def _patterned(pattern: re.Pattern[str], text: str, least: int, most: int) -> str:
    attempts = min(least, 1000) + 1
    for candidate in chain([text], matching(pattern.pattern, attempts)):
        if least <= len(candidate) <= most and pattern.search(candidate):
            return candidate
    raise Impossible


def number(rules: dict[str, Any], *, integer: bool) -> int | float:
    """Zero where the schema allows it, else a number at or next to a bound."""
    step = _exact(rules.get("multipleOf"))
    if integer:
        step = Fraction(step.numerator if step else 1)
    for candidate in _candidates(rules, step):
        if all(within(candidate, bound) for within, bound in _bounds(rules)):
            return int(candidate) if candidate.denominator == 1 else float(candidate)
    raise Impossible


def _candidates(rules: dict[str, Any], step: Fraction | None) -> Iterator[Fraction]:
    yield Fraction(0)
    bounds = [bound for _, bound in _bounds(rules)]
    for bound in bounds:
        nearest = math.floor(bound / step) * step if step else bound
        yield from (nearest, nearest + (step or 1), nearest - (step or 1))
    if bounds and not step:
        yield (min(bounds) + max(bounds)) / 2


def _bounds(
    rules: dict[str, Any],
) -> Iterator[tuple[Callable[[Fraction, Fraction], bool], Fraction]]:
    for keyword, within in _WITHIN.items():
        bound = _exact(rules.get(keyword))
        if bound is not None:
            yield within, bound


def _exact(value: Any) -> Fraction | None:
    # By its decimal digits: a step of 0.1 is a tenth, not the float next to it.
    given = type(value) in (int, float) and math.isfinite(value)
    return Fraction(str(value)) if given else None

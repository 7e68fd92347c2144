"""The one grammar for durations: a number of seconds, a timedelta, or text such as "1h30m"."""

from __future__ import annotations

import re
from datetime import timedelta

from fakebatch.errors import Misuse

SECOND = 1_000_000
"""One second in the unit of all inner moments and durations: whole microseconds."""

type_names = "a number of seconds, a timedelta, or text of d/h/m/s such as '1h30m'"

LONGEST = 10_000 * 366 * 86_400
"""Seconds: no calendar reaches further."""

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = r"(?:\d+(?:\.\d+)?)"
_TEXT = re.compile(rf"(?:({_PART})d)?(?:({_PART})h)?(?:({_PART})m)?(?:({_PART})s)?")

Duration = float | timedelta | str


def microseconds(value: Duration) -> int:
    """A duration in whole microseconds, never negative.

    Raises:
        Misuse: the value is no duration, or is negative or not finite.
    """
    seconds = _seconds(value)
    if seconds is None or not 0 <= seconds < LONGEST:
        raise Misuse(
            f"{value!r} is not a duration.",
            f"A duration is {type_names}; never negative.",
            "Write for example 90, timedelta(minutes=1.5) or '1m30s'.",
        )
    return round(seconds * SECOND)


def _seconds(value: object) -> float | None:
    match value:
        case bool():
            return None
        case int() | float():
            return value
        case timedelta():
            return value.total_seconds()
        case str():
            return _seconds_of_text(value.replace(" ", ""))
        case _:
            return None


def _seconds_of_text(text: str) -> float | None:
    found = _TEXT.fullmatch(text)
    if not text or found is None:
        return None
    return sum(
        float(n) * size for n, size in zip(found.groups(), _UNITS.values(), strict=True) if n
    )

"""Parses durations (a number of seconds, a timedelta, text such as "1h30m") and writes them."""

from __future__ import annotations

import re
from datetime import timedelta

from fakebatch.errors import UsageError

SECOND = 1_000_000
"""One second. Inside fakebatch all moments and durations are whole microseconds."""

ACCEPTED = "a number of seconds, a timedelta, or a string in d, h, m and s such as '1h30m'"
"""The types of a duration, as messages list them."""

LONGEST = 10_000 * 366 * 86_400
"""The upper bound of a duration in seconds: `datetime` ends with the year 9999."""

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = r"(?:\d+(?:\.\d+)?)"
_TEXT = re.compile(rf"(?:({_PART})d)?(?:({_PART})h)?(?:({_PART})m)?(?:({_PART})s)?")

Duration = float | timedelta | str


def text(duration: int) -> str:
    """A duration in microseconds as text: `1h30m`."""
    rest, parts = duration, ""
    for unit, seconds in _UNITS.items():
        count, rest = divmod(rest, seconds * SECOND)
        if unit == "s" and rest:
            return f"{parts}{count}.{rest:06}".rstrip("0") + "s"
        parts += f"{count}{unit}" if count else ""
    return parts or "0s"


def microseconds(value: Duration) -> int:
    """A duration in whole microseconds.

    Raises:
        UsageError: the value is not a duration, is negative or not finite.
    """
    seconds: object = value
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, str):
        parts = _TEXT.fullmatch(value.replace(" ", ""))
        if parts and parts[0]:
            pairs = zip(parts.groups("0"), _UNITS.values(), strict=True)
            seconds = sum(float(number) * unit for number, unit in pairs)
    if (
        isinstance(seconds, int | float)
        and not isinstance(seconds, bool)
        and 0 <= seconds < LONGEST
    ):
        return round(seconds * SECOND)
    raise UsageError(
        f"{value!r} is not a duration.",
        f"A duration is {ACCEPTED}. It must not be negative.",
        "Write for example 90, timedelta(minutes=1.5) or '1m30s'.",
    )

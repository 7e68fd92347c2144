"""The one grammar for durations: a number of seconds, a timedelta, or text such as "1h30m"."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from fakebatch.errors import UsageError

SECOND = 1_000_000
"""One second in the unit of all inner moments and durations: whole microseconds."""

type_names = "a number of seconds, a timedelta, or text of d/h/m/s such as '1h30m'"

LONGEST = 10_000 * 366 * 86_400
"""Seconds: no calendar reaches further."""

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = r"(?:\d+(?:\.\d+)?)"
_TEXT = re.compile(rf"(?:({_PART})d)?(?:({_PART})h)?(?:({_PART})m)?(?:({_PART})s)?")

Duration = float | timedelta | str


class _AsText:
    """Tells pydantic to read any duration, and to write one as text."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # noqa: PLC0415  # only where scenarios are read

        return core_schema.no_info_before_validator_function(
            microseconds,
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(text),
        )


Microseconds = Annotated[int, _AsText()]
"""A duration inside; in a file it is written as text: `1h30m`."""


def text(duration: int) -> str:
    """The text of a duration in microseconds: `1h30m`."""
    rest, parts = duration, ""
    for unit, seconds in _UNITS.items():
        count, rest = divmod(rest, seconds * SECOND)
        if unit == "s" and rest:
            return f"{parts}{count}.{rest:06}".rstrip("0") + "s"
        parts += f"{count}{unit}" if count else ""
    return parts or "0s"


def microseconds(value: Duration) -> int:
    """A duration in whole microseconds, never negative.

    Raises:
        UsageError: the value is no duration, or is negative or not finite.
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
        f"A duration is {type_names}; never negative.",
        "Write for example 90, timedelta(minutes=1.5) or '1m30s'.",
    )

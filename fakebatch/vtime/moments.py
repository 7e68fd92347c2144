"""Moments: the wall clock, and the one grammar for a datetime, ISO 8601 text or unix seconds."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from fakebatch.durations import SECOND
from fakebatch.errors import UsageError

Moment = datetime | str | float

DEFAULT_START = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z, in microseconds since 1970."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> int:
    """The wall clock as the code under test sees it, in whole microseconds since 1970."""
    # Looked up through the module at each call: whoever owns the clock replaces it there.
    return round(time.time() * 1_000_000)  # noqa: TID251 - this is the place


def microseconds(moment: Moment) -> int:
    """A moment in whole microseconds since 1970; without a zone it is UTC.

    Raises:
        UsageError: the value is no moment.
    """
    value: object = moment
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (aware - _EPOCH) // timedelta(microseconds=1)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return round(value * SECOND)
    raise UsageError(
        f"{moment!r} is not a moment.",
        "A moment is a datetime, ISO 8601 text or unix seconds; without a zone it is UTC.",
        "Write for example '2026-01-01T12:00:00Z' or datetime(2026, 1, 1, tzinfo=UTC).",
    )


def as_datetime(microseconds: int) -> datetime:
    """The aware UTC datetime of a moment in microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)

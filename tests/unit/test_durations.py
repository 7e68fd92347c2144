from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from fakebatch import UsageError
from fakebatch.durations import Duration, microseconds

GOOD: dict[str, tuple[Duration, int]] = {
    "a whole number is seconds": (90, 90_000_000),
    "a decimal is seconds": (1.5, 1_500_000),
    "zero is a duration": (0, 0),
    "a timedelta": (timedelta(minutes=1, seconds=30), 90_000_000),
    "a timedelta keeps its microseconds": (timedelta(days=1, microseconds=1), 86_400_000_001),
    "days": ("2d", 172_800_000_000),
    "hours": ("1h", 3_600_000_000),
    "minutes": ("1m", 60_000_000),
    "seconds": ("1s", 1_000_000),
    "units in falling order": ("1d2h3m4s", 93_784_000_000),
    "units may be left out": ("1d4s", 86_404_000_000),
    "blanks do not matter": (" 1h 30m ", 5_400_000_000),
    "any part may have decimals": ("1.5h0.5s", 5_400_500_000),
    "a part may be larger than its unit": ("90m", 5_400_000_000),
    "less than a microsecond is rounded": (0.000_000_9, 1),
}

BAD: dict[str, Any] = {
    "a number without unit": "90",
    "no text": "",
    "blanks alone": "  ",
    "an unknown unit": "3w",
    "milliseconds": "3ms",
    "units in rising order": "1m1h",
    "a unit twice": "1m1m",
    "a sign": "-1s",
    "an exponent": "1e3s",
    "a comma": "1,5s",
    "a decimal without whole part": ".5s",
    "a line end": "1s\n",
    "less than nothing": -1,
    "a timedelta below nothing": timedelta(seconds=-1),
    "not a number": float("nan"),
    "for ever": float("inf"),
    "text that overflows": "1" * 400 + "s",
    "a flag": True,
    "nothing": None,
    "a Decimal": Decimal(1),
    "bytes": b"1s",
    "a list": [1],
}


@pytest.mark.parametrize(("value", "expected"), GOOD.values(), ids=GOOD)
def test_a_duration_is_whole_microseconds(value: Duration, expected: int) -> None:
    """Seconds, a timedelta and text of d/h/m/s all mean a whole number of microseconds."""
    assert expected == microseconds(value)


@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
def test_what_is_no_duration_is_refused_in_three_lines(value: Any) -> None:
    """A bad duration says what came, what a duration is, and what to write."""
    with pytest.raises(UsageError) as caught:
        microseconds(value)
    assert str(caught.value) == (
        f"fakebatch: {value!r} is not a duration.\n"
        "A duration is a number of seconds, a timedelta, or a string in d, h, m and s such as "
        "'1h30m'. It must not be negative.\n"
        "Write for example 90, timedelta(minutes=1.5) or '1m30s'."
    )


def test_a_number_beyond_every_calendar_is_told() -> None:
    """More seconds than ten thousand years have are no duration, and never an overflow."""
    with pytest.raises(UsageError, match="is not a duration"):
        microseconds(10**400)

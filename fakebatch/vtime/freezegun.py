"""How freezegun freezes the wall clock, and what is private in it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from types import FrameType
from typing import Any

import freezegun.api

from fakebatch.errors import FakeBatchError
from fakebatch.vtime import callsite

_api: Any = freezegun.api
_names: dict[str, Any] = _api.__dict__
_FUNCTIONS = (
    "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns gmtime localtime strftime"
).split()
_READS = 100_000
"""So often the same line may read the clock in a row, with neither a call nor a sleep between."""

_EPOCH, _MICROSECOND = _api.real_datetime(1970, 1, 1), timedelta(microseconds=1)

real_monotonic: Callable[[], float] = _api.real_monotonic
"""The true monotonic clock in seconds; freezegun keeps it even while time is frozen."""
PRIVATE: list[tuple[Any, str]] = [
    (_api, "freeze_factories"),
    (_api, "_should_use_real_time"),
    *((_api, f"{kind}_{name}") for name in _FUNCTIONS for kind in ("real", "fake")),
]
"""Without these the wall clock cannot be moved."""


def is_frozen() -> bool:
    """Whether time is frozen, by whomever."""
    return bool(_api.freeze_factories)


def fakes() -> dict[Any, Any]:
    """What is put in the place of each time function and class."""
    functions = {_names[f"real_{name}"]: _names[f"fake_{name}"] for name in _FUNCTIONS}
    return functions | {_api.real_date: _api.FakeDate, _api.real_datetime: _api.FakeDatetime}


def replacements(
    keeps_real_time: Callable[[FrameType], bool],
) -> list[tuple[Any, str, Any]]:
    """What to patch in freezegun, so that all but those who keep real time see frozen time.

    By default freezegun shows real time within five frames of `threading`, in time.time() alone.
    A line that reads the clock on and on is told: a frozen clock does not move by being read.
    """
    reads = _Reads()

    def use_real_time() -> bool:
        if not is_frozen():
            return True
        reader = sys._getframe(2)  # noqa: SLF001 - who called a function of freezegun
        if keeps_real_time(reader):
            return True
        reads.note(reader)
        return False

    def time_to_freeze() -> datetime | None:
        if not is_frozen():
            return None
        reads.note(sys._getframe(2))  # noqa: SLF001
        now: datetime = _api.get_current_time()
        return now

    return [
        (_api, "_should_use_real_time", use_real_time),
        (_api.FakeDatetime, "_time_to_freeze", staticmethod(time_to_freeze)),
    ]


class _Reads:
    """Counts how often each thread has read the clock in a row at one line."""

    def __init__(self) -> None:
        self._here = threading.local()

    def note(self, reader: FrameType) -> None:
        """A line reads the clock.

        Raises:
            FakeBatchError: it does nothing else.
        """
        factory = _api.freeze_factories[-1]
        if not isinstance(factory, _api.FrozenDateTimeFactory):
            return  # a freeze of the test's own that ticks
        here = self._here
        # Whoever moves the time, by a sleep for one, puts another object there.
        place = (reader.f_code, reader.f_lineno, id(factory.time_to_freeze))
        if getattr(here, "place", None) != place:
            here.place, here.reads = place, 0
        here.reads += 1
        if here.reads > _READS:
            here.reads = 0
            raise FakeBatchError(
                f"the loop at {callsite.of_frame(reader)} waits for a clock that stands still.",
                f"It has read the clock {_READS:,} times in a row, and reading does not move it.",
                "Sleep in the loop, or move the clock: fakebatch.clock.advance('1m').",
            )


def shift(microseconds: int) -> None:
    """Move every freeze there is, the user's own too."""
    delta = timedelta(microseconds=microseconds)
    for factory in _api.freeze_factories:
        factory.time_to_freeze += delta


def now() -> int:
    """What the wall clock shows, in microseconds since 1970."""
    moment: datetime = _api.get_current_time()
    return (moment - _EPOCH) // _MICROSECOND


class Freeze:
    """A freeze that leaves the names in other modules to us."""

    def __init__(self, start: datetime) -> None:
        # The empty prefix makes freezegun's own scan skip every module. That scan fetches every
        # attribute of every module: with openai 3 loaded it takes 0.9 s and imports 1,100 modules.
        self._freeze: Any = _api.freeze_time(start, ignore=[""])

    def start(self) -> None:
        """Freeze time."""
        self._freeze.start()

    def stop(self) -> None:
        """Let time go on."""
        self._freeze.stop()

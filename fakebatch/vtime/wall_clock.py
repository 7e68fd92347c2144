"""The wall clock: frozen by freezegun, by us or by the test, or shifted by a time-machine."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from types import FrameType
from typing import Any, Protocol

import freezegun.api

from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.vtime import callsite, moments
from fakebatch.vtime.callsite import HARNESS, is_harness
from fakebatch.vtime.io import Patch
from fakebatch.vtime.scheduler import for_this_thread

_api: Any = freezegun.api
_names: dict[str, Any] = _api.__dict__
_FUNCTIONS = (
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
    *("gmtime", "localtime", "strftime"),
)
_READS = 100_000
"""So often the same line may read the clock in a row, with neither a call nor a sleep between."""

_EPOCH, _MICROSECOND = _api.real_datetime(1970, 1, 1), timedelta(microseconds=1)

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


def _of_freezegun(
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


def shift_freezes(microseconds: int) -> None:
    """Move every freeze there is, the user's own too."""
    delta = timedelta(microseconds=microseconds)
    for factory in _api.freeze_factories:
        factory.time_to_freeze += delta


def frozen_now() -> int:
    """What the wall clock shows, in microseconds since 1970."""
    moment: datetime = _api.get_current_time()
    since: timedelta = moment - _EPOCH
    return since // _MICROSECOND


class WallClock(Protocol):
    """The wall clock, as somebody freezes or shifts it."""

    fakes: dict[Any, Any]
    """The time functions that modules shall see, by those they replace."""

    def start(self) -> list[Patch]:
        """Take the clock over; what to patch beside."""
        ...

    def move(self, microseconds: int) -> None:
        """Move the clock forward."""

    def now(self) -> int:
        """What it shows, in microseconds since 1970."""
        ...

    def stop(self) -> None:
        """Give the clock back."""


def choose(start: int | None) -> WallClock:
    """The wall clock to move: a time-machine or a freeze already there, or a freeze of our own.

    Raises:
        UsageError: a start was asked for in a time-machine that travels already.
    """
    travellers = getattr(sys.modules.get("time_machine"), "traveller_stack", [])
    if travellers:
        return Travel(travellers, start)
    if is_frozen() and start is None:
        return UsersFreeze()
    return OurFreeze(moments.DEFAULT_START if start is None else start)


class UsersFreeze:
    """A freeze of the test's own, around ours: followed and moved."""

    move = staticmethod(shift_freezes)
    now = staticmethod(frozen_now)

    def __init__(self) -> None:
        self.fakes: dict[Any, Any] = {}

    def start(self) -> list[Patch]:
        """Show the same time to every thread and module."""
        return _of_freezegun(_keeps_real_time)

    def stop(self) -> None:
        """Leave the user's freeze to the user."""


class OurFreeze(UsersFreeze):
    """A freeze of our own."""

    def __init__(self, start: int) -> None:
        super().__init__()
        # The empty prefix makes freezegun's own scan skip every module. That scan fetches every
        # attribute of every module: with openai 3 loaded it takes 0.9 s and imports 1,100 modules.
        self._freeze: Any = _api.freeze_time(moments.as_datetime(start), ignore=[""])
        if not is_frozen():
            self.fakes = fakes()

    def start(self) -> list[Patch]:
        """Freeze time."""
        self._freeze.start()
        return super().start()

    def stop(self) -> None:
        """Let time go on."""
        self._freeze.stop()


class Travel:
    """A time-machine that was already travelling: followed and shifted."""

    def __init__(self, travellers: list[Any], start: int | None) -> None:
        if start is not None:
            raise UsageError(
                f"the clock was asked to start at {moments.as_datetime(start)} in a time-machine.",
                "A time-machine that already travels is followed, not frozen.",
                "Leave the start out, or travel there.",
            )
        self._travellers = travellers
        # time-machine leaves these alone, and a deadline read from them would never come.
        self.fakes = {
            real: _moved_by_line(real, unit)
            for real, unit in (
                (time.monotonic, 1 / SECOND),
                (time.perf_counter, 1 / SECOND),
                (time.monotonic_ns, 1_000),
                (time.perf_counter_ns, 1_000),
            )
        }

    def start(self) -> list[Patch]:
        """Let the monotonic clocks move as well."""
        return [(time, real.__name__, fake) for real, fake in self.fakes.items()]

    def move(self, microseconds: int) -> None:
        """Shift every traveller."""
        for traveller in self._travellers:
            traveller.shift(timedelta(microseconds=microseconds))

    now = staticmethod(moments.now)

    def stop(self) -> None:
        """Leave the journey to the user."""


def _moved_by_line(real: Any, unit: float) -> Any:
    def read() -> float:
        scheduler = for_this_thread()
        reader = sys._getframe(1).f_globals.get("__name__", "")  # noqa: SLF001 - who reads
        moved = 0 if scheduler is None or is_harness(reader) else scheduler.line * unit
        return real() + moved  # type: ignore[no-any-return]

    return read


def _keeps_real_time(reader: FrameType) -> bool:
    package = reader.f_globals.get("__name__", "").partition(".")[0]
    return package in HARNESS or for_this_thread() is None


def of_time_machine(module: Any) -> list[Patch]:
    """What to patch in a time-machine that may start later."""
    return [(module.travel, "start", _refuse_travel)]


def _refuse_travel(travel: Any) -> None:
    moment = moments.as_datetime(getattr(travel, "destination_timestamp_ns", 0) // 1_000)
    raise UsageError(
        "a time-machine was started while fakebatch's own clock is running.",
        "Only one of them can own the wall clock, and fakebatch's was there first.",
        f"Begin there, with start={moment.isoformat()!r} of the marker or FakeBatch, or go there: "
        "fakebatch.clock.move_to(…).",
    )

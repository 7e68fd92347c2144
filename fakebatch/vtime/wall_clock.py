"""The wall clock: frozen by freezegun, by us or by the test, or shifted by a time-machine."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from threading import get_ident
from types import FrameType
from typing import Any, NamedTuple

import freezegun.api

from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.vtime import callsite, moments
from fakebatch.vtime import scheduler as scheduling
from fakebatch.vtime.callsite import HARNESS, caller, is_harness
from fakebatch.vtime.patches import Patch
from fakebatch.vtime.scheduler import for_this_thread

_api: Any = freezegun.api
FUNCTIONS = (
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
    *("gmtime", "localtime", "strftime"),
)
"""What freezegun replaces in `time`."""
_READS = 100_000
"""Times that a line may read the clock in a row, with neither a call nor a sleep between."""
_EPOCH, _MICROSECOND = _api.real_datetime(1970, 1, 1), timedelta(microseconds=1)


class WallClock(NamedTuple):
    """The wall clock as somebody freezes or shifts it."""

    held: AbstractContextManager[object]
    """In this context it stands still."""
    fakes: Mapping[Any, Any]
    """The time functions and classes that modules shall see, by those they replace."""
    patches: list[Patch]
    move: Callable[[int], None]
    """Moves it forward by microseconds."""
    now: Callable[[], int]
    """What it shows, in microseconds since 1970, whichever thread asks."""


def choose(start: int | None) -> WallClock:
    """The wall clock to move: a time-machine or a freeze already there, or a freeze of our own.

    Args:
        start: where to freeze it, in microseconds since 1970; None for 2026 or what is there.

    Raises:
        UsageError: a start was given, and a time-machine travels already.
    """
    time_machine = sys.modules.get("time_machine")
    if travellers := getattr(time_machine, "traveller_stack", None):
        return _travelling(travellers, start)
    if getattr(time_machine, "coordinates_stack", None):  # it moves time.monotonic, too
        raise UsageError(
            "the clock was started while a time-machine of version 2 travels.",
            "It can follow one of version 3.0 or later.",
            "Upgrade time-machine, or leave it out: start='…' of the marker or FakeBatch.",
        )
    frozen = bool(_api.freeze_factories)
    held: AbstractContextManager[object] = nullcontext()
    if start is not None or not frozen:
        # The empty prefix makes freezegun's own scan skip every module. That scan fetches every
        # attribute of every module: with openai 3 loaded it takes 0.9 s and imports 1,100 modules.
        at = moments.as_datetime(moments.DEFAULT_START if start is None else start)
        held = _api.freeze_time(at, ignore=[""])
    patches = [
        Patch(_api, "_should_use_real_time", _should_use_real_time),
        Patch(_api.FakeDatetime, "_time_to_freeze", staticmethod(_time_to_freeze)),
    ]
    return WallClock(held, {} if frozen else fakes(), patches, _move_freezes, _frozen_now)


# --- a freeze


def fakes() -> dict[Any, Any]:
    """What freezegun puts in the place of each time function and class."""
    functions: dict[Any, Any] = {
        getattr(_api, f"real_{name}"): getattr(_api, f"fake_{name}") for name in FUNCTIONS
    }
    return functions | {_api.real_date: _api.FakeDate, _api.real_datetime: _api.FakeDatetime}


def _move_freezes(microseconds: int) -> None:
    """Move every freeze there is, the user's own too."""
    delta = timedelta(microseconds=microseconds)
    for factory in _api.freeze_factories:
        factory.time_to_freeze += delta


def _frozen_now() -> int:
    if not _api.freeze_factories:  # in a process that was forked, where time is real
        return moments.now()
    since_epoch: timedelta = _api.get_current_time() - _EPOCH
    return since_epoch // _MICROSECOND


def _should_use_real_time() -> bool:
    """Whether the caller of a function of freezegun sees real time.

    Freezegun itself shows real time within five frames of `threading`, in time.time() alone.
    """
    if not _api.freeze_factories:
        return True
    reader = sys._getframe(2)  # noqa: SLF001 - who called a function of freezegun
    scheduler = scheduling.current
    if scheduler is None or get_ident() not in scheduler.scope.living:
        return True
    if reader.f_globals.get("__name__", "").partition(".")[0] in HARNESS:
        return True
    _note_read(reader)
    return False


def _time_to_freeze() -> datetime | None:
    if not _api.freeze_factories:
        return None
    _note_read(sys._getframe(2))  # noqa: SLF001
    now: datetime = _api.get_current_time()
    return now


_last_read = threading.local()
"""Where a thread has last read the clock, and how often in a row."""


def _note_read(reader: FrameType) -> None:
    """A line reads the clock, which does not move it.

    Raises:
        FakeBatchError: it does nothing else.
    """
    factory = _api.freeze_factories[-1]
    if not isinstance(factory, _api.FrozenDateTimeFactory):
        return  # a freeze of the test's own that ticks
    # Whoever moves the time, by a sleep for one, puts another object there.
    place = (reader.f_code, reader.f_lineno, id(factory.time_to_freeze))
    if getattr(_last_read, "place", None) != place:
        _last_read.place, _last_read.times = place, 0
    _last_read.times += 1
    if _last_read.times > _READS:
        _last_read.times = 0
        raise FakeBatchError(
            f"the loop at {callsite.of_frame(reader)} waits for a clock that stands still.",
            f"It has read the clock {_READS:,} times in a row, and reading does not move it.",
            "Sleep in the loop, or move the clock: fakebatch.clock.advance('1m').",
        )


# --- a time-machine


def _travelling(travellers: list[Any], start: int | None) -> WallClock:
    """A time-machine that was there first: followed and shifted."""
    if start is not None:
        raise UsageError(
            f"the clock was asked to start at {moments.as_datetime(start)} in a time-machine.",
            "A time-machine that already travels is followed, not frozen.",
            "Leave the start out, or travel there.",
        )

    def shift(microseconds: int) -> None:
        for traveller in travellers:
            traveller.shift(timedelta(microseconds=microseconds))

    # time-machine leaves these alone, and a deadline read from them would never come.
    fakes = {
        time.monotonic: _moved(time.monotonic, 1 / SECOND),
        time.perf_counter: _moved(time.perf_counter, 1 / SECOND),
        time.monotonic_ns: _moved(time.monotonic_ns, 1_000),
        time.perf_counter_ns: _moved(time.perf_counter_ns, 1_000),
    }
    patches = [Patch(time, real.__name__, fake) for real, fake in fakes.items()]
    return WallClock(nullcontext(), fakes, patches, shift, moments.now)


def _moved(real: Callable[[], float], unit: float) -> Callable[[], float]:
    def read() -> float:
        scheduler = for_this_thread()
        moved = 0 if scheduler is None or is_harness(caller(1)) else scheduler.now * unit
        return real() + moved

    return read


def of_time_machine(module: Any) -> list[Patch]:
    """What to patch in a time-machine that may start later."""
    return [Patch(module.travel, "start", _refuse_travel)]


def _refuse_travel(travel: Any) -> None:
    seconds = getattr(travel, "destination_timestamp", 0)  # before version 3.2
    moment = moments.as_datetime(
        getattr(travel, "destination_timestamp_ns", round(seconds * 1_000_000_000)) // 1_000
    )
    raise UsageError(
        "a time-machine was started while fakebatch's own clock is running.",
        "Only one of them can own the wall clock, and fakebatch's was there first.",
        f"Begin there, with start={moment.isoformat()!r} of the marker or FakeBatch, or go there: "
        "fakebatch.clock.move_to(…).",
    )

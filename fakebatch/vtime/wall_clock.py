"""Who owns the wall clock while a virtual clock runs, and how each is moved."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from types import FrameType
from typing import Any, Protocol

from fakebatch.durations import SECOND
from fakebatch.errors import Misuse
from fakebatch.vtime import freezegun, moments
from fakebatch.vtime.io import Patch
from fakebatch.vtime.rebinding import is_harness
from fakebatch.vtime.scheduler import for_this_thread


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
        Misuse: a start was asked for in a time-machine that travels already.
    """
    travellers = getattr(sys.modules.get("time_machine"), "traveller_stack", [])
    if travellers:
        return Travel(travellers, start)
    if freezegun.is_frozen() and start is None:
        return UsersFreeze()
    return OurFreeze(moments.DEFAULT_START if start is None else start)


class UsersFreeze:
    """A freeze of the test's own, around ours: followed and moved."""

    move = staticmethod(freezegun.shift)
    now = staticmethod(freezegun.now)

    def __init__(self) -> None:
        self.fakes: dict[Any, Any] = {}

    def start(self) -> list[Patch]:
        """Show the same time to every thread and module."""
        return freezegun.replacements(_keeps_real_time)

    def stop(self) -> None:
        """Leave the user's freeze to the user."""


class OurFreeze(UsersFreeze):
    """A freeze of our own."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self._freeze = freezegun.Freeze(moments.as_datetime(start))
        if not freezegun.is_frozen():
            self.fakes = freezegun.fakes()

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
            raise Misuse(
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
    return for_this_thread() is None or is_harness(reader.f_globals.get("__name__", ""))


def of_time_machine(module: Any) -> list[Patch]:
    """What to patch in a time-machine that may start later."""
    return [(module.travel, "start", _refuse_travel)]


def _refuse_travel(travel: Any) -> None:
    moment = moments.as_datetime(getattr(travel, "destination_timestamp_ns", 0) // 1_000)
    raise Misuse(
        "a time-machine was started while fakebatch's own clock is running.",
        "Only one of them can own the wall clock, and fakebatch's was there first.",
        f"Begin there, with start={moment.isoformat()!r} of the marker or FakeBatch, or go there: "
        "fakebatch.clock.move_to(…).",
    )

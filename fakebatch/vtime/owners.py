"""Who owns the wall clock while a virtual clock runs, and how each is moved."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import Any, Protocol

from fakebatch.durations import SECOND
from fakebatch.errors import Misuse
from fakebatch.vtime import moments, rebinding, running
from fakebatch.vtime.patches import Patches
from fakebatch.vtime.quarantine import of_freezegun


class WallOwner(Protocol):
    """The wall clock, as somebody freezes or shifts it."""

    fakes: dict[Any, Any]
    """The time functions that modules shall see, by those they replace."""

    def start(self, patches: Patches) -> None:
        """Take the clock over."""

    def move(self, microseconds: int) -> None:
        """Move the clock forward."""

    def stop(self) -> None:
        """Give the clock back."""


def choose(start: int | None) -> WallOwner:
    """The owner of the clock: a time-machine or a freeze already there, or a freeze of our own."""
    travellers = getattr(sys.modules.get("time_machine"), "traveller_stack", [])
    if travellers:
        return Travel(travellers, start)
    if of_freezegun.frozen() and start is None:
        return UsersFreeze()
    return OurFreeze(moments.DEFAULT_START if start is None else start)


class UsersFreeze:
    """A freeze of the test's own, around ours: followed and moved."""

    def __init__(self) -> None:
        self.fakes: dict[Any, Any] = {}

    def start(self, patches: Patches) -> None:
        """Show the same time to every thread and module."""
        of_freezegun.show_to(patches, _keeps_real_time)
        if travel := getattr(sys.modules.get("time_machine"), "travel", None):
            patches.set(travel, "start", _refuse_travel)

    def move(self, microseconds: int) -> None:
        """Move every freeze there is."""
        of_freezegun.shift(microseconds)

    def stop(self) -> None:
        """Leave the user's freeze to the user."""


class OurFreeze(UsersFreeze):
    """A freeze of our own."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self._freeze = of_freezegun.Freeze(moments.as_datetime(start))
        if not of_freezegun.frozen():
            self.fakes = of_freezegun.fakes()

    def start(self, patches: Patches) -> None:
        """Freeze time."""
        self._freeze.start()
        super().start(patches)

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

    def start(self, patches: Patches) -> None:
        """Let the monotonic clocks move as well."""
        for real, fake in self.fakes.items():
            patches.set(time, real.__name__, fake)

    def move(self, microseconds: int) -> None:
        """Shift every traveller."""
        for traveller in self._travellers:
            traveller.shift(timedelta(microseconds=microseconds))

    def stop(self) -> None:
        """Leave the journey to the user."""


def _moved_by_line(real: Any, unit: float) -> Any:
    def read() -> float:
        scheduler = running.for_this_thread()
        moved = 0 if scheduler is None or _asked_by_harness(depth=2) else scheduler.line * unit
        return real() + moved  # type: ignore[no-any-return]

    return read


def _keeps_real_time() -> bool:
    # Whoever asks called a function of freezegun, which called a lambda, which called this.
    return running.for_this_thread() is None or _asked_by_harness(depth=4)


def _asked_by_harness(depth: int) -> bool:
    caller = sys._getframe(depth)  # noqa: SLF001 - who asks
    return rebinding.is_harness(caller.f_globals.get("__name__", ""))


def _refuse_travel(*_: object) -> None:
    raise Misuse(
        "a time-machine was started while fakebatch's own clock is running.",
        "Only one of them can own the wall clock.",
        "Start the time-machine before fakebatch, or leave time alone with clock='real'.",
    )

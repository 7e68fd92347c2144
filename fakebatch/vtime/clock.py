"""The clock that a test holds."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from fakebatch import durations
from fakebatch.durations import SECOND, Duration
from fakebatch.errors import FakeBatchError, Misuse
from fakebatch.vtime import moments, running, wall

if TYPE_CHECKING:
    from fakebatch.vtime.world import World

MODES = ("virtual", "manual", "real")


class Sleep(NamedTuple):
    """A sleep that is about to begin."""

    end: int
    """When it will be over, in microseconds since this clock's start."""
    site: Callable[[], str]
    """Finds the file:line of the user's code that sleeps; slow, so called for errors only."""
    waiter: Hashable
    """Who waits: a thread (its ident), or an event loop."""
    side_by_side: int
    """How many sleepers the waiter has: 1 of a thread, the number of timers of an event loop."""


class Clock:
    """The time of a test: it stands still, and moves when the code under test sleeps.

    A clock started while another one runs joins it: the same time, an `elapsed` of its own.

    Args:
        mode: "virtual": sleeping moves time; "manual": only `advance` and `move_to` do; "real":
            nothing is patched. None is "virtual", or whatever runs already.
        start: where the wall clock is frozen; by default 2026-01-01T00:00:00Z, or wherever the
            test has frozen it itself.
        before_sleep: called before each sleep; the error it returns is raised in the sleeper.
        after_sleep: called with the wall clock, in microseconds, before and after each sleep.

    Raises:
        Misuse: an argument means nothing.
    """

    def __init__(
        self,
        mode: str | None = None,
        *,
        start: moments.Moment | None = None,
        before_sleep: Callable[[Sleep], FakeBatchError | None] | None = None,
        after_sleep: Callable[[int, int], None] | None = None,
    ) -> None:
        if mode is not None and mode not in MODES:
            raise Misuse(
                f"clock={mode!r} is no mode of the clock.",
                f"The modes are {', '.join(map(repr, MODES))}.",
                "Leave it out to let sleeping move time.",
            )
        self._wanted = mode
        self._start = None if start is None else moments.microseconds(start)
        self._before_sleep, self._after_sleep = before_sleep, after_sleep
        self._world: World | None = None
        self._running = False
        self._since = 0
        self._elapsed = 0

    @property
    def mode(self) -> str:
        """How time moves: "virtual", "manual" or "real"."""
        return self._wanted or "virtual"

    @property
    def now(self) -> datetime:
        """The wall clock as the code under test sees it, aware and in UTC."""
        return moments.as_datetime(wall.microseconds())

    @property
    def elapsed(self) -> float:
        """Seconds that sleeping and moving have taken since the start; a freeze adds none."""
        return self._elapsed_us() / SECOND

    def start(self) -> None:
        """Let the clock run.

        Raises:
            Misuse: something owns time that cannot be moved, or a clock of another kind runs.
        """
        if self.mode == "real":
            _refuse_to_be_real_in_virtual_time()
        else:
            # Not at the top: it imports asyncio and freezegun, and most tests need neither.
            from fakebatch.vtime.world import World  # noqa: PLC0415

            self._world = World.join(self, self._wanted, self._start)
        self._since, self._running = self._reading(), True

    def stop(self) -> None:
        """Put everything back as it was before the start; `elapsed` stays readable."""
        self._elapsed, self._running = self._elapsed_us(), False
        world, self._world = self._world, None
        if world is not None:
            world.leave(self)

    def advance(self, duration: Duration) -> None:
        """Move time forward, waking everybody who sleeps on the way.

        Raises:
            Misuse: the clock is real or does not run, or the duration means nothing.
        """
        self._movable().scheduler.advance(durations.microseconds(duration))

    def move_to(self, moment: moments.Moment) -> None:
        """Move time forward to a moment, waking everybody who sleeps on the way.

        Raises:
            Misuse: the clock is real or does not run, or the moment means nothing or is past.
        """
        distance = moments.microseconds(moment) - wall.microseconds()
        if distance < 0:
            raise Misuse(
                f"the clock was asked to move back to {moment}.",
                f"It shows {self.now.isoformat()}, and time never goes backwards.",
                "Give an earlier start instead: start='…'.",
            )
        self._movable().scheduler.advance(distance)

    def limit(self, sleep: Sleep) -> FakeBatchError | None:
        """What to raise instead of a sleep, whose end is a point on the line of time."""
        if self._before_sleep is None:
            return None
        end, site, waiter, side_by_side = sleep
        return self._before_sleep(Sleep(end - self._since, site, waiter, side_by_side))

    def tell(self, duration: int) -> None:
        """A sleep of so many microseconds is over."""
        if self._after_sleep is not None:
            end = wall.microseconds()
            self._after_sleep(end - duration, end)

    def _reading(self) -> int:
        return self._world.scheduler.line if self._world else wall.microseconds()

    def _elapsed_us(self) -> int:
        return self._reading() - self._since if self._running else self._elapsed

    def _movable(self) -> World:
        if self._world is None:
            raise Misuse(
                "a clock was asked to move that does not run or is real.",
                f"Its mode is {self.mode!r}; a running 'virtual' or 'manual' clock can be moved.",
                "Move it between start and stop, with clock='virtual' or clock='manual'.",
            )
        return self._world


def _refuse_to_be_real_in_virtual_time() -> None:
    if running.scheduler is not None:
        raise Misuse(
            "a clock with mode 'real' was started inside another.",
            "A clock that moves time is running; there is only one time.",
            "Leave the mode out to join it, or stop it first.",
        )

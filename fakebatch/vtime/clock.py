"""The clock that a test holds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, Self, get_args

from fakebatch import durations
from fakebatch.durations import SECOND, Duration
from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.vtime import moments

if TYPE_CHECKING:
    from fakebatch.vtime.scheduler import Scheduler


class Sleep(NamedTuple):
    """A sleep that is about to begin."""

    end: int
    """When it will be over, in microseconds since the start of the clock that is asked."""
    site: Callable[[], str]
    """Finds the file:line of the user's code that sleeps; slow, so called for errors only."""
    waiter: Hashable
    """The thread that sleeps, by ident, or the event loop."""
    side_by_side: int = 1
    """How many sleepers the waiter has: 1 for a thread, the number of timers for a loop."""


Mode = Literal["virtual", "manual", "real"]
"""How time moves: when code sleeps, when the test moves it, or by itself."""


class Clock:
    """The time of a test: it stands still, and moves when the code under test sleeps.

    A clock entered while another one runs joins it: the same time, an `elapsed` of its own.

    Args:
        mode: "virtual": sleeping moves time; "manual": only `advance` and `move_to` do; "real":
            nothing is patched. None is "virtual", or whatever runs already.
        start: where the wall clock is frozen; by default 2026-01-01T00:00:00Z, or wherever the
            test has frozen it itself.
        before_sleep: called before each virtual sleep; the error it returns is raised in the
            sleeper. `Sleep.end` counts from the start of this clock.
        after_sleep: called with the wall clock, in microseconds, before and after each sleep.
        io_wait: real time for which virtual time stands still while an answer from a real socket
            or a child process is pending; then a warning names it, and time goes on.

    Raises:
        UsageError: an argument means nothing.
    """

    def __init__(
        self,
        mode: Mode | None = None,
        *,
        start: moments.Moment | None = None,
        before_sleep: Callable[[Sleep], FakeBatchError | None] = lambda _: None,
        after_sleep: Callable[[int, int], None] = lambda _, __: None,
        io_wait: Duration = "10s",
    ) -> None:
        if mode is not None and mode not in get_args(Mode):
            raise UsageError(
                f"clock={mode!r} is no mode of the clock.",
                f"The modes are {', '.join(map(repr, get_args(Mode)))}.",
                "Leave it out to let sleeping move time.",
            )
        self._wanted: Mode | None = mode
        self._begins_at = None if start is None else moments.microseconds(start)
        self._before_sleep, self._after_sleep = before_sleep, after_sleep
        self._io_wait = durations.microseconds(io_wait)
        self._scheduler: Scheduler | None = None
        self._leave: Callable[[], None] = lambda: None
        self._since: int | None = None
        self._elapsed = 0
        self.read: Callable[[], int] = moments.now
        """The wall clock in microseconds since 1970, the same for every thread.

        The start and the end exchange the function: look it up at each call, and do not keep it."""

    @property
    def mode(self) -> Mode:
        """How time moves: "virtual", "manual" or "real"."""
        return self._wanted or "virtual"

    @property
    def now(self) -> datetime:
        """The wall clock as the code under test sees it, aware and in UTC."""
        return moments.as_datetime(self.read())

    @property
    def elapsed(self) -> float:
        """Seconds that sleeping and moving have taken since the start; a freeze adds none."""
        return self._elapsed_us() / SECOND

    def __enter__(self) -> Self:
        """Start: patch what reads and passes time.

        Raises:
            UsageError: something owns time that cannot be moved, or a clock of another kind runs.
        """
        if self.mode == "real":
            scheduling = sys.modules.get("fakebatch.vtime.scheduler")
            if scheduling is not None and scheduling.current is not None:
                raise UsageError(
                    "a clock with mode 'real' was started inside another.",
                    "A clock that moves time is running; there is only one time.",
                    "Leave the mode out to join it, or stop it first.",
                )
            self._since = self.read()
        else:
            # Not at the top: they import asyncio and freezegun, and most tests need neither.
            from fakebatch.vtime import session  # noqa: PLC0415
            from fakebatch.vtime.scheduler import Hooks  # noqa: PLC0415

            self._scheduler = session.join(self._wanted, self._begins_at, self._io_wait)
            self._since = self._scheduler.now
            hooks = Hooks(self._since, self._before_sleep, self._after_sleep)
            self._scheduler.hooks.append(hooks)
            self._leave = partial(session.leave, self._scheduler, hooks)
            self.read = self._scheduler.wall.now
        return self

    def __exit__(self, *_: object) -> None:
        """Stop: put everything back as it was before; `elapsed` keeps its value."""
        self._elapsed, self._since = self._elapsed_us(), None
        leave, self._leave = self._leave, lambda: None
        self._scheduler, self.read = None, moments.now
        leave()

    def advance(self, duration: Duration) -> None:
        """Move time forward, waking everybody who sleeps on the way.

        Raises:
            UsageError: the clock is real or does not run, or the duration means nothing.
        """
        self._movable().advance(durations.microseconds(duration))

    def move_to(self, moment: moments.Moment) -> None:
        """Move time forward to a moment, waking everybody who sleeps on the way.

        Raises:
            UsageError: the clock is real or does not run, or the moment means nothing or is past.
        """
        distance = moments.microseconds(moment) - self.read()
        if distance < 0:
            raise UsageError(
                f"the clock was asked to move back to {moment}.",
                f"It shows {self.now.isoformat()}, and time never goes backwards.",
                "Give an earlier start instead: start='…'.",
            )
        self._movable().advance(distance)

    def _elapsed_us(self) -> int:
        if self._since is None:
            return self._elapsed
        now = self.read() if self._scheduler is None else self._scheduler.now
        return now - self._since

    def _movable(self) -> Scheduler:
        if self._scheduler is None:
            raise UsageError(
                "a clock was asked to move that does not run or is real.",
                f"Its mode is {self.mode!r}; a running 'virtual' or 'manual' clock can be moved.",
                "Enter the FakeBatch first, with clock='virtual' or clock='manual'.",
            )
        return self._scheduler

"""What stands in the place of trio's default clock."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import trio

from fakebatch.errors import FakeBatchError
from fakebatch.vtime import callsite, running
from fakebatch.vtime.quarantine import of_trio as private
from fakebatch.vtime.scheduling.scheduler import Scheduler
from fakebatch.vtime.scheduling.waiters import Waiter

_system_clock = private.core().SystemClock


@dataclass(slots=True, eq=False)
class _Idle(Waiter):
    """A run of trio that waits for its earliest deadline, a file or another thread."""

    runner: Any = field(kw_only=True)
    token: trio.lowlevel.TrioToken = field(kw_only=True)
    since: int = field(kw_only=True)

    def blocked(self) -> bool:
        """Whether nothing has come."""
        return not self.due and not private.has_callbacks(self.runner)

    def hopeless(self) -> bool:
        """Unknown: a run does not say what files it waits for."""
        return False

    def wake(self) -> None:
        """End the real wait of the run."""
        self.due = True
        with suppress(trio.RunFinishedError):
            self.token.run_sync_soon(int)


class VirtualClock(trio.abc.Clock, trio.abc.Instrument):
    """A clock for one run; trio asks it how long to wait whenever no task can run."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._waiter: _Idle | None = None
        self._stirred = False

    def start_clock(self) -> None:
        """Watch the steps of the run."""
        trio.lowlevel.add_instrument(self)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002 - trio's signature
        """Something happens."""
        self._stirred = True

    def current_time(self) -> float:
        """The time in seconds; trio asks first of all when a wait is over."""
        if self._waiter is not None:
            self._go_on(self._waiter)
        return self._scheduler.monotonic()

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """How many real seconds to wait for files."""
        if running.scheduler is not self._scheduler:
            return deadline - self._scheduler.monotonic()
        if self._stirred:
            # Look at the files once before time moves past them.
            self._stirred = False
            return 0
        return self._wait(None if deadline == math.inf else self._scheduler.line_at(deadline))

    def _wait(self, deadline: int | None) -> float:
        scheduler, runner = self._scheduler, private.runner()
        duration = (deadline or 0) - scheduler.line
        try:
            if deadline is not None and duration > 0:
                scheduler.permit(deadline, lambda: _site(runner))
        except FakeBatchError as error:
            private.raise_in_sleeper(runner, error)
            return 0
        if deadline is not None and scheduler.may_jump():
            scheduler.jump(deadline)
            scheduler.tell(duration)
            return 0
        return self._block(deadline, runner)

    def _block(self, deadline: int | None, runner: Any) -> float:
        token = trio.lowlevel.current_trio_token()
        waiter = _Idle(
            deadline,
            moves_time=not self._scheduler.manual,
            runner=runner,
            token=token,
            since=self._scheduler.line,
        )
        self._scheduler.park(waiter)
        if waiter.blocked():
            self._waiter = waiter
            return math.inf
        self._go_on(waiter)
        return 0

    def _go_on(self, waiter: _Idle) -> None:
        self._waiter = None
        self._scheduler.unpark()
        if waiter.error is not None:
            private.raise_in_sleeper(waiter.runner, waiter.error)
        elif not waiter.due:
            self._scheduler.take_turn(waiter.order)
        elif waiter.deadline is not None and waiter.deadline > waiter.since:
            self._scheduler.tell(waiter.deadline - waiter.since)


def default_clock() -> trio.abc.Clock:
    """The clock of a run that was given none."""
    scheduler = running.for_this_thread()
    clock: trio.abc.Clock = _system_clock() if scheduler is None else VirtualClock(scheduler)
    return clock


def _site(runner: Any) -> str:
    return callsite.of_coroutine(private.sleeping_task(runner).coro)

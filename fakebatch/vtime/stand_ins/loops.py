"""What stands in the place of an asyncio loop's clock and of its idling."""

from __future__ import annotations

from asyncio import BaseEventLoop
from dataclasses import dataclass, field

from fakebatch.durations import SECOND
from fakebatch.vtime import callsite, running
from fakebatch.vtime.quarantine import of_asyncio as private
from fakebatch.vtime.scheduling.scheduler import Scheduler
from fakebatch.vtime.scheduling.waiters import Waiter

_REAL_FILES = 0.005
"""Real seconds given to files other than the wake-up pipe before time moves past them."""
_real_time = BaseEventLoop.time


@dataclass(slots=True, eq=False)
class _Idle(Waiter):
    """A loop that waits for its earliest timer, a file or a callback from another thread."""

    loop: BaseEventLoop = field(kw_only=True)

    def blocked(self) -> bool:
        """Whether nothing has come."""
        return not (self.due or private.has_work(self.loop) or private.has_ready_files(self.loop))

    def hopeless(self) -> bool:
        """Whether no file could wake it."""
        return not private.has_foreign_files(self.loop)

    def wake(self) -> None:
        """End the real poll of the loop."""
        self.due = True
        private.wake(self.loop)


def time(loop: BaseEventLoop) -> float:
    """The clock of a loop: it starts at real time and goes on in virtual time."""
    # Of our own instead of freezegun's: a nested freeze fires no timers, and near 1.7e9 the next
    # float lies beyond the loop's clock resolution, so that a timer due now would never fire.
    scheduler = _scheduler_of(loop)
    return _real_time(loop) if scheduler is None else scheduler.monotonic()


def run_once(loop: BaseEventLoop) -> None:
    """One round of a loop; when it has nothing to do, time moves."""
    scheduler = _scheduler_of(loop)
    if scheduler is not None and not private.has_work(loop):
        private.poll(loop, 0)
        if not private.has_work(loop):
            _idle(loop, scheduler)
    private.run_once(loop)


def _scheduler_of(loop: BaseEventLoop) -> Scheduler | None:
    scheduler = running.scheduler
    thread = private.thread_ident(loop)
    if scheduler is None or (thread is not None and not scheduler.scope.has(thread)):
        return None
    return scheduler


def _idle(loop: BaseEventLoop, scheduler: Scheduler) -> None:
    scheduler.loops.add(loop)
    timer = private.next_timer(loop)
    deadline = None if timer is None else max(scheduler.line, scheduler.line_at(timer))
    if deadline != scheduler.line and private.has_foreign_files(loop):
        private.poll(loop, _REAL_FILES)
    if not private.has_work(loop):
        _wait(loop, scheduler, deadline)
    private.run_timers_until(loop, scheduler.monotonic() + 1 / SECOND)


def _wait(loop: BaseEventLoop, scheduler: Scheduler, deadline: int | None) -> None:
    duration = (deadline or 0) - scheduler.line
    if deadline is not None and duration:
        scheduler.permit(deadline, lambda: _site(loop))
    if deadline is not None and scheduler.may_jump():
        scheduler.jump(deadline)
    elif not _block(loop, scheduler, deadline):
        return
    if duration > 0:
        scheduler.tell(duration)


def _block(loop: BaseEventLoop, scheduler: Scheduler, deadline: int | None) -> bool:
    """Whether time has woken the loop, and not work or a file."""
    waiter = _Idle(deadline, moves_time=not scheduler.manual, loop=loop)
    with scheduler.parked(waiter):
        while waiter.blocked():
            private.poll(loop, None)
    if not waiter.due:
        scheduler.take_turn(waiter.order)
    return waiter.due


def _site(loop: BaseEventLoop) -> str:
    coroutine = private.sleeping_coroutine(loop)
    return "a timer of the loop" if coroutine is None else callsite.of_coroutine(coroutine)

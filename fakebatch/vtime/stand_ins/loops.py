"""What stands in the place of an asyncio loop's clock and of its idling."""

from __future__ import annotations

from asyncio import BaseEventLoop

from fakebatch.durations import SECOND
from fakebatch.vtime import running
from fakebatch.vtime.quarantine import of_asyncio as private
from fakebatch.vtime.scheduling.scheduler import Scheduler
from fakebatch.vtime.stand_ins.idling import idle

_real_time = BaseEventLoop.time


def time(loop: BaseEventLoop) -> float:
    """The clock of a loop: it starts at real time and goes on in virtual time."""
    # Of our own instead of freezegun's: a nested freeze fires no timers, and near 1.7e9 the next
    # float lies beyond the loop's clock resolution, so that a timer due now would never fire.
    scheduler = _scheduler_of(loop)
    return _real_time(loop) if scheduler is None else scheduler.monotonic


def run_once(loop: BaseEventLoop) -> None:
    """One round of a loop; when it has nothing to do, time moves."""
    scheduler = _scheduler_of(loop)
    if scheduler is not None and not private.has_work(loop):
        _idle(private.IdleLoop(loop), scheduler)
    private.run_once(loop)


def _scheduler_of(loop: BaseEventLoop) -> Scheduler | None:
    scheduler = running.scheduler
    thread = private.thread_ident(loop)
    if scheduler is None or (thread is not None and not scheduler.scope.has(thread)):
        return None
    return scheduler


def _idle(loop: private.IdleLoop, scheduler: Scheduler) -> None:
    scheduler.shifts[loop.loop] = private.shift_timers
    timer = loop.next_timer()
    idle(loop, scheduler, None if timer is None else timer)
    loop.run_timers_until(scheduler.monotonic + 1 / SECOND)

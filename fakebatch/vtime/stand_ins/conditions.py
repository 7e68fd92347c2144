"""What stands in the place of threading.Condition.wait: its timeouts pass in virtual time.

Event.wait, Timer, queues, semaphores, barriers and futures all wait here.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from fakebatch.vtime import callsite, running
from fakebatch.vtime.clock import Sleep
from fakebatch.vtime.quarantine import of_threading as private
from fakebatch.vtime.quarantine.of_freezegun import real_monotonic
from fakebatch.vtime.scheduling.scheduler import Scheduler
from fakebatch.vtime.scheduling.waiters import Sleeper

_real_wait = threading.Condition.wait


@dataclass(slots=True, eq=False)
class _Notified(Sleeper):
    """A thread that waits to be notified, or for a timeout."""

    condition: threading.Condition = field(kw_only=True)

    def blocked(self) -> bool:
        """Whether neither time nor a notification has come."""
        # Its lock tells nothing: a thread that was notified locks it again before it runs.
        return not self.due and private.enlisted(self.condition, self.lock)

    def dismiss(self) -> None:
        """A wait without a timeout simply goes on."""
        if self.deadline is not None:
            Sleeper.dismiss(self)


def monotonic() -> float:
    """The clock by which the calling thread measures what is left of a timeout, in seconds."""
    scheduler = running.for_this_thread()
    return real_monotonic() if scheduler is None else scheduler.seconds


def wait(condition: threading.Condition, timeout: float | None = None) -> bool:
    """Wait until notified or until a virtual timeout has passed."""
    scheduler = running.for_this_thread()
    if scheduler is None:
        return _real_wait(condition, timeout)
    deadline = None if timeout is None else scheduler.deadline(timeout)
    if deadline == scheduler.line:
        return _real_wait(condition, 0)
    if deadline is not None:
        scheduler.permit(Sleep(deadline, callsite.of_this_thread, threading.get_ident(), 1))
    waiter = _Notified(deadline, moves_time=not scheduler.manual, condition=condition)
    return _wait(scheduler, waiter)


def _wait(scheduler: Scheduler, waiter: _Notified) -> bool:
    state = private.enlist(waiter.condition, waiter.lock)
    try:
        scheduler.wait(waiter)
        if not waiter.due:
            scheduler.take_turn(waiter.order)
    finally:
        private.delist(waiter.condition, waiter.lock, state)
    return not waiter.due

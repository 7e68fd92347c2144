"""What stands in the place of a thread's beginning, its end, and joining it."""

from __future__ import annotations

import threading

from fakebatch.vtime import running
from fakebatch.vtime.quarantine import of_threading as private
from fakebatch.vtime.scheduling.scope import serves_timeouts
from fakebatch.vtime.scheduling.waiters import ClockStopped

_real_join = threading.Thread.join
_ending = threading.Condition()
_alive: set[threading.Thread] = set()


def run(thread: threading.Thread) -> None:
    """Run a thread; when it has ended, joiners and time go on at once."""
    scheduler = running.for_this_thread()
    if scheduler is None or serves_timeouts(thread):
        private.run_thread(thread, quietly=ClockStopped)
        return
    _alive.add(thread)
    try:
        scheduler.begin_thread(thread)
        private.run_thread(thread, quietly=ClockStopped)
    finally:
        with _ending:
            _alive.discard(thread)
            _ending.notify_all()
        scheduler.end_thread()


def join(thread: threading.Thread, timeout: float | None = None) -> None:
    """Wait until a thread has ended or a virtual timeout has passed."""
    if running.for_this_thread() is None or thread not in _alive:
        _real_join(thread, timeout)
        return
    with _ending:
        ended = _ending.wait_for(lambda: thread not in _alive, timeout)
    if ended:
        _real_join(thread)

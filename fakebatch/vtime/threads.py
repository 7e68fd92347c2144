"""What threads do to pass time and to wait for each other, while a virtual clock runs.

Event.wait, Timer, queues, semaphores, barriers and futures all wait in threading.Condition.
"""
# ruff: noqa: SLF001 - private names of threading live here

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
import time
from collections.abc import Generator
from concurrent.futures import thread as _pools
from contextlib import contextmanager, suppress
from threading import get_ident
from typing import Any

from freezegun import api as real

from fakebatch.durations import SECOND
from fakebatch.vtime import callsite, unsupported
from fakebatch.vtime import scheduler as scheduling
from fakebatch.vtime.callsite import caller, is_harness
from fakebatch.vtime.clock import Sleep
from fakebatch.vtime.patches import Patch, Real, wrap
from fakebatch.vtime.scheduler import ClockStopped, Scheduler, Sleeper, Waiter, for_this_thread
from fakebatch.vtime.thread_scope import Jobs

_QUEUE = getattr(queue, "_PySimpleQueue", queue.SimpleQueue)
"""queue.SimpleQueue in Python: whoever waits in it waits in a Condition."""

real_sleep = time.sleep
"""Set anew by each session: a test may have replaced it when this module was imported."""


def replacements() -> list[Patch]:
    """What to patch in threading, queue and concurrent.futures."""
    patches = [
        *wrap(threading.Condition, "wait", wait),
        *wrap(threading.Thread, "start", start),
        *wrap(threading.Thread, "join", join),
        # Their timeouts are remainders of these clocks, so both must move together.
        Patch(threading, "_time", monotonic),
        Patch(queue, "time", monotonic),
        Patch(queue, "SimpleQueue", _QUEUE),
    ]
    if item := getattr(_pools, "_WorkItem", None):
        patches += wrap(concurrent.futures.ThreadPoolExecutor, "submit", submit)
        patches += wrap(item, "run", run_job, everywhere=True)
    return patches


def sleep(seconds: float, /) -> None:
    """Suspend execution for a number of virtual seconds."""
    __tracebackhide__ = True  # pytest shall show the line that sleeps
    scheduler = for_this_thread()
    if scheduler is None or is_harness(caller(1)):
        real_sleep(seconds)
    elif seconds < 0:
        raise ValueError("sleep length must be non-negative")
    else:
        deadline = scheduler.deadline(seconds)
        scheduler.sleep(Sleep(deadline, callsite.of_this_thread, get_ident()))


def monotonic() -> float:
    """The clock by which the calling thread measures what is left of a timeout, in seconds."""
    scheduler = for_this_thread()
    return real.real_monotonic() if scheduler is None else scheduler.now / SECOND


# --- waiting to be notified


def wait(
    scheduler: Scheduler, real_wait: Real, condition: Any, timeout: float | None = None
) -> Any:
    """Wait until notified or until a virtual timeout has passed."""
    deadline = None if timeout is None else scheduler.deadline(timeout)
    if deadline == scheduler.now:
        return real_wait(condition, 0)
    if deadline is not None:
        scheduler.permit(Sleep(deadline, callsite.of_this_thread, get_ident()))
    if not condition._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    # Its lock tells nothing: a thread that was notified locks it again before it runs.
    waiter = Sleeper(deadline, waits=lambda: waiter.lock in condition._waiters)
    condition._waiters.append(waiter.lock)
    state = condition._release_save()
    try:
        scheduler.wait(waiter)
    finally:
        condition._acquire_restore(state)
        with suppress(ValueError):
            condition._waiters.remove(waiter.lock)
    return not waiter.woken


# --- beginning and ending

_ending = threading.Condition()
_alive: set[threading.Thread] = set()
"""The threads of the scope that have been started and have not ended."""


def start(scheduler: Scheduler, real_start: Real, thread: threading.Thread) -> None:
    """Start a thread, and go on once it waits: two that run at once would have no order."""
    starter = caller(2)
    if not scheduler.scope.takes(thread, starter):
        with scheduler.scope.real_time():
            real_start(thread)
        scheduler.scope.note_outside(thread, starter)
        return
    run = thread.run

    def run_in_virtual_time() -> None:
        del thread.run  # as it was before the start
        try:
            scheduler.begin_thread(thread)
            run()
        except ClockStopped:
            pass
        finally:
            with _ending:
                _alive.discard(thread)
                _ending.notify_all()
            scheduler.end_thread()

    scheduler.scope.expected.add(thread)
    _alive.add(thread)
    thread.run = run_in_virtual_time  # type: ignore[method-assign]
    try:
        real_start(thread)
    except BaseException:
        scheduler.scope.expected.discard(thread)
        _alive.discard(thread)
        vars(thread).pop("run", None)
        raise
    scheduler.take_turn()


def join(
    scheduler: Scheduler, real_join: Real, thread: threading.Thread, timeout: float | None = None
) -> None:
    """Wait until a thread has ended or a virtual timeout has passed."""
    if thread in scheduler.scope.helpers:
        with scheduler.waiting_for(f"the thread {thread.name!r}"):
            real_join(thread, timeout)
    elif thread not in _alive:
        real_join(thread, timeout)
    else:
        with _ending:
            ended = _ending.wait_for(lambda: thread not in _alive, timeout)
        if ended:
            real_join(thread)


# --- pools whose threads were alive before


@contextmanager
def job(pool: object) -> Generator[None]:
    """Let the calling thread of a pool live in virtual time while it runs a job of the scope.

    Args:
        pool: what `ThreadScope.pools` knows it by.
    """
    scheduler = scheduling.current
    if scheduler is None:
        yield
        return
    jobs = scheduler.scope.pools.get(pool) or Jobs(0)
    is_of_the_scope, is_living = jobs.waiting > 0, for_this_thread() is not None
    if is_of_the_scope:
        jobs.running += 1
        if not is_living:
            scheduler.scope.begin()
        jobs.waiting -= 1
    try:
        if is_of_the_scope and not is_living:
            scheduler.take_turn()
        yield
    finally:
        jobs.running -= is_of_the_scope
        if not is_living and get_ident() in scheduler.scope.living:  # it may have been adopted
            scheduler.end_thread()


def submit(scheduler: Scheduler, real_submit: Real, pool: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Hand a job to a pool of threads."""
    pools, name = scheduler.scope.pools, id(pool._work_queue)
    # One that was there before stays so, also while all of its threads run jobs.
    if name not in pools and isinstance(pool._work_queue, _QUEUE):
        idents = {worker.ident for worker in pool._threads}
        if idents <= scheduler.scope.living and not any(
            map(scheduler.scope.was_there_before, idents)
        ):
            return real_submit(pool, *args, **kwargs)  # its threads wait where they can be seen
    jobs = pools.setdefault(name, Jobs(pool._max_workers))
    jobs.waiting += 1
    try:
        with scheduler.scope.real_time():
            return real_submit(pool, *args, **kwargs)
    except BaseException:
        jobs.waiting -= 1
        raise


def run_job(_: object, real_run: Real, item: Any, *args: Any) -> Any:
    """Run a job of a pool."""
    scheduler = scheduling.current
    pools = {} if scheduler is None else scheduler.scope.pools
    # The queue of its pool is what it was started with; `_threads_queues` has it only later.
    started_with = getattr(threading.current_thread(), "_args", ())
    with job(next((id(each) for each in started_with if id(each) in pools), None)):
        return real_run(item, *args)


def adopt_caller(scheduler: Scheduler) -> None:
    """Let the calling thread, which was there before the clock, live in virtual time from now on.

    Raises:
        UsageError: it runs an event loop whose time cannot be moved.
    """
    thread = threading.current_thread()
    if isinstance(thread, threading._DummyThread):  # nobody could tell whether it has ended
        return
    if loop := asyncio._get_running_loop():
        unsupported.check_loop(loop)
    with scheduler.mutex:
        scheduler.scope.adopt(get_ident(), thread)


def adopt_workers(scheduler: Scheduler) -> None:
    """Let the threads of anyio's pools that have no job live in virtual time."""
    for thread in threading.enumerate():
        if type(thread).__module__ == "anyio._backends._asyncio":
            _adopt(scheduler, thread)


def report_result(scheduler: Scheduler, real_report: Real, worker: Any, *args: Any) -> None:
    """A thread of anyio's pools is idle; its job may have begun before the clock."""
    real_report(worker, *args)
    if worker.ident not in scheduler.scope.native_ids:
        _adopt(scheduler, worker)


def _adopt(scheduler: Scheduler, worker: Any) -> None:
    # Its queue does not tell: it may be on the way there, with its last result already reported.
    if worker in worker.idle_workers and worker.ident is not None:
        with scheduler.mutex:
            scheduler.parked[worker.ident] = Waiter(
                None, waits=lambda: worker in worker.idle_workers
            )
            scheduler.scope.adopt(worker.ident, worker)

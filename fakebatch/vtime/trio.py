"""Runs of trio: their clock, what they do while they have nothing to do, sockets and threads.

This module is imported where trio is loaded.
"""
# ruff: noqa: SLF001 - private names of trio live here

from __future__ import annotations

import asyncio
import math
import random  # noqa: TID251 - see replacements
import socket
from collections.abc import Iterable
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

import trio

from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchError
from fakebatch.vtime import callsite, io, threads, unsupported
from fakebatch.vtime.clock import Sleep
from fakebatch.vtime.patches import Patch, Real, wrap
from fakebatch.vtime.scheduler import ClockStopped, Scheduler, Waiter
from fakebatch.vtime.thread_scope import Jobs
from fakebatch.vtime.watchdog import PendingAnswer

_trio: Any = trio
_run: Any = _trio._core._run
_JOBS = "trio's threads"


def replacements() -> list[Patch]:
    """What to patch in trio."""
    return [
        *wrap(_run.SystemClock, "current_time", current_time),
        *wrap(_run.SystemClock, "deadline_to_sleep_time", deadline_to_sleep_time),
        *wrap(_run, "setup_runner", setup_runner),
        # trio shuffles tasks on purpose; this switch is there for pytest-trio and Hypothesis.
        Patch(_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True),
        Patch(_run, "_r", random.Random(0)),  # noqa: S311 - seeded, and not ours
        *wrap(_trio._core._thread_cache.ThreadCache, "start_thread_soon", start_thread_soon),
        *wrap(_trio._core._thread_cache.WorkerThread, "_handle_job", handle_job, everywhere=True),
        *wrap(_trio._socket._SocketType, "_nonblocking_helper", nonblocking_helper),
        *wrap(trio.Process, "wait", io.await_child),
    ]


def setup_runner(_: object, real_setup: Real, clock: Any, *options: Any) -> Any:
    """Prepare a run.

    Raises:
        UsageError: its time could not be moved.
    """
    if clock is not None:
        kind = f"{type(clock).__module__}.{type(clock).__qualname__}"
        raise unsupported.refusal(f"the clock of the trio run is a {kind}", "Leave its clock= out")
    if asyncio._get_running_loop() is not None:
        what_came = "trio was started inside a running asyncio loop"
        raise unsupported.refusal(what_came, "Start it by itself")
    return real_setup(clock, *options)


def current_time(scheduler: Scheduler, _: Real, clock: Any) -> Any:
    """The clock of a run: it starts at real time and goes on in virtual time."""
    return clock.offset + scheduler.monotonic


def deadline_to_sleep_time(scheduler: Scheduler, _: Real, clock: Any, deadline: float) -> int:
    """How many real seconds a run shall wait; trio asks whenever no task can run."""
    runner = _run.GLOBAL_RUN_CONTEXT.runner
    scheduler.loops[runner] = _shift_deadlines
    moment = None if deadline == math.inf else scheduler.due(deadline - clock.offset)
    waiter = _Run(moment, runner)
    try:
        if waiter.poll(0):
            pass
        elif moment is None:
            scheduler.wait(waiter)
        elif moment > scheduler.now:
            deadlines = len(runner.deadlines._heap)
            scheduler.sleep(Sleep(moment, waiter.site, runner, deadlines), waiter)
    except (FakeBatchError, ClockStopped) as error:
        waiter.raise_in_sleeper(error)
    # trio's own check knows no tolerance, and a sum of floats may lie a hair beyond what was meant.
    runner.deadlines.expire(clock.offset + scheduler.monotonic + 1 / SECOND)
    return 0


class _Run(Waiter):
    """A run of trio that waits for its earliest deadline, a file or a call from another thread."""

    def __init__(self, deadline: int | None, runner: Any) -> None:
        super().__init__(deadline)
        self._runner = runner

    def poll(self, timeout: float) -> bool:
        """Look at the files for some real seconds; whether a task can run."""
        files = self._runner.io_manager
        files.process_events(files.get_events(timeout))
        return self._can_run()

    def _can_run(self) -> bool:
        entries = self._runner.entry_queue
        return bool(self._runner.runq or entries.queue or entries.idempotent_queue)

    def block(self) -> None:
        """Poll in real time."""
        while self.blocked():
            self.poll(86_400)

    def blocked(self) -> bool:
        """Whether no task can run and no file is ready."""
        # The files first: meanwhile the run may take an event, and then a task can run.
        is_ready = io.is_ready({fd: events for fd, (events, _) in self._files().items()})
        return not (is_ready or self.woken or self._can_run())

    def wake(self) -> None:
        """End the poll, from another thread."""
        super().wake()
        self._runner.io_manager.force_wakeup()

    def _files(self) -> dict[int, tuple[int, object]]:
        """What tasks wait for, and one object for each wait, by descriptor."""
        files: dict[int, tuple[int, object]] = {}
        registered = getattr(self._runner.io_manager, "_registered", {})
        for key, waiters in [*registered.items()]:
            if isinstance(key, int):  # epoll
                reads = EVENT_READ if waiters.read_task is not None else 0
                writes = EVENT_WRITE if waiters.write_task is not None else 0
                files[key] = reads | writes, waiters
            else:  # kqueue: a descriptor and a filter, which is -1 for reading
                event = EVENT_READ if key[1] == -1 else EVENT_WRITE
                files[key[0]] = event | files.get(key[0], (0, None))[0], waiters
        return files

    def watches_files(self) -> bool:
        """Whether it watches more than its own wake-up pipe."""
        return len(self._files()) > 1

    def pending(self) -> Iterable[PendingAnswer]:
        for fd, (events, wait) in self._files().items():
            yield from io.pending_answers(fd, events, wait, by_python=False)

    def site(self) -> str:
        """The file:line that waits for the earliest deadline."""
        return callsite.of_coroutine(self._sleeper().coro)

    def raise_in_sleeper(self, error: BaseException) -> None:
        """Raise in the sleeping task: an error out of a clock would be called a bug of trio."""

        def throw() -> None:
            raise error

        task = self._sleeper()
        if task._abort_func is None:
            raise error
        task._attempt_abort(throw)

    def _sleeper(self) -> Any:
        """The task with the earliest deadline, or else the main one."""
        statuses = [scope._cancel_status for *_, scope in self._runner.deadlines._heap[:1]]
        for status in statuses:
            if status._tasks:
                return min(status._tasks, key=lambda task: task._counter)
            statuses.extend(status._children)
        return self._runner.main_task


def _shift_deadlines(runner: Any, seconds: float) -> None:
    clock = runner.clock
    object.__setattr__(clock, "offset", clock.offset - seconds)  # frozen, and random anyway


def start_thread_soon(scheduler: Scheduler, real_start: Real, *args: Any, **kwargs: Any) -> Any:
    """Hand a job to one of trio's threads."""
    scheduler.scope.pools.setdefault(_JOBS, Jobs(math.inf)).waiting += 1
    return real_start(*args, **kwargs)


def handle_job(_: object, real_handle: Real, worker: Any) -> Any:
    """Run a job on one of trio's threads."""
    with threads.job(_JOBS):
        return real_handle(worker)


async def nonblocking_helper(
    _: object, real_helper: Real, sock: Any, wait: Any, method: Any, *args: Any, **kwargs: Any
) -> Any:
    """Call a method of sockets as it is now; trio has bound what it was at its import."""
    method = getattr(socket.socket, method.__name__, method)
    return await real_helper(sock, wait, method, *args, **kwargs)

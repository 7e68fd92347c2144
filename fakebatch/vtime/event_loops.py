"""Event loops of asyncio: their clock, and what they do while they have nothing to do.

A loop with nothing to run asks its selector to wait. There time moves, so any loop will do whose
rounds end in `selector.select(timeout)`, such as those that nest_asyncio puts in place.
"""
# ruff: noqa: SLF001 - private names of asyncio live here

from __future__ import annotations

import asyncio
import asyncio.subprocess
import math
import selectors
import sys
import threading
import time
from asyncio import BaseEventLoop
from collections.abc import Iterable
from typing import Any

from fakebatch.durations import SECOND
from fakebatch.vtime import callsite, io, pipes, threads
from fakebatch.vtime.callsite import caller, is_harness
from fakebatch.vtime.clock import Sleep
from fakebatch.vtime.patches import Patch, Real, wrap
from fakebatch.vtime.scheduler import Scheduler, Waiter
from fakebatch.vtime.watchdog import PendingAnswer

_RESOLUTION = time.get_clock_info("monotonic").resolution


def replacements() -> list[Patch]:
    """What to patch in asyncio and in selectors."""
    patches = [
        *wrap(BaseEventLoop, "time", loop_time),
        *wrap(asyncio.subprocess.Process, "wait communicate", io.await_child),
        # Where a stream waits otherwise, the output of a child process is not waited for.
        *wrap(asyncio.StreamReader, "_wait_for_data", wait_for_data),
    ]
    if "time" in vars(asyncio.SelectorEventLoop):  # freezegun's real_asyncio was here first
        patches += wrap(asyncio.SelectorEventLoop, "time", loop_time)
    for kind in vars(selectors).values():
        if isinstance(kind, type) and issubclass(kind, selectors.BaseSelector):
            patches += wrap(kind, "select", select) if "select" in vars(kind) else ()
    return patches


def of_anyio(module: Any) -> list[Patch]:
    """What to patch in anyio, whose processes wait for an event of their own."""
    return [
        *wrap(module.Process, "wait", io.await_child),
        *wrap(module.WorkerThread, "_report_result", threads.report_result),
    ]


def adopt_portals(scheduler: Scheduler) -> None:
    """Let the loops of anyio's portals, which were there before the clock, live in virtual time.

    A portal is how a test drives a service: the TestClient of Starlette and FastAPI has one.
    """
    if "anyio.from_thread" not in sys.modules:
        return
    for thread in threading.enumerate():
        if thread.ident is None or thread.ident in scheduler.scope.native_ids:
            continue
        loop, is_portal = None, False
        for frame in callsite.outwards(callsite.of_thread(thread.ident)):
            if frame.f_code is BaseEventLoop.run_forever.__code__:
                loop = frame.f_locals["self"]
            is_portal |= frame.f_code.co_name == "run_blocking_portal"
        if loop is not None and is_portal:
            with scheduler.mutex:
                scheduler.scope.adopt(thread.ident, thread)
            loop.call_soon_threadsafe(lambda: None)  # it waits in the real select


def loop_time(scheduler: Scheduler, *_: object) -> float:
    """The clock of a loop: it starts at real time and goes on in virtual time."""
    # Of our own instead of freezegun's: a nested freeze fires no timers, and near 1.7e9 the next
    # float lies beyond the loop's clock resolution, so that a timer due now would never fire.
    return scheduler.monotonic


def select(
    scheduler: Scheduler,
    real_select: Real,
    selector: selectors.BaseSelector,
    timeout: float | None = None,
) -> Any:
    """Wait for files: here a loop lets time move."""
    running: Any = asyncio._get_running_loop()
    loop: Any = running if getattr(running, "_selector", None) is selector else None
    has_only_timers = loop is not None and loop._scheduled and not loop._ready
    if timeout is not None and timeout <= 0 and not has_only_timers:
        return real_select(selector, timeout)
    if loop is None:
        if is_harness(caller(2)):
            return real_select(selector, timeout)
        files = {key.fd: key.events for key in (selector.get_map() or {}).values()}
        with io.when_ready(scheduler, files, timeout) as ready:
            return real_select(selector, timeout if ready else 0)
    if events := real_select(selector, 0):
        return events
    loop._clock_resolution = 1 / SECOND  # its own is so small that floats may swallow it
    scheduler.loops[loop] = _shift_timers
    timers, due = loop._scheduled, math.inf
    if timeout is not None:
        # Rather the timer than the timeout, which the loop cuts down to a day.
        due = timers[0]._when if timers else loop.time() + timeout
    deadline = None if due == math.inf else scheduler.due(due)
    waiter = _Loop(deadline, loop, selector, real_select)
    if deadline is None:
        scheduler.wait(waiter)
    elif deadline > scheduler.now:
        scheduler.sleep(Sleep(deadline, waiter.site, loop, len(timers) or 1), waiter)
    return waiter.events


class _Loop(Waiter):
    """A loop that waits for its earliest timer, a file or a callback from another thread."""

    def __init__(
        self, deadline: int | None, loop: Any, selector: selectors.BaseSelector, real_select: Real
    ) -> None:
        super().__init__(deadline)
        self._loop, self._selector, self._select = loop, selector, real_select
        self.events: list[Any] = []

    def block(self) -> None:
        """Poll in real time."""
        while self.blocked():
            self.events = self._select(self._selector, None)

    def blocked(self) -> bool:
        """Whether no file is ready; a callback from another thread writes to the wake-up pipe."""
        return not (self.woken or self._select(self._selector, 0))

    def wake(self) -> None:
        """End the poll, from another thread."""
        super().wake()
        self._loop.call_soon_threadsafe(lambda: None)

    def watches_files(self) -> bool:
        """Whether it watches more than its own wake-up pipe."""
        return len(self._selector.get_map() or ()) > 1

    def pending(self) -> Iterable[PendingAnswer]:
        if not self.watches_files():
            return
        for key in [*self._selector.get_map().values()]:
            reader = key.data[0] if key.data else None
            owner = getattr(getattr(reader, "_callback", None), "__self__", None)
            by_python = owner is self._loop or isinstance(owner, asyncio.BaseTransport)
            yield from io.pending_answers(key.fd, key.events, reader, by_python=by_python)

    def site(self) -> str:
        """The file:line that waits for the earliest timer."""
        timers = self._loop._scheduled
        awaited = timers[0]._args[:1] if timers else ()
        tasks: set[Any] = asyncio.all_tasks(self._loop)
        task = next((task for task in tasks if (task._fut_waiter,) == awaited), None)
        return callsite.of_coroutine(task.get_coro()) if task else "a timer of the loop"


def _shift_timers(loop: Any, seconds: float) -> None:
    loop._clock_resolution = _RESOLUTION
    for handle in loop._scheduled:
        handle._when += seconds


async def wait_for_data(scheduler: Scheduler, real_wait: Real, reader: Any, *args: Any) -> Any:
    """Let time stand still while a task waits for the output of a child process."""
    pipe = getattr(reader, "_transport", None)
    if (
        isinstance(pipe, asyncio.Transport)
        or not isinstance(pipe, asyncio.ReadTransport)
        or pipes.is_written_here(pipe.get_extra_info("pipe").fileno())
    ):
        return await real_wait(reader, *args)
    with scheduler.waiting_for("the output of a child process"):
        return await real_wait(reader, *args)

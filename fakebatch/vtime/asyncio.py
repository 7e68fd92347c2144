"""Event loops of asyncio: their clock, and what they do while they have nothing to do.

A loop with nothing to run asks its selector to wait. There time moves, so any loop will do whose
rounds end in `selector.select(timeout)`, such as those that nest_asyncio puts in place.
"""
# ruff: noqa: SLF001 - private names of asyncio live here

from __future__ import annotations

import asyncio
import asyncio.subprocess
import selectors
import sys
import time
from asyncio import BaseEventLoop
from collections.abc import Callable, Iterable
from typing import Any

from fakebatch.durations import SECOND
from fakebatch.vtime import callsite, io
from fakebatch.vtime.callsite import is_harness
from fakebatch.vtime.idling import idle
from fakebatch.vtime.scheduler import for_this_thread
from fakebatch.vtime.watchdog import Debt

_real_time = BaseEventLoop.time
_WAITS = ("_wait_for_data",)
"""How a stream waits; where it is called otherwise, the output of a child process is not owed."""
_RESOLUTION = time.get_clock_info("monotonic").resolution


def replacements() -> list[io.Patch]:
    """What to patch in asyncio and in selectors."""
    loops: list[type] = [BaseEventLoop]
    if "time" in vars(asyncio.SelectorEventLoop):  # freezegun's real_asyncio was here first
        loops.append(asyncio.SelectorEventLoop)
    kinds = [kind for kind in vars(selectors).values() if isinstance(kind, type)]
    process, reader = asyncio.subprocess.Process, asyncio.StreamReader
    return [
        *((loop, "time", loop_time) for loop in loops),
        *((kind, "select", _selecting(vars(kind)["select"])) for kind in kinds if _waits(kind)),
        *((process, name, _waiting(getattr(process, name))) for name in ("wait", "communicate")),
        *((reader, name, _reading(vars(reader)[name])) for name in _WAITS if name in vars(reader)),
    ]


def of_anyio(module: Any) -> list[io.Patch]:
    """What to patch in anyio, whose processes wait for an event of their own."""
    process = module.Process
    return [(process, "wait", _waiting(process.wait))]


def _waits(kind: type) -> bool:
    return issubclass(kind, selectors.BaseSelector) and "select" in vars(kind)


def loop_time(_: BaseEventLoop) -> float:
    """The clock of a loop: it starts at real time and goes on in virtual time."""
    # Of our own instead of freezegun's: a nested freeze fires no timers, and near 1.7e9 the next
    # float lies beyond the loop's clock resolution, so that a timer due now would never fire.
    scheduler = for_this_thread()
    return _real_time(_) if scheduler is None else scheduler.monotonic


def _selecting(real: Callable[..., Any]) -> Callable[..., Any]:
    def select(selector: selectors.BaseSelector, timeout: float | None = None) -> Any:
        if timeout is not None and timeout <= 0:
            return real(selector, timeout)
        scheduler = for_this_thread()
        if scheduler is None:
            return real(selector, timeout)
        loop: Any = asyncio._get_running_loop()
        if loop is None or getattr(loop, "_selector", None) is not selector:
            if is_harness(sys._getframe(1).f_globals.get("__name__", "")):
                return real(selector, timeout)
            return io.select_in_thread(real, selector, timeout, scheduler)
        loop._clock_resolution = 1 / SECOND  # its own is so small that floats may swallow it
        scheduler.shifts[loop] = _shift_timers
        engine = _Loop(loop, selector, real)
        deadline = None if timeout is None else scheduler.line_at(engine.next_timer(timeout))
        idle(engine, scheduler, loop, deadline)
        return engine.events

    return select


class _Loop:
    """A loop that has nothing to do."""

    def __init__(self, loop: Any, selector: selectors.BaseSelector, real: Any) -> None:
        self._loop, self._selector, self._select = loop, selector, real
        self.events: list[Any] = []

    def poll(self, timeout: float | None) -> bool:
        """Look at the files for at most so many real seconds; whether one is ready."""
        self.events = self._select(self._selector, timeout)
        return bool(self.events)

    def has_work(self) -> bool:
        """Whether a file is ready; a callback from another thread writes to the wake-up pipe."""
        return bool(self._select(self._selector, 0))

    def wake(self) -> None:
        """End a poll, from another thread."""
        self._loop.call_soon_threadsafe(_nothing)

    def next_timer(self, timeout: float) -> float:
        """The loop time of the earliest timer; the loop cuts its timeout down to a day."""
        timers = getattr(self._loop, "_scheduled", None)
        when: float = timers[0]._when if timers else self._loop.time() + timeout
        return when

    def sleepers(self) -> int:
        """How many timers the loop has."""
        return len(getattr(self._loop, "_scheduled", ())) or 1

    def watches_files(self) -> bool:
        """Whether it watches more than its own wake-up pipe."""
        return len(self._selector.get_map() or ()) > 1

    def debts(self) -> Iterable[Debt]:
        """The answers that its files are owed."""
        files = self._selector.get_map() or {}
        if len(files) <= 1:
            return ()
        return [
            debt
            for key in [*files.values()]
            for debt in io.debts_of(key.fd, key.events, *self._reader(key.data))
        ]

    def _reader(self, handles: Any) -> tuple[object, bool]:
        """Who waits for a file, and whether it is a transport of asyncio or the loop itself."""
        reader = handles[0] if handles else None
        owner = getattr(getattr(reader, "_callback", None), "__self__", None)
        return reader, owner is self._loop or isinstance(owner, asyncio.BaseTransport)

    def site(self) -> str:
        """The file:line that waits for the earliest timer."""
        timers = getattr(self._loop, "_scheduled", None)
        awaited = timers[0]._args[:1] if timers else ()
        tasks: set[Any] = asyncio.all_tasks(self._loop)
        task = next((task for task in tasks if (task._fut_waiter,) == awaited), None)
        return callsite.of_coroutine(task.get_coro()) if task else "a timer of the loop"


def _nothing() -> None:
    pass


def _shift_timers(loop: Any, seconds: float) -> None:
    loop._clock_resolution = _RESOLUTION
    for handle in getattr(loop, "_scheduled", ()):
        handle._when += seconds


def _waiting(real: Callable[..., Any]) -> Callable[..., Any]:
    async def wait(process: Any, *args: Any, **kwargs: Any) -> Any:
        with io.waiting_for_child(io.child(process)):
            return await real(process, *args, **kwargs)

    return wait


def _reading(real: Callable[..., Any]) -> Callable[..., Any]:
    async def wait(reader: Any, *args: Any) -> Any:
        pipe = getattr(reader, "_transport", None)
        if isinstance(pipe, asyncio.Transport) or not isinstance(pipe, asyncio.ReadTransport):
            return await real(reader, *args)
        with io.waiting_for_child("the output of a child process"):
            return await real(reader, *args)

    return wait

"""Sleeping moves the clock: `time.sleep`, and at the event loop all that asyncio waits for.

The one place that touches asyncio's private names. Tried with Python 3.11, 3.12 and 3.13.
"""

from __future__ import annotations

import heapq
import sys
import threading
import time
from asyncio import BaseEventLoop
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any

from fakebatch.durations import SECOND

Move = Callable[[int], None]
Moved = Callable[[], int]

WORKING = 0.005
"""Real seconds a loop waits for its worker threads before it takes them for idle."""


@contextmanager
def moved_by_sleeping(move: Move, moved: Moved) -> Generator[None]:
    """While active, a sleep moves the clock and returns at once."""
    with ExitStack() as stack:
        real = time.sleep
        stack.enter_context(_everywhere(real, _sleep(move)))
        stack.enter_context(_loops(move, moved))
        yield


def _sleep(move: Move) -> Callable[[float], None]:
    def sleep(seconds: float, /) -> None:
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        move(round(seconds * SECOND))

    return sleep


@contextmanager
def _everywhere(real: object, fake: object) -> Generator[None]:
    """Replace a function in every module that has bound it by name, and put it back."""
    bound = [
        (vars(module), name)
        for module in [*sys.modules.values()]
        if isinstance(getattr(module, "__dict__", None), dict)
        for name, value in [*vars(module).items()]
        if value is real
    ]
    try:
        for names, name in bound:
            names[name] = fake
        yield
    finally:
        for names, name in bound:
            names[name] = real


@contextmanager
def _loops(move: Move, moved: Moved) -> Generator[None]:
    """Let every event loop jump to its next timer when it has nothing else to do."""
    base = time.monotonic() - moved() / SECOND
    loop_class: Any = BaseEventLoop  # its private method is not in anybody's stubs
    run_once, loop_time = loop_class._run_once, loop_class.time
    threads = threading.active_count()

    def jump(self: Any) -> None:
        due = _next_timer(self)
        if due is not None and not _has_work(self, threading.active_count() > threads):
            ahead = round((due - self.time()) * SECOND)
            if ahead > 0:
                move(ahead)
        run_once(self)

    def virtual_time(self: Any) -> float:
        # asyncio's own resolution of 1 ns is lost in numbers of this size
        self._clock_resolution = 1e-6
        return base + moved() / SECOND

    loop_class._run_once, loop_class.time = jump, virtual_time
    try:
        yield
    finally:
        loop_class._run_once, loop_class.time = run_once, loop_time


def _next_timer(loop: Any) -> float | None:
    """When the loop's next timer is due, if only a timer can wake it."""
    while loop._scheduled and loop._scheduled[0]._cancelled:
        loop._timer_cancelled_count -= 1
        heapq.heappop(loop._scheduled)._scheduled = False
    if loop._ready or loop._stopping or not loop._scheduled:
        return None
    return float(loop._scheduled[0]._when)


def _has_work(loop: Any, busy: bool) -> bool:
    events = loop._selector.select(WORKING if busy else 0)
    loop._process_events(events)
    return bool(loop._ready)

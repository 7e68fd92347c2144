"""What is private in asyncio's event loops."""
# ruff: noqa: SLF001 - this is where private names live

from __future__ import annotations

import asyncio
import heapq
from asyncio import BaseEventLoop
from typing import Any, NamedTuple

from fakebatch.vtime import callsite

_USED_BY_LOOPS = {"_ready", "_scheduled", "_selector", "_process_events", "_stopping"}

run_once: Any = vars(BaseEventLoop).get("_run_once")
"""One round of an event loop."""


def missing() -> list[str]:
    """The names that are no longer there."""
    known = set(run_once.__code__.co_names) if run_once else set[str]()
    return [f"BaseEventLoop.{name}" for name in sorted(_USED_BY_LOOPS - known)]


def policy() -> object:
    """The event loop policy that somebody has set, if any."""
    return getattr(asyncio.events, "_event_loop_policy", None)


def shift_timers(loop: Any, seconds: float) -> None:
    """Move all timers of a loop by the same distance."""
    for handle in loop._scheduled:
        handle._when += seconds


def thread_ident(loop: Any) -> int | None:
    """The ident of the thread a loop runs in, if it runs."""
    ident: int | None = loop._thread_id
    return ident


def has_work(loop: Any) -> bool:
    """Whether a loop has callbacks to run, also such as other threads have just sent it."""
    return bool(loop._ready) or loop._stopping


class IdleLoop(NamedTuple):
    """A loop of asyncio that has nothing to do."""

    loop: Any

    def has_work(self) -> bool:
        """Whether it has some by now."""
        return has_work(self.loop)

    def has_foreign_files(self) -> bool:
        """Whether it watches more than its own wake-up pipe."""
        return len(self.loop._selector.get_map() or ()) > 1

    def has_ready_files(self) -> bool:
        """Whether a file is ready, the wake-up pipe included."""
        return bool(self.loop._selector.select(0))

    def poll(self, timeout: float | None) -> None:
        """Let it look at its files for at most `timeout` real seconds."""
        self.loop._process_events(self.loop._selector.select(timeout))

    def wake(self) -> None:
        """End its poll, from another thread."""
        self.loop._write_to_self()

    def next_timer(self) -> float | None:
        """The loop time of the earliest timer that has not been cancelled."""
        loop = self.loop
        while loop._scheduled and loop._scheduled[0]._cancelled:
            loop._timer_cancelled_count -= 1
            heapq.heappop(loop._scheduled)._scheduled = False
        return loop._scheduled[0]._when if loop._scheduled else None

    def run_timers_until(self, end: float) -> None:
        """Make every timer due before `end` ready to run."""
        # The loop's own check adds a clock resolution so small that floats may swallow it.
        while self.loop._scheduled and self.loop._scheduled[0]._when < end:
            handle = heapq.heappop(self.loop._scheduled)
            handle._scheduled = False
            self.loop._ready.append(handle)

    def timers(self) -> int:
        """How many timers run."""
        return len(self.loop._scheduled)

    def site(self) -> str:
        """The file:line that waits for the earliest timer."""
        awaited = self.loop._scheduled[0]._args[:1] if self.loop._scheduled else ()
        tasks: set[Any] = asyncio.all_tasks(self.loop)
        waiting = (task for task in tasks if (task._fut_waiter,) == awaited)
        task = next(waiting, None)
        return callsite.of_coroutine(task.get_coro()) if task else "a timer of the loop"

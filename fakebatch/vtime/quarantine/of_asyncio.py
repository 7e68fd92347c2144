"""What is private in asyncio's event loops."""
# ruff: noqa: SLF001 - this is where private names live

from __future__ import annotations

import asyncio
import heapq
from asyncio import BaseEventLoop
from typing import Any

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


def has_work(loop: Any) -> bool:
    """Whether a loop has callbacks to run, also such as other threads have just sent it."""
    return bool(loop._ready) or loop._stopping


def next_timer(loop: Any) -> float | None:
    """The loop time of the earliest timer that has not been cancelled."""
    while loop._scheduled and loop._scheduled[0]._cancelled:
        loop._timer_cancelled_count -= 1
        heapq.heappop(loop._scheduled)._scheduled = False
    return loop._scheduled[0]._when if loop._scheduled else None


def run_timers_until(loop: Any, end: float) -> None:
    """Make every timer due before `end` ready to run."""
    # The loop's own check adds a clock resolution so small that floats may swallow it.
    while loop._scheduled and loop._scheduled[0]._when < end:
        handle = heapq.heappop(loop._scheduled)
        handle._scheduled = False
        loop._ready.append(handle)


def shift_timers(loop: Any, seconds: float) -> None:
    """Move all timers of a loop by the same distance."""
    for handle in loop._scheduled:
        handle._when += seconds


def poll(loop: Any, timeout: float | None) -> None:
    """Let a loop look at its files for at most `timeout` real seconds."""
    loop._process_events(loop._selector.select(timeout))


def has_foreign_files(loop: Any) -> bool:
    """Whether a loop watches more than its own wake-up pipe."""
    return len(loop._selector.get_map() or ()) > 1


def has_ready_files(loop: Any) -> bool:
    """Whether a file of a loop is ready, its wake-up pipe included."""
    return bool(loop._selector.select(0))


def wake(loop: Any) -> None:
    """End the poll of a loop in another thread."""
    loop._write_to_self()


def thread_ident(loop: Any) -> int | None:
    """The ident of the thread a loop runs in, if it runs."""
    ident: int | None = loop._thread_id
    return ident


def sleeping_coroutine(loop: Any) -> Any:
    """The coroutine that the earliest timer of a loop will wake; None if that is something else."""
    awaited = loop._scheduled[0]._args[:1] if loop._scheduled else ()
    tasks: set[Any] = asyncio.all_tasks(loop)
    waiting = (task for task in tasks if (task._fut_waiter,) == awaited)
    task = next(waiting, None)
    return None if task is None else task.get_coro()

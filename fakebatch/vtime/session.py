"""A session of virtual time: the scheduler, the wall clock and all patches that clocks share.

The first clock to start begins it; the last to stop ends it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from fakebatch.durations import SECOND
from fakebatch.errors import UsageError
from fakebatch.vtime import event_loops, io, scheduler, threads, unsupported, wall_clock
from fakebatch.vtime.patches import Patch, apply, wrap
from fakebatch.vtime.rebinding import Rebinding
from fakebatch.vtime.scheduler import Hooks, Scheduler

_undo = ExitStack()
"""Ends the session that runs."""


def join(mode: str | None, start: int | None, io_wait: int) -> Scheduler:
    """The scheduler of the session that runs, or else of a new one.

    Args:
        mode: "virtual" or "manual"; None for whatever runs.
        start: where to freeze the wall clock, in microseconds since 1970; None: see `choose`.
        io_wait: as of a clock, in microseconds.

    Raises:
        UsageError: the session is of another mode, already has a time, or is another thread's.
    """
    running = scheduler.current
    if running is None:
        return _begin(mode == "manual", start, io_wait)
    if scheduler.for_this_thread() is None:
        raise UsageError(
            "a clock was started in a thread that keeps real time.",
            "Another thread has started one, and there is only one time in a process.",
            "Start the clock in one thread, and the other threads after it.",
        )
    running_mode = "manual" if running.manual else "virtual"
    if start is not None or mode not in {None, running_mode}:
        raise UsageError(
            f"a clock with mode {mode!r} and start {start!r} was started inside another.",
            f"A {running_mode} clock is running; there is only one time.",
            "Leave mode and start out to join it, or stop it first.",
        )
    return running


def leave(running: Scheduler, hooks: Hooks) -> None:
    """A clock stops; the last one puts everything back."""
    running.hooks.remove(hooks)
    if not running.hooks:
        _undo.close()


def _begin(manual: bool, start: int | None, io_wait: int) -> Scheduler:
    unsupported.check()
    wall = wall_clock.choose(start)
    begun = Scheduler(wall, manual=manual, io_wait=io_wait / SECOND)
    io.forget_all()
    _undo.callback(begun.stop)
    _undo.callback(setattr, scheduler, "current", None)
    try:
        scheduler.current = begun
        sleeps = _sleeps()
        later = {name: partial(_patch_late, patches) for name, patches in LATER.items()}
        rebinding = Rebinding({**wall.fakes, **sleeps}, on_import=later)
        _undo.callback(rebinding.undo)
        _undo.enter_context(wall.held)
        apply(wall.patches, _undo)
        apply([Patch(time, "sleep", fake) for fake in sleeps.values()], _undo)
        apply(replacements(), _undo)
        for name in LATER.keys() & sys.modules.keys():
            later[name](sys.modules[name])
        apply(rebinding.replacements(), _undo)
        rebinding.apply()
        threads.adopt_workers(begun)
        event_loops.adopt_portals(begun)
    except BaseException:
        _undo.close()
        raise
    return begun


def _patch_late(patches: Callable[[Any], list[Patch]], module: Any) -> None:
    apply(patches(module), _undo)


def _sleeps() -> dict[Any, Any]:
    if time.sleep is threads.sleep:
        # Left by a monkeypatch that was undone after the clock it was made under had ended.
        time.sleep = threads.real_sleep
    if getattr(time.sleep, "__self__", None) is not time:
        return {}  # A test that has put its own in the place of time.sleep knows why.
    threads.real_sleep = time.sleep
    return {time.sleep: threads.sleep}


def replacements() -> list[Patch]:
    """What to patch in modules that are always there."""
    return [
        *wrap(asyncio.Runner, "run", unsupported.run),
        *event_loops.replacements(),
        *io.replacements(),
        *(() if unsupported.missing("threading", "queue") else threads.replacements()),
    ]


def _of_trio(module: Any) -> list[Patch]:
    if names := unsupported.missing("trio"):
        what_came = f"trio was to run, and the virtual clock does not find {', '.join(names)}"
        return unsupported.refuse(module, "run", what_came, "Run this test on asyncio")
    # Slow to import: only where the code under test has imported trio.
    from fakebatch.vtime import trio  # noqa: PLC0415

    return trio.replacements()


LATER: dict[str, Callable[[Any], list[Patch]]] = {
    **io.LATER,
    **unsupported.LATER,
    "anyio._backends._asyncio": event_loops.of_anyio,
    "trio": _of_trio,
    "time_machine": wall_clock.of_time_machine,
}
"""What to patch in modules that may be imported at any moment, by their names."""


def _end_in_child() -> None:
    """In a process that was forked from one with a clock, let time be real."""
    if scheduler.current is not None:
        scheduler.current.forget_threads()
        _undo.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_end_in_child)

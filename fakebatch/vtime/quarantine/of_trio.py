"""What is private in trio, which is imported only where it is installed."""
# ruff: noqa: SLF001 - this is where private names live

from __future__ import annotations

import sys
from typing import Any


def loaded() -> bool:
    """Whether trio has been imported."""
    return "trio._core._run" in sys.modules


def missing() -> list[str]:
    """The names that are no longer there."""
    used = ("SystemClock", "GLOBAL_RUN_CONTEXT", "Runner", "Task")
    gone = [name for name in used if name not in vars(core())]
    return [f"trio._core._run.{name}" for name in gone]


def core() -> Any:
    """The module that makes trio's default clock."""
    return sys.modules["trio._core._run"]


def runner() -> Any:
    """The trio run of the calling thread."""
    return core().GLOBAL_RUN_CONTEXT.runner


def has_callbacks(runner: Any) -> bool:
    """Whether another thread has sent a run something to do."""
    return bool(runner.entry_queue.queue or runner.entry_queue.idempotent_queue)


def sleeping_task(runner: Any) -> Any:
    """The task with the earliest deadline, or else the main one."""
    statuses = [scope._cancel_status for *_, scope in runner.deadlines._heap[:1]]
    for status in statuses:
        if status._tasks:
            return min(status._tasks, key=lambda task: task._counter)
        statuses.extend(status._children)
    return runner.main_task


def raise_in_sleeper(runner: Any, error: BaseException) -> None:
    """Raise in the sleeping task: an error out of a clock would be called a bug of trio."""

    def throw() -> None:
        raise error

    task = sleeping_task(runner)
    if task._abort_func is None:
        raise error
    task._attempt_abort(throw)

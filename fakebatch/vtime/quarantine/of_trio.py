"""What is private in trio, which is imported only where it is installed."""
# ruff: noqa: SLF001 - this is where private names live

from __future__ import annotations

import random  # noqa: TID251 - see same_order
import sys
from operator import attrgetter
from typing import Any, NamedTuple

from fakebatch.vtime import callsite

_USED = [
    "GLOBAL_RUN_CONTEXT",
    "setup_runner",
    "_ALLOW_DETERMINISTIC_SCHEDULING",
    "_r",
    "SystemClock.current_time",
    "SystemClock.deadline_to_sleep_time",
    "Deadlines.expire",
    "Runner.entry_queue",
    "Runner.runq",
    "Runner.io_manager",
    "Task._attempt_abort",
    "TheIOManager.get_events",
    "TheIOManager.process_events",
    "TheIOManager.force_wakeup",
]


def loaded() -> bool:
    """Whether trio has been imported."""
    return "trio._core._run" in sys.modules


def core() -> Any:
    """The module that runs everything."""
    return sys.modules["trio._core._run"]


def missing() -> list[str]:
    """The names that are no longer there."""
    return [f"trio._core._run.{name}" for name in _USED if not _is_there(name)]


def _is_there(name: str) -> bool:
    try:
        attrgetter(name)(core())
    except AttributeError:
        return False
    return True


def same_order() -> list[tuple[Any, str, Any]]:
    """What to patch so that tasks which can run at the same moment do so in the same order."""
    # trio shuffles them on purpose; this switch is there for pytest-trio and Hypothesis.
    return [
        (core(), "_ALLOW_DETERMINISTIC_SCHEDULING", True),
        (core(), "_r", random.Random(0)),  # noqa: S311 - seeded, and not ours
    ]


def runner() -> Any:
    """The trio run of the calling thread."""
    return core().GLOBAL_RUN_CONTEXT.runner


def shift_deadlines(runner: Any, seconds: float) -> None:
    """Move all deadlines of a run by the same distance, as seen from its clock."""
    clock = runner.clock
    object.__setattr__(clock, "offset", clock.offset - seconds)  # frozen, and random anyway


class IdleRun(NamedTuple):
    """A run of trio that has nothing to do."""

    runner: Any

    def has_work(self) -> bool:
        """Whether it has some by now."""
        entries = self.runner.entry_queue
        return bool(self.runner.runq or entries.queue or entries.idempotent_queue)

    def has_foreign_files(self) -> bool:
        """Whether it watches more than its own wake-up pipe; yes, where trio does not say."""
        told = self.runner.io_manager.statistics()
        reads, writes = (getattr(told, f"tasks_waiting_{kind}", 2) for kind in ("read", "write"))
        return bool(reads + writes > 1)

    def has_ready_files(self) -> bool:
        """Unknown: a look would take the event away from the run."""
        return False

    def poll(self, timeout: float | None) -> None:
        """Let it look at its files for at most `timeout` real seconds."""
        files = self.runner.io_manager
        files.process_events(files.get_events(86_400 if timeout is None else timeout))

    def wake(self) -> None:
        """End its poll, from another thread."""
        self.runner.io_manager.force_wakeup()

    def expire(self, now: float) -> None:
        """Cancel every scope whose deadline is past."""
        self.runner.deadlines.expire(now)

    def timers(self) -> int:
        """How many deadlines are set."""
        return len(self.runner.deadlines._heap)

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
        statuses = [scope._cancel_status for *_, scope in self.runner.deadlines._heap[:1]]
        for status in statuses:
            if status._tasks:
                return min(status._tasks, key=lambda task: task._counter)
            statuses.extend(status._children)
        return self.runner.main_task

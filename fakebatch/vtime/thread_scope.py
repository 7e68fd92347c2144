"""Which threads live in virtual time: the one that started the clock, and all that they start.

Threads are registered as they begin, so that nobody has to look for them while another one sleeps:
`sys._current_frames` deadlocks with the garbage collector on CPython 3.11 (cpython issue 106883),
and what the system tells of threads differs from one to the next.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread, get_ident
from typing import Any

from fakebatch.vtime.callsite import is_harness

_SERVE_CHILDREN = ("multiprocessing", "concurrent.futures.process", "asyncio.unix_events")
"""Modules whose threads wait for child processes: they keep real time, and may wake others."""
_SERVE_TASKS = ("trio._core._thread_cache",)
"""Modules whose threads live in virtual time only while they run a job."""


@dataclass(slots=True, eq=False)
class Jobs:
    """The jobs of a pool whose threads live in real time.

    Args:
        workers: how many can run at once.
    """

    workers: float
    waiting: int = 0
    running: int = 0


class ThreadScope:
    """The threads that live in virtual time.

    Threads that were alive before the clock keep real time, except while they run jobs of a pool,
    and until they are adopted: as part of a service that calls the emulator.
    """

    def __init__(self) -> None:
        self.started_by = get_ident()
        self.living = {self.started_by}
        """The threads that live in virtual time now, by ident."""
        self.native_ids = {self.started_by: threading.get_native_id()}
        """All threads of the scope: the numbers by which the system knows them, by ident."""
        self.expected: set[object] = set()
        """Threads that have been started and do not run yet."""
        self.pools: dict[object, Jobs] = {}
        """Pools whose threads live in real time."""
        self.making_pools: list[int] = []
        """The threads that make a pool of threads with multiprocessing, by ident."""
        self.helpers: list[Thread] = []
        """Threads in real time that wait for child processes."""
        self._adopted: dict[int, Thread] = {}
        self._outside = [
            thread
            for thread in threading.enumerate()
            if thread.ident != self.started_by and not _runs_the_tests(thread)
        ]

    def takes(self, thread: Thread, starter: str) -> bool:
        """Whether a thread belongs to the scope if a module's code starts it."""
        target = getattr(thread, "_target", None)
        if starter == "multiprocessing.dummy" or get_ident() in self.making_pools:
            return getattr(target, "__name__", None) != "_handle_workers"
        return not (is_harness(starter) or starter in _SERVE_CHILDREN + _SERVE_TASKS)

    def note_outside(self, thread: Thread, starter: str) -> None:
        """Remember a thread that does not belong to the scope, and may wake one that does."""
        if starter in _SERVE_CHILDREN or starter.startswith("multiprocessing."):
            self.helpers.append(thread)
            self._outside.append(thread)

    def may_be_woken_from_outside(self) -> bool:
        """Whether threads in real time are alive that might wake one of the scope."""
        return any(thread.is_alive() for thread in self._outside)

    @contextmanager
    def real_time(self) -> Generator[None]:
        """Let the calling thread live in real time meanwhile; others wait for it as ever.

        Threads that it starts then do not belong to the scope.
        """
        self.living.discard(get_ident())
        try:
            yield
        finally:
            self.living.add(get_ident())

    def begin(self, newborn: object = None) -> None:
        """Count the calling thread in; it may be one that was expected."""
        self.native_ids[get_ident()] = threading.get_native_id()
        self.living.add(get_ident())
        self.expected.discard(newborn)

    def end(self, ident: int) -> None:
        """A thread has ended, or lives in real time again."""
        self.native_ids.pop(ident, None)
        self.living.discard(ident)
        adopted = self._adopted.pop(ident, None)
        if adopted is not None and adopted.is_alive():
            self._outside.append(adopted)

    def adopt(self, ident: int, thread: Thread) -> None:
        """Count in a thread that was alive before; it may end at any moment."""
        self.native_ids[ident] = thread.native_id or 0
        self.living.add(ident)
        self._adopted[ident] = thread
        self._outside = [other for other in self._outside if other is not thread]

    def was_there_before(self, ident: int) -> bool:
        """Whether a thread was adopted."""
        return ident in self._adopted

    def alone(self) -> bool:
        """Whether the calling thread is the only one of the scope."""
        return len(self.native_ids) == 1 and not self.starting()

    def starting(self) -> bool:
        """Whether a thread or a job has been started that does not run yet."""
        if self.expected or not self.pools:
            return bool(self.expected)
        return any(jobs.waiting and jobs.running < jobs.workers for jobs in self.pools.values())

    def running(self, parked: dict[int, Any]) -> list[int]:
        """The threads of the scope, besides the calling one, that are not parked."""
        for ident in [ident for ident, thread in self._adopted.items() if not thread.is_alive()]:
            self.end(ident)
            parked.pop(ident, None)
        return [i for i in [*self.native_ids] if i not in parked and i != get_ident()]


def _runs_the_tests(thread: Thread) -> bool:
    target: Any = getattr(thread, "function", None) or getattr(thread, "_target", None)
    return is_harness(getattr(target, "__module__", None) or type(thread).__module__)

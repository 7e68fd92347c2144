"""Which threads live in virtual time: the one that entered, and whatever it and they start.

Threads are registered as they begin, so that nobody has to look for them while another one sleeps:
`sys._current_frames` deadlocks with the garbage collector on CPython 3.11 (cpython issue 106883),
and what the system tells of threads differs from one to the next.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread, get_ident
from typing import Any, NamedTuple, Protocol

from fakebatch.vtime.callsite import is_harness

_SERVE_CHILDREN = frozenset(
    {"multiprocessing", "concurrent.futures.process", "asyncio.unix_events"}
)
"""Modules whose threads wait for child processes: they keep real time and may wake others."""
_SERVE_TASKS = frozenset({"trio._core._thread_cache"})
"""Modules whose threads live in virtual time only while they run a job."""


class Blocked(Protocol):
    """What a waiter tells about its thread."""

    def blocked(self) -> bool:
        """Whether nothing has woken the thread yet."""
        ...


@dataclass(slots=True, eq=False)
class Jobs:
    """What threads that live in real time were asked to do by threads of the scope.

    Args:
        workers: how many jobs can run at once.
    """

    workers: float
    waiting: int = 0
    running: int = 0

    def begins(self) -> bool:
        """Whether a job is about to be picked up."""
        return self.waiting > 0 and self.running < self.workers


class Member(NamedTuple):
    """A thread of the scope."""

    thread: Thread | None
    """Where it may end without a word; None if it will call `end`."""
    native_id: int


class ThreadScope:
    """The threads that live in virtual time.

    Threads that were alive before the clock keep real time, but for the jobs of a pool.
    """

    def __init__(self) -> None:
        self.entered_by = get_ident()
        self.jobs: dict[object, Jobs] = {}
        """By pool, for pools whose threads live in real time."""
        self.helpers: list[Thread] = []
        """Threads of real time that wait for child processes."""
        self._members = {self.entered_by: Member(None, threading.get_native_id())}
        self.living = {self.entered_by}
        """The threads that live in virtual time, by ident."""
        self._expected: set[object] = set()
        self._strangers = [
            thread
            for thread in threading.enumerate()
            if thread.ident != self.entered_by and not _serves_the_tests(thread)
        ]

    def has(self, ident: int) -> bool:
        """Whether a thread lives in virtual time."""
        return ident in self.living

    def native_id(self, ident: int) -> int:
        """The number by which the system knows a thread of the scope."""
        return self._members[ident].native_id

    def has_strangers(self) -> bool:
        """Whether threads of real time are alive that might wake one of the scope."""
        return any(thread.is_alive() for thread in self._strangers)

    def takes(self, starter: str) -> bool:
        """Whether a thread that the calling thread starts belongs to the scope.

        Args:
            starter: the module whose code starts it.
        """
        return not is_harness(starter) and starter not in _SERVE_CHILDREN | _SERVE_TASKS

    def note_helper(self, thread: Thread, starter: str) -> None:
        """Remember a thread outside of the scope that may wake one inside."""
        if starter in _SERVE_CHILDREN or starter.partition(".")[0] in _SERVE_CHILDREN:
            self.helpers.append(thread)
            self._strangers.append(thread)

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

    def expect(self, newborn: object) -> None:
        """A thread of the scope is being started; it is not blocked."""
        self._expected.add(newborn)

    def begin(self, newborn: object) -> None:
        """The calling thread is the one that was expected."""
        self._members[get_ident()] = Member(None, threading.get_native_id())
        self.living.add(get_ident())
        self._expected.discard(newborn)

    def adopt(self, thread: Thread) -> None:
        """A thread that was alive before belongs to the scope as well."""
        self._members[thread.ident or 0] = Member(thread, thread.native_id or 0)
        self.living.add(thread.ident or 0)
        self._strangers = [stranger for stranger in self._strangers if stranger is not thread]

    def forget(self, newborn: object) -> None:
        """The thread that was expected could not be started."""
        self._expected.discard(newborn)

    def end(self) -> None:
        """The calling thread has done its work and will never block again."""
        self._members.pop(get_ident(), None)
        self.living.discard(get_ident())

    def alone(self) -> bool:
        """Whether the calling thread is the only one of the scope."""
        return len(self._members) == 1 and not self.being_born()

    def all_parked(self, parked: Mapping[int, Blocked]) -> bool:
        """Whether every other thread of the scope waits in a waiter."""
        if self.being_born() or not all(waiter.blocked() for waiter in parked.values()):
            return False
        return not any(True for _ in self.running(parked))

    def running(self, parked: Mapping[int, Any]) -> Iterator[int]:
        """The other threads of the scope that do not wait in a waiter, by ident."""
        for ident, (thread, _) in [*self._members.items()]:
            if ident in parked or ident == get_ident():
                continue
            if thread is not None and not thread.is_alive():  # adopted, and gone without a word
                self._members.pop(ident, None)
                self.living.discard(ident)
            else:
                yield ident

    def being_born(self) -> bool:
        """Whether a thread or a job has been started that does not run yet."""
        return bool(self._expected) or any(jobs.begins() for jobs in self.jobs.values())


def _serves_the_tests(thread: Thread) -> bool:
    target: Any = getattr(thread, "function", None) or getattr(thread, "_target", None)
    module = getattr(target, "__module__", None) or type(thread).__module__
    return is_harness(module or "")

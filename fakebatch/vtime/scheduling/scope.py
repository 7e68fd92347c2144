"""Which threads the virtual clock answers for, and which of them are blocked."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread, get_ident
from types import FrameType

from fakebatch.vtime import callsite, rebinding
from fakebatch.vtime.quarantine import of_threading as private
from fakebatch.vtime.quarantine.of_freezegun import real_monotonic
from fakebatch.vtime.scheduling.waiters import Waiter

_CALL = 0.1
"""Real seconds after which any other call that has not moved counts as blocked; 5 ms were too few
beside a busy core."""
_NOBODY = object()


@dataclass(slots=True)
class _Sighting:
    """Where a thread was seen, and since when (real seconds) it has not moved."""

    place: tuple[object, ...]
    since: float


class Scope:
    """All threads but those alive before the clock; workers of a pool belong to it anyway."""

    def __init__(self) -> None:
        self.entered_by = get_ident()
        outside = {
            ident: frame
            for ident, frame in private.frames().items()
            if ident != self.entered_by and not private.works_in_a_pool(frame)
        }
        self._visitors = {ident: private.thread_of(ident) for ident in outside}
        self._strangers = [
            self._visitors[ident]
            for ident, frame in outside.items()
            if not _serves_the_tests(self._visitors[ident], frame)
        ]
        self._watchman: int | None = None
        self._beginning: set[Thread] = set()
        self._ended: set[int] = set()
        self._sightings: dict[int, _Sighting] = {}

    def has(self, ident: int) -> bool:
        """Whether a thread lives in virtual time."""
        if ident in (self.entered_by, self._watchman):
            return ident == self.entered_by  # the watchman's own waits are a finalizer's, and real
        thread = private.thread_of(ident)
        if thread is None:
            return ident not in self._visitors
        # An ident is used again once its thread is gone: the Thread object decides.
        return self._visitors.get(ident, _NOBODY) is not thread and not serves_timeouts(thread)

    def has_strangers(self) -> bool:
        """Whether threads of real time are alive that might wake one of the scope."""
        return any(thread is None or thread.is_alive() for thread in self._strangers)

    def appoint(self, watchman: int) -> None:
        """One thread is our own and lives in nobody's time."""
        self._watchman = watchman

    @contextmanager
    def beginning(self, thread: Thread) -> Generator[None]:
        """The calling thread has begun; its ident may be that of one that has ended."""
        self._ended.discard(get_ident())
        self._beginning.add(thread)
        try:
            yield
        finally:
            self._beginning.discard(thread)

    def end(self) -> None:
        """The calling thread has done its work and will never block again."""
        self._ended.add(get_ident())

    def alone(self) -> bool:
        """Whether the calling thread is the only one of the scope."""
        frames = private.frames()
        return len(frames) == 1 or not any(True for _ in self._others(frames))

    def all_parked(self, parked: Mapping[int, Waiter]) -> bool:
        """Whether every other thread of the scope waits in a waiter: exact."""
        if self._being_born():
            return False
        others = self._others(private.frames())
        return all(ident in parked for ident, _ in others) and _all_wait(parked)

    def all_blocked(self, parked: Mapping[int, Waiter]) -> bool:
        """Whether those that do not wait in a waiter, too, have stopped: as far as can be seen.

        To be asked again and again, with the interpreter free in between.
        """
        if self._being_born():
            return False
        now = real_monotonic()
        outside = [
            self._stopped(ident, frame, now)
            for ident, frame in self._others(private.frames())
            if ident not in parked
        ]
        return all(outside) and _all_wait(parked)

    def all_hopeless(self, parked: Mapping[int, Waiter]) -> bool:
        """Whether only other threads could wake those that have stopped."""
        others = self._others(private.frames())
        return all(
            parked[ident].hopeless() if ident in parked else _waits_for_a_lock(ident)
            for ident, _ in others
        )

    def _others(self, frames: Mapping[int, FrameType]) -> Iterator[tuple[int, FrameType]]:
        left_out = {get_ident(), *self._ended}
        for ident, frame in frames.items():
            if ident not in left_out and self.has(ident):
                yield ident, frame

    def _being_born(self) -> bool:
        # To be asked before the frames are: who begins meanwhile has one, or else is counted here.
        return not private.being_born() <= self._beginning

    def _stopped(self, ident: int, frame: FrameType, now: float) -> bool:
        seen = self._sightings.get(ident)
        still = now - seen.since if seen else 0.0
        # Its state before its place: to look lets others run, and who has run since has moved.
        rests = _rests(ident, still)
        place = (id(frame), frame.f_lasti, _kernel_says(ident, "schedstat"))
        if seen is None or seen.place != place:
            self._sightings[ident] = _Sighting(place, now)
            return False
        return rests


def _all_wait(parked: Mapping[int, Waiter]) -> bool:
    return all(waiter.blocked() for waiter in parked.values())


def _rests(ident: int, still: float) -> bool:
    # Who waits for the interpreter stirs once in each of its switch intervals.
    if still > 1.2 * sys.getswitchinterval() and _waits_for_a_lock(ident):
        return True
    return still >= _CALL and not _goes_on_by_itself(ident)


def _serves_the_tests(thread: Thread | None, frame: FrameType) -> bool:
    modules = (f.f_globals.get("__name__", "") for f in callsite.outwards(frame))
    return any(map(rebinding.is_harness, modules)) or (
        thread is not None and serves_timeouts(thread)
    )


def serves_timeouts(thread: Thread) -> bool:
    """Whether a thread is a timer of pytest-timeout, which may start it under the clock."""
    return thread.name.startswith("pytest_timeout")


def _waits_for_a_lock(ident: int) -> bool:
    return _kernel_says(ident, "wchan").startswith("futex")


def _goes_on_by_itself(ident: int) -> bool:
    # It waits for a core, or for a disk.
    return _kernel_says(ident, "stat").rpartition(") ")[2][:1] in {"R", "D"}


def _kernel_says(ident: int, what: str) -> str:
    """What Linux knows of a thread: where it sleeps, how long it has run; elsewhere nothing."""
    thread = private.thread_of(ident)
    try:
        return Path(f"/proc/self/task/{thread.native_id if thread else None}/{what}").read_text()
    except OSError:
        return ""

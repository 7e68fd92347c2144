"""The watchdog: a real thread that looks after what blocks, ends or goes on without telling.

Threads that wait in a waiter are known. Others are watched from outside: one that computes is
waited for, one that waits for a lock is not, and one that waits in a call of the system (for a
socket that C code reads, say) holds time as long as any answer that is owed.
"""

from __future__ import annotations

import _thread
import gc
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

from freezegun import api as real

from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.vtime import callsite

if TYPE_CHECKING:
    from fakebatch.vtime.scheduler import Scheduler

_start_new_thread = _thread.start_new_thread
_BRISK, _CALM, _CALM_AFTER = 0.0002, 0.002, 0.02
"""Real seconds: between two looks soon after something moved, between two later, and how soon."""
_BUSY = 1.0
"""Seconds of work after which others go on beside a thread that does not stop running. Of work, not
of waiting: a thread that gets no core on a busy machine loses nothing."""
_STILL, _STILL_AGAIN = 0.1, 0.02
"""Real seconds after which a thread that does not compute counts as waiting for a lock, where the
system does not tell; and how many after others have moved. 5 ms were too few beside a busy core."""
_PATIENCE, _PATIENCE_WITH_STRANGERS = 1.0, 10.0
"""Real seconds until a standstill is told; threads from outside the scope may wake one inside."""


@dataclass(slots=True, eq=False)
class Debt:
    """An answer that is owed from outside: time stands still while somebody waits for it."""

    name: Callable[[], str]
    """Who owes it, such as a socket by its address; called for warnings only."""
    since: float | None = None
    """Since when time stands still for it, in real seconds."""
    expired: bool = False
    """It took too long: time goes on without it."""


class _State(Enum):
    RUNS = auto()
    LOCKED = auto()
    CALLS = auto()


class _Sighting(NamedTuple):
    """A thread as it was seen, and since when it has not moved."""

    cpu: float
    """Seconds it has computed."""
    moves: int
    since: float
    moved: float
    """When any other thread last moved."""
    call: Debt


class Watchdog:
    """Asleep while no thread waits; it is not even there for a test with one thread."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._sightings: dict[int, _Sighting] = {}
        # A lock nobody releases: time.sleep may be anybody's.
        self._pillow = _thread.allocate_lock()
        self._pillow.acquire()
        self._bell = _thread.allocate_lock()
        self._ended: _thread.LockType | None = None
        self._dismissed = False

    def rise(self) -> None:
        """Begin to watch, if not at it."""
        if self._ended is None:
            self._ended = _thread.allocate_lock()
            self._ended.acquire()
            # Below `threading`: a test that counts its threads shall not find this one.
            _start_new_thread(self._watch, (self._ended,))
        self._ring()

    def dismiss(self) -> None:
        """End the thread and wait until it has gone."""
        self._dismissed = True
        if self._ended is not None:
            self._ring()
            self._ended.acquire()

    def _ring(self) -> None:
        if self._bell.locked():
            with suppress(RuntimeError):  # somebody else was faster
                self._bell.release()

    def _watch(self, ended: _thread.LockType) -> None:
        try:
            self._look_again_and_again()
        finally:
            ended.release()  # else `dismiss` would wait for ever

    def _look_again_and_again(self) -> None:
        scheduler = self._scheduler
        moves, since, work = -1, 0.0, 0.0
        while not self._dismissed:
            if not scheduler.parked:
                self._bell.acquire()
            if moves != scheduler.moves:
                moves, since, work = scheduler.moves, real.real_monotonic(), work_of_others()
            quiet = real.real_monotonic() - since
            self._pillow.acquire(timeout=_BRISK if quiet < _CALM_AFTER else _CALM)
            with scheduler.mutex:
                if moves == scheduler.moves:
                    self.look(real.real_monotonic() - since, work_of_others() - work)

    def look(self, waited: float, worked: float) -> None:
        """Wake the next thread if all others have stopped, or one of them does not stop running.

        Args:
            waited: real seconds for which no thread has blocked or gone on.
            worked: seconds that all other threads have computed meanwhile.
        """
        scheduler, scope = self._scheduler, self._scheduler.scope
        parked = scheduler.parked
        if scope.being_born() and waited < scheduler.io_wait:
            return
        states = {ident: self._state(ident) for ident in [*scope.running(parked)]}
        blocked = (
            all(waiter.blocked() for waiter in parked.values())
            and _State.RUNS not in states.values()
        )
        if blocked:
            calls = [
                self._sightings[ident].call for ident, s in states.items() if s is _State.CALLS
            ]
            blocked = not self._still_owed([*scheduler.owed(), *calls])
        woken = (blocked or worked > _BUSY) and scheduler.wake_next()
        patience = _PATIENCE_WITH_STRANGERS if scope.has_strangers() else _PATIENCE
        if (
            blocked
            and not woken
            and waited > patience
            and all(waiter.hopeless() for waiter in parked.values())
            and _State.CALLS not in states.values()
        ):
            scheduler.report_standstill(self._standstill())

    def _still_owed(self, debts: list[Debt]) -> bool:
        """Whether time shall stand still for one of these."""
        now, bound = real.real_monotonic(), self._scheduler.io_wait
        for debt in debts:
            debt.since = debt.since or now
            if not debt.expired and now - debt.since >= bound:
                debt.expired = True
                self._scheduler.warnings.append(_took_too_long(debt.name(), bound))
        return any(not debt.expired for debt in debts)

    def _state(self, ident: int) -> _State:
        """What a thread does that waits in no waiter; asked again and again."""
        if not self._scheduler.scope.has(ident):
            return _State.RUNS  # it does something in real time, and soon comes back
        now, moves = real.real_monotonic(), self._scheduler.moves
        # Its state before its work: to look lets others run, and who has run since has moved.
        native_id = self._scheduler.scope.native_id(ident)
        state = kernel_says(native_id, "stat").rpartition(") ")[2][:1]
        channel = kernel_says(native_id, "wchan")
        cpu, seen = work_of(ident), self._sightings.get(ident)
        if seen is None or seen.cpu != cpu:
            call = Debt(lambda: f"a call at {_site(ident)}")
            self._sightings[ident] = _Sighting(cpu, moves, now, now, call)
            return _State.RUNS
        if seen.moves != moves:
            seen = self._sightings[ident] = seen._replace(moves=moves, moved=now)
        still = now - seen.since
        if channel in {"", "0"}:
            waits = still >= _STILL and now - seen.moved >= _STILL_AGAIN and state not in {"R", "D"}
            return _State.LOCKED if waits else _State.RUNS
        if state in {"R", "D"}:  # it waits for a core, or for a disk
            return _State.RUNS
        if channel.startswith("futex"):
            # Who waits for the interpreter stirs once in each of its switch intervals.
            return _State.LOCKED if still > 1.2 * sys.getswitchinterval() else _State.RUNS
        return _State.CALLS

    def _standstill(self) -> FakeBatchError:
        parked = self._scheduler.parked
        sites = {ident: _site(ident) for ident in parked}
        for ident, waiter in parked.items():
            if waiter.deadline is not None:
                return nobody_moves_time(sites[ident])
        return FakeBatchError(
            f"every thread waits for another: {', '.join(sorted(sites.values()))}.",
            "No timeout runs, so not even time can end this.",
            "Look for an event nobody sets, a queue nobody fills or a task nobody finishes.",
        )


def nobody_moves_time(site: str) -> UsageError:
    """What to tell a sleeper under a manual clock that nobody will move."""
    return UsageError(
        f"the sleep at {site} would last for ever.",
        "The clock is manual: only clock.advance() and clock.move_to() move it, and nobody is "
        "left to call them.",
        "Move it before this sleep or from another thread, or let sleeping move it: "
        "clock='virtual'.",
    )


def _took_too_long(name: str, bound: float) -> str:
    return (
        f"fakebatch: virtual time stood still {bound:g} s for {name}, and now goes on.\n"
        "While an answer is owed by a real socket or child process, no virtual time passes.\n"
        "Let it answer sooner, or say how long to wait: io_wait='1s' of FakeBatch and the marker."
    )


def _site(ident: int) -> str:
    frame = _frames().get(ident)
    return "an unknown place" if frame is None else callsite.of_frame(frame)


def _frames() -> Mapping[int, FrameType]:
    # For messages alone. On CPython 3.11 a collection in the midst of it is a deadlock.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()  # noqa: SLF001 - documented
    finally:
        if was_enabled:
            gc.enable()


def work_of(ident: int) -> float:
    """Seconds a thread has computed; those of all threads where the system does not tell."""
    if hasattr(time, "pthread_getcpuclockid"):
        return time.clock_gettime(time.pthread_getcpuclockid(ident))
    return round(work_of_others(), 3)


def work_of_others() -> float:
    """Seconds that all threads but the calling one have computed."""
    return time.process_time() - time.thread_time()


def kernel_says(native_id: int, what: str) -> str:
    """What Linux knows of a thread: its state, and where it sleeps; elsewhere nothing."""
    try:
        return Path(f"/proc/self/task/{native_id}/{what}").read_text()
    except OSError:
        return ""

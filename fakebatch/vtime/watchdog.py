"""The watchdog: a real thread that notices who blocks or ends without telling the scheduler.

Threads that wait in a `Waiter` are known. The others are watched from outside: time waits for one
that computes, not for one that waits for a lock; and it stands still for one that waits in a system
call (for a socket that C code reads, say) as it does for any answer that is pending.
"""

from __future__ import annotations

import _thread
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from freezegun import api as real

from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.vtime import callsite, pipes

if TYPE_CHECKING:
    from fakebatch.vtime.scheduler import Scheduler

_start_new_thread = _thread.start_new_thread
_SHORT, _LONG, _LONG_AFTER = 0.0002, 0.002, 0.02
"""Real seconds between two looks: soon after something has moved, later, and how much later."""
_BUSY = 1.0
"""Seconds of work after which others go on beside a thread that does not stop running. Of work, not
of waiting: a thread that gets no core on a busy machine loses nothing."""
_STILL, _STILL_AGAIN = 0.1, 0.02
"""Real seconds after which a thread that does not compute counts as waiting for a lock, where the
system does not tell; and how many after others have moved. 5 ms were too few beside a busy core."""
_PATIENCE, _PATIENCE_WITH_OTHERS = 1.0, 10.0
"""Real seconds until a deadlock is reported; threads outside the scope may wake one inside."""


@dataclass(slots=True, eq=False)
class PendingAnswer:
    """An answer from outside: virtual time stands still while somebody waits for it."""

    name: Callable[[], str]
    """Who has to answer, such as a socket by its address; called for warnings only."""
    since: float | None = None
    """Since when time has stood still for it, in real seconds."""
    expired: bool = False
    """It has taken too long: time goes on without it."""


class _Sighting(NamedTuple):
    """A thread as it was last seen to move."""

    cpu: float
    """Seconds it has computed."""
    since: float
    switches: int
    """Of all threads, by the scheduler."""
    moved: float
    """When any other thread last moved."""
    looked: float
    """When somebody last looked, in real seconds, and the virtual time then."""
    moment: int
    call: PendingAnswer
    """What it waits for if it is in a system call."""


class Watchdog:
    """Asleep while no thread waits; for a test with one thread it is never even started."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._sightings: dict[tuple[int, int], _Sighting] = {}
        """By both numbers of a thread: another may get one of them."""
        # Locks, for time.sleep and threading.Event may be anybody's. Nobody releases the first.
        self._pause, self._alarm, self._running = (_thread.allocate_lock() for _ in range(3))
        self._pause.acquire()
        self._stopped = False
        self._overtaken = False
        """Whether somebody has had a turn before an answer came that is pending still."""

    def watch(self) -> None:
        """Begin to watch, if it does not yet."""
        if self._running.acquire(blocking=False):
            # Below `threading`: a test that counts its threads shall not find this one.
            _start_new_thread(self._watch, ())
        self._wake()

    def stop(self) -> None:
        """End the thread and wait until it has gone."""
        self._stopped = True
        self._wake()
        self._running.acquire()

    def _wake(self) -> None:
        if self._alarm.locked():
            with suppress(RuntimeError):  # somebody else was faster
                self._alarm.release()

    def _watch(self) -> None:
        scheduler = self._scheduler
        switches, since, work = -1, 0.0, 0.0
        try:
            while not self._stopped:
                if not scheduler.parked:
                    self._alarm.acquire()
                if switches != scheduler.switches:
                    switches, since, work = (
                        scheduler.switches,
                        real.real_monotonic(),
                        work_of_others(),
                    )
                quiet = real.real_monotonic() - since
                self._pause.acquire(timeout=_SHORT if quiet < _LONG_AFTER else _LONG)
                with scheduler.mutex:
                    if switches == scheduler.switches:
                        self._look(real.real_monotonic() - since, work_of_others() - work)
        finally:
            self._running.release()  # else `stop` would wait for ever

    def _look(self, waited: float, worked: float) -> None:
        """Wake the next thread if all others have stopped, or one of them does not stop running.

        Args:
            waited: real seconds for which no thread has blocked or gone on.
            worked: seconds that all other threads have computed meanwhile.
        """
        scheduler, scope = self._scheduler, self._scheduler.scope
        if scope.starting() and waited < scheduler.io_wait:
            return
        waits = [self._waits_for(ident) for ident in scope.running(scheduler.parked)]
        waiters = scheduler.parked.values()
        # The answers first: who gets one meanwhile waits for it no more, and is blocked no more.
        pending = scheduler.pending_answers(waiters)
        blocked = None not in waits and all(waiter.blocked() for waiter in waiters)
        calls = [call for wait in waits for call in wait or ()]
        if blocked:
            blocked = not self._stands_still([*pending, *calls])
            # The answer may wait for somebody who waits for a turn, and holds a lock in a database.
            patience = _STILL_AGAIN if self._overtaken else _STILL
            if not blocked and waited > patience and scheduler.wake_next(at_this_moment=True):
                self._overtaken = True
                return
            self._overtaken &= not blocked
        if (blocked or worked > _BUSY) and scheduler.wake_next(beside_work=not blocked):
            return
        patience = _PATIENCE_WITH_OTHERS if scope.may_be_woken_from_outside() else _PATIENCE
        may_go_on = calls or any(waiter.watches_files() for waiter in waiters)
        if blocked and not may_go_on and waited > patience:
            scheduler.report_deadlock(self._deadlock())

    def _stands_still(self, answers: list[PendingAnswer]) -> bool:
        """Whether virtual time stands still for one of these; a warning names those that expire."""
        now, bound = real.real_monotonic(), self._scheduler.io_wait
        for answer in answers:
            answer.since = answer.since or now
            if not answer.expired and now - answer.since >= bound:
                answer.expired = True
                self._scheduler.warnings.append(
                    f"fakebatch: virtual time stood still {bound:g} s for {answer.name()}, and now "
                    "goes on.\n"
                    "While an answer from a real socket or a child process is pending, no virtual "
                    "time passes.\n"
                    "Let it answer sooner, or say how long to wait: io_wait='1s' of FakeBatch and "
                    "the marker."
                )
        return any(not answer.expired for answer in answers)

    def _waits_for(self, ident: int) -> list[PendingAnswer] | None:
        """What a thread waits for that is not parked: a system call, a lock ([]); None if it runs.

        One look does not tell: this is called again and again.
        """
        scheduler = self._scheduler
        if ident not in scheduler.scope.living:
            return None  # it does something in real time, and soon comes back
        now = real.real_monotonic()
        # Its state before its work: to look lets others run, and who has run since has moved.
        native_id = scheduler.scope.native_ids[ident]
        state = kernel_says(native_id, "stat").rpartition(") ")[2][:1]
        channel = kernel_says(native_id, "wchan")
        cpu, seen = work_of(ident), self._sightings.get((ident, native_id))
        if seen is None or seen.cpu != cpu:
            call = self._call(ident, seen, now)
            seen = _Sighting(cpu, now, scheduler.switches, now, now, scheduler.now, call)
            self._sightings[ident, native_id] = seen
            return None
        if seen.switches != scheduler.switches:
            seen = seen._replace(switches=scheduler.switches, moved=now)
        self._sightings[ident, native_id] = seen._replace(looked=now, moment=scheduler.now)
        if state in {"R", "D"}:  # it waits for a core, or for a disk
            return None
        still = now - seen.since
        if channel in {"", "0"}:
            waits_for_a_lock = still >= _STILL and now - seen.moved >= _STILL_AGAIN
        elif channel.startswith("futex"):
            # Who waits for the interpreter stirs once in each of its switch intervals.
            waits_for_a_lock = still > 1.2 * sys.getswitchinterval()
        else:
            waits_for_a_lock = pipes.is_read_in(kernel_says(native_id, "syscall"))
            if not waits_for_a_lock:
                return [seen.call]
        return [] if waits_for_a_lock else None

    def _call(self, ident: int, seen: _Sighting | None, now: float) -> PendingAnswer:
        """What a thread waits for that has computed since it was last seen.

        Nobody sees whether it got its answer, or looks again and again with a timeout of its own.
        So its calls count together, as long as virtual time is slower than real time for them.
        """
        call = None if seen is None else seen.call
        if seen is not None and call is not None and call.since is not None and not call.expired:
            call.since += (self._scheduler.now - seen.moment) / SECOND
            if now - seen.looked > _STILL:  # meanwhile nobody waited for it
                call.since += now - seen.looked
        if call is None or call.since is None or (call.since >= now and not call.expired):
            call = PendingAnswer(lambda: f"calls at {_site(ident)}")
        return call

    def _deadlock(self) -> FakeBatchError:
        sites = {ident: _site(ident) for ident in self._scheduler.parked}
        for ident, waiter in self._scheduler.parked.items():
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


def _site(ident: int) -> str:
    frame = callsite.of_thread(ident)
    return "an unknown place" if frame is None else callsite.of_frame(frame)


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

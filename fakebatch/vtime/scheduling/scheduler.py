"""The scheduler: one line of time that moves only when every thread is blocked.

It then jumps to the earliest deadline and wakes exactly one thread. So one thread of the scope runs
at a time, and their order is decided by deadline and registration, not by the operating system.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import get_ident
from typing import Any
from weakref import WeakKeyDictionary

from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchError
from fakebatch.vtime import callsite
from fakebatch.vtime.clock import Sleep
from fakebatch.vtime.quarantine.of_freezegun import real_monotonic
from fakebatch.vtime.scheduling import standstill
from fakebatch.vtime.scheduling.scope import Scope
from fakebatch.vtime.scheduling.waiters import ClockStopped, Sleeper, Turn, Waiter
from fakebatch.vtime.scheduling.watchman import Watchman

_BUSY = 1.0
"""Seconds of work after which others go on beside a thread that does not stop running. Of work, not
of waiting: a thread that gets no core on a busy machine loses nothing."""
_ANSWER = 5.0
"""Real seconds after which others go on beside one that has precedence and waits for a socket."""
_GLANCES = 1_000
"""How many waits of no length a thread may make before each of them takes 1 us."""


class Scheduler:
    """One running virtual clock, shared by all threads of its scope.

    Args:
        manual: whether time moves by `advance` alone.
        move_wall: moves the wall clock by microseconds.
        limit: asked before each sleep, whose end is a point on the line.
        tell: told the microseconds of each sleep when it is over.
    """

    def __init__(
        self,
        *,
        manual: bool,
        move_wall: Callable[[int], None],
        limit: Callable[[Sleep], FakeBatchError | None],
        tell: Callable[[int], None],
    ) -> None:
        self.line = 0
        """Microseconds since the clock was started."""
        self.manual = manual
        self.tell = tell
        self.moves = 0
        """How often a thread has blocked or gone on."""
        self.scope = Scope()
        self.shifts: WeakKeyDictionary[object, Callable[[Any, float], None]] = WeakKeyDictionary()
        """The event loops that have waited, and how all timers of each are moved."""
        self._began = real_monotonic()
        self._ended = False
        self._stuck = False
        self._first: set[int] = set()
        self._here, self._glances = (0, 0), 0
        self._move_wall = move_wall
        self._limit = limit
        self._parked: dict[int, Waiter] = {}
        # Reentrant: a finalizer may wait while its thread is in here.
        self._mutex = threading.RLock()
        self._watchman = Watchman(self)

    @property
    def seconds(self) -> float:
        """Virtual seconds since the start."""
        return self.line / SECOND

    @property
    def monotonic(self) -> float:
        """Seconds that start at the real monotonic clock."""
        return self._began + self.line / SECOND

    def line_at(self, monotonic: float) -> int:
        """The point on the line at which `monotonic` reads as given, or now if that is past."""
        # round, not ceil: ceil drifts by 1 us a sleep.
        return max(self.line, round((monotonic - self._began) * SECOND))

    def deadline(self, seconds: float) -> int:
        """The point on the line that lies so many seconds ahead."""
        if seconds > 0:
            # At least 1 us: a loop that waits for a remainder below it would never see it pass.
            return self.line + max(round(seconds * SECOND), 1)
        # Likewise a loop that goes on while the remainder is `>= 0`: looking on and on takes time.
        return self.line + (self._glances_here() > _GLANCES)

    # --- sleeping

    def sleep(self, deadline: int) -> None:
        """Sleep until a point on the line.

        Raises:
            FakeBatchError: the wait would never end.
        """
        __tracebackhide__ = True
        self.permit(Sleep(deadline, callsite.of_this_thread, get_ident(), 1))
        duration = deadline - self.line
        if self.may_jump():
            self.jump(deadline)
        else:
            self.wait(Sleeper(deadline, moves_time=not self.manual))
        self.tell(duration)

    def advance(self, duration: int) -> None:
        """Move time by hand, through every deadline on the way."""
        deadline = self.line + duration
        if not self.scope.has(get_ident()) or self.scope.alone():
            self.jump(deadline)
        else:
            self.wait(Turn(deadline))

    def permit(self, sleep: Sleep) -> None:
        """Ask whether the calling thread may sleep until a point on the line.

        Raises:
            FakeBatchError: it may not, or nobody would ever move the clock.
        """
        __tracebackhide__ = True
        if sleep.end > self.line and (error := self._limit(sleep)):
            raise error
        if self.manual and sleep.end > self.line and self.scope.alone():
            raise standstill.nobody_moves_time(sleep.site())

    def may_jump(self) -> bool:
        """Whether the calling thread may move time to its own deadline and just go on."""
        return not self.manual and self.scope.alone()

    def jump(self, line: int) -> None:
        """Move time to a point on the line, never back."""
        if line > self.line:
            self._move_wall(line - self.line)
            self.line = line

    # --- blocking

    def wait(self, waiter: Turn) -> None:
        """Block the calling thread until the waiter is woken."""
        with self.parked(waiter):
            waiter.lock.acquire()

    def take_turn(self, order: int) -> None:
        """Wait, at the same time, until every other thread is blocked."""
        self.wait(Turn(self.line, order))

    @contextmanager
    def parked(self, waiter: Waiter) -> Generator[None]:
        """Count the calling thread as blocked as long as its waiter is; then raise its error."""
        self.park(waiter)
        try:
            yield
        finally:
            self.unpark()
        if waiter.error is not None:
            raise waiter.error

    def park(self, waiter: Waiter) -> None:
        """Count the calling thread as blocked; if it was the last one, time moves."""
        with self._mutex:
            if self._ended:
                waiter.dismiss()
                return
            self.moves += 1
            first = get_ident() in self._first
            waiter.order = waiter.order or (0 if first else self.moves)
            self._parked[get_ident()] = waiter
        self.pass_on()
        if waiter.blocked():
            self._watchman.rise()

    def unpark(self) -> None:
        """Count the calling thread as running."""
        with self._mutex:
            self.moves += 1
            self._parked.pop(get_ident(), None)

    def pass_on(self) -> None:
        """Wake the next thread if it is certain that all are blocked."""
        with self._mutex:
            if self.scope.all_parked(self._parked):
                self._wake_next()

    def begin_thread(self, thread: threading.Thread) -> None:
        """Let whoever started the calling thread first wait for it: else both would run at once."""
        with self.scope.beginning(thread):
            self.take_turn(0)

    def end_thread(self) -> None:
        """The calling thread has done its work and holds time back no longer."""
        self.scope.end()
        self.pass_on()

    @contextmanager
    def precedence(self) -> Generator[None]:
        """Of those due at one moment the calling thread is the first, and time waits for it.

        It waits as long as it does for any thread that does not stop running: also while this one
        computes for long, or for an answer from a socket.
        """
        with self._mutex:
            self._first.add(get_ident())
        try:
            yield
        finally:
            with self._mutex:
                self._first.discard(get_ident())

    # --- what the watchman asks for

    @property
    def idle(self) -> bool:
        """Whether no thread waits."""
        return not self._parked

    def appoint(self, watchman: int) -> None:
        """Learn the ident of the watchman's thread."""
        self.scope.appoint(watchman)

    def watch(self, waited: float, worked: float) -> None:
        """Look at the threads that block, end or go on without telling.

        Args:
            waited: real seconds for which no thread has blocked or gone on.
            worked: seconds that all other threads have computed meanwhile.
        """
        with self._mutex:
            held = not self._first <= self._parked.keys()
            blocked = not held and self.scope.all_blocked(self._parked)
            overdue = worked > _BUSY or (held and waited > _ANSWER)
            woken = (blocked or overdue) and self._wake_next()
            if blocked and not woken and standstill.certain(self.scope, self._parked, waited):
                self._report_standstill()

    def dismiss(self) -> None:
        """Stop: send everybody who still waits on their way."""
        self._watchman.dismiss()
        with self._mutex:
            distance = real_monotonic() - self.monotonic
            for loop, shift in self.shifts.items():
                shift(loop, distance)
            self._ended = True
            for waiter in self._parked.values():
                if self._stuck:
                    waiter.error = waiter.error or ClockStopped()
                    waiter.wake()
                else:
                    waiter.dismiss()

    def _glances_here(self) -> int:
        here = (get_ident(), self.line)
        self._glances = self._glances + 1 if here == self._here else 0
        self._here = here
        return self._glances

    def _wake_next(self) -> bool:
        first = min(self._movable(), key=lambda entry: entry[:2], default=None)
        if first is None:
            return False
        deadline, _, waiter = first
        self.jump(deadline)
        waiter.wake()
        return True

    def _movable(self) -> list[tuple[int, int, Waiter]]:
        timed = self._timed()
        if any(waiter.moves_time for *_, waiter in timed):
            return timed
        return [entry for entry in timed if entry[0] <= self.line]

    def _timed(self) -> list[tuple[int, int, Waiter]]:
        return [
            (waiter.deadline, waiter.order, waiter)
            for waiter in self._parked.values()
            if waiter.deadline is not None and not waiter.due
        ]

    def _report_standstill(self) -> None:
        first = min(self._parked.values(), key=lambda waiter: waiter.order)
        victim = self._parked.get(self.scope.entered_by, first)
        victim.error = standstill.error(self._parked)
        self._stuck = True
        victim.wake()

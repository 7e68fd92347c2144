"""The scheduler: one line of time that moves only when every thread of its scope is blocked.

It then jumps to the earliest deadline and wakes exactly one thread. So one thread of the scope runs
at a time, and their order is decided by deadline and registration, not by the operating system.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import get_ident
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from freezegun import api as real

from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchError, FakeBatchWarning
from fakebatch.vtime import callsite
from fakebatch.vtime.clock import Sleep
from fakebatch.vtime.thread_scope import ThreadScope
from fakebatch.vtime.watchdog import Debt, Watchdog, nobody_moves_time

_NO_TIME = 10
"""From this wait of no length in a row on, each of a thread takes 1 us: a loop that waits for the
clock to pass a moment, and computes a remainder of 0, would never see it pass."""


_AT_ONCE = -1
"""The order of a thread that begins: before all others at its moment."""


class ClockStopped(SystemExit):
    """Ends a thread that would go on sleeping in real time, for hours."""


class Hooks(NamedTuple):
    """What a clock wants to be asked and told."""

    since: int
    """The point on the line at which the clock was started."""
    before_sleep: Callable[[Sleep], FakeBatchError | None]
    after_sleep: Callable[[int, int], None]


@dataclass(slots=True, eq=False)
class Waiter:
    """A blocked thread: when time shall wake it, and in what order among equals."""

    deadline: int | None
    """On the line of time, in microseconds; None if only another thread can wake it."""
    order: int = 0
    moves_time: bool = True
    """False for those whom a manual clock leaves standing."""
    due: bool = False
    error: BaseException | None = None
    """What the thread shall raise as soon as it runs."""

    def blocked(self) -> bool:
        """Whether nothing has woken the thread yet; exact at any moment, for any observer."""
        return not self.due

    def hopeless(self) -> bool:
        """Whether only another thread of the scope, or time, could ever wake it."""
        return True

    def debts(self) -> Iterable[Debt]:
        """What it is owed from outside."""
        return ()

    def wake(self) -> None:
        """Let the thread go on: its time has come, or it has an error to raise."""
        self.due = True

    def dismiss(self) -> None:
        """The clock stops: what is left goes on in real time."""
        self.wake()


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class Turn(Waiter):
    """A thread that waits on a lock of its own until all others are blocked."""

    lock: threading.Lock = field(default_factory=_locked)

    def wake(self) -> None:
        """Release the lock."""
        self.due = True
        if self.lock.locked():
            self.lock.release()


@dataclass(slots=True, eq=False)
class Sleeper(Turn):
    """A thread that waits for time to pass."""

    def dismiss(self) -> None:
        """End the thread."""
        self.error = ClockStopped()
        self.wake()


current: Scheduler | None = None
"""The one virtual clock that runs in this process, if any."""


def for_this_thread() -> Scheduler | None:
    """The clock the calling thread lives by; None if it lives in real time."""
    return current if current is not None and get_ident() in current.scope.living else None


class Scheduler:
    """One running virtual clock, shared by all threads of its scope.

    Args:
        manual: whether time moves by `advance` alone.
        io_wait: real seconds for which time stands still for an answer from outside.
        move_wall: moves the wall clock by microseconds.
        read_wall: the wall clock in microseconds.
    """

    def __init__(
        self,
        *,
        manual: bool,
        io_wait: float,
        move_wall: Callable[[int], None],
        read_wall: Callable[[], int],
    ) -> None:
        self.line = 0
        """Microseconds since the clock was started."""
        self.manual = manual
        self.io_wait = io_wait
        self.hooks: list[Hooks] = []
        """Of the clocks that run."""
        self.moves = 0
        """How often a thread has blocked or gone on."""
        self.scope = ThreadScope()
        self.shifts: WeakKeyDictionary[object, Callable[[Any, float], None]] = WeakKeyDictionary()
        """The event loops that have waited, and how all timers of each are moved."""
        self.children: set[Debt] = set()
        """The child processes that are waited for."""
        self.warnings: list[str] = []
        """What to tell the next thread that goes on."""
        self.parked: dict[int, Waiter] = {}
        # Reentrant: a finalizer may wait while its thread is in here.
        self.mutex = threading.RLock()
        self._began = real.real_monotonic()
        self._ended = self._stuck = False
        self._first: set[int] = set()
        self._zeros: dict[int, int] = {}
        self._move_wall, self._read_wall = move_wall, read_wall
        self._watchdog = Watchdog(self)

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
        """The point on the line that lies so many seconds ahead of the calling thread."""
        ident = get_ident()
        if seconds > 0:
            self._zeros.pop(ident, None)
            # At least 1 us: a loop that waits for a remainder below it would never see it pass.
            return self.line + max(round(seconds * SECOND), 1)
        zeros = self._zeros[ident] = self._zeros.get(ident, 0) + 1
        return self.line + (zeros >= _NO_TIME)

    # --- sleeping

    def sleep(self, deadline: int) -> None:
        """Sleep until a point on the line.

        Raises:
            FakeBatchError: the wait would never end.
        """
        __tracebackhide__ = True
        self.permit(Sleep(deadline, callsite.of_this_thread, get_ident()))
        duration = deadline - self.line
        if self.may_jump():
            self.jump(deadline)
        else:
            self.wait(Sleeper(deadline, moves_time=not self.manual))
        self.slept(duration)

    def slept(self, duration: int) -> None:
        """A sleep of so many microseconds is over."""
        end = self._read_wall()
        for hooks in self.hooks:
            hooks.after_sleep(end - duration, end)

    def advance(self, duration: int) -> None:
        """Move time by hand, through every deadline on the way."""
        deadline = self.line + duration
        if not self.scope.has(get_ident()) or self.scope.alone():
            self.jump(deadline)
        else:
            self.wait(Turn(deadline))

    def permit(self, sleep: Sleep) -> None:
        """Ask whether a sleep may begin.

        Raises:
            FakeBatchError: it may not, or nobody would ever move the clock.
        """
        __tracebackhide__ = True
        if sleep.end <= self.line:
            return
        errors = [
            hooks.before_sleep(
                sleep._replace(end=sleep.end - hooks.since) if hooks.since else sleep
            )
            for hooks in self.hooks  # each counts
        ]
        for error in errors:
            if error is not None:
                raise error
        if self.manual and self.scope.alone():
            raise nobody_moves_time(sleep.site())

    def may_jump(self) -> bool:
        """Whether the calling thread may move time to its own deadline and just go on."""
        return not self.manual and self.scope.alone() and not (self.children and self.owed())

    def jump(self, line: int) -> None:
        """Move time to a point on the line, never back."""
        if line > self.line:
            self._move_wall(line - self.line)
            self.line = line

    # --- blocking

    def wait(self, waiter: Turn) -> None:
        """Block the calling thread until the waiter is woken."""
        with self.blocked(waiter):
            waiter.lock.acquire()

    def take_turn(self, order: int) -> None:
        """Wait, at the same time, until every other thread is blocked."""
        self.wait(Turn(self.line, order))

    @contextmanager
    def blocked(self, waiter: Waiter) -> Generator[None]:
        """Count the calling thread as blocked as long as its waiter is; then raise its error."""
        self._park(waiter)
        try:
            yield
        finally:
            with self.mutex:
                self.moves += 1
                self.parked.pop(get_ident(), None)
        if waiter.error is not None:
            raise waiter.error
        while self.warnings:
            warnings.warn(self.warnings.pop(), FakeBatchWarning, stacklevel=4)

    def _park(self, waiter: Waiter) -> None:
        with self.mutex:
            if self._ended:
                waiter.dismiss()
                return
            self.moves += 1
            first = get_ident() in self._first
            waiter.order = waiter.order or (0 if first else self.moves)
            self.parked[get_ident()] = waiter
        self.pass_on()
        if waiter.blocked():
            self._watchdog.rise()

    def pass_on(self) -> None:
        """Wake the next thread if all are blocked and nothing is owed from outside."""
        with self.mutex:
            if self.scope.all_parked(self.parked) and not self.owed():
                self.wake_next()

    def holds_time(self, debts: Iterable[Debt]) -> bool:
        """Whether time stands still for one of these, or for a child process.

        Whoever is owed an answer goes on at once when it comes: others at the same moment wait.
        """
        return any(not debt.expired for debt in (*self.children, *debts))

    def owed(self) -> list[Debt]:
        """The answers from outside for which time stands still."""
        waiters = [*self.parked.values()]
        debts = [*self.children, *(debt for waiter in waiters for debt in waiter.debts())]
        return [debt for debt in debts if not debt.expired]

    def wake_next(self) -> bool:
        """Jump to the earliest deadline and wake its thread; whether there is one."""
        timed = [
            (waiter.deadline, waiter.order, waiter)
            for waiter in self.parked.values()
            if waiter.deadline is not None and not waiter.due
        ]
        if not any(waiter.moves_time for *_, waiter in timed):
            timed = [entry for entry in timed if entry[0] <= self.line]
        first = min(timed, key=lambda entry: entry[:2], default=None)
        if first is None:
            return False
        deadline, _, waiter = first
        self.jump(deadline)
        waiter.wake()
        return True

    def begin_thread(self, newborn: object) -> None:
        """Count the calling thread as one of the scope, which runs as soon as its starter waits."""
        self.scope.begin(newborn)
        self.take_turn(_AT_ONCE)

    def end_thread(self) -> None:
        """The calling thread has done its work and holds time back no longer."""
        self._zeros.pop(get_ident(), None)
        with self.mutex:  # the watchdog must not look at a thread that has gone
            self.scope.end()
            self.pass_on()

    @contextmanager
    def precedence(self) -> Generator[None]:
        """Of those due at one moment the calling thread is the first."""
        with self.mutex:
            self._first.add(get_ident())
        try:
            yield
        finally:
            with self.mutex:
                self._first.discard(get_ident())

    @contextmanager
    def waiting_for_child(self, name: str) -> Generator[None]:
        """Let time stand still while a child process is waited for."""
        debt = Debt(lambda: name)
        self.children.add(debt)
        try:
            yield
        finally:
            self.children.discard(debt)
            if not self.scope.has(get_ident()):
                self.pass_on()

    # --- the end

    def report_standstill(self, error: FakeBatchError) -> None:
        """Raise an error in the thread that entered, or else in the one that waits the longest."""
        first = min(self.parked.values(), key=lambda waiter: waiter.order)
        victim = self.parked.get(self.scope.entered_by, first)
        victim.error = error
        self._stuck = True
        victim.wake()

    def abandon(self) -> None:
        """In a process that was forked: of all threads only the calling one is there."""
        self.mutex = threading.RLock()
        self.parked.clear()
        self.shifts.clear()
        self._watchdog = Watchdog(self)

    def dismiss(self) -> None:
        """Stop: send everybody who still waits on their way."""
        self._watchdog.dismiss()
        with self.mutex:
            distance = real.real_monotonic() - self.monotonic
            for loop, shift in self.shifts.items():
                shift(loop, distance)
            self._ended = True
            for waiter in self.parked.values():
                if self._stuck:
                    waiter.error = waiter.error or ClockStopped()
                    waiter.wake()
                else:
                    waiter.dismiss()

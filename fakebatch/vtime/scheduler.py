"""The scheduler: virtual time, which moves only when every thread that lives by it is blocked.

It then jumps to the earliest deadline and wakes exactly one thread. So one thread runs at a time,
and their order is decided by deadline and by who blocked first, not by the operating system.

All moments and durations here are whole microseconds since the session of clocks began.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from freezegun import api as real

from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchError, FakeBatchWarning
from fakebatch.vtime.clock import Sleep
from fakebatch.vtime.thread_scope import ThreadScope
from fakebatch.vtime.watchdog import PendingAnswer, Watchdog, nobody_moves_time

if TYPE_CHECKING:
    from fakebatch.vtime.wall_clock import WallClock

_ZERO_SLEEPS = 10
"""From this zero-length sleep in a row on, each takes 1 us: what is left of a wait may become 0."""
_ZERO_TIMERS = 100
"""The same for timers of an event loop: a rate limiter may lack less than its clock can show."""
_HAIR = 1e-8  # seconds: by less a sum of floats may exceed the moment that was meant
_BEFORE_ALL = -1
"""The order of a thread that begins."""


class ClockStopped(SystemExit):
    """Ends a thread that would go on to sleep in real time, maybe for hours."""


class Hooks(NamedTuple):
    """What a clock calls before and after each sleep."""

    since: int
    """When the clock was started."""
    before_sleep: Callable[[Sleep], FakeBatchError | None]
    after_sleep: Callable[[int, int], None]


class Waiter:
    """A blocked thread: when time wakes it, and in what order among equals.

    Args:
        deadline: when time wakes it; None if only another thread or an answer can.
        order: the lowest of those with the same deadline wakes first; 0: as they have blocked.
        waits: whether it waits for something else, too, that has not come.
    """

    woken = False
    """Whether the scheduler has woken it: its time has come, or it has an error to raise."""
    error: BaseException | None = None
    """What the thread raises as soon as it runs."""

    def __init__(
        self, deadline: int | None, order: int = 0, waits: Callable[[], bool] = lambda: True
    ) -> None:
        self.deadline, self.order, self._waits = deadline, order, waits
        self.lock = threading.Lock()
        self.lock.acquire()

    def block(self) -> None:
        """Block the calling thread until it is woken."""
        self.lock.acquire()

    def blocked(self) -> bool:
        """Whether nothing has woken the thread yet; exact at any moment, for any observer."""
        return not self.woken and self._waits()

    def wake(self) -> None:
        """Let the thread go on."""
        self.woken = True
        if self.lock.locked():
            self.lock.release()

    def release(self) -> None:
        """The clock stops: go on in real time."""
        self.wake()

    def watches_files(self) -> bool:
        """Whether a file or a socket can wake it."""
        return False

    def pending(self) -> Iterable[PendingAnswer]:
        """The answers from outside that it waits for."""
        return ()


class Sleeper(Waiter):
    """A thread that waits for time to pass, or to be notified."""

    def release(self) -> None:
        """End a thread whose sleep or timeout has not passed; others are notified in real time."""
        if self.deadline is not None:
            self.error = ClockStopped()
            self.wake()


current: Scheduler | None = None
"""The scheduler of the clocks that run in this process, if any."""


def for_this_thread() -> Scheduler | None:
    """The scheduler by which the calling thread lives; None if it lives in real time."""
    return current if current is not None and get_ident() in current.scope.living else None


class Scheduler:
    """Virtual time, shared by all clocks that run and all threads of its scope.

    Args:
        wall: the wall clock, which moves with it.
        manual: whether time moves by `advance` alone.
        io_wait: real seconds for which time stands still for an answer from outside.
    """

    def __init__(self, wall: WallClock, *, manual: bool, io_wait: float) -> None:
        self.now = 0
        self.wall = wall
        self.manual = manual
        self.io_wait = io_wait
        self.hooks: list[Hooks] = []
        """Of the clocks that run."""
        self.scope = ThreadScope()
        self.parked: dict[int, Waiter] = {}
        """The blocked threads, by ident."""
        self.switches = 0
        """How often a thread has blocked or gone on."""
        self.loops: WeakKeyDictionary[object, Callable[[Any, float], None]] = WeakKeyDictionary()
        """The event loops that have slept, and what moves all timers of each by seconds."""
        self.awaited: set[PendingAnswer] = set()
        """What is waited for otherwise than in a waiter, such as child processes."""
        self.warnings: list[str] = []
        """For the next thread that goes on."""
        # Reentrant: a finalizer may wait while its thread is in here.
        self.mutex = threading.RLock()
        self._began = real.real_monotonic()
        self._advanced_to = 0
        self._stopped = self._deadlocked = False
        self._preferred: set[int] = set()
        self._zero_sleeps: dict[int, int] = {}
        self._watchdog = Watchdog(self)

    @property
    def monotonic(self) -> float:
        """Seconds that start at the real monotonic clock and go on in virtual time."""
        return self._began + self.now / SECOND

    def deadline(self, seconds: float) -> int:
        """The moment some seconds from now, for the calling thread to sleep until."""
        # At least 1 us: a loop that waits for a remainder below it would never see it pass.
        return self._end(self.now + max(round(seconds * SECOND), int(seconds > 0)), _ZERO_SLEEPS)

    def due(self, seconds: float) -> int:
        """The moment at which `monotonic` shows some seconds, for an event loop to sleep until."""
        # round, not ceil, which drifts by 1 us a sleep. But a cancel scope of anyio that finds its
        # deadline a fraction ahead sets its timer again: then at least 1 us.
        least = self.now + int(seconds - self.monotonic > _HAIR)
        return self._end(max(round((seconds - self._began) * SECOND), least), _ZERO_TIMERS)

    def _end(self, moment: int, zeros: int) -> int:
        """When a sleep until a moment ends: 1 us later after so many in a row that took no time."""
        now, ident = self.now, get_ident()
        if moment > now:
            self._zero_sleeps.pop(ident, None)
            return moment
        count = self._zero_sleeps[ident] = self._zero_sleeps.get(ident, 0) + 1
        return now + (count >= zeros)

    # --- sleeping

    def sleep(self, sleep: Sleep, waiter: Waiter | None = None) -> None:
        """Block the calling thread until its sleep ends, or something else wakes it.

        Args:
            sleep: who sleeps, and until when.
            waiter: what blocks; by default a Sleeper, which is made only if others run beside it.

        Raises:
            FakeBatchError: the wait would never end.
        """
        __tracebackhide__ = True
        self.permit(sleep)
        duration = sleep.end - self.now
        waiters = () if waiter is None else (waiter,)
        if not self.manual and self.scope.alone() and not self.pending_answers(waiters):
            self._jump(sleep.end)
        else:
            waiter = waiter or Sleeper(sleep.end)
            self.wait(waiter)
            if not waiter.woken:
                return
        end = self.wall.now()
        for hooks in self.hooks:
            hooks.after_sleep(end - duration, end)

    def permit(self, sleep: Sleep) -> None:
        """Ask every clock whether a sleep may begin.

        Raises:
            FakeBatchError: it may not, or nobody would ever move the clock.
        """
        __tracebackhide__ = True
        if sleep.end <= self.now:
            return
        errors = [
            hooks.before_sleep(
                sleep._replace(end=sleep.end - hooks.since) if hooks.since else sleep
            )
            for hooks in self.hooks  # each of them counts its sleeps
        ]
        for error in errors:
            if error is not None:
                raise error
        if self.manual and self.scope.alone():
            raise nobody_moves_time(sleep.site())

    def advance(self, duration: int) -> None:
        """Move time by hand, through every deadline on the way."""
        deadline = self.now + duration
        if get_ident() not in self.scope.living or self.scope.alone():
            self._jump(deadline)
        else:
            self._advanced_to = max(self._advanced_to, deadline)
            self.wait(Waiter(deadline))

    def _jump(self, moment: int) -> None:
        if moment > self.now:
            self.wall.move(moment - self.now)
            self.now = moment

    # --- blocking

    def wait(self, waiter: Waiter) -> None:
        """Block the calling thread until its waiter is woken, then raise its error."""
        with self.blocked(waiter):
            waiter.block()

    @contextmanager
    def blocked(self, waiter: Waiter) -> Generator[None]:
        """Count the calling thread as blocked as long as its waiter is.

        A thread that another one has woken waits for its turn at the end. One that has got an
        answer from outside goes on at once: virtual time, and everybody else, has waited for it.
        """
        was_pending = any(not answer.expired for answer in waiter.pending())
        ident = get_ident()
        with self.mutex:
            if self._stopped:
                waiter.release()
            else:
                self.switches += 1
                waiter.order = waiter.order or (0 if ident in self._preferred else self.switches)
                self.parked[ident] = waiter
        try:
            if ident in self.parked:
                self.pass_on()
                if waiter.blocked():
                    self._watchdog.watch()
            yield
        finally:
            with self.mutex:
                self.switches += 1
                self.parked.pop(ident, None)
        if waiter.error is not None:
            raise waiter.error
        while self.warnings:
            warnings.warn(self.warnings.pop(), FakeBatchWarning, stacklevel=5)
        if not waiter.woken and not was_pending and not self.pending_answers():
            self.take_turn(waiter.order)

    def take_turn(self, order: int = 0) -> None:
        """Wait, at the same moment, until every other thread is blocked."""
        self.wait(Waiter(self.now, order))

    def pass_on(self) -> None:
        """Wake the next thread if all are blocked and no answer from outside is pending."""
        with self.mutex:
            waiters = self.parked.values()
            if (
                not self.scope.starting()
                and not self.scope.running(self.parked)
                and not self.pending_answers(waiters)  # first: who has got one is blocked no more
                and all(waiter.blocked() for waiter in waiters)
            ):
                self.wake_next()

    def pending_answers(self, waiters: Iterable[Waiter] = ()) -> list[PendingAnswer]:
        """The answers for which time stands still: those awaited, and those of some waiters."""
        answers = [*self.awaited]
        for waiter in waiters:
            answers += waiter.pending()
        return [answer for answer in answers if not answer.expired] if answers else answers

    def wake_next(self, *, beside_work: bool = False, at_this_moment: bool = False) -> bool:
        """Jump to the earliest deadline and wake its thread; False if there is none.

        Args:
            beside_work: whether a thread is not blocked, but computes.
            at_this_moment: whether time stands still, and only those wake who wait for a turn.
        """
        reach = max(self._advanced_to, self.now)
        timed = [
            (waiter.deadline, waiter.order, waiter)
            for ident, waiter in self.parked.items()
            if waiter.deadline is not None
            and not waiter.woken
            and not (beside_work and ident in self._preferred)
            and not (self.manual and waiter.deadline > reach)
            and not (at_this_moment and waiter.deadline > self.now)
        ]
        if not timed:
            return False
        deadline, _, waiter = min(timed, key=lambda entry: entry[:2])
        self._jump(deadline)
        waiter.wake()
        return True

    # --- threads

    def begin_thread(self, newborn: object) -> None:
        """Count the calling thread as one of the scope; it runs as soon as its starter waits."""
        self.scope.begin(newborn)
        self.take_turn(_BEFORE_ALL)

    def end_thread(self) -> None:
        """The calling thread has done its work and holds time back no longer."""
        self._zero_sleeps.pop(get_ident(), None)
        with self.mutex:  # the watchdog must not look at a thread that has gone
            self.scope.end(get_ident())
            self.pass_on()

    @contextmanager
    def precedence(self) -> Generator[None]:
        """Let the calling thread be the first of those that wake, and run beside no other."""
        self._preferred.add(get_ident())
        try:
            yield
        finally:
            self._preferred.discard(get_ident())

    @contextmanager
    def waiting_for(self, name: str) -> Generator[None]:
        """Let virtual time stand still while a child process, or another answer, is waited for.

        Args:
            name: how a warning names it.
        """
        answer = PendingAnswer(lambda: name)
        self.awaited.add(answer)
        try:
            yield
        finally:
            self.awaited.discard(answer)
            if get_ident() not in self.scope.living:
                self.pass_on()

    # --- the end

    def report_deadlock(self, error: FakeBatchError) -> None:
        """Raise an error in the thread that started the clock, else in who has waited longest."""
        first = min(self.parked.values(), key=lambda waiter: waiter.order)
        victim = self.parked.get(self.scope.started_by, first)
        victim.error, self._deadlocked = error, True
        victim.wake()

    def stop(self) -> None:
        """Stop time, and send everybody who still waits on their way."""
        self._watchdog.stop()
        with self.mutex:
            distance = real.real_monotonic() - self.monotonic
            for loop, shift in self.loops.items():
                shift(loop, distance)
            self._stopped = True
            for ident, waiter in self.parked.items():
                if self.scope.was_there_before(ident):
                    waiter.wake()  # part of a service that goes on, in real time
                elif self._deadlocked:
                    waiter.error = waiter.error or ClockStopped()
                    waiter.wake()
                else:
                    waiter.release()

    def forget_threads(self) -> None:
        """In a process that was forked, of all threads only the calling one is there."""
        self.mutex = threading.RLock()
        self.parked.clear()
        self.loops.clear()
        self._watchdog = Watchdog(self)

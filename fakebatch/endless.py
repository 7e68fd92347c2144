"""Waits that never end: an error in the loop that waits, in place of a test run that hangs.

A wait is endless when nothing it could see is scheduled to change. Until then it is right, however
often it polls. What a client decides by itself, such as a deadline, nobody can see from here: so it
is given `max_idle` of virtual time, and limits on sleeps and on time that no test means to reach.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import get_ident
from types import FrameType
from typing import Any

from fakebatch.durations import SECOND, Duration, microseconds, text
from fakebatch.errors import FakeBatchError, Misuse
from fakebatch.journal import moment_text
from fakebatch.scenario import Breaks
from fakebatch.service import Service
from fakebatch.vtime import callsite
from fakebatch.vtime.clock import Sleep
from fakebatch.vtime.moments import as_datetime
from fakebatch.wire.app import Handled
from fakebatch.wire.faults import Faults

LEAST_IDLE = 48 * 3_600 * SECOND
"""`max_idle` where no live batch has a window of more than 24 hours."""
POLLS = 10
"""How often a waiter has to call after the last change to be one that polls."""
CALLS = 5_000
"""Calls of a thread for the same object, while no time passes, that end it."""
OBJECTS = 100
"""A loop over more than these is none that waits."""
PAGES = 100
"""Calls for the same page of a listing, likewise, and in a row."""
NO_TIME = 10
"""Microseconds between two calls that count as none: a `sleep(0)` may take one."""
CLOSING_SLEEPS = 100
"""Sleeps that a waiter has left after its error, to close what it has open."""
SWALLOWED = 1_000
"""Errors of one waiter, after which it can only be one that swallows them."""

Query = tuple[str, str, tuple[tuple[str, str], ...]]
"""Method, path and query of a call."""


@dataclass(slots=True, eq=False)
class _Waiter:
    """What one thread has done since a caller last changed something; its event loops included."""

    since: int
    """When it began to wait, or the last change after that, in microseconds since the epoch."""
    began: int
    """When its sleeps were first counted."""
    check_at: int = 0
    """Before this moment it cannot have been idle for too long."""
    sleeps: int = 0
    calls: int = 0
    called: tuple[str, str, int] = ("", "", 0)
    """The operation and the id of its last call, and the status of the answer."""
    called_at: int = 0
    error: FakeBatchError | None = None
    """What has ended its wait."""
    counts: dict[Query, int] = field(default_factory=dict[Query, int])
    """Its calls since time last passed."""
    query: Query | None = None
    repeated: int = 0
    """How often the last query came in a row."""
    spinning: FakeBatchError | None = None
    """What ends its calls while no time passes."""
    raised: int = 0
    stack: Sequence[FrameType] = ()
    """Where the last error was raised, if many were."""


class Endless:
    """Watches the calls and sleeps of a test for a wait that never ends.

    A sleep and a call cost a few comparisons, however many objects there are: what is scheduled is
    looked at no more than twice in each `max_idle` of virtual time.

    Args:
        services: what is scheduled to change.
        faults: calls that will go well one day, or go wrong.
        max_idle: how long a waiter may poll after the last change while none is scheduled; None:
            twice the longest completion window of the batches that have not ended, at least 48 h.
        max_sleeps: how often a waiter may sleep after the last change.
        max_elapsed: how much virtual time may pass in all.

    Raises:
        Misuse: a limit that lets nothing happen.
    """

    def __init__(
        self,
        services: Sequence[Service],
        faults: Faults,
        *,
        max_idle: Duration | None = None,
        max_sleeps: int = 1_000_000,
        max_elapsed: Duration = "400d",
    ) -> None:
        self._services, self._faults = services, faults
        self._worlds = [service.world for service in services]
        self._max_idle = None if max_idle is None else _positive("max_idle", max_idle)
        self._max_elapsed = _positive("max_elapsed", max_elapsed)
        if isinstance(max_sleeps, bool) or max_sleeps < 1:
            raise _no_limit("max_sleeps", max_sleeps, "1_000_000")
        self._max_sleeps = max_sleeps
        self._least_idle = self._max_idle or LEAST_IDLE
        self._waiters: dict[int, _Waiter] = {}
        self._revision = 0
        self._files_called_at = 0
        self._latest = 0
        self._tracers: dict[int, Any] = {}

    def start(self) -> None:
        """Forget all waiters: the clock starts."""
        self._waiters.clear()
        self._latest = 0

    def stop(self) -> None:
        """Forget them, and trace the calling thread as before."""
        self._waiters.clear()
        if get_ident() in self._tracers:
            sys.settrace(self._tracers.pop(get_ident()))

    def called(self, handled: Handled) -> None:
        """Count a call of the calling thread.

        Raises:
            FakeBatchError: it is one of a loop that calls on and on and takes no time.
        """
        request, operation, id_, reply, hit, _, at = handled
        if operation is not None and operation.is_direct:
            return
        waiter = self._waiter(at)
        if hit is not None and hit.fault.which.times is not None:
            self._waiters.clear()  # one fault fewer to come: a change
            return
        if at - waiter.called_at >= self._least_idle // 2:  # who looks that seldom does not poll
            waiter.since, waiter.calls = at, 0
        if not 0 <= at - waiter.called_at <= NO_TIME:
            waiter.counts.clear()
            waiter.spinning = None
        waiter.calls, waiter.called_at, self._latest = waiter.calls + 1, at, at
        name = operation.name if operation else f"{request.method} {request.path}"
        waiter.called = name, id_, 0 if isinstance(reply.trouble, Breaks) else reply.status
        if request.method == "GET" and name.startswith("files."):
            self._files_called_at = at
        query = (request.method, request.path, tuple(request.query.items()))
        waiter.repeated = waiter.repeated + 1 if query == waiter.query else 1
        waiter.query = query
        count = waiter.counts[query] = waiter.counts.get(query, 0) + 1
        if waiter.repeated == PAGES and _is_same_page(handled):
            waiter.counts[query], waiter.spinning = CALLS, _same_page(handled, name)
        elif count < CALLS:
            if len(waiter.counts) > OBJECTS:
                waiter.counts.clear()
            return
        waiter.spinning = waiter.spinning or self._spinning(waiter)
        raise self._insistent(waiter, waiter.spinning)

    def before_sleep(self, sleep: Sleep) -> FakeBatchError | None:
        """Count a sleep of the calling thread; what to raise instead, if its wait never ends."""
        waiter = self._waiter()
        waiter.sleeps += 1
        if (
            self._latest < waiter.check_at
            and waiter.sleeps <= self._max_sleeps
            and sleep.end <= self._max_elapsed
        ):
            return None
        if waiter.error is not None:
            is_closing = waiter.sleeps <= CLOSING_SLEEPS * sleep.side_by_side
            return None if is_closing else self._insistent(waiter, waiter.error)
        waiter.error = (
            self._too_late(waiter, sleep)
            or self._too_often(waiter, sleep)
            or self._idle(waiter, sleep)
        )
        if waiter.error is not None:
            waiter.sleeps = waiter.check_at = 0
        return waiter.error

    def after_sleep(self, _: int, end: int) -> None:
        """Learn the time, in microseconds since the epoch, which is costly to ask for."""
        self._latest = end

    def _waiter(self, now: int | None = None) -> _Waiter:
        """The calling thread's, anew after each change that a caller has made."""
        revision = 0
        for world in self._worlds:
            revision += world.revision
        if revision != self._revision:
            self._waiters.clear()
            self._revision = revision
        waiter = self._waiters.get(get_ident())
        if waiter is None:
            now = self._now() if now is None else now
            waiter = self._waiters[get_ident()] = _Waiter(now, now)
        return waiter

    def _now(self) -> int:
        return self._worlds[0].clock()

    def _too_late(self, waiter: _Waiter, sleep: Sleep) -> FakeBatchError | None:
        if sleep.end <= self._max_elapsed:
            return None
        return _never_ends(
            sleep,
            f"{text(self._max_elapsed)} of virtual time have passed since the start. "
            f"{self._state(waiter)}",
            f"max_elapsed={text(2 * self._max_elapsed)!r}",
        )

    def _too_often(self, waiter: _Waiter, sleep: Sleep) -> FakeBatchError | None:
        if waiter.sleeps <= self._max_sleeps * sleep.side_by_side:
            return None
        now = self._now()
        if waiter.began < self._faults.settles(now) <= now or any(
            world.changes(waiter.began, now) for world in self._worlds
        ):
            waiter.sleeps, waiter.began = 0, now
            return None
        return _never_ends(
            sleep,
            f"It has slept {waiter.sleeps - 1:,} times since {_moment(waiter.began)}, and nothing "
            f"has changed. {self._state(waiter)}",
            f"max_sleeps={2 * self._max_sleeps:_}",
        )

    def _idle(self, waiter: _Waiter, sleep: Sleep) -> FakeBatchError | None:
        now = self._now()
        waiter.check_at = waiter.check_at or now + self._least_idle // 2
        if now < waiter.check_at:
            return None
        futures = [service.future(now) for service in self._services]
        longest = max(future.longest_window for future in futures)
        max_idle = self._max_idle or max(LEAST_IDLE, 2 * longest)
        settles = max(self._faults.settles(now), *(future.settles for future in futures))
        if settles > now:
            waiter.since, waiter.calls = now, 0
            waiter.check_at = settles + max_idle // 2
            return None
        expires = max(future.expires for future in futures)
        if now - self._files_called_at < max_idle // 2:  # somebody may wait for a file to expire
            if expires > now:
                waiter.check_at = now + max_idle // 2
                return None
            settles = max(settles, expires)
        if settles > waiter.since:
            waiter.since, waiter.calls = settles, 0
        idle = now - waiter.since
        if idle >= max_idle and self._polls(waiter, sleep, now, max_idle):
            return _never_ends(
                sleep,
                f"{self._state(waiter)} Nothing has changed since {_moment(waiter.since)}, for "
                f"{text(idle // SECOND * SECOND)}, and nothing is scheduled to.",
                f"max_idle={text(2 * max_idle)!r}",
            )
        waiter.check_at = now + max(max_idle - idle, max_idle // 8)
        return None

    def _polls(self, waiter: _Waiter, sleep: Sleep, now: int, max_idle: int) -> bool:
        """Whether a waiter that has been idle for too long is one that waits for the service."""
        recent = now - max_idle // 2
        if waiter.called_at > recent:
            return waiter.calls >= POLLS
        # An event loop waits for the threads that call for it. Another thread, such as one that
        # shows progress, may have nothing to do with them: whoever polls comes first.
        is_thread = sleep.waiter == get_ident()
        if is_thread and now - waiter.since < 2 * max_idle:
            return False
        others = [*self._waiters.values()]
        return sum(other.calls for other in others if other.called_at > recent) >= POLLS

    def _state(self, waiter: _Waiter) -> str:
        """What a waiter, or else any, has called for last, and what that is now."""
        if not waiter.called_at:
            others = [waiter, *self._waiters.values()]
            waiter = max(others, key=lambda other: other.called_at)
        operation, id_, status = waiter.called
        answer = f"was answered with {status}" if status else "was not answered"
        for service in self._services:
            if service.batches.has(id_):
                state = f"{id_} is {service.batches.retrieve(id_).get('status')!r}"
                return f"{state}." if 0 < status < 400 else f"{state}; {operation} {answer}."
        if not operation:
            return "No call was made."
        return f"The last call, {operation}{f' of {id_}' if id_ else ''}, {answer}."

    def _spinning(self, waiter: _Waiter) -> FakeBatchError:
        return FakeBatchError(
            f"the loop at {callsite.of_this_thread()} never ends: it has called "
            f"{waiter.called[0]} {CALLS:,} times, and no time has passed.",
            f"{self._state(waiter)} The clock stands still until code sleeps or the test moves it.",
            "Sleep between two calls, which takes no real time here: do not patch sleep away. Or "
            "move the clock: fakebatch.clock.advance('1m').",
        )

    def _insistent(self, waiter: _Waiter, error: FakeBatchError) -> FakeBatchError:
        """The error; from where it cannot be swallowed again, if it was a thousand times."""
        waiter.raised += 1
        if waiter.raised >= SWALLOWED:
            before = {*waiter.stack}
            waiter.stack = [*callsite.outwards(sys._getframe())]  # noqa: SLF001  # the way to it
            # The error has ended every frame but those that were there before: the innermost of
            # them caught it.
            swallower = next((frame for frame in waiter.stack if frame in before), None)
            if swallower is not None and callsite.is_users(swallower):
                self._tracers.setdefault(get_ident(), sys.gettrace())
                _raise_at_next_line(swallower, error)
        return error.with_traceback(None)  # which grows each time it is raised


def _raise_at_next_line(frame: FrameType, error: BaseException) -> None:
    """Raise an error where a frame goes on: within its bare `except:`, so outside the `try`."""

    def trace(_: FrameType, event: str, __: object) -> Any:
        __tracebackhide__ = True
        if event == "line":
            raise error  # which also ends the tracing
        return trace

    def trace_no_other(*_: object) -> None:
        pass

    frame.f_trace = trace
    sys.settrace(trace_no_other)


def _never_ends(sleep: Sleep, known: str, knob: str) -> FakeBatchError:
    return FakeBatchError(
        f"the wait at {sleep.site()} never ends.",
        known,
        "Let the loop end at completed, failed, expired and cancelled, and at a deadline; or let "
        f"it wait for longer: @pytest.mark.fakebatch({knob}), FakeBatch({knob}).",
    )


def _is_same_page(handled: Handled) -> bool:
    """Whether what was to come after an object is a page with that object on it."""
    after = handled.request.query.get("after")
    if after is None or handled.hit is not None or handled.reply.status != 200:
        return False
    page: dict[str, Any] = json.loads(handled.reply.body)
    return any(item.get("id") == after for item in page.get("data") or ())


def _same_page(handled: Handled, operation: str) -> FakeBatchError:
    # The SDK takes a page without `has_more` for one of many, and asks for what comes after its
    # last. A provider that does not look at `after` answers with the same page.
    return FakeBatchError(
        f"the loop at {callsite.of_this_thread()} never ends: {PAGES} times the same page of "
        f"{operation}.",
        f"This provider does not look at after={handled.request.query['after']!r}, and names no "
        "has_more.",
        f"Take the first page alone: client.{operation}().data.",
    )


def _moment(at: int) -> str:
    return moment_text(as_datetime(at))


def _positive(name: str, duration: Duration) -> int:
    length = microseconds(duration)
    if not length:
        raise _no_limit(name, duration, "'2d'")
    return length


def _no_limit(name: str, value: object, example: str) -> Misuse:
    return Misuse(
        f"{name}={value!r} would end every wait before it begins.",
        f"{name} is a limit for waits that never end, so it is more than any wait of the test.",
        f"Leave it out, or write for example {name}={example}.",
    )

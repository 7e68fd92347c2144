"""Waits that never end: an error in the loop that waits, in place of a test run that hangs.

A poller waits in vain when nothing that it could see is scheduled to change; until then it is
right, however often it polls. Its own deadline nobody can see from here: so it has `max_idle` of
virtual time to come to it. For those who sleep and do not poll there are limits that no test means
to reach. A loop that calls on and on while no time passes is ended by the number of its calls.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import get_ident
from types import FrameType
from typing import Any

from fakebatch.durations import SECOND, Duration, microseconds, text
from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.journal import moment_text
from fakebatch.rules.calls import CallRule
from fakebatch.service import Service, view
from fakebatch.vtime import callsite
from fakebatch.vtime.clock import Sleep
from fakebatch.vtime.moments import as_datetime
from fakebatch.wire.app import Handled
from fakebatch.wire.faults import last_edge

LEAST_IDLE = 48 * 3_600 * SECOND
"""`max_idle` where no live batch has a window of more than 24 hours."""
POLLS = 10
"""How often a thread has to call after the last change to be one that polls."""
CALLS = 5_000
"""Calls of a thread for the same object, while no time passes, that end it."""
OBJECTS = 100
"""A loop over more than these is none that waits."""
PAGES = 100
"""Calls for the same page of a listing, likewise, and in a row."""
NO_TIME = 10
"""Microseconds between two calls that count as none: a `sleep(0)` may take one."""
CLOSING = 100
"""Sleeps and calls that are left after an error, to close what is open."""
SWALLOWED = 1_000
"""Errors in one thread, after which its code can only be one that swallows them."""

Query = tuple[str, str, tuple[tuple[str, str], ...]]
"""Method, path and query of a request."""


@dataclass(slots=True, eq=False)
class _Waiter:
    """What one thread, with its event loops, has done since a caller last changed something."""

    since: int
    """When it began, or the last change after that, in microseconds since the epoch."""
    began: int
    """When its sleeps were first counted."""
    sleeps: int = 0
    calls: int = 0
    called_at: int = 0
    operation: str = ""
    """Of its last call."""
    id: str = ""
    """Of the object that was called for."""
    status: int = 0
    """Of the answer; 0: none arrived."""
    check_at: int = 0
    """Before this moment it cannot have been idle for too long."""
    counts: dict[Query, int] = field(default_factory=dict[Query, int])
    """Its calls since time last passed."""
    query: Query | None = None
    repeated: int = 0
    """How often the last query came in a row."""
    spinning: FakeBatchError | None = None
    """What ends its calls until time passes."""
    error: FakeBatchError | None = None
    """What has ended its wait."""
    closing: int = 0
    """Its sleeps and calls since then."""
    raised: int = 0
    stack: Sequence[FrameType] = ()
    """Where the last error was raised, if many were."""


class Endless:
    """Watches the calls and sleeps of a test for a wait that never ends.

    Each costs a few comparisons, however many objects there are: what is scheduled is looked at a
    few times in each `max_idle` of virtual time.

    Args:
        services: what is scheduled to change.
        clock: the time, in microseconds since the epoch.
        elapsed: the time since the start at a moment, both in microseconds.
        max_idle: how long a thread may poll after the last change while none is scheduled; None:
            twice the longest completion window of the batches that have not ended, at least 48 h.
        max_sleeps: how often a thread, or a task of an event loop, may sleep after the last change.
        max_elapsed: how much virtual time may pass in all.

    Raises:
        UsageError: a limit that lets nothing happen.
    """

    def __init__(
        self,
        services: Sequence[Service],
        *,
        clock: Callable[[], int],
        elapsed: Callable[[int], int],
        max_idle: Duration | None = None,
        max_sleeps: int = 1_000_000,
        max_elapsed: Duration = "400d",
    ) -> None:
        self._services, self._clock, self._elapsed = services, clock, elapsed
        self._states = [service.state for service in services]
        self._max_idle = None if max_idle is None else _positive("max_idle", max_idle)
        self._max_elapsed = _positive("max_elapsed", max_elapsed)
        if isinstance(max_sleeps, bool) or max_sleeps < 1:
            raise _no_limit("max_sleeps", max_sleeps, "1_000_000")
        self._max_sleeps = max_sleeps
        self._least_idle = self._max_idle or LEAST_IDLE
        self._revision = 0
        self._waiters: dict[int, _Waiter] = {}
        self._idle_error: FakeBatchError | None = None
        self._files_called_at = 0
        self._tracers: dict[int, Any] = {}

    def start(self) -> None:
        """Forget what was counted: the clock starts."""
        self._forget()

    def stop(self) -> None:
        """The same, and trace the calling thread as before."""
        self._forget()
        if get_ident() in self._tracers:
            sys.settrace(self._tracers.pop(get_ident()))

    def called(self, handled: Handled) -> None:
        """Count a call of the calling thread.

        Raises:
            FakeBatchError: it is one of a loop that never ends.
        """
        request, operation, id_, _, hit, _, at, status = handled
        if operation is not None and operation.is_direct:
            return
        waiter = self._waiter(at)
        if hit is not None and _ends(hit.rule):
            self._forget()  # one fault fewer to come is a change
            return
        name = operation.name if operation else f"{request.method} {request.path}"
        if request.method == "GET" and name.startswith("files."):
            self._files_called_at = at
        passed = at - waiter.called_at
        if not 0 <= passed <= NO_TIME:
            waiter.counts.clear()
            waiter.spinning = None
        if passed >= self._least_idle // 2:  # who looks that seldom does not poll
            waiter.since, waiter.calls = at, 0
        waiter.calls, waiter.called_at = waiter.calls + 1, at
        waiter.operation, waiter.id = name, id_
        waiter.status = status or 0
        error = self._spinning(waiter, handled) or self._idle(waiter, at)
        if error is not None:
            raise error

    def before_sleep(self, sleep: Sleep) -> FakeBatchError | None:
        """Count a sleep of the calling thread; what to raise instead, if its wait never ends."""
        waiter = self._waiter()
        waiter.sleeps += 1
        if waiter.error is not None:
            return self._once_more(waiter, sleep.side_by_side)
        if waiter.sleeps > self._max_sleeps or sleep.end > self._max_elapsed:
            waiter.error = self._too_late(waiter, sleep) or self._too_often(waiter, sleep)
        return waiter.error

    def _waiter(self, now: int | None = None) -> _Waiter:
        """The calling thread's, anew after each change that a caller has made."""
        revision = 0
        for state in self._states:
            revision += state.revision
        if revision != self._revision:
            self._forget()
            self._revision = revision
        waiter = self._waiters.get(get_ident())
        if waiter is None:
            now = self._clock() if now is None else now
            waiter = self._waiters[get_ident()] = _Waiter(now, now)
        return waiter

    def _forget(self) -> None:
        self._waiters.clear()
        self._idle_error = None

    # --- calls

    def _spinning(self, waiter: _Waiter, handled: Handled) -> FakeBatchError | None:
        """What ends a loop of calls in which no time passes."""
        request = handled.request
        query = (request.method, request.path, tuple(request.query.items()))
        waiter.repeated = waiter.repeated + 1 if query == waiter.query else 1
        waiter.query = query
        waiter.counts[query] = waiter.counts.get(query, 0) + 1
        if waiter.repeated == PAGES and _is_same_page(handled):
            waiter.counts[query] = CALLS
            waiter.spinning = _same_page(waiter.operation, request.query["after"])
        if waiter.counts[query] < CALLS:
            if len(waiter.counts) > OBJECTS:
                waiter.counts.clear()
            return None
        waiter.spinning = waiter.spinning or FakeBatchError(
            f"the loop at {callsite.of_this_thread()} never ends: {CALLS:,} calls of "
            f"{waiter.operation}, and no time has passed.",
            f"{self._state(waiter)} The clock stands still until code sleeps or the test moves it.",
            "Sleep between two calls, which takes no real time here: do not patch sleep away. Or "
            "move the clock: fakebatch.clock.advance('1m').",
        )
        return self._insistent(waiter, waiter.spinning)

    def _idle(self, waiter: _Waiter, now: int) -> FakeBatchError | None:
        """What ends a loop of calls when nothing has changed for too long, nor will."""
        if waiter.error is not None:
            return self._once_more(waiter)
        waiter.check_at = waiter.check_at or now + self._least_idle // 2
        if now < waiter.check_at:
            return None
        futures = [service.future(now) for service in self._services]
        longest = max(future.longest_window for future in futures)
        max_idle = self._max_idle or max(LEAST_IDLE, 2 * longest)
        settles = max(self._faults_settle(now), *(future.settles for future in futures))
        if settles > now:
            waiter.since, waiter.calls, waiter.check_at = now, 0, settles + max_idle // 2
            return None
        expires = max(future.expires for future in futures)
        if expires > now and now - self._files_called_at < max_idle // 2:
            waiter.check_at = now + max_idle // 2  # who looks at files may wait for one to expire
            return None
        changed = max(settles, expires if expires <= now else 0)
        if changed > waiter.since:
            waiter.since, waiter.calls = changed, 0
        idle = now - waiter.since
        if idle < max_idle or waiter.calls < POLLS:
            waiter.check_at = now + max(max_idle - idle, max_idle // 8)
            return None
        # One for all threads that poll: who has seen it need not look at the others.
        self._idle_error = self._idle_error or _never_ends(
            callsite.of_this_thread(),
            f"{self._state(waiter)} Nothing has changed since {_moment(waiter.since)}, for "
            f"{text(idle // SECOND * SECOND)}, and nothing is scheduled to.",
            f"max_idle={text(2 * max_idle)!r}",
        )
        waiter.error = self._idle_error
        return waiter.error

    def _faults_settle(self, now: int) -> int:
        """When the last fault of calls that is bound to a time begins or ends, past or future."""
        return now - self._elapsed(now) + last_edge(self._states[0].scenario.on_call)

    # --- sleeps

    def _too_late(self, waiter: _Waiter, sleep: Sleep) -> FakeBatchError | None:
        if sleep.end <= self._max_elapsed:
            return None
        return _never_ends(
            sleep.site(),
            f"{text(self._max_elapsed)} of virtual time have passed since the start. "
            f"{self._state(waiter)}",
            f"max_elapsed={text(2 * self._max_elapsed)!r}",
        )

    def _too_often(self, waiter: _Waiter, sleep: Sleep) -> FakeBatchError | None:
        if waiter.sleeps <= self._max_sleeps * sleep.side_by_side:
            return None
        now = self._clock()
        if waiter.began < self._faults_settle(now) <= now or any(
            service.changes(waiter.began, now) for service in self._services
        ):
            waiter.sleeps, waiter.began = 0, now
            return None
        return _never_ends(
            sleep.site(),
            f"It has slept {waiter.sleeps - 1:,} times since {_moment(waiter.began)}, and nothing "
            f"has changed. {self._state(waiter)}",
            f"max_sleeps={2 * self._max_sleeps:_}",
        )

    # --- errors

    def _state(self, waiter: _Waiter) -> str:
        """What a waiter, or else any, has called for last, and what that is now."""
        if not waiter.called_at:
            waiter = max([waiter, *self._waiters.values()], key=lambda other: other.called_at)
        if not waiter.called_at:
            return "No call was made."
        status = waiter.status
        answer = f"was answered with {status}" if status else "was not answered"
        now = self._clock()
        for service in self._services:
            batch = service.state.batches.get(waiter.id, now)
            if batch is not None:
                status_now = view.batch_object(batch, now).get("status")
                state = f"{waiter.id} is {status_now!r}"
                return f"{state}." if 0 < status < 400 else f"{state}; {waiter.operation} {answer}."
        return f"The last call, {waiter.operation}{waiter.id and f' of {waiter.id}'}, {answer}."

    def _once_more(self, waiter: _Waiter, side_by_side: int = 1) -> FakeBatchError | None:
        """The error of a waiter that was ended, if it goes on for longer than it takes to close."""
        waiter.closing += 1
        if waiter.error is None or waiter.closing <= CLOSING * side_by_side:
            return None
        return self._insistent(waiter, waiter.error)

    def _insistent(self, waiter: _Waiter, error: FakeBatchError) -> FakeBatchError:
        """The error; and if it was swallowed a thousand times, from where that is not possible."""
        waiter.raised += 1
        if waiter.raised >= SWALLOWED:
            before = {*waiter.stack}
            waiter.stack = [*callsite.outwards(sys._getframe())]  # noqa: SLF001  # the way to it
            # The error has ended every frame but those that were there before: the innermost of
            # them caught it. A task of asyncio keeps its error: then its loop is ended.
            swallower = next((frame for frame in waiter.stack if frame in before), None)
            if swallower is not None and (
                callsite.is_users(swallower)
                or swallower.f_code.co_qualname == "BaseEventLoop.run_forever"
            ):
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


def _never_ends(site: str, known: str, knob: str) -> FakeBatchError:
    return FakeBatchError(
        f"the wait at {site} never ends.",
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


def _same_page(operation: str, after: str) -> FakeBatchError:
    # The SDK takes a page without `has_more` for one of many, and asks for what comes after its
    # last. A provider that does not look at `after` answers with the same page.
    return FakeBatchError(
        f"the loop at {callsite.of_this_thread()} never ends: {PAGES} times the same page of "
        f"{operation}.",
        f"This provider does not look at after={after!r}, and names no has_more.",
        f"Take the first page alone: client.{operation}().data.",
    )


def _ends(rule: CallRule) -> bool:
    """Whether it hits so many requests and no more."""
    return rule.times != math.inf and not (rule.times is None and rule.nth is None)


def _moment(at: int) -> str:
    return moment_text(as_datetime(at))


def _positive(name: str, duration: Duration) -> int:
    length = microseconds(duration)
    if not length:
        raise _no_limit(name, duration, "'2d'")
    return length


def _no_limit(name: str, value: object, example: str) -> UsageError:
    return UsageError(
        f"{name}={value!r} would end every wait before it begins.",
        f"{name} is a limit for waits that never end, so it is more than any wait of the test.",
        f"Leave it out, or write for example {name}={example}.",
    )

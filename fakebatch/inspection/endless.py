"""Waits that never end: an error in the loop that waits, instead of a test run that hangs.

A poller waits in vain when nothing that it could see is scheduled to change; until then it is
right, however often it polls. Its own deadline cannot be seen from here, so it has `max_idle` of
virtual time to reach it. For those who sleep and do not poll there are limits that no test comes
near. A loop that calls on and on while no time passes is ended by the number of its calls.
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
from fakebatch.inspection.journal import moment_text
from fakebatch.service import Service, view
from fakebatch.vtime import callsite
from fakebatch.vtime.clock import Sleep
from fakebatch.wire.app import Handled
from fakebatch.wire.faults import last_edge

LEAST_IDLE = 48 * 3_600 * SECOND
"""`max_idle` where no live batch has a window of more than 24 hours."""
POLLS = 10
"""How often a thread has to call after the last change to count as polling."""
CALLS = 5_000
"""Calls of a thread for the same object, while no time passes, that end it."""
PAGES = 100
"""Calls for the same page of a listing, likewise and in a row."""
OBJECTS = 100
"""A loop over more objects than this does not wait."""
NO_TIME = 10
"""Microseconds between two calls that count as none: a `sleep(0)` may take one."""
CLOSING = 100
"""Sleeps and calls that are left after an error, to close what is open."""
SWALLOWED = 1_000
"""After so many errors in one thread, its code must be swallowing them."""

Query = tuple[str, str, tuple[tuple[str, str], ...]]
"""Method, path and query of a request."""


@dataclass(slots=True, eq=False)
class _Waiter:
    """What one thread, with its event loops, has done since a caller last changed something."""

    since: int
    """When it began, or the last change after that, in microseconds since 1970."""
    began: int
    """When its sleeps were first counted."""
    sleeps: int = 0
    calls: int = 0
    called_at: int = 0
    last: tuple[str, str, int | None] | None = None
    """Operation, id and HTTP status of its last call, which was at `called_at`."""
    check_at: int = 0
    """Before this moment it cannot have been idle for too long."""
    counts: dict[Query, int] = field(default_factory=dict[Query, int])
    """Its calls since time last passed."""
    query: Query | None = None
    repeated: int = 0
    """How often the last query came in a row."""
    error: FakeBatchError | None = None
    """What has ended its wait."""
    closing: int = 0
    """Its sleeps and calls since then."""
    raised: int = 0
    """How many errors it got."""
    stack: Sequence[FrameType] = ()
    """Where the last error was raised, if there were many."""


class Endless:
    """Watches the calls and sleeps of a test for a wait that never ends.

    Each costs a few comparisons, however many objects there are: what is scheduled is looked at a
    few times in each `max_idle` of virtual time.

    Args:
        services: where changes are scheduled.
        clock: the time, in microseconds since 1970.
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
        self._max_idle: int | None = None
        if max_idle is not None:
            self._max_idle = _positive("max_idle", max_idle, microseconds(max_idle), "'2d'")
        self._least_idle = self._max_idle or LEAST_IDLE
        sleeps = 0 if max_sleeps is True else max_sleeps
        self._max_sleeps = _positive("max_sleeps", max_sleeps, sleeps, "1_000_000")
        longest = microseconds(max_elapsed)
        self._max_elapsed = _positive("max_elapsed", max_elapsed, longest, "'2d'")
        self._revision = 0
        self._waiters: dict[int, _Waiter] = {}
        self._idle_error: FakeBatchError | None = None
        self._files_called_at = 0
        self._tracers: dict[int, Any] = {}

    def reset(self) -> None:
        """Forget what was counted, and trace the calling thread as before."""
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
        name = operation.name if operation else f"{request.method} {request.path}"
        waiter = self._waiter(at)
        if hit is not None and hit.rule.times != math.inf and (hit.rule.times or hit.rule.nth):
            self._forget()  # one hit less to come is a change
            return
        if request.method == "GET" and name.startswith("files."):
            self._files_called_at = at
        passed = at - waiter.called_at
        if not 0 <= passed <= NO_TIME:
            waiter.counts.clear()
        if passed >= self._least_idle // 2:  # who looks that seldom does not poll
            waiter.since, waiter.calls = at, 0
        waiter.calls += 1
        waiter.called_at, waiter.last = at, (name, id_, status)
        error = self._spinning(waiter, handled, name) or self._idle(waiter, at)
        if error is not None:
            raise error

    def before_sleep(self, sleep: Sleep) -> FakeBatchError | None:
        """Count a sleep of the calling thread; the error to raise in it if its wait never ends."""
        waiter = self._waiter()
        waiter.sleeps += 1
        if waiter.error is not None:
            return self._once_more(waiter, sleep.side_by_side)
        if sleep.end > self._max_elapsed:
            waiter.error = _never_ends(
                sleep.site(),
                f"{text(self._max_elapsed)} of virtual time have passed since the start. "
                f"{self._state(waiter)}",
                f"max_elapsed={text(2 * self._max_elapsed)!r}",
            )
        elif waiter.sleeps > self._max_sleeps * sleep.side_by_side:
            now = self._clock()
            if waiter.began < self._faults_settle(now) <= now or any(
                service.changes(waiter.began, now) for service in self._services
            ):
                waiter.sleeps, waiter.began = 0, now
            else:
                waiter.error = _never_ends(
                    sleep.site(),
                    f"It has slept {waiter.sleeps - 1:,} times since {moment_text(waiter.began)}, "
                    f"and nothing has changed. {self._state(waiter)}",
                    f"max_sleeps={2 * self._max_sleeps:_}",
                )
        return waiter.error

    def _waiter(self, now: int | None = None) -> _Waiter:
        """The calling thread's, anew after each change that a caller has made."""
        revision = sum(service.state.revision for service in self._services)
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

    def _spinning(self, waiter: _Waiter, handled: Handled, name: str) -> FakeBatchError | None:
        """The error for a loop of calls in which no time passes."""
        request = handled.request
        query = (request.method, request.path, tuple(request.query.items()))
        count = waiter.counts[query] = waiter.counts.get(query, 0) + 1
        waiter.repeated = waiter.repeated + 1 if query == waiter.query else 1
        waiter.query = query
        if waiter.repeated >= PAGES and _is_same_page(handled):
            # The SDK takes a page without `has_more` for one of many, and asks for what comes after
            # its last object.
            error = FakeBatchError(
                f"the loop at {callsite.of_this_thread()} never ends: {PAGES} calls of {name} got "
                "the same page.",
                f"This provider ignores after={request.query['after']!r} and sends no has_more.",
                f"Use the first page alone: client.{name}().data.",
            )
        elif count >= CALLS:
            error = FakeBatchError(
                f"the loop at {callsite.of_this_thread()} never ends: {CALLS:,} calls of {name}, "
                "and no time has passed.",
                f"{self._state(waiter)} The clock stands still until code sleeps or the test moves "
                "it.",
                "Sleep between calls; it takes no real time here, so do not patch sleep away. Or "
                "move the clock: fakebatch.clock.advance('1m').",
            )
        else:
            if len(waiter.counts) > OBJECTS:
                waiter.counts.clear()
            return None
        return self._insistent(waiter, error)

    def _idle(self, waiter: _Waiter, now: int) -> FakeBatchError | None:
        """The error for a loop of calls when nothing has changed for too long, nor will."""
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
        # The same error for all threads that poll: who has seen it need not look at the others.
        self._idle_error = waiter.error = self._idle_error or _never_ends(
            callsite.of_this_thread(),
            f"{self._state(waiter)} Nothing has changed since {moment_text(waiter.since)}, for "
            f"{text(idle // SECOND * SECOND)}, and nothing is scheduled to change.",
            f"max_idle={text(2 * max_idle)!r}",
        )
        return waiter.error

    def _faults_settle(self, now: int) -> int:
        """When the last fault of calls that is bound to a time begins or ends, past or future."""
        return now - self._elapsed(now) + last_edge(self._services[0].state.scenario.on_call)

    def _state(self, waiter: _Waiter) -> str:
        """What a waiter, or else any, has called for last, and what that is now."""
        if waiter.last is None:
            waiter = max([waiter, *self._waiters.values()], key=lambda other: other.called_at)
        if waiter.last is None:
            return "No call was made."
        operation, id_, status = waiter.last
        answered = f"was answered with {status}" if status else "was not answered"
        now = self._clock()
        for service in self._services:
            batch = service.state.batches.get(id_, now)
            if batch is not None:
                state = f"{id_} is {view.batch_object(batch, now).get('status')!r}"
                return f"{state}." if (status or 400) < 400 else f"{state}; {operation} {answered}."
        return f"The last call, {operation}{id_ and f' of {id_}'}, {answered}."

    def _once_more(self, waiter: _Waiter, side_by_side: int = 1) -> FakeBatchError | None:
        """The error of a waiter that was ended, if it goes on for longer than it takes to close."""
        waiter.closing += 1
        if waiter.error is None or waiter.closing <= CLOSING * side_by_side:
            return None
        return self._insistent(waiter, waiter.error)

    def _insistent(self, waiter: _Waiter, error: FakeBatchError) -> FakeBatchError:
        """The error; once a thousand were swallowed, raised where it cannot be caught."""
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


def _never_ends(site: str, known: str, limit: str) -> FakeBatchError:
    return FakeBatchError(
        f"the wait at {site} never ends.",
        known,
        "End the loop at completed, failed, expired and cancelled, and at a deadline. To let it "
        f"wait longer: @pytest.mark.fakebatch({limit}) or FakeBatch({limit}).",
    )


def _is_same_page(handled: Handled) -> bool:
    """Whether the page that should begin after an object contains that object."""
    after = handled.request.query.get("after")
    if after is None or handled.hit is not None or handled.reply.status != 200:
        return False
    page: dict[str, Any] = json.loads(handled.reply.body)
    return any(item.get("id") == after for item in page.get("data") or ())


def _positive(name: str, limit: object, amount: int, example: str) -> int:
    if amount < 1:
        raise UsageError(
            f"{name}={limit!r} would end every wait before it begins.",
            f"{name} has to be more than any wait of the test takes.",
            f"Leave it out, or write for example {name}={example}.",
        )
    return amount

"""Waits that never end: an error in the loop that waits, instead of a test run that hangs.

A poller waits in vain if nothing that it could see is scheduled to change. Before that, it may
poll as often as it likes; after that, it has `max_idle` of virtual time to reach a deadline of its
own. Loops that sleep without polling have limits that no normal test reaches. Loops that make
calls while no time passes are ended after a number of calls, and so are those that get the same
page of a list again and again, whatever time passes.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock, current_thread, get_ident
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from fakebatch.durations import SECOND, Duration, microseconds, text
from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.inspection.journal import moment_text
from fakebatch.rules.calls import Headers, Override, Reply, Slow
from fakebatch.service import Service, view
from fakebatch.vtime import callsite
from fakebatch.vtime.clock import Sleep
from fakebatch.wire.app import Handled
from fakebatch.wire.faults import last_edge

LEAST_IDLE = 48 * 3_600 * SECOND
"""The least default of `max_idle`, in microseconds."""
POLLS = 10
"""How many calls after the last change make a thread a poller."""
CALLS = 5_000
"""After so many calls of a client for the same object, while no time passes, it gets an error."""
PAGES = 100
"""After so many calls in a row for the same page of a list, a client gets an error."""
OBJECTS = 100
"""A loop over more objects than this is not a wait."""
NO_TIME = 10
"""Fewer microseconds than this between two calls count as none: a `sleep(0)` may take one."""
CLOSING = 100
"""How many sleeps and calls a thread may make after its error, to clean up."""
SWALLOWED = 1_000
"""After so many errors in one thread, its code is assumed to swallow them."""

_WHOLE = Headers | Override | Reply | Slow
"""The verbs after which a client has a whole page."""

Page = tuple["Query", bytes, int]
"""The query of a page, the page, and how often it came in a row."""

Query = tuple[str, str, tuple[tuple[str, str], ...], str | None]
"""Method, path, query and API key of a request."""


@dataclass(slots=True, eq=False)
class _Waiter:
    """What one thread, with its event loops, has done since a call last changed something."""

    since: int
    """When it began, or when the last change was, in microseconds since 1970."""
    began: int
    """When its first counted sleep was."""
    sleeps: int = 0
    calls: int = 0
    called_at: int = 0
    last: tuple[str, str, int | None] | None = None
    """Operation, id and HTTP status of its last call, made at `called_at`."""
    check_at: int = 0
    """It need not be checked before this moment."""
    counts: dict[Query, int] = field(default_factory=dict[Query, int])
    """How often it made each query since time last passed."""
    tasks: int = 1
    """How many tasks of an event loop made them at the same time, once there were many calls."""
    error: FakeBatchError | None = None
    """The error that has ended its wait."""
    closing: int = 0
    """Its sleeps and calls since then."""
    raised: int = 0
    """How often an error was raised in it."""
    stack: Sequence[FrameType] = ()
    """The frames at its last error, once there have been many."""


class Endless:
    """Watches the calls and sleeps of a test for a wait that never ends.

    A call or sleep costs a few comparisons, however many objects there are: scheduled changes are
    only looked up a few times in each `max_idle` of virtual time.

    Args:
        services: the providers that the test emulates.
        clock: the time, in microseconds since 1970.
        elapsed: the time since the start at a moment, both in microseconds.
        planned: returns the moment of the last call that the test has planned.
        max_idle: how long a thread may poll after the last change while none is scheduled; by
            default twice the longest completion window of the unfinished batches, at least 48 h.
        max_sleeps: how often a thread, or a task of an event loop, may sleep after the last change.
        max_elapsed: how much virtual time may pass in all.

    Raises:
        UsageError: a limit is not positive.
    """

    def __init__(
        self,
        services: Sequence[Service],
        *,
        clock: Callable[[], int],
        elapsed: Callable[[int], int],
        planned: Callable[[], int] = lambda: 0,
        max_idle: Duration | None = None,
        max_sleeps: int = 1_000_000,
        max_elapsed: Duration = "400d",
    ) -> None:
        self._services, self._clock, self._elapsed = services, clock, elapsed
        self._planned = planned
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
        self._idle_lock = Lock()
        self._files_called_at = 0
        self._tracers: dict[int, Any] = {}
        self._pages = WeakKeyDictionary[object, dict[str, Page]]()
        """The last page that each task, or else thread, got of each listing."""

    def reset(self) -> None:
        """Forget what was counted, and restore the trace function of the calling thread."""
        self._forget()
        self._pages.clear()
        if get_ident() in self._tracers:
            sys.settrace(self._tracers.pop(get_ident()))

    def called(self, handled: Handled) -> None:
        """Count a call of the calling thread.

        Raises:
            FakeBatchError: the call belongs to a loop that never ends.
        """
        request, operation, id_, _, hit, _, at, status = handled
        if operation is not None and operation.is_direct:
            return
        name = operation.name if operation else f"{request.method} {request.path}"
        waiter = self._waiter(at)
        if hit is not None and hit.rule.times != math.inf and (hit.rule.times or hit.rule.nth):
            self._forget()  # one hit less to come counts as a change
            return
        if request.method == "GET" and name.startswith("files."):
            self._files_called_at = at
        passed = at - waiter.called_at
        if not 0 <= passed <= NO_TIME:
            waiter.counts.clear()
            waiter.tasks = 1
        if passed >= self._least_idle // 2:  # so rare a call is not a poll
            waiter.since, waiter.calls = at, 0
        waiter.calls += 1
        waiter.called_at, waiter.last = at, (name, id_, status)
        error = self._spinning(waiter, handled, name) or self._idle(waiter, at)
        if error is not None:
            raise error

    def before_sleep(self, sleep: Sleep) -> FakeBatchError | None:
        """Count a sleep of the calling thread; return the error to raise if its wait never ends."""
        waiter = self._waiter()
        waiter.sleeps += 1
        if waiter.error is not None:
            return self._repeated_error(waiter, sleep.side_by_side)
        if sleep.end > self._max_elapsed:
            waiter.error = _never_ends(
                sleep.site(),
                f"{text(self._max_elapsed)} of virtual time have passed since the start. "
                f"{self._last_call(waiter)}",
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
                    f"and nothing has changed. {self._last_call(waiter)}",
                    f"max_sleeps={2 * self._max_sleeps:_}",
                )
        return waiter.error

    def _waiter(self, now: int | None = None) -> _Waiter:
        """The calling thread's waiter; a new one after each change that a call has made."""
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
        """The error for a loop of calls in which no time passes, or which gets the same page."""
        request = handled.request
        key = request.headers.get("authorization") or request.headers.get("api-key")
        query = (request.method, request.path, tuple(request.query.items()), key)
        count = waiter.counts[query] = waiter.counts.get(query, 0) + 1
        if count >= CALLS:
            with suppress(RuntimeError):  # no event loop; else each task may be a client of its own
                waiter.tasks = max(waiter.tasks, len(asyncio.all_tasks()))
        if self._repeats(handled, name, query):
            # without `has_more` the SDK requests the next page as long as there are objects
            after, hit = request.query["after"], handled.hit
            known = f"This provider ignores after={after!r} and sends no has_more."
            advice = f"Use only the first page: client.{name}().data."
            if hit is not None and (hit.rule.reply or hit.rule.override):
                known = f"It came for after={after!r} by a rule, {hit.rule}."
                advice = "End the loop at a page without new objects, whatever has_more says."
            error = FakeBatchError(
                f"the loop at {callsite.of_this_thread()} never ends: {PAGES} calls of {name} got "
                "the same page.",
                known,
                advice,
            )
        elif count >= (limit := CALLS * waiter.tasks):
            error = FakeBatchError(
                f"the loop at {callsite.of_this_thread()} never ends: {limit:,} calls of {name}, "
                "and no time has passed.",
                f"{self._last_call(waiter)} The clock moves only when code sleeps or the test "
                "moves it.",
                "Sleep between calls; it takes no real time here, so do not patch sleep away. Or "
                "move the clock: fakebatch.clock.advance('1m').",
            )
        else:
            if len(waiter.counts) > OBJECTS:
                waiter.counts.clear()
            return None
        return self._raised(waiter, error)

    def _repeats(self, handled: Handled, name: str, query: Query) -> bool:
        """Whether a page of a list came often in a row, and does not go on from `after`.

        Calls in between do not matter, unless one lists from the beginning: a loop over all pages
        may look at each object.
        """
        after, body = handled.request.query.get("after"), handled.reply.body
        if after is None and not name.endswith(".list"):
            return False
        reader: object = current_thread()  # several may read the same pages
        with suppress(RuntimeError):  # no event loop runs here
            reader = asyncio.current_task() or reader
        pages = self._pages.setdefault(reader, {})
        if after is None:
            pages.pop(name, None)
            return False
        *before, count = pages.get(name, (0,))
        count = count + 1 if before == [query, body] else 1
        pages[name] = (query, body, count)
        rule = None if handled.hit is None else handled.hit.rule.outcome
        if count < PAGES or handled.status != 200 or not isinstance(rule, _WHOLE | None):
            return False
        if isinstance(rule, Reply) and self._faults_settle(handled.at) > handled.at:
            return False  # the rule may end
        try:
            page = json.loads(body)
            ids = [item["id"] for item in page["data"] or ()]
        except (ValueError, TypeError, KeyError):
            return False
        return after in ids or (not ids and page.get("has_more") is True)

    def _idle(self, waiter: _Waiter, now: int) -> FakeBatchError | None:
        """The error for a loop of calls when nothing has changed for too long, nor will."""
        if waiter.error is not None:
            return self._repeated_error(waiter)
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
            waiter.check_at = now + max_idle // 2  # it may wait for a file to expire
            return None
        changed = max(settles, expires if expires <= now else 0)
        if changed > waiter.since:
            waiter.since, waiter.calls = changed, 0
        idle = now - waiter.since
        if idle < max_idle or waiter.calls < POLLS:
            waiter.check_at = now + max(max_idle - idle, max_idle // 8)
            return None
        error = self._idle_error or _never_ends(
            callsite.of_this_thread(),
            f"{self._last_call(waiter)} Nothing has changed since {moment_text(waiter.since)}, for "
            f"{text(idle // SECOND * SECOND)}, and nothing is scheduled to change.",
            f"max_idle={text(2 * max_idle)!r}",
        )
        with self._idle_lock:  # all threads that poll get the same error: one report is enough
            self._idle_error = waiter.error = self._idle_error or error
        return waiter.error

    def _faults_settle(self, now: int) -> int:
        """When the last outage (`on_call(between=…)`) or planned call is, past or future."""
        outage = now - self._elapsed(now) + last_edge(self._services[0].state.scenario.on_call)
        return max(outage, self._planned())

    def _last_call(self, waiter: _Waiter) -> str:
        """The last call, of the waiter if it made one, and what its batch is now: a sentence."""
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

    def _repeated_error(self, waiter: _Waiter, side_by_side: int = 1) -> FakeBatchError | None:
        """The error of a waiter again, if it goes on for longer than it needs to clean up."""
        waiter.closing += 1
        if waiter.error is None or waiter.closing <= CLOSING * side_by_side:
            return None
        return self._raised(waiter, waiter.error)

    def _raised(self, waiter: _Waiter, error: FakeBatchError) -> FakeBatchError:
        """Count and return the error; after a thousand, raise it where code cannot catch it."""
        waiter.raised += 1
        if waiter.raised >= SWALLOWED:
            before = {*waiter.stack}
            waiter.stack = [*callsite.outwards(sys._getframe())]  # noqa: SLF001  # the way to it
            # The last error has ended all frames between the raise and the `except`. The innermost
            # frame that was there before and still is has caught it. A task of asyncio keeps its
            # error; then the frame of the event loop is ended.
            swallower = next((frame for frame in waiter.stack if frame in before), None)
            if swallower is not None and (
                callsite.is_users(swallower)
                or swallower.f_code.co_qualname == "BaseEventLoop.run_forever"
            ):
                self._tracers.setdefault(get_ident(), sys.gettrace())
                _raise_at_next_line(swallower, error)
        return error.with_traceback(None)  # else it grows with each raise


def _raise_at_next_line(frame: FrameType, error: BaseException) -> None:
    """Raise an error at the next line of a frame, which is inside its bare `except:`."""

    def trace(_: FrameType, event: str, __: object) -> Any:
        __tracebackhide__ = True
        if event == "line":
            raise error  # also ends the tracing
        return trace

    frame.f_trace = trace
    sys.settrace(lambda _frame, _event, _arg: None)  # traces no other frame


def _never_ends(site: str, known: str, limit: str) -> FakeBatchError:
    return FakeBatchError(
        f"the wait at {site} never ends.",
        known,
        "End the loop at completed, failed, expired and cancelled, and at a deadline. To let it "
        f"wait longer: @pytest.mark.fakebatch({limit}) or FakeBatch({limit}).",
    )


def _positive(name: str, limit: object, amount: int, example: str) -> int:
    if amount < 1:
        raise UsageError(
            f"{name}={limit!r} would end every wait before it begins.",
            f"{name} has to be longer than every wait of the test.",
            f"Leave it out, or write for example {name}={example}.",
        )
    return amount

"""The sender of webhooks: another party that lives in the time of the test, on its own thread.

Under a virtual clock it sleeps until the next webhook is due; whoever else sleeps lets it wake at
its moment. So a handler runs while the code under test waits, never between two of its statements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import NEVER
from fakebatch.durations import SECOND, microseconds
from fakebatch.errors import FakeBatchError
from fakebatch.rules.webhooks import Deliver, delivery
from fakebatch.service.records import Attempt, Event, Kind
from fakebatch.vtime.scheduler import for_this_thread
from fakebatch.webhooks.webhooks import Delivery, Outbox

if TYPE_CHECKING:
    from fakebatch.wire.app import Handled

Target = Callable[[Delivery], bool]
"""Takes a delivery; whether it was answered with a status of 200 to 299."""


class Sender:
    """Delivers every event to one target, again and again until it is accepted.

    Args:
        outbox: the events.
        clock: the time, in microseconds since the epoch.
    """

    def __init__(self, outbox: Outbox, clock: Callable[[], int]) -> None:
        self._outbox = outbox
        self._state = outbox.state
        self._clock = clock
        self._target: Target = lambda _: True
        self._parameters: Mapping[str, Any] = {}
        self._thread: Thread | None = None
        # Nobody who holds the lock of the state waits for this one.
        self._changed = Condition()
        self._news = 0
        self._resting = self._closed = False
        self._error: FakeBatchError | None = None

    def deliver_to(self, target: Target, parameters: Mapping[str, Any]) -> None:
        """Deliver everything to this target from now on; what is due before this returns.

        Args:
            target: takes a delivery.
            parameters: of `deliver`; they override those of the rules.
        """
        with self._changed:
            self._target, self._parameters = target, parameters
        self._outbox.look_again()
        if self._thread is None:
            self._thread = Thread(target=self._work, name="fakebatch webhooks", daemon=True)
            self._thread.start()  # it waits until the thread runs, which takes the lock
        self.look()
        with self._changed:
            self._changed.wait_for(lambda: self._resting or self._closed)

    def look(self) -> None:
        """Something was created, cancelled or restored: other events may be due, or sooner."""
        with self._changed:
            self._news, self._resting = self._news + 1, False
            self._changed.notify_all()

    def called(self, handled: Handled) -> None:
        """Look again after a call that may have created or cancelled a batch."""
        if handled.changes:
            self.look()

    def close(self) -> None:
        """Deliver nothing any more."""
        if self._thread is not None:
            self._closed = True
            self.look()
            self._thread.join()
            self._thread, self._closed = None, False

    def error(self) -> FakeBatchError | None:
        """What went wrong first, such as a handler that raised. It is returned once."""
        error, self._error = self._error, None
        return error

    def _work(self) -> None:
        scheduler = for_this_thread()
        try:
            with nullcontext() if scheduler is None else scheduler.precedence():
                while (attempt := self._next()) is not None:
                    self._deliver(attempt)
        except FakeBatchError as error:  # nobody is left to move the clock
            self._error = self._error or error
        finally:
            self._closed = True
            self.look()

    def _next(self) -> Attempt | None:
        """The next attempt as soon as it is due; None: the sender is closed."""
        while not self._closed:
            news = self._news
            events = self._outbox.due(self._clock(), self._early)
            with self._changed:
                with self._state.lock:
                    for event in events:
                        self._enqueue(event)
                    attempt = min(self._state.undelivered, default=None)
                if attempt is not None and attempt.at <= self._clock():
                    return attempt
                if news == self._news and not self._closed:
                    self._resting = True
                    self._changed.notify_all()
                    soonest = min(self._outbox.next_look(), attempt.at if attempt else NEVER)
                    seconds = (soonest - self._clock()) / SECOND
                    self._changed.wait(None if soonest == NEVER else seconds)
        return None

    def _early(self, batch: Batch) -> int:
        """How long before its end the event of a batch comes, in microseconds."""
        number, end = 1, batch.end
        if self._state.scenario.on_webhook:  # else no rule asks for it
            number += sum(other.end.at < end.at for other in self._state.batches.ever())
        return microseconds(self._arrival(number, f"batch.{end.status}").early)

    def _arrival(self, number: int, event: str) -> Deliver:
        """How a webhook arrives."""
        rules = self._state.scenario.on_webhook
        matches = (rule for rule in rules if rule.matches(number, event))
        return replace(delivery(matches), **self._parameters)

    def _enqueue(self, event: Event) -> None:
        state = self._state
        state.events += 1
        rules = enumerate(state.scenario.on_webhook)
        state.hit("on_webhook", [n for n, r in rules if r.matches(state.events, event.type)])
        arrival = self._arrival(state.events, event.type)
        if state.lost_events < arrival.lost:
            state.lost_events += 1
            return
        kinds = [Kind.FORGED] * arrival.forged
        kinds += [Kind.GENUINE] * (1 + arrival.duplicates)
        kinds += [Kind.STALE] * arrival.stale
        for kind in kinds:
            state.deliveries += 1
            drawn = int.from_bytes(state.mint.digest("webhook lateness", state.deliveries))
            at = self._clock() + drawn % (microseconds(arrival.scatter) + 1)
            state.undelivered.append(Attempt(at, state.deliveries, event, kind, first=at))

    def _deliver(self, attempt: Attempt) -> None:
        state, is_genuine = self._state, attempt.kind is Kind.GENUINE
        accepted = True
        try:
            message = self._outbox.signed(attempt.event, attempt.kind, self._clock())
            accepted = self._target(message)
        except SystemExit:  # the clock has stopped
            raise
        except FakeBatchError as error:
            self._error = self._error or error
        except BaseException as error:  # noqa: BLE001  # pytest.fail raises one
            if is_genuine and self._error is None:  # others a handler may refuse by raising
                event = attempt.event
                self._error = FakeBatchError(
                    f"your webhook handler raised {error!r}.",
                    f"It got {event.type} of {event.batch_id}; an exception counts as a bug.",
                    "Fix it, or let it return a status such as 500 to get the webhook again.",
                )
                self._error.__cause__ = error
        pace = state.dialect.pace
        at = self._clock() + (pace.webhook_retry << attempt.retries)
        with state.lock:
            if attempt in state.undelivered:  # or the test has restored a snapshot
                state.undelivered.remove(attempt)
                if is_genuine and not accepted and at <= attempt.first + pace.webhook_lives:
                    state.undelivered.append(replace(attempt, at=at, retries=attempt.retries + 1))

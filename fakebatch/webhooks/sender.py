"""Sends webhooks from a thread of its own.

Under a virtual clock this thread sleeps until the next webhook is due, as other threads of the test
sleep. So a handler runs while the code under test waits, never between two of its statements.
"""

from __future__ import annotations

from collections import Counter
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
"""Takes a delivery; returns whether it was accepted, by a status of 200 to 299."""


class Sender:
    """Delivers every event to a target, and retries until it is accepted.

    Args:
        outbox: the events.
        clock: returns the time in microseconds since the epoch.
    """

    def __init__(self, outbox: Outbox, clock: Callable[[], int]) -> None:
        self._outbox = outbox
        self._state = outbox.state
        self._clock = clock
        self._target: Target = lambda _: True
        self._parameters: Mapping[str, Any] = {}
        self._thread: Thread | None = None
        # Its lock is never taken while the lock of the state is held.
        self._changed = Condition()
        self._wakes = 0
        self._idle = self._closed = False
        self.errors: list[FakeBatchError] = []
        """The first error since this was last cleared, such as that of a handler that raised."""

    def deliver_to(self, target: Target, parameters: Mapping[str, Any]) -> None:
        """Set the target, and wait until what is due now has been delivered.

        The parameters are those of the verb `deliver`; they override the rules.
        """
        with self._changed:
            self._target, self._parameters = target, parameters
        self._state.check_events()
        if self._thread is None:
            self._thread = Thread(target=self._run, name="fakebatch webhooks", daemon=True)
            self._thread.start()  # outside of the lock, which the new thread takes first
        self.wake()
        with self._changed:
            self._changed.wait_for(lambda: self._idle or self._closed)

    def wake(self) -> None:
        """Compute anew what is due next: a batch was created or cancelled, or a state restored."""
        with self._changed:
            self._wakes, self._idle = self._wakes + 1, False
            self._changed.notify_all()

    def observe(self, handled: Handled) -> None:
        """Wake after a call that may have created or cancelled a batch."""
        if handled.changes:
            self.wake()

    def close(self) -> None:
        """Stop the thread."""
        if self._thread is not None:
            self._closed = True
            self.wake()
            self._thread.join()
            self._thread, self._closed = None, False

    def _run(self) -> None:
        scheduler = for_this_thread()
        try:
            with nullcontext() if scheduler is None else scheduler.precedence():
                while (attempt := self._next()) is not None:
                    self._deliver(attempt)
        except FakeBatchError as error:  # no thread is left that could move the clock
            self._fail(error)
        finally:
            self._closed = True
            self.wake()

    def _fail(self, error: FakeBatchError) -> None:
        if not self.errors:
            self.errors.append(error)

    def _next(self) -> Attempt | None:
        """Wait for the next attempt. None: the sender was closed."""
        while not self._closed:
            wakes = self._wakes
            events = self._outbox.due(self._clock(), self._early)
            with self._changed:
                with self._state.lock:
                    for event in events:
                        self._enqueue(event)
                    attempt = min(self._state.undelivered, default=None)
                if attempt is not None and attempt.at <= self._clock():
                    return attempt
                if wakes == self._wakes and not self._closed:
                    self._idle = True
                    self._changed.notify_all()
                    soonest = min(self._outbox.next_look(), attempt.at if attempt else NEVER)
                    seconds = (soonest - self._clock()) / SECOND
                    self._changed.wait(None if soonest == NEVER else seconds)
        return None

    def _early(self, batch: Batch) -> int:
        """How long before the end of a batch its event is sent, in microseconds."""
        end, event = batch.end, f"batch.{batch.end.status}"
        events = Counter([event])
        if self._state.scenario.on_webhook:  # only rules need the numbers
            ends = (other.end for other in self._state.batches.all())
            events.update(f"batch.{other.status}" for other in ends if other.at < end.at)
        return microseconds(self._arrival(event, events).early)

    def _arrival(self, event: str, events: Counter[str]) -> Deliver:
        """How a webhook is delivered."""
        rules = self._state.scenario.on_webhook
        matches = (rule for rule in rules if rule.matches(event, events))
        return replace(delivery(matches), **self._parameters)

    def _enqueue(self, event: Event) -> None:
        state = self._state
        state.events[event.type] += 1
        rules = enumerate(state.scenario.on_webhook)
        state.hit("on_webhook", [n for n, r in rules if r.matches(event.type, state.events)])
        arrival = self._arrival(event.type, state.events)
        if state.lost_events < arrival.lost:
            state.lost_events += 1
            return
        forged: list[Kind] = ["forged"] * arrival.forged
        genuine: list[Kind] = ["genuine"] * (1 + arrival.duplicates)
        stale: list[Kind] = ["stale"] * arrival.stale
        for kind in (*forged, *genuine, *stale):
            state.deliveries += 1
            drawn = int.from_bytes(state.id_factory.digest("webhook lateness", state.deliveries))
            at = self._clock() + drawn % (microseconds(arrival.scatter) + 1)
            state.undelivered.append(Attempt(at, state.deliveries, event, kind, first=at))

    def _deliver(self, attempt: Attempt) -> None:
        state, is_genuine = self._state, attempt.kind == "genuine"
        accepted = True
        try:
            message = self._outbox.signed(attempt.event, attempt.kind, self._clock())
            accepted = self._target(message)
        except SystemExit:  # the clock has stopped
            raise
        except FakeBatchError as error:
            self._fail(error)
        except BaseException as error:  # noqa: BLE001  # pytest.fail raises one
            if is_genuine:  # raising is a valid way to refuse the others
                event = attempt.event
                failure = FakeBatchError(
                    f"your webhook handler raised {error!r}.",
                    f"It got {event.type} of {event.batch_id}; an exception counts as a bug.",
                    "Fix it, or let it return a status such as 500 to get the webhook again.",
                )
                failure.__cause__ = error
                self._fail(failure)
        pace = state.dialect.pace
        at = self._clock() + (pace.webhook_retry << attempt.retries)
        with state.lock:
            if attempt in state.undelivered:  # unless the test has restored a snapshot
                state.undelivered.remove(attempt)
                if is_genuine and not accepted and at <= attempt.first + pace.webhook_lives:
                    state.undelivered.append(replace(attempt, at=at, retries=attempt.retries + 1))

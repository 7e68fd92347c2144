"""The sender of webhooks: another party that lives in the time of the test, on its own thread.

Under a virtual clock it sleeps until the next webhook is due; whoever else sleeps lets it wake at
its moment. So a handler runs while the code under test waits, never between two of its statements.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fakebatch.batch.batch import Batch
from fakebatch.durations import SECOND, microseconds
from fakebatch.errors import FakeBatchError
from fakebatch.rules.webhooks import Deliver, delivery
from fakebatch.service.records import Attempt, Event, Kind
from fakebatch.service.state import State
from fakebatch.vtime.scheduler import for_this_thread
from fakebatch.webhooks.delivery import Delivery
from fakebatch.webhooks.outbox import Outbox
from fakebatch.webhooks.target import Target

if TYPE_CHECKING:
    from fakebatch.wire.app import Handled

Sign = Callable[[Event, Kind, int], Delivery]


class Sender:
    """Delivers every event to one target, again and again until it is accepted.

    Args:
        state: whose events.
        clock: the time, in microseconds since the epoch.
        outbox: the events.
        sign: makes what is posted at a moment.
    """

    def __init__(self, state: State, clock: Callable[[], int], outbox: Outbox, sign: Sign) -> None:
        self._state = state
        self._clock = clock
        self._outbox = outbox
        self._sign = sign
        self._target: Target = lambda _: True
        self._given: dict[str, Any] = {}
        self._thread: threading.Thread | None = None
        # Nobody who holds the lock of the state asks for this one.
        self._changed = threading.Condition()
        self._news = 0
        self._resting = self._closed = False
        self.unreported: FakeBatchError | None = None
        """What went wrong and has not been told yet."""

    def deliver_to(self, target: Target, given: Mapping[str, Any]) -> None:
        """Deliver everything to this target from now on; what is due before this returns.

        Args:
            target: takes a delivery.
            given: parameters of `deliver` that hold whatever the rules have.
        """
        with self._changed:
            self._target, self._given = target, dict(given)
        self._outbox.look_again()
        self._start()  # which waits, and so must not hold the lock the sender begins with
        with self._changed:
            self._announce()
            self._changed.wait_for(lambda: self._resting or self._closed)

    def called(self, handled: Handled) -> None:
        """A call was handled, which may have created or cancelled a batch."""
        if handled.changes:
            self.look()

    def look(self) -> None:
        """Something was created, cancelled or restored: other events may be due, or sooner."""
        if self._thread is not None:
            with self._changed:
                self._announce()

    def _announce(self) -> None:
        self._news, self._resting = self._news + 1, False
        self._changed.notify_all()

    def close(self) -> None:
        """Deliver nothing any more."""
        if self._thread is not None:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            self._thread.join()
            self._thread, self._closed = None, False

    def error(self) -> FakeBatchError | None:
        """What went wrong, such as a handler that raised, and has not been told yet; told once."""
        error, self.unreported = self.unreported, None
        return error

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="fakebatch webhooks", daemon=True
            )
            self._thread.start()

    def _work(self) -> None:
        try:
            with _precedence():
                while (attempt := self._next()) is not None:
                    self._deliver(attempt)
        except FakeBatchError as error:  # nobody is left to move the clock
            self._note(error)
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()

    def _next(self) -> Attempt | None:
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
                    self._changed.wait(self._seconds_until(attempt))
        return None

    def _seconds_until(self, attempt: Attempt | None) -> float | None:
        looks = (self._outbox.next_look(), None if attempt is None else attempt.at)
        soonest = min((at for at in looks if at is not None), default=None)
        return None if soonest is None else (soonest - self._clock()) / SECOND

    def _early(self, batch: Batch) -> int:
        """How long before its end the event of a batch comes, in microseconds."""
        if not self._state.scenario.on_webhook:
            return microseconds(self._given.get("early", 0))
        end = batch.end
        others = (other.end.at for other in self._state.batches.ever())
        number = 1 + sum(at < end.at for at in others)
        return microseconds(self._deliver_as(number, f"batch.{end.status}").early)

    def _deliver_as(self, number: int, event: str) -> Deliver:
        """How a webhook arrives."""
        rules = self._state.scenario.on_webhook
        matching = (rule for rule in rules if rule.matches(number, event))
        return replace(delivery(matching), **self._given)

    def _enqueue(self, event: Event) -> None:
        state = self._state
        state.events += 1
        rules = enumerate(state.scenario.on_webhook)
        state.hit("on_webhook", [n for n, r in rules if r.matches(state.events, event.type)])
        arrives = self._deliver_as(state.events, event.type)
        if state.lost_events < arrives.lost:
            state.lost_events += 1
            return
        kinds = (
            *(Kind.FORGED for _ in range(arrives.forged)),
            *(Kind.GENUINE for _ in range(1 + arrives.duplicates)),
            *(Kind.STALE for _ in range(arrives.stale)),
        )
        for kind in kinds:
            state.deliveries += 1
            drawn = int.from_bytes(state.mint.digest("webhook lateness", state.deliveries))
            at = self._clock() + drawn % (microseconds(arrives.scatter) + 1)
            state.undelivered.append(Attempt(at, state.deliveries, event, kind, first=at))

    def _deliver(self, attempt: Attempt) -> None:
        state = self._state
        delivery = self._sign(attempt.event, attempt.kind, self._clock())
        accepted = self._accepted(attempt, delivery)
        with state.lock:
            if attempt in state.undelivered:  # or the test has restored a snapshot
                state.undelivered.remove(attempt)
                if not accepted and attempt.kind is Kind.GENUINE:
                    self._retry(attempt)

    def _retry(self, attempt: Attempt) -> None:
        pace = self._state.dialect.pace
        at = self._clock() + (pace.webhook_retry << attempt.retries)
        if at <= attempt.first + pace.webhook_lives:
            retry = replace(attempt, at=at, retries=attempt.retries + 1)
            self._state.undelivered.append(retry)

    def _accepted(self, attempt: Attempt, delivery: Delivery) -> bool:
        try:
            return self._target(delivery)
        except SystemExit:  # the clock has stopped
            raise
        except FakeBatchError as error:
            self._note(error)
        except BaseException as error:  # noqa: BLE001  # pytest.fail raises one
            if attempt.kind is not Kind.GENUINE:
                return False  # how a handler refuses what it cannot verify
            self._note(_raised(delivery, error))
        return True

    def _note(self, error: FakeBatchError) -> None:
        self.unreported = self.unreported or error


def _raised(delivery: Delivery, error: BaseException) -> FakeBatchError:
    told = FakeBatchError(
        f"a webhook's handler raised {error!r}.",
        f"It was brought {delivery.type} of {delivery.batch_id}; raising is taken for a mistake of "
        "the test.",
        "Mend it, or let it return a status such as 500 if it shall be asked again.",
    )
    told.__cause__ = error
    return told


def _precedence() -> AbstractContextManager[None]:
    scheduler = for_this_thread()
    return nullcontext() if scheduler is None else scheduler.precedence()

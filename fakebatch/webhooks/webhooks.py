"""Webhooks of batches that have ended: when they are due and how they are signed.

The signature is that of Standard Webhooks, as in OpenAI's guide and the SDK's `webhooks.unwrap`.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import NamedTuple

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import NEVER, TERMINAL
from fakebatch.durations import SECOND
from fakebatch.ids import IdFactory
from fakebatch.service.records import Event, Kind
from fakebatch.service.state import State

PREFIX = "whsec_"
STALE = 600 * SECOND
"""The age of a stale timestamp; the SDK accepts up to 300 s."""


class Delivery(NamedTuple):
    """A webhook as it is sent: `client.webhooks.unwrap(delivery.body, delivery.headers)`."""

    type: str
    batch_id: str
    body: bytes
    headers: Mapping[str, str]


class Webhooks:
    """The webhooks of a provider. Each event is returned once.

    Args:
        state: has the batches.
        clock: returns the time in microseconds since the epoch.
    """

    def __init__(self, state: State, clock: Callable[[], int]) -> None:
        self._outbox = Outbox(state)
        self._clock = clock
        self.secret = self._outbox.secret
        """The signing secret, `whsec_…`; clients find it in OPENAI_WEBHOOK_SECRET."""

    def due(self) -> list[Delivery]:
        """The webhooks that are due and were not returned or sent before, in order."""
        now = self._clock()
        return [self._outbox.signed(event, "genuine", now) for event in self._outbox.due(now)]


class Outbox:
    """The events of the batches of a provider."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.secret = _secret(state.id_factory)

    def due(self, now: int, early: Callable[[Batch], int] = lambda _: 0) -> list[Event]:
        """The events that are due and were not returned before, in order.

        Args:
            now: microseconds since the epoch.
            early: how long before its end the event of a batch is due, in microseconds.
        """
        state, ended = self.state, list[Batch]()
        with state.lock:
            ids = [id_ for id_, at in state.unsent_events.items() if at <= now]
        for id_ in ids:
            batch = state.batches.get(id_, now)
            due = now
            if batch is not None:
                if batch.is_validating(now):  # its end is not known yet
                    due = batch.validates_until
                elif batch.end.status in TERMINAL:
                    due = batch.end.at - early(batch)
                else:  # it is stuck for ever, unless it is cancelled
                    due = NEVER
            with state.lock:
                is_outdated = batch is not None and state.batches.current(id_) is not batch
                if is_outdated or id_ not in state.unsent_events:
                    continue  # it was cancelled, or another thread has returned its event
                if due > now:
                    state.unsent_events[id_] = due
                    continue
                del state.unsent_events[id_]
                if batch is not None:
                    state.sent_events.add(id_)
                    ended.append(batch)
        ended.sort(key=lambda batch: (batch.end.at, batch.number))
        return [_event(batch, state.id_factory) for batch in ended]

    def next_look(self) -> int:
        """The moment before which no event is due, unless a batch is created or cancelled."""
        with self.state.lock:
            return min(self.state.unsent_events.values(), default=NEVER)

    def signed(self, event: Event, kind: Kind, now: int) -> Delivery:
        """An event as it is sent at `now`."""
        secret = _secret(self.state.id_factory, "forged") if kind == "forged" else self.secret
        timestamp = str((now - STALE if kind == "stale" else now) // SECOND)
        message = f"{event.webhook_id}.{timestamp}.".encode() + event.body
        key = b64decode(secret.removeprefix(PREFIX))
        signature = b64encode(hmac.new(key, message, sha256).digest()).decode()
        headers = {
            **self.state.dialect.webhook_headers,
            "content-type": "application/json",
            "webhook-id": event.webhook_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{signature}",
        }
        return Delivery(event.type, event.batch_id, event.body, headers)


def _event(batch: Batch, id_factory: IdFactory) -> Event:
    """The event of a batch that has ended. Its data has only the id of the batch."""
    end = batch.end
    body = {
        "object": "event",
        "id": id_factory.new("evt_{stamp}", end.at, batch.number),
        "type": f"batch.{end.status}",
        "created_at": end.at // SECOND,
        "data": {"id": batch.id},
    }
    webhook_id = id_factory.new("wh_{stamp}", end.at, batch.number)
    return Event(webhook_id, f"batch.{end.status}", batch.id, json.dumps(body).encode())


def _secret(id_factory: IdFactory, *parts: object) -> str:
    """A signing secret in the form of the service's own."""
    return PREFIX + b64encode(id_factory.digest("webhook secret", *parts, size=32)).decode()

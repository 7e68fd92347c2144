"""Webhooks of batches that have ended: when each is due and how it is signed, without a network.

Signed by Standard Webhooks, as OpenAI's webhook guide and the SDK's `webhooks.unwrap` have it.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import NamedTuple

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import NEVER
from fakebatch.durations import SECOND
from fakebatch.ids import Mint
from fakebatch.service.records import Event, Kind
from fakebatch.service.state import State

PREFIX = "whsec_"
STALE = 600 * SECOND
"""How old a stale timestamp is; the SDK tolerates 300 s."""


class Delivery(NamedTuple):
    """A webhook as it is posted: `client.webhooks.unwrap(delivery.body, delivery.headers)`."""

    type: str
    batch_id: str
    body: bytes
    headers: Mapping[str, str]


class Webhooks:
    """The webhooks of a provider. Each event is handed out once.

    Args:
        state: whose batches end.
        clock: the time, in microseconds since the epoch.
    """

    def __init__(self, state: State, clock: Callable[[], int]) -> None:
        self._outbox = Outbox(state)
        self._clock = clock
        self.secret = self._outbox.secret
        """What they are signed with, `whsec_…`; clients find it in OPENAI_WEBHOOK_SECRET."""

    def due(self) -> list[Delivery]:
        """The webhooks that are due by now and have not been handed out yet, in order."""
        now = self._clock()
        return [self._outbox.signed(event, Kind.GENUINE, now) for event in self._outbox.due(now)]


class Outbox:
    """The events of the batches of a provider, by the moment they are due."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.secret = _secret(state.mint)

    def look_again(self) -> None:
        """Look at every batch that has an event to come: it may be due at another moment."""
        with self.state.lock:
            self.state.unsent_events = dict.fromkeys(self.state.unsent_events, 0)

    def due(self, now: int, early: Callable[[Batch], int] = lambda _: 0) -> list[Event]:
        """The events that are due and have not been handed out, in order.

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
                is_validating = batch.is_validating(now)  # so long its end is not known
                due = batch.validated if is_validating else batch.end.at - early(batch)
            with state.lock:
                is_outdated = batch is not None and state.batches.current(id_) is not batch
                if is_outdated or id_ not in state.unsent_events:
                    continue  # it was cancelled meanwhile, or another thread was faster
                if due > now:
                    state.unsent_events[id_] = due
                    continue
                del state.unsent_events[id_]
                if batch is not None:
                    state.sent_events.add(id_)
                    ended.append(batch)
        ended.sort(key=lambda batch: (batch.end.at, batch.number))
        return [_event(batch, state.mint) for batch in ended]

    def next_look(self) -> int:
        """Before this moment nothing will be due, unless a batch is created or cancelled."""
        with self.state.lock:
            return min(self.state.unsent_events.values(), default=NEVER)

    def signed(self, event: Event, kind: Kind, now: int) -> Delivery:
        """An event as it is posted at a moment."""
        secret = _secret(self.state.mint, "forged") if kind is Kind.FORGED else self.secret
        timestamp = str((now - STALE if kind is Kind.STALE else now) // SECOND)
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


def _event(batch: Batch, mint: Mint) -> Event:
    """The event of a batch that has ended. Its data is the id alone: fetch the rest."""
    end = batch.end
    body = {
        "object": "event",
        "id": mint.made("evt_{stamp}", end.at, batch.number),
        "type": f"batch.{end.status}",
        "created_at": end.at // SECOND,
        "data": {"id": batch.id},
    }
    webhook_id = mint.made("wh_{stamp}", end.at, batch.number)
    return Event(webhook_id, f"batch.{end.status}", batch.id, json.dumps(body).encode())


def _secret(mint: Mint, *parts: object) -> str:
    """A signing secret in the form the service gives out."""
    return PREFIX + b64encode(mint.digest("webhook secret", *parts, size=32)).decode()

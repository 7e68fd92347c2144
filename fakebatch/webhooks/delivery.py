"""The event of a batch that has ended, and how a webhook carries it: pure.

Signed by Standard Webhooks, as OpenAI's webhook guide and the SDK's `webhooks.unwrap` have it.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from fakebatch.batch.batch import Batch
from fakebatch.durations import SECOND
from fakebatch.ids import Mint
from fakebatch.service.records import Event

PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook as it is posted: `client.webhooks.unwrap(delivery.body, delivery.headers)`."""

    type: str
    batch_id: str
    body: bytes
    headers: Mapping[str, str]


def event_of(batch: Batch, mint: Mint) -> Event:
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


def signed(event: Event, secret: str, at: int, headers: Mapping[str, str]) -> Delivery:
    """The event as it is posted at a moment, with the headers all webhooks of a provider have."""
    timestamp = str(at // SECOND)
    text = f"{event.webhook_id}.{timestamp}.".encode() + event.body
    key = b64decode(secret.removeprefix(PREFIX))
    signature = b64encode(hmac.new(key, text, sha256).digest()).decode()
    own = {
        "content-type": "application/json",
        "webhook-id": event.webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }
    return Delivery(event.type, event.batch_id, event.body, {**headers, **own})


def secret_of(mint: Mint, *parts: object) -> str:
    """A signing secret in the form the service gives out."""
    return PREFIX + b64encode(mint.digest("webhook secret", *parts, size=32)).decode()

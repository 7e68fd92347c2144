"""Webhooks as the real SDK verifies and reads them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat
from support.doors import WEBHOOK
from support.typed import strictly

pytestmark = WEBHOOK

NEW_YEAR = 1_767_225_600
HOUR = 3_600


def unwrapped(do: Driver, delivery: Any, **secret: str) -> Any:
    return strictly(do.client.webhooks.unwrap(delivery.body, delivery.headers, **secret))


def _cancelled(do: Driver, fake: FakeBatch) -> None:
    do(do.client.batches.cancel, fake.batches.only().id)


Life = tuple[list[dict[str, Any]], Callable[[Driver, FakeBatch], None], int]
LIVES: dict[str, Life] = {
    "completed": ([chat("a")], lambda *_: None, HOUR),
    "failed": ([chat("a"), chat("a")], lambda *_: None, 65),
    "expired": ([chat("a")], lambda *_: None, 24 * HOUR + 1 + 606),
    "cancelled": ([chat("a")], _cancelled, 606),
}


@pytest.mark.parametrize("status", LIVES)
def test_the_end_of_a_batch_is_told_when_it_comes(
    do: Driver, fakebatch: FakeBatch, status: str
) -> None:
    """Not a second before, and once; the event is of the SDK's type and names the batch."""
    lines, act, takes = LIVES[status]
    if status == "expired":
        fakebatch.schedule(in_progress="30h")
    batch = do.create(lines)
    act(do, fakebatch)

    fakebatch.clock.advance(takes - 1)
    assert fakebatch.webhooks.due() == []
    fakebatch.clock.advance(1)
    (delivery,) = fakebatch.webhooks.due()
    event = unwrapped(do, delivery)

    assert (event.type, event.data.id) == (f"batch.{status}", batch.id)
    assert (delivery.type, delivery.batch_id) == (f"batch.{status}", batch.id)
    assert event.created_at == getattr(do(do.client.batches.retrieve, batch.id), f"{status}_at")
    assert type(event).__name__ == f"Batch{status.title()}WebhookEvent"
    fakebatch.clock.advance("3d")
    assert fakebatch.webhooks.due() == []


def test_a_webhook_has_the_headers_and_keys_of_the_wire(do: Driver, fakebatch: FakeBatch) -> None:
    """As OpenAI's guide prints one; the data is the id alone."""
    batch = do.run([chat("a")])
    (delivery,) = fakebatch.webhooks.due()
    event = json.loads(delivery.body)

    assert list(event) == ["object", "id", "type", "created_at", "data"]
    assert event["object"] == "event"
    assert event["data"] == {"id": batch.id}
    assert event["id"].startswith("evt_")
    assert delivery.headers == {
        "user-agent": "OpenAI/1.0 (+https://platform.openai.com/docs/webhooks)",
        "content-type": "application/json",
        "webhook-id": delivery.headers["webhook-id"],
        "webhook-timestamp": str(NEW_YEAR + 3_600),
        "webhook-signature": delivery.headers["webhook-signature"],
    }
    assert delivery.headers["webhook-id"].startswith("wh_")
    assert delivery.headers["webhook-signature"].startswith("v1,")


def test_webhooks_come_in_the_order_in_which_batches_end(do: Driver, fakebatch: FakeBatch) -> None:
    """Not in that of their creation; of two at one moment the batch created first is first."""
    slow, bad, worse = (do.create([chat(id_) for id_ in ids]) for ids in ("a", "aa", "bb"))
    fakebatch.schedule(in_progress="1m")
    quick = do.create([chat("a")])
    fakebatch.clock.advance("2h")

    told = [delivery.batch_id for delivery in fakebatch.webhooks.due()]
    assert told == [bad.id, worse.id, quick.id, slow.id]


def test_a_cancel_changes_what_will_be_told(do: Driver, fakebatch: FakeBatch) -> None:
    """Nothing of the end the batch would have had, whether that was sooner or later."""
    late, soon = do.create([chat("a")]), do.create([chat("a")])
    fakebatch.clock.advance("50m")
    do(do.client.batches.cancel, soon.id)
    fakebatch.clock.advance("9m59s")
    do(do.client.batches.cancel, late.id)
    fakebatch.clock.advance("1h")

    told = [(delivery.type, delivery.batch_id) for delivery in fakebatch.webhooks.due()]
    assert told == [("batch.cancelled", soon.id), ("batch.cancelled", late.id)]


def test_the_secret_is_found_or_given(do: Driver, fakebatch: FakeBatch) -> None:
    """A client finds it in the environment; a wrong one is refused."""
    do.run([chat("a")])
    (delivery,) = fakebatch.webhooks.due()

    assert fakebatch.webhooks.secret.startswith("whsec_")
    assert os.environ["OPENAI_WEBHOOK_SECRET"] == fakebatch.webhooks.secret
    assert unwrapped(do, delivery, secret=fakebatch.webhooks.secret) == unwrapped(do, delivery)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        unwrapped(do, delivery, secret="whsec_AAAA")


def test_a_webhook_kept_for_too_long_is_refused(do: Driver, fakebatch: FakeBatch) -> None:
    """The SDK looks at the virtual clock: 300 s are tolerated."""
    do.run([chat("a")])
    (delivery,) = fakebatch.webhooks.due()
    fakebatch.clock.advance("5m")
    assert unwrapped(do, delivery).type == "batch.completed"
    fakebatch.clock.advance("1s")
    with pytest.raises(openai.InvalidWebhookSignatureError, match="too old"):
        unwrapped(do, delivery)


def test_the_seed_decides_every_byte() -> None:
    """The same seed gives the same webhook and secret, another one others."""
    sent = []
    for seed in (1, 1, 2):
        with FakeBatch(seed=seed) as fake:
            client = openai.OpenAI()
            uploaded = client.files.create(file=b"{}", purpose="batch")
            client.batches.create(
                input_file_id=uploaded.id, endpoint="/v1/embeddings", completion_window="24h"
            )
            fake.clock.advance("1h")
            sent.append((fake.webhooks.secret, fake.webhooks.due()))
    assert sent[0] == sent[1]
    assert sent[0][0] != sent[2][0]


def test_each_fake_has_its_own_secret_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The innermost one's; at the end the one there was, whoever leaves first."""
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", "whsec_mine")

    def seen() -> str | None:
        return os.environ.get("OPENAI_WEBHOOK_SECRET")

    outer, inner = FakeBatch(seed=1), FakeBatch(seed=2)
    for first, second in ((inner, outer), (outer, inner)):
        outer.__enter__()
        inner.__enter__()
        assert seen() == inner.webhooks.secret
        first.__exit__(None, None, None)
        assert seen() == second.webhooks.secret
        second.__exit__(None, None, None)
        assert seen() == "whsec_mine"

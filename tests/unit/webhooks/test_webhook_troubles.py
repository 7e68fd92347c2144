"""Webhooks as they come in bad times: duplicated, unordered, early, lost, not genuine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from support.inbox import HOUR, Inbox, create


def test_each_webhook_comes_more_than_once(fakebatch: FakeBatch) -> None:
    """With the same webhook-id and bytes: that is what to tell duplicates by."""
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox, duplicates=2)
    ids = [create("a", "a"), create()]
    time.sleep(2 * HOUR)
    assert inbox.batches == [id_ for id_ in ids for _ in range(3)]
    assert [inbox.ids.count(id_) for id_ in sorted({*inbox.ids})] == [3, 3]


def test_webhooks_overtake_each_other(fakebatch: FakeBatch) -> None:
    """Each comes up to so much later, as the seed decides; all come, and all can be verified."""
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox, scatter="1h")
    ids = [create() for _ in range(10)]
    time.sleep(2 * HOUR)
    assert sorted(inbox.batches) == sorted(ids)
    assert inbox.batches != ids
    assert all(HOUR <= moment <= 2 * HOUR for moment in inbox.moments)


def test_a_webhook_can_come_before_the_output(fakebatch: FakeBatch) -> None:
    """The batch is still finalizing and names no file; asked again, the webhook finds both."""
    seen: list[tuple[float, str, bool]] = []

    def handler(body: bytes, headers: Mapping[str, str]) -> int:
        event: Any = openai.OpenAI().webhooks.unwrap(body, headers)
        batch = openai.OpenAI().batches.retrieve(event.data.id)
        seen.append((fakebatch.clock.elapsed, batch.status, batch.output_file_id is not None))
        return 200 if batch.output_file_id else 503

    fakebatch.webhooks.deliver_to(handler, early="8s")
    create()
    time.sleep(2 * HOUR)
    assert seen == [
        (HOUR - 8, "finalizing", False),
        (HOUR - 3, "finalizing", False),
        (HOUR + 7, "completed", True),
    ]


def test_webhooks_can_get_lost(fakebatch: FakeBatch) -> None:
    """The first ones: a client needs a slow poll beside them."""
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox, lost=2)
    ids = [create() for _ in range(3)]
    time.sleep(2 * HOUR)
    assert inbox.batches == ids[2:]


@pytest.mark.parametrize(
    ("which", "message"),
    [
        pytest.param({"forged": 2}, "does not match", id="forged"),
        pytest.param({"stale": 2}, "too old", id="stale"),
    ],
)
def test_what_is_not_genuine_comes_too(
    fakebatch: FakeBatch, which: dict[str, Any], message: str
) -> None:
    """A handler refuses it by raising or by a status; neither fails the test nor is asked again."""
    refused: list[str] = []
    accepted: list[str] = []

    def handler(body: bytes, headers: Mapping[str, str]) -> int:
        try:
            openai.OpenAI().webhooks.unwrap(body, headers)
        except openai.InvalidWebhookSignatureError as error:
            refused.append(str(error))
            if len(refused) > 1:
                raise
            return 400
        accepted.append(headers["webhook-id"])
        return 200

    fakebatch.webhooks.deliver_to(handler, **which)
    create()
    time.sleep(2 * HOUR)
    assert len(accepted) == 1
    assert [message in one for one in refused] == [True, True]


def test_the_same_seed_brings_the_same() -> None:
    """All that is scattered follows from it."""

    def come(seed: int) -> list[tuple[int, str]]:
        with FakeBatch(seed=seed) as fake:
            inbox = Inbox()
            fake.webhooks.deliver_to(inbox, scatter="2h", duplicates=1)
            for create_one in (partial(create, "a", "a"), create, create):
                create_one()
            time.sleep(4 * HOUR)
        return inbox.received

    assert come(1) == come(1) != come(2)


def test_rules_hold_for_what_the_call_leaves_out(fakebatch: FakeBatch) -> None:
    """So that an incident can bring them along."""
    fakebatch.on_webhook().deliver(duplicates=1, lost=1)
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox, lost=0)
    create()
    fakebatch.clock.advance("1h")
    assert inbox.moments == [HOUR, HOUR]


def test_a_rule_holds_for_batches_that_exist_already(fakebatch: FakeBatch) -> None:
    """Also where the sender already waits for the end of the batch."""
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox)
    create()
    time.sleep(HOUR / 2)
    fakebatch.on_webhook().deliver(early="10m")
    time.sleep(HOUR)
    assert inbox.moments == [HOUR - 600]


def test_a_rule_that_is_gone_holds_no_longer(fakebatch: FakeBatch) -> None:
    """The webhook then comes at the end of its batch."""
    inbox, scenario = Inbox(), fakebatch.scenario
    fakebatch.on_webhook().deliver(early="10m")
    fakebatch.webhooks.deliver_to(inbox)
    create()
    time.sleep(HOUR / 2)
    fakebatch.scenario = scenario
    time.sleep(HOUR)
    assert inbox.moments == [HOUR]


def test_a_later_batch_may_change_the_number_of_an_earlier(fakebatch: FakeBatch) -> None:
    """It ends first, so that the webhook of the other is the second."""
    fakebatch.on_batch(nth=1).schedule(in_progress="5h")
    fakebatch.on_webhook(nth=2).deliver(early="10m")
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox)
    slow = create()
    time.sleep(HOUR)
    quick = create()
    time.sleep(9 * HOUR)
    end = fakebatch.batches[slow].plan[-1].at.timestamp() - fakebatch.batches[slow].created_at
    assert inbox.batches == [quick, slow]
    assert inbox.moments == [2 * HOUR, end - 600]


def test_the_second_batch_to_end_is_told_early(fakebatch: FakeBatch) -> None:
    """Webhooks are numbered by the ends of their batches, whoever looks when."""
    fakebatch.on_batch(nth=1).schedule(in_progress="2h")
    early = fakebatch.on_webhook(nth=2).deliver(early="10m")
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox)
    slow, quick = create(), create()
    time.sleep(4 * HOUR)
    end = fakebatch.batches[slow].plan[-1].at.timestamp() - fakebatch.batches[slow].created_at
    assert inbox.batches == [quick, slow]
    assert inbox.moments == [HOUR, end - 600]
    assert early.hits == 1

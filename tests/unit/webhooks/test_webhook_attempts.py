"""A webhook that is not accepted comes again."""

from __future__ import annotations

import time
from itertools import accumulate

import httpx
import openai
import pytest

from fakebatch import FakeBatch, FakeBatchError
from support.inbox import HOUR, Inbox, create

ANSWERS = [
    pytest.param(None, True, id="nothing"),
    pytest.param("thanks", True, id="something else"),
    pytest.param(True, True, id="True is no status"),
    pytest.param(204, True, id="204"),
    pytest.param(302, False, id="a redirect"),
    pytest.param(410, False, id="410"),
    pytest.param(500, False, id="500"),
    pytest.param(httpx.Response(200), True, id="an answer of 200"),
    pytest.param(httpx.Response(503), False, id="an answer of 503"),
]


@pytest.mark.parametrize(("answer", "accepted"), ANSWERS)
def test_what_a_handler_returns_is_an_answer(
    fakebatch: FakeBatch, answer: object, *, accepted: bool
) -> None:
    """Only a status beyond 200 to 299 brings the webhook again."""
    inbox = Inbox(answer)
    fakebatch.webhooks.deliver_to(inbox)
    create()
    time.sleep(HOUR + 60)
    assert inbox.moments == ([HOUR] if accepted else [HOUR, HOUR + 5])


def test_an_attempt_is_made_again_for_72_hours(fakebatch: FakeBatch) -> None:
    """After 5 s, then after twice as long each time; freshly signed, with the same webhook-id."""
    inbox = Inbox(*[500] * 99)
    fakebatch.webhooks.deliver_to(inbox)
    create()
    time.sleep(10 * 86_400)

    waits = [5 * 2**attempt for attempt in range(15)]
    assert inbox.moments == [*accumulate(waits, initial=HOUR)]
    assert inbox.moments[-1] <= HOUR + 72 * HOUR < inbox.moments[-1] + 5 * 2**15
    assert len({*inbox.ids}) == 1


def test_attempts_are_a_future(fakebatch: FakeBatch) -> None:
    """As long as one is to come, a client that asks for an ended batch may wait for it."""
    inbox = Inbox(*[500] * 11)
    fakebatch.webhooks.deliver_to(inbox)
    client, id_ = openai.OpenAI(), create()
    time.sleep(HOUR)
    while len(inbox.received) < 12:
        time.sleep(600)
        client.batches.retrieve(id_)
    assert inbox.moments[-1] == HOUR + 5 * (2**11 - 1)

    with pytest.raises(FakeBatchError, match="never ends"):
        while True:
            time.sleep(600)
            client.batches.retrieve(id_)

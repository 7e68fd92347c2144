"""Webhooks after `restore`: those come that would have come."""

from __future__ import annotations

import time

from fakebatch import FakeBatch
from support.inbox import HOUR, Inbox, create


def test_a_webhook_that_came_since_comes_again(fakebatch: FakeBatch) -> None:
    """With the same id: nobody knows that it has come."""
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox)
    create()
    time.sleep(HOUR - 60)
    before = fakebatch.snapshot()
    time.sleep(120)
    fakebatch.restore(before)
    time.sleep(1)

    assert len(inbox.ids) == 2
    assert len({*inbox.ids}) == 1


def test_an_attempt_that_was_to_come_comes_again(fakebatch: FakeBatch) -> None:
    """And one that had come before the snapshot does not."""
    inbox = Inbox(500)
    fakebatch.webhooks.deliver_to(inbox)
    create()
    time.sleep(HOUR + 2)
    before = fakebatch.snapshot()
    time.sleep(60)
    assert inbox.moments == [HOUR, HOUR + 5]
    fakebatch.restore(before)
    time.sleep(60)

    assert inbox.moments == [HOUR, HOUR + 5, HOUR + 62]


def test_the_first_are_lost_again(fakebatch: FakeBatch) -> None:
    """The number of those that are lost goes back with all the rest, and so how late one comes."""
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox, lost=1, scatter="1h")
    before = fakebatch.snapshot()
    runs: list[list[float]] = []
    for _ in range(2):
        began, before_run = fakebatch.clock.elapsed, len(inbox.moments)
        for _batch in range(3):
            create()
        time.sleep(3 * HOUR)
        runs.append([moment - began for moment in inbox.moments[before_run:]])
        fakebatch.restore(before)

    assert runs[0] == runs[1]
    assert len(runs[0]) == 2

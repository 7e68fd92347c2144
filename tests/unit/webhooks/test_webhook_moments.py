"""Webhooks that come by themselves: when."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from fakebatch.vtime import watchdog
from support.client import chat
from support.inbox import HOUR, NEW_YEAR, Inbox, create

WAYS: dict[str, Callable[[FakeBatch, float], object]] = {
    "time.sleep": lambda _, seconds: time.sleep(seconds),
    "many short sleeps": lambda _, seconds: [*map(time.sleep, [seconds / 60] * 60)],
    "asyncio.sleep": lambda _, seconds: asyncio.run(asyncio.sleep(seconds)),
    "Event.wait": lambda _, seconds: threading.Event().wait(seconds),
    "clock.advance": lambda fake, seconds: fake.clock.advance(seconds),
    "clock.move_to": lambda fake, seconds: fake.clock.move_to(NEW_YEAR + seconds),
}


@pytest.mark.parametrize("beyond", [0, HOUR], ids=["to the moment", "past it"])
@pytest.mark.parametrize("wait", WAYS.values(), ids=WAYS)
def test_a_webhook_comes_at_its_moment(
    fakebatch: FakeBatch, wait: Callable[[FakeBatch, float], object], beyond: int
) -> None:
    """While time passes in whatever way; it has come when the wait is over."""
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox)
    create("a", "a")
    create()
    wait(fakebatch, HOUR + beyond)
    assert inbox.received == [(65, "failed"), (HOUR, "completed")]
    assert fakebatch.clock.elapsed == HOUR + beyond


def test_no_webhook_comes_while_the_test_computes(
    fakebatch: FakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long: a handler, or what `at` calls, runs while the code under test waits."""
    monkeypatch.setattr(watchdog, "_BUSY", 0.01)
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox)
    fakebatch.at("20m", lambda: inbox.received.append((0, "at")))
    create("a", "a")
    began = time.process_time()
    while time.process_time() < began + 0.2:
        pass
    assert (inbox.received, fakebatch.clock.elapsed) == ([], 0.0)
    time.sleep(HOUR)
    assert inbox.received == [(65, "failed"), (0, "at")]


@pytest.mark.parametrize(
    ("status", "created", "moment"),
    [
        pytest.param("in_progress", "-10m", 1_800, id="one that is still running"),
        pytest.param("completed", "-1h", 0, id="one that has ended"),
    ],
)
def test_a_batch_that_the_test_adds_sends_its_webhook(
    fakebatch: FakeBatch, status: Any, created: str, moment: int
) -> None:
    """At the end of the batch, or as soon as time passes, though no call was made."""
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox)
    fakebatch.batches.add([chat("a")], status=status, created=created)
    time.sleep(HOUR)
    assert inbox.received == [(moment, "completed")]


@pytest.mark.fakebatch(clock="manual")
def test_a_webhook_comes_while_a_manual_clock_is_moved(fakebatch: FakeBatch) -> None:
    """There too, at its moment."""
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox)
    create()
    fakebatch.clock.advance("2h")
    assert inbox.moments == [HOUR]


@pytest.mark.fakebatch(clock="real")
def test_a_webhook_comes_in_real_time(fakebatch: FakeBatch) -> None:
    """Without a virtual clock it comes when time has really passed."""
    fakebatch.schedule(validating=0.01, in_progress=0.01, finalizing=0.01)
    arrived = threading.Event()
    fakebatch.webhooks.deliver_to(lambda *_: arrived.set())
    create()
    assert arrived.wait(20)


def test_a_wait_without_end_ends_with_the_webhook(fakebatch: FakeBatch) -> None:
    """Who waits for nothing else is woken at its moment."""
    arrived = threading.Event()
    fakebatch.webhooks.deliver_to(lambda *_: arrived.set())
    create()
    arrived.wait()
    assert fakebatch.clock.elapsed == HOUR


def test_a_loop_is_woken_from_the_handler(fakebatch: FakeBatch) -> None:
    """As from any other thread, by `call_soon_threadsafe`."""

    async def main() -> None:
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        fakebatch.webhooks.deliver_to(lambda *_: loop.call_soon_threadsafe(arrived.set))
        create()
        await asyncio.wait_for(arrived.wait(), 2 * HOUR)

    asyncio.run(main())
    assert fakebatch.clock.elapsed == HOUR


def test_an_async_handler_is_awaited(fakebatch: FakeBatch) -> None:
    """On a loop of its own, where it may sleep in virtual time."""
    ended: list[float] = []

    async def handler(_: bytes, __: Mapping[str, str]) -> None:
        await asyncio.sleep(7)
        ended.append(fakebatch.clock.elapsed)

    fakebatch.webhooks.deliver_to(handler)
    create()
    time.sleep(2 * HOUR)
    assert ended == [HOUR + 7]


def test_what_is_due_already_is_brought_at_once(fakebatch: FakeBatch) -> None:
    """Each event is handed out once, whether by `due` or to a target."""
    first, second = create("a", "a"), create()
    fakebatch.clock.advance("10m")
    assert [one.batch_id for one in fakebatch.webhooks.due()] == [first]
    fakebatch.clock.advance("1h")
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox)
    assert (inbox.batches, fakebatch.webhooks.due()) == ([second], [])


def test_a_later_target_takes_the_place_of_the_former(fakebatch: FakeBatch) -> None:
    """From then on."""
    before, after = Inbox(), Inbox()
    fakebatch.webhooks.deliver_to(before)
    failing, other = create("a", "a"), create()
    fakebatch.clock.advance("10m")
    fakebatch.webhooks.deliver_to(after)
    fakebatch.clock.advance("1h")
    assert (before.batches, after.batches) == ([failing], [other])


def test_a_handler_can_use_the_service(fakebatch: FakeBatch) -> None:
    """It looks at the batch, which has ended, and creates another, which is told of in turn."""
    seen: list[str] = []

    def handler(body: bytes, headers: Mapping[str, str]) -> None:
        client = openai.OpenAI()
        event: Any = client.webhooks.unwrap(body, headers)
        seen.append(client.batches.retrieve(event.data.id).status)
        if len(seen) < 3:
            create()

    fakebatch.webhooks.deliver_to(handler)
    create()
    time.sleep(3 * HOUR)
    assert seen == ["completed"] * 3


def test_a_cancel_from_elsewhere_is_noticed(fakebatch: FakeBatch) -> None:
    """A webhook comes for what is, also where its batch was to end much later."""
    fakebatch.schedule(in_progress="20h")
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox)
    id_ = create()
    time.sleep(HOUR)
    openai.OpenAI().batches.cancel(id_)
    time.sleep(HOUR)
    assert inbox.received == [(HOUR + 606, "cancelled")]


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing"])
def test_a_batch_that_is_stuck_sends_a_webhook_when_it_is_cancelled(
    fakebatch: FakeBatch, status: Any
) -> None:
    """And none before: its last status is no end."""
    fakebatch.on_batch().stall(status)
    inbox = Inbox()
    fakebatch.webhooks.deliver_to(inbox)
    id_ = create()
    time.sleep(10 * HOUR)
    assert inbox.received == []
    openai.OpenAI().batches.cancel(id_)
    time.sleep(HOUR)
    assert inbox.received == [(10 * HOUR + 606, "cancelled")]

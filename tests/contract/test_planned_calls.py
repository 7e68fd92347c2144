"""`fakebatch.at(when, do)`: what a test plans for a moment happens then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import openai
import pytest

from fakebatch import Emulator, FakeBatch, UsageError
from fakebatch.errors import FakeBatchError
from fakebatch.wire import Request
from support.client import Driver, chat

pytestmark = pytest.mark.not_over("socket", reason="a plan of the test stays in its process")

MOMENTS: dict[str, Any] = {
    "text": "20m",
    "seconds": 1200,
    "a timedelta": timedelta(minutes=20),
    "a datetime": datetime(2026, 1, 1, 0, 20, tzinfo=UTC),
}


@pytest.mark.parametrize("when", MOMENTS.values(), ids=MOMENTS)
def test_an_operator_acts_while_the_client_sleeps(
    when: Any, do: Driver, fakebatch: FakeBatch
) -> None:
    """At that moment exactly, whenever the client wakes."""
    batch, operator = do.create([chat("a")]), fakebatch.openai()
    fakebatch.at(when, lambda: operator.batches.cancel(batch.id))
    do.sleep(7200)
    batch = do(do.client.batches.retrieve, batch.id)
    assert (batch.status, batch.cancelling_at - batch.created_at) == ("cancelled", 1200)


def test_it_is_before_a_client_that_wakes_at_that_moment(do: Driver, fakebatch: FakeBatch) -> None:
    """So the poll at twenty minutes already sees it; of two plans the first is first."""
    seen: list[str] = []
    fakebatch.at("20m", lambda: seen.append("first"))
    fakebatch.at("20m", lambda: seen.append("second"))
    fakebatch.at("10m", lambda: seen.append("earlier"))
    for minute in range(0, 30, 5):
        seen.append(str(minute))
        do.sleep(300)
    assert seen == ["0", "5", "earlier", "10", "15", "first", "second", "20", "25"]


@pytest.mark.fakebatch(clock="manual")
def test_a_manual_clock_stops_there(fakebatch: FakeBatch) -> None:
    """As `advance` passes the moment."""
    seen: list[float] = []
    fakebatch.at("20m", lambda: seen.append(fakebatch.clock.elapsed))
    fakebatch.clock.advance("19m")
    assert seen == []
    fakebatch.clock.advance("1h")
    assert seen == [1200]


def test_a_plan_may_make_rules_and_plans(fakebatch: FakeBatch) -> None:
    """And may sleep itself."""
    client, seen = fakebatch.openai(max_retries=0), list[float]()

    def begin() -> None:
        fakebatch.on_call("batches.list").fail(503)
        fakebatch.at("2h", lambda: seen.append(fakebatch.clock.elapsed))
        time.sleep(60)
        seen.append(fakebatch.clock.elapsed)

    fakebatch.at("1h", begin)
    assert client.batches.list().data == []
    time.sleep(3600)
    with pytest.raises(openai.InternalServerError):
        client.batches.list()
    time.sleep(2 * 3600)
    assert seen == [3660, 7200]


def test_a_coroutine_is_run(fakebatch: FakeBatch) -> None:
    """So the asynchronous client serves an operator, too."""
    batch = fakebatch.batches.add([chat("a")], status="in_progress")
    client = openai.AsyncOpenAI()
    fakebatch.at("10m", lambda: client.batches.cancel(batch.id))

    async def poll() -> str:
        await asyncio.sleep(3000)
        return (await openai.AsyncOpenAI().batches.retrieve(batch.id)).status

    assert asyncio.run(poll()) == "cancelled"


def test_it_is_planned_before_the_start() -> None:
    """Then it counts from there, and with a real clock it is made when somebody looks."""
    fake, seen = FakeBatch(), list[float]()
    fake.at("5m", lambda: seen.append(fake.clock.elapsed))
    fake.at(MOMENTS["a datetime"], lambda: seen.append(fake.clock.elapsed))
    with fake:
        time.sleep(1200)
    assert seen == [300, 1200]
    with FakeBatch(clock="real") as real:
        real.at(MOMENTS["a datetime"], lambda: seen.append(-1))
        assert real.openai().batches.list().data == []
    assert seen == [300, 1200, -1]


def test_an_emulator_looks_at_its_clock() -> None:
    """Before a request after that moment is handled, and where the test looks."""
    now, seen = [0], list[int]()
    emulator = Emulator(clock=lambda: now[0], dialects=["openai", "moonshot"])
    emulator.at("1m", lambda: seen.append(now[0]))
    emulator.at("2m", lambda: seen.append(now[0]))
    request = Request(
        "GET", "/v1/batches", {}, {"authorization": "Bearer k"}, host="api.moonshot.ai"
    )
    emulator.handle(request)
    assert seen == []
    now[0] = 61_000_000
    emulator.handle(request)
    assert seen == [61_000_000]
    now[0] = 300_000_000
    assert len(emulator.batches) == 0
    assert seen == [61_000_000, 300_000_000]
    emulator.check_rules()


def fails() -> None:
    raise LookupError("oops")


def test_an_error_reaches_the_test() -> None:
    """In the sleep that it ended, or at the end."""
    with pytest.raises(FakeBatchError) as caught, FakeBatch() as fake:
        fake.at("20m", fails)
        fake.clock.advance("1h")
    assert str(caught.value).split("\n") == [
        "fakebatch: at('20m', fails) raised LookupError('oops').",
        "It was called 20m after the start.",
        "Correct the callable; its traceback is above.",
    ]
    assert isinstance(caught.value.__cause__, LookupError)


def test_a_moment_that_never_came_is_reported() -> None:
    """Like a rule that met nothing: at the end, and in the timeline."""
    with (
        pytest.raises(UsageError, match=r"1 rule was never used: at\('20m', fails\)"),
        FakeBatch() as fake,
    ):
        fake.at("20m", fails)
        time.sleep(600)
    assert "never used: at('20m', fails)" in fake.timeline()


WRONG: dict[str, tuple[Callable[[FakeBatch], object], str]] = {
    "past": (lambda fake: fake.at("5m", fails), "at('5m', fails) is in the past"),
    "a result": (
        lambda fake: fake.at("20m", len(fake.batches)),  # type: ignore[arg-type]
        "at('20m', 0) has nothing to call",
    ),
    "no duration": (lambda fake: fake.at("soon", fails), "soon"),
}


@pytest.mark.parametrize(("plan", "why"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_planned(
    plan: Callable[[FakeBatch], object], why: str, fakebatch: FakeBatch
) -> None:
    """Is an error where it is written."""
    time.sleep(600)
    with pytest.raises(UsageError) as caught:
        plan(fakebatch)
    assert why in str(caught.value)


def test_a_wait_for_a_plan_is_not_endless(do: Driver, fakebatch: FakeBatch) -> None:
    """A stalled batch, and an operator who looks at it after a week."""
    fakebatch.on_batch().stall("in_progress")
    batch, operator = do.create([chat("a")]), fakebatch.openai()
    fakebatch.at("7d", lambda: operator.batches.cancel(batch.id))
    assert do.poll(batch, every=3600)[-1].status == "cancelled"

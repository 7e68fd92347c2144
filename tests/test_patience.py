"""A loop that never ends is told so, soon."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import anyio
import openai
import pytest
from conftest import Driver, chat

from fakebatch import FakeBatch, FakeBatchError
from fakebatch.batch.lifecycle import Status, Timeline
from fakebatch.batch.plan import Plan

pytestmark = pytest.mark.timeout(60)


def create(client: openai.OpenAI, *lines: dict[str, Any]) -> str:
    driver = Driver(client)
    id_: str = driver.create([*lines]).id
    driver.runner.close()
    return id_


def failing(client: openai.OpenAI) -> str:
    """A batch that ends at "failed": a custom_id is not unique."""
    return create(client, chat("a"), chat("a"))


def polls(id_: str) -> None:
    client = openai.OpenAI()
    while client.batches.retrieve(id_).status != "completed":
        time.sleep(60)


async def polls_in_a_task(id_: str) -> None:
    async with openai.AsyncOpenAI() as client:
        while (await client.batches.retrieve(id_)).status != "completed":  # noqa: ASYNC110 - they do
            await anyio.sleep(60)


async def polls_beside_another(id_: str) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(polls_in_a_task, id_)
        tasks.start_soon(anyio.sleep, 10_000_000)


async def polls_by_gather(id_: str) -> None:
    await asyncio.gather(polls_in_a_task(id_), polls_in_a_task(id_))


async def polls_in_a_thread_of_a_loop(id_: str) -> None:
    await asyncio.to_thread(polls, id_)


def polls_in_a_pool(id_: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        for result in [pool.submit(polls, id_) for _ in range(2)]:
            result.result()


LOOPS: dict[str, Callable[[str], object]] = {
    "time.sleep": polls,
    "a pool of threads": polls_in_a_pool,
    "an asyncio task": lambda id_: asyncio.run(polls_in_a_task(id_)),
    "tasks side by side": lambda id_: asyncio.run(polls_by_gather(id_)),
    "a task group of anyio": lambda id_: anyio.run(polls_beside_another, id_),
    "a task group on trio": lambda id_: anyio.run(polls_beside_another, id_, backend="trio"),
    "trio": lambda id_: anyio.run(polls_in_a_task, id_, backend="trio"),
    "to_thread": lambda id_: asyncio.run(polls_in_a_thread_of_a_loop(id_)),
}


def only(error: BaseException) -> BaseException:
    """The one error in a group of groups, as task groups raise them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_a_loop_that_knows_only_completed_is_told(
    loop: Callable[[str], object], fakebatch: FakeBatch
) -> None:
    """The message names the place, the batch and its status; no `except Exception` hides it."""
    id_ = failing(openai.OpenAI())
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - the next lines say which
        loop(id_)

    error = only(caught.value)
    assert isinstance(error, FakeBatchError)
    first, second, third = str(error).split("\n")
    assert re.fullmatch(rf"fakebatch: the wait at {re.escape(__file__)}:\d+ never ends\.", first)
    assert re.fullmatch(
        f"Nothing is left to happen, and {id_}, which is 'failed', was asked for 10[12] times "
        r"since\.",
        second,
    )
    assert third == (
        "Let the loop end at completed, failed, expired and cancelled, and at a deadline; "
        "raise patience if it would."
    )
    assert fakebatch.clock.elapsed <= 210 * 60  # two in a pool are told one after the other


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_in_a_thread_nobody_looks_after_is_told() -> None:
    """An error that ends with its thread is raised again at the end of the block."""
    with (
        pytest.raises(FakeBatchError, match="which is 'failed', was asked for 101 times"),
        FakeBatch(),
    ):
        thread = threading.Thread(target=polls, args=[failing(openai.OpenAI())])
        thread.start()
        thread.join()


@pytest.mark.parametrize("last", [Status.VALIDATING, Status.IN_PROGRESS, Status.FINALIZING])
def test_a_loop_that_waits_for_a_stalled_batch_is_told(
    last: Status, fakebatch: FakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that will never leave its status has no future either."""
    whole: Any = vars(Plan)["timeline"].func

    def stalled(plan: Plan) -> Timeline:
        marks = whole(plan).marks
        return Timeline(marks[: [mark.status for mark in marks].index(last) + 1])

    timeline = cached_property(stalled)
    timeline.__set_name__(Plan, "timeline")
    monkeypatch.setattr(Plan, "timeline", timeline)
    id_ = create(openai.OpenAI(), chat("a"))
    with pytest.raises(FakeBatchError, match=f"{id_}, which is '{last}', was asked for 101 times"):
        polls(id_)


def polls_what_is_not_there() -> None:
    client = openai.OpenAI()
    while True:
        try:
            client.batches.retrieve("batch_none")
        except openai.NotFoundError:
            time.sleep(60)


def lists_for_ever() -> None:
    client = openai.OpenAI()
    while not client.batches.list().data:
        time.sleep(60)


@pytest.mark.parametrize(
    ("loop", "what"),
    [
        pytest.param(polls_what_is_not_there, "batch_none", id="an object that does not exist"),
        pytest.param(lists_for_ever, "batches.list", id="a listing that stays empty"),
    ],
)
def test_a_loop_without_a_batch_is_told(
    loop: Callable[[], None], what: str, fakebatch: FakeBatch
) -> None:
    """What is asked for in vain counts as well."""
    with pytest.raises(FakeBatchError, match=f"and {what} was asked for 101 times since"):
        loop()


def test_a_loop_that_waits_for_a_batch_is_left_alone(do: Driver, fakebatch: FakeBatch) -> None:
    """However often it asks, as long as something is left to happen."""
    fakebatch.schedule(in_progress="2h")
    assert do.poll(do.create([chat("a")]), every=45)[-1].status == "completed"


@pytest.mark.parametrize(
    ("limit", "known"),
    [
        pytest.param({"patience": 5}, "was asked for 6 times since", id="patience"),
        pytest.param({"max_sleeps": 7}, "gone on for 7 sleeps", id="sleeps without progress"),
        pytest.param({"max_elapsed": "1d"}, "gone on for 1 virtual days", id="virtual time"),
    ],
)
def test_every_limit_can_be_set(limit: dict[str, Any], known: str) -> None:
    """By the arguments of FakeBatch, and so by the marker."""
    with FakeBatch(**limit) as fake:
        fake.schedule(validating="2d" if "max_elapsed" in limit else "1m")
        with pytest.raises(FakeBatchError, match=known):
            polls(failing(openai.OpenAI()))


def test_pollers_in_threads_agree_on_the_time(fakebatch: FakeBatch) -> None:
    """Their sleeps overlap: each ends when it would in life."""
    client = openai.OpenAI()

    def poll(every: int) -> float:
        driver = Driver(client)
        batch = driver.poll(driver.create([chat("a")]), every=every)[-1]
        return fakebatch.clock.elapsed if batch.status == "completed" else -1

    with ThreadPoolExecutor(4) as pool:
        ended = [*pool.map(poll, [50, 60, 70, 90])]
    assert ended == [3600, 3600, 3640, 3600]


def test_pollers_in_tasks_agree_on_the_time(fakebatch: FakeBatch) -> None:
    """The same as tasks of one loop."""

    async def poll(client: openai.AsyncOpenAI, every: int) -> float:
        batch = await client.batches.create(
            input_file_id="file-none", endpoint="/v1/embeddings", completion_window="24h"
        )
        while batch.status != "failed":
            await asyncio.sleep(every)
            batch = await client.batches.retrieve(batch.id)
        return fakebatch.clock.elapsed

    async def main() -> list[float]:
        client = openai.AsyncOpenAI()
        return await asyncio.gather(*(poll(client, every) for every in (50, 60, 70, 90)))

    assert asyncio.run(main()) == [100, 120, 70, 90]


def downloads(client: openai.OpenAI, file_id: str) -> bytes:
    """Asks each ten seconds until it is given the file."""
    while True:
        try:
            return client.with_options(max_retries=0).files.content(file_id).read()
        except openai.APIError:
            time.sleep(10)


@pytest.mark.parametrize("until", ["3h", None], ids=["an hour", "for ever"])
def test_who_waits_for_an_outage_to_end_is_left_alone(
    fakebatch: FakeBatch, until: str | None
) -> None:
    """All batches have ended; a fault that passes is still to end, one that does not is told."""
    client = fakebatch.openai()
    create(client, chat("a"))
    fakebatch.clock.advance("2h")
    fakebatch.on_call("files.content", between=("2h", until)).fail(503)
    file_id = fakebatch.batches.only().output_file_id
    if until is None:
        with pytest.raises(FakeBatchError, match="never ends"):
            downloads(client, file_id)
    else:
        assert downloads(client, file_id)
        assert fakebatch.clock.elapsed == 3 * 3600

"""A loop of a real client that never ends gets an error that says so; one that ends does not."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import openai
import pytest

from fakebatch import FakeBatch, FakeBatchError
from support.client import Driver, chat, created
from support.waiting import only

pytestmark = pytest.mark.timeout(60)

HOUR = 3_600


def failing(client: openai.OpenAI) -> str:
    """A batch that ends at "failed": a custom_id is not unique."""
    return created(client, chat("a"), chat("a"))


def polls(id_: str, every: float = 60) -> None:
    client = openai.OpenAI()
    while client.batches.retrieve(id_).status != "completed":
        time.sleep(every)


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


async def calls_in_a_thread_of_a_loop(id_: str) -> None:
    client = openai.OpenAI()
    while (await asyncio.to_thread(client.batches.retrieve, id_)).status != "completed":  # noqa: ASYNC110
        await asyncio.sleep(60)


def polls_in_a_pool(id_: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        for result in [pool.submit(polls, id_) for _ in range(2)]:
            result.result()


NO_FRAME = "a thread that runs nothing but the SDK"
LOOPS: dict[str, Callable[[str], object]] = {
    "time.sleep": polls,
    "a pool of threads": polls_in_a_pool,
    "an asyncio task": lambda id_: asyncio.run(polls_in_a_task(id_)),
    "tasks side by side": lambda id_: asyncio.run(polls_by_gather(id_)),
    "a task group of anyio": lambda id_: anyio.run(polls_beside_another, id_),
    "a task group on trio": lambda id_: anyio.run(polls_beside_another, id_, backend="trio"),
    "trio": lambda id_: anyio.run(polls_in_a_task, id_, backend="trio"),
    "to_thread": lambda id_: asyncio.run(polls_in_a_thread_of_a_loop(id_)),
    NO_FRAME: lambda id_: asyncio.run(calls_in_a_thread_of_a_loop(id_)),
}


# --- what never ends


@pytest.mark.fakebatch(max_idle="1h")
@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_a_loop_that_knows_only_completed_is_ended(
    loop: Callable[[str], object], fakebatch: FakeBatch
) -> None:
    """The message names the line, the batch and its status; no `except Exception` hides it."""
    id_ = failing(openai.OpenAI())
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - the next lines say which
        loop(id_)

    error = only(caught.value)
    assert isinstance(error, FakeBatchError)
    first, second, third = str(error).split("\n")
    file = re.escape(__file__) if loop is not LOOPS[NO_FRAME] else r".*/openai/.*\.py"
    assert re.fullmatch(rf"fakebatch: the wait at {file}:\d+ never ends\.", first)
    assert second.startswith(
        f"{id_} is 'failed'. Nothing has changed since 2026-01-01T00:01:05Z, for 1h"
    )
    assert third.endswith("@pytest.mark.fakebatch(max_idle='2h') or FakeBatch(max_idle='2h').")
    assert HOUR < fakebatch.clock.elapsed < 1.2 * HOUR


def test_by_default_it_is_ended_after_two_days(fakebatch: FakeBatch) -> None:
    """Of virtual time."""
    with pytest.raises(FakeBatchError, match="for 2d"):
        polls(failing(openai.OpenAI()), every=600)
    assert 48 * HOUR < fakebatch.clock.elapsed < 48.2 * HOUR


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_in_a_thread_nobody_looks_after_is_ended() -> None:
    """An error that ends with its thread is raised again at the end of the block."""
    with pytest.raises(FakeBatchError, match="is 'failed'"), FakeBatch(max_idle="1h"):
        thread = threading.Thread(target=polls, args=[failing(openai.OpenAI())])
        thread.start()
        thread.join()


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


@pytest.mark.fakebatch(max_idle="1h")
@pytest.mark.parametrize(
    ("loop", "call"),
    [
        pytest.param(
            polls_what_is_not_there,
            "batches.retrieve of batch_none, was answered with 404",
            id="an object that does not exist",
        ),
        pytest.param(
            lists_for_ever, "batches.list, was answered with 200", id="a listing that stays empty"
        ),
    ],
)
def test_a_loop_without_a_batch_is_ended(
    loop: Callable[[], None], call: str, fakebatch: FakeBatch
) -> None:
    """What is asked for in vain counts as well."""
    with pytest.raises(FakeBatchError, match=f"The last call, {call}"):
        loop()


LIMITS: dict[str, tuple[dict[str, Any], str]] = {
    "virtual time since the last change": ({"max_idle": "20m"}, "Nothing has changed since"),
    "sleeps since the last change": ({"max_sleeps": 7}, "It has slept 7 times since"),
    "virtual time in all": ({"max_elapsed": "2h"}, "2h of virtual time have passed"),
}


@pytest.mark.parametrize(("limit", "known"), LIMITS.values(), ids=LIMITS)
def test_every_limit_can_be_set(limit: dict[str, Any], known: str) -> None:
    """By the arguments of FakeBatch, and so by the marker."""
    with FakeBatch(**limit), pytest.raises(FakeBatchError, match=known):
        polls(failing(openai.OpenAI()))


def downloads(client: openai.OpenAI, file_id: str) -> bytes:
    """Asks each ten seconds until it gets the file."""
    while True:
        try:
            return client.with_options(max_retries=0).files.content(file_id).read()
        except openai.APIError:
            time.sleep(10)


@pytest.mark.fakebatch(max_idle="20m")
def test_who_waits_for_an_outage_to_end_is_left_alone(fakebatch: FakeBatch) -> None:
    """All batches have ended; the outage is still to end."""
    client = fakebatch.openai()
    created(client, chat("a"))
    fakebatch.clock.advance("2h")
    fakebatch.on_call("files.content", between=("2h", "4h")).fail(503)
    assert downloads(client, str(fakebatch.batches.only().output_file_id))
    assert fakebatch.clock.elapsed == 4 * HOUR


# --- what ends


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing"])
def test_a_client_with_a_deadline_comes_to_it(fakebatch: FakeBatch, status: Any) -> None:
    """However the batch stalls."""
    fakebatch.on_batch().stall(status)
    client = fakebatch.openai()
    id_, deadline = created(client, chat("a")), time.monotonic() + 40 * HOUR
    while client.batches.retrieve(id_).status != "completed" and time.monotonic() < deadline:
        time.sleep(600)
    assert client.batches.retrieve(id_).status == status
    assert fakebatch.clock.elapsed == 40 * HOUR


@pytest.mark.fakebatch(max_idle="1h")
def test_a_client_that_waits_for_the_expiry_sees_it(fakebatch: FakeBatch) -> None:
    """It comes at a known moment, however little happens until then."""
    fakebatch.on(custom_id="a").hang()
    driver = Driver(fakebatch.openai())
    assert driver.poll(driver.create([chat("a")]), every=600)[-1].status == "expired"
    assert fakebatch.clock.elapsed >= 24 * HOUR


@pytest.mark.parametrize(("every", "takes"), [(0.1, 60), (0.01, 6)])
def test_a_suite_that_polls_fast_is_left_alone(
    fakebatch: FakeBatch, every: float, takes: int
) -> None:
    """Time passes, so the batch comes to its end."""
    fakebatch.schedule(validating=1, in_progress=takes, finalizing=1)
    driver = Driver(fakebatch.openai())
    assert driver.poll(driver.create([chat("a")]), every=every)[-1].status == "completed"


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


def test_code_from_stdin_is_named_as_such() -> None:
    """There is no file that could be named."""
    code = """
    import time
    from fakebatch import FakeBatch
    with FakeBatch(max_idle="1h") as fake:
        client = fake.openai()
        while not client.batches.list().data:
            time.sleep(60)
    """
    command = [sys.executable, "-"]
    run = subprocess.run(  # noqa: S603
        command, input=textwrap.dedent(code), capture_output=True, text=True, check=False
    )
    assert "fakebatch: the wait at <stdin>:6 never ends." in run.stderr

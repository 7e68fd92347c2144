"""A loop that never ends is told so, soon."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from conftest import Driver, chat

from fakebatch import FakeBatch, FakeBatchError


def test_a_loop_that_knows_only_completed_is_told(do: Driver, fakebatch: FakeBatch) -> None:
    """The message names the place, the batch and its status; no `except Exception` hides it."""
    batch = do.create([chat("a"), chat("a")])
    with pytest.raises(FakeBatchError) as caught:
        while batch.status != "completed":
            do.sleep(60)
            batch = do(do.client.batches.retrieve, batch.id)

    first, second, _ = str(caught.value).split("\n")
    assert re.fullmatch(r"fakebatch: the wait at .*\.py:\d+ never ends\.", first)
    assert second == (
        f"Every batch has ended, and {batch.id}, which is 'failed', was asked for 101 times since."
    )


def test_a_loop_that_waits_for_a_batch_is_left_alone(do: Driver, fakebatch: FakeBatch) -> None:
    """However often it asks, as long as something is left to happen."""
    fakebatch.schedule(in_progress="10h")
    assert do.poll(do.create([chat("a")]), every=30)[-1].status == "completed"


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

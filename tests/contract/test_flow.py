"""The flow of the guide through the real SDK: upload, create, poll, download."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat, jsonl
from support.doors import TIME

BATCH_KEYS = [
    *("id", "object", "endpoint", "model", "errors", "input_file_id", "completion_window"),
    *("status", "output_file_id", "error_file_id", "created_at", "in_progress_at", "expires_at"),
    *("finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at"),
    *("cancelled_at", "request_counts", "usage", "metadata"),
]
RUNNING = ["validating", "in_progress", "finalizing", "completed"]


def test_the_guides_flow_sees_every_status_and_gets_every_answer(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """Upload, create, poll each minute, download: every status is seen, every line answered."""
    batch = do.create([chat("a", "one"), chat("b", "two")], metadata={"job": "nightly"})
    seen = do.poll(batch)
    done = seen[-1]

    assert list(dict.fromkeys(one.status for one in seen)) == RUNNING
    said = {
        line["custom_id"]: line["response"]["body"]["choices"][0]["message"]["content"]
        for line in do.results(done.output_file_id)
    }
    assert said == {"a": "one", "b": "two"}
    assert (done.metadata, done.error_file_id) == ({"job": "nightly"}, None)
    assert fakebatch.clock.elapsed == 3600


def test_counts_grow_while_it_runs(do: Driver) -> None:
    """Counts are 0 while validating; then the total stands and completed rises to it."""
    seen = do.poll(do.create([chat(f"r{i}") for i in range(10)]))
    totals = [one.request_counts.total for one in seen]
    completed = [one.request_counts.completed for one in seen]

    assert totals == [0 if one.status == "validating" else 10 for one in seen]
    assert completed == sorted(completed)
    assert set(completed) == set(range(11))


def test_result_files_appear_with_the_end(do: Driver, fakebatch: FakeBatch) -> None:
    """Both ids are null until the batch has ended, while it finalizes too."""
    fakebatch.on(custom_id="b").fail(500)
    seen = do.poll(do.create([chat("a"), chat("b")]))

    for one in seen:
        ended = one.status == "completed"
        assert (one.output_file_id is not None, one.error_file_id is not None) == (ended, ended)


def test_a_batch_has_every_key_in_the_order_of_the_wire(do: Driver) -> None:
    """From the answer of the creation to the end: every key is there, null when unset."""
    batch = do.create([chat("a")])
    first = do.wire(do.client.batches.with_raw_response.retrieve, batch.id)
    do.poll(batch, every=600)
    last = do.wire(do.client.batches.with_raw_response.retrieve, batch.id)

    assert list(first) == list(last) == BATCH_KEYS
    unset = {key for key, value in first.items() if value is None}
    assert unset == set(BATCH_KEYS) - {
        *("id", "object", "endpoint", "input_file_id", "completion_window", "status"),
        *("created_at", "expires_at", "request_counts", "usage"),
    }
    assert (first["model"], last["model"]) == (None, "gpt-4o-mini-2024-07-18")
    assert first["usage"]["total_tokens"] == 0
    assert last["usage"]["total_tokens"] > 0


def test_moments_are_whole_seconds_in_order(do: Driver) -> None:
    """Each status that was begins later than the one before; those that were not are null."""
    done = do.run([chat("a")])

    assert done.in_progress_at - done.created_at == 65
    assert done.finalizing_at - done.in_progress_at == 3470
    assert done.completed_at - done.finalizing_at == 65
    assert done.expires_at - done.created_at == 86_400
    assert done.failed_at is done.expired_at is done.cancelling_at is done.cancelled_at is None


def test_an_answer_is_signed_as_the_service_signs(do: Driver) -> None:
    """Indented JSON, with a request id the SDK finds."""
    raw = do(do.client.batches.with_raw_response.list)

    assert raw.headers["content-type"] == "application/json"
    assert raw.request_id.startswith("req_")
    assert raw.content.startswith(b'{\n  "object": "list"')
    assert raw.headers["openai-version"] == "2020-10-01"
    assert int(raw.headers["openai-processing-ms"]) > 0
    assert not [name for name in raw.headers if name.startswith("x-ratelimit")]


@pytest.mark.parametrize("every", [47, 59, 60, 3600, 86_400], ids="each {} s".format)
def test_how_often_one_looks_changes_nothing(do: Driver, every: int) -> None:
    """A batch looks the same at its end, whoever looked how often before."""
    batch = do.create([chat("a"), chat("b")])
    done = do.poll(batch, every=every)[-1]

    assert (done.status, done.completed_at) == ("completed", batch.created_at + 3600)


def test_after_a_jump_all_is_as_if_one_had_waited(do: Driver, fakebatch: FakeBatch) -> None:
    """Advancing over the whole life gives the batch that polling gives."""
    batch = do.create([chat("a")])
    fakebatch.clock.advance("1h")
    jumped = do(do.client.batches.retrieve, batch.id)

    assert (jumped.status, jumped.completed_at) == ("completed", batch.created_at + 3600)


def test_a_result_file_goes_after_thirty_days(do: Driver, fakebatch: FakeBatch) -> None:
    """The batch still names it; its content is gone."""
    done = do.run([chat("a")])
    fakebatch.clock.advance("30d")

    assert do(do.client.batches.retrieve, done.id).output_file_id == done.output_file_id
    with pytest.raises(openai.NotFoundError, match=f"No such File object: {done.output_file_id}"):
        do(do.client.files.content, done.output_file_id)


def test_result_files_live_as_long_as_the_batch_asked(do: Driver, fakebatch: FakeBatch) -> None:
    """`output_expires_after` counts from the creation of the result file."""
    asked = {"output_expires_after": {"anchor": "created_at", "seconds": 7200}}
    done = do.run([chat("a")], extra_body=asked)
    kept = do(do.client.files.retrieve, done.output_file_id)

    assert (kept.created_at, kept.expires_at) == (done.completed_at, done.completed_at + 7200)
    assert (kept.purpose, kept.filename) == ("batch_output", f"{done.id}_output.jsonl")


@pytest.mark.sync
def test_clients_in_threads_get_batches_of_their_own(do: Driver, fakebatch: FakeBatch) -> None:
    """Nothing is lost or counted twice when sixteen threads create."""
    client: Any = do.client
    uploaded = client.files.create(file=jsonl([chat("a")]), purpose="batch")

    def create(_: int) -> str:
        batch = client.batches.create(
            input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        return str(batch.id)

    with ThreadPoolExecutor(16) as pool:
        ids = {*pool.map(create, range(100))}

    assert len(ids) == fakebatch.journal.count("batches.create") == 100
    assert ids == {batch.id for batch in client.batches.list()} == set(fakebatch.batches)


@TIME
def test_tasks_of_one_loop_wait_side_by_side(
    async_client: openai.AsyncOpenAI, fakebatch: FakeBatch
) -> None:
    """Eight batches polled at once take the time of one."""

    async def answer(client: openai.AsyncOpenAI, number: int) -> bytes:
        uploaded = await client.files.create(file=jsonl([chat(f"r{number}")]), purpose="batch")
        batch = await client.batches.create(
            input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        while batch.status != "completed":
            await asyncio.sleep(60)
            batch = await client.batches.retrieve(batch.id)
        content = await client.files.content(batch.output_file_id or "")
        return content.content

    async def main() -> list[bytes]:
        async with async_client as client:
            return await asyncio.gather(*(answer(client, number) for number in range(8)))

    answers = asyncio.run(main())
    assert [f'"r{number}"'.encode() in said for number, said in enumerate(answers)] == [True] * 8
    assert fakebatch.clock.elapsed == 3600


@TIME
@pytest.mark.sync
def test_a_deadline_of_ones_own_is_kept_in_virtual_time(do: Driver, fakebatch: FakeBatch) -> None:
    """A loop that gives up after half an hour by any clock gives up after half an hour."""
    batch = do.create([chat("a")])
    deadline = time.monotonic() + 1800
    while batch.status != "completed" and time.monotonic() < deadline:
        time.sleep(60)
        batch = do.client.batches.retrieve(batch.id)

    assert (batch.status, fakebatch.clock.elapsed) == ("in_progress", 1800)


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Ids, order and content follow from the seed alone."""

    def download(seed: int) -> bytes:
        with FakeBatch(seed=seed):
            driver = Driver(openai.OpenAI())
            done = driver.run([chat(f"r{i}") for i in range(20)])
            content: bytes = driver(driver.client.files.content, done.output_file_id).content
            return content

    assert download(1) == download(1) != download(2)

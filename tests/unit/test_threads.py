from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import chat, jsonl

from fakebatch import FakeBatch, RequestLine

THREADS, EACH = 16, 25


@pytest.fixture(params=["respx", "a ready client"])
def fake(request: pytest.FixtureRequest) -> Iterator[FakeBatch]:
    """A fake whose threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    with FakeBatch(clock="manual") as fake:
        yield fake
    sys.setswitchinterval(before)


def test_sixteen_threads_lose_and_double_nothing(
    fake: FakeBatch, request: pytest.FixtureRequest
) -> None:
    """Every call is answered once, counted once, and has ids of its own."""
    import openai  # noqa: PLC0415  # the clock runs already, as in a test

    ready = "ready" in request.node.name
    client = fake.openai() if ready else openai.OpenAI()

    def work(thread: int) -> list[tuple[str, str, str]]:
        made = []
        for number in range(EACH):
            content = jsonl([chat(f"{thread}-{number}")])
            file = client.files.create(file=content, purpose="batch")
            batch = client.batches.create(
                input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
            seen = client.batches.with_raw_response.retrieve(batch.id)
            assert seen.parse().input_file_id == file.id
            made.append((file.id, batch.id, seen.headers["x-request-id"]))
        return made

    with ThreadPoolExecutor(THREADS) as pool:
        made = [ids for many in pool.map(work, range(THREADS)) for ids in many]

    expected = THREADS * EACH
    assert [len(set(ids)) for ids in zip(*made, strict=True)] == [expected] * 3
    assert (len(fake.files), len(fake.batches)) == (expected, expected)
    for operation in ("files.create", "batches.create", "batches.retrieve"):
        assert fake.router[operation].call_count == expected
    assert fake.router.calls.call_count == 3 * expected
    listed = [batch.id for batch in client.batches.list(limit=100)]
    assert sorted(listed) == sorted(batch for _, batch, _ in made)


def test_sixteen_threads_make_one_answer(fake: FakeBatch) -> None:
    """A callable runs once a line, however many threads ask for the results at once."""
    asked: list[str | None] = []

    def reply(line: RequestLine) -> str:
        asked.append(line.custom_id)
        return "ok"

    fake.reply(reply)
    client = fake.openai()
    file = client.files.create(file=jsonl(chat(f"r-{n}") for n in range(50)), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    fake.clock.advance("2h")

    def download(_: int) -> bytes:
        output = client.batches.retrieve(batch.id).output_file_id
        assert output is not None
        return client.files.content(output).content

    with ThreadPoolExecutor(THREADS) as pool:
        outputs = set(pool.map(download, range(THREADS)))

    assert len(outputs) == 1
    assert asked == [f"r-{n}" for n in range(50)]

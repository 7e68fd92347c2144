from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fakebatch import FakeBatch, RequestLine
from fakebatch.inspection.journal import Run
from fakebatch.interception.calls import BoundedCalls
from fakebatch.wire import faults
from support.client import chat, jsonl

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


@pytest.mark.timeout(60)
def test_a_callable_may_create_something_while_webhooks_are_brought() -> None:
    """Its thread holds the lock of the service, which the thread that brings them asks for."""
    with FakeBatch(clock="real") as fake:
        client = fake.openai()

        def reply(_: RequestLine) -> str:
            for _number in range(100):
                client.files.create(file=b"{}", purpose="batch")
            return "ok"

        fake.reply(reply)
        fake.webhooks.deliver_to(lambda *_: None)
        batch = fake.batches.add([chat("a")], status="completed")
        assert b"ok" in client.files.content(str(batch.output_file_id)).content


LOCKED = {
    "while a call is recorded": (BoundedCalls, "append"),
    "while it is noted in the journal": (Run, "extended"),
    "while its faults are counted": (faults.Faults, "_is_due"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("owner", "name"), LOCKED.values(), ids=LOCKED)
def test_a_finalizer_may_call_in_the_middle_of_a_call(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage is collected at any moment, in the thread that holds any lock of ours."""
    fake = FakeBatch()
    fake.on_call("batches.list", nth=1_000).fail(500)
    client = fake.openai()
    finalized: list[int] = []

    class DeletesItsFile:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            finalized.append(len(client.batches.list().data))

    clients = [DeletesItsFile()]
    real = getattr(owner, name)

    def collect_garbage_first(*args: Any, **kwargs: Any) -> Any:
        if clients:
            clients.pop()
            gc.collect()
        return real(*args, **kwargs)

    client.batches.list()
    monkeypatch.setattr(owner, name, collect_garbage_first)
    client.batches.list()

    assert finalized == [0]

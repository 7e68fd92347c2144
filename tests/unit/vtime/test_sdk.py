"""The SDK's own waiting, and both HTTP libraries in one process."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Callable, Iterator

import httpx
import httpx2
import openai
import pytest

from fakebatch.vtime import Clock

BATCH = {"id": "batch_1", "object": "batch", "status": "in_progress"}


def answers(retry_after: Callable[[], str]) -> Callable[[httpx2.Request], httpx2.Response]:
    def replies() -> Iterator[httpx2.Response]:
        for _ in range(2):
            yield httpx2.Response(429, headers={"retry-after": retry_after()})
        while True:
            yield httpx2.Response(200, json=BATCH)

    reply = replies()
    return lambda _: next(reply)


def polls(transport: httpx2.MockTransport) -> None:
    http = httpx2.Client(transport=transport)
    with openai.OpenAI(api_key="sk", http_client=http, max_retries=3) as client:
        client.batches.retrieve("batch_1")


def polls_in_a_task(transport: httpx2.MockTransport) -> None:
    async def main() -> None:
        http = httpx2.AsyncClient(transport=transport)
        async with openai.AsyncOpenAI(api_key="sk", http_client=http, max_retries=3) as client:
            await client.batches.retrieve("batch_1")

    asyncio.run(main())


@pytest.mark.parametrize("poll", [polls, polls_in_a_task])
@pytest.mark.parametrize(
    "retry_after",
    [
        pytest.param(lambda: "60", id="seconds"),
        pytest.param(lambda: email.utils.formatdate(time.time() + 60, usegmt=True), id="a date"),
    ],
)
def test_retry_after_is_honoured_in_virtual_time(
    clock: Clock, poll: Callable[[httpx2.MockTransport], None], retry_after: Callable[[], str]
) -> None:
    """Two answers that ask for a minute each move the clock by two, and the test waits for none."""
    poll(httpx2.MockTransport(answers(retry_after)))

    assert clock.elapsed == 120.0


def test_both_http_libraries_live_in_one_process(clock: Clock) -> None:
    """A client of either may sleep between its calls; both see the same date."""
    old = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200)))
    new = httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200)))

    assert old.get("https://api.openai.com/").status_code == 200
    time.sleep(60)
    response = new.get("https://api.openai.com/")
    time.sleep(60)

    assert response.status_code == 200
    assert clock.elapsed == 120.0

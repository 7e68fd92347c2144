"""A service that was started before the fake lives in virtual time once it calls the emulator."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any, cast

import httpx2
import pytest
from anyio.from_thread import start_blocking_portal

from fakebatch import FakeBatch, UsageError

pytestmark = pytest.mark.timeout(60)
HOUR = 3600
URL = "https://api.openai.com/v1/models"
HEADERS = {"Authorization": "Bearer x"}


def work() -> float:
    """What a request to the service does: it calls the emulator, and polls for an hour."""
    with httpx2.Client(headers=HEADERS) as client:
        for _ in range(60):
            client.get(URL).raise_for_status()
            time.sleep(60)
    return time.time()


async def work_async() -> float:
    async with httpx2.AsyncClient(headers=HEADERS) as client:
        for _ in range(60):
            (await client.get(URL)).raise_for_status()
            await asyncio.sleep(60)
    return time.time()


Ask = Callable[[], Any]


@contextmanager
def _portal(*, in_a_thread: bool) -> Generator[Ask]:
    """As the TestClient of Starlette and FastAPI has it."""
    with start_blocking_portal() as portal:

        async def endpoint() -> float:
            return await asyncio.to_thread(work) if in_a_thread else await work_async()

        yield partial(portal.call, endpoint)


@contextmanager
def _loop_in_a_thread() -> Generator[Ask]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield lambda: asyncio.run_coroutine_threadsafe(work_async(), loop).result()
    assert thread.is_alive()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@contextmanager
def _worker() -> Generator[Ask]:
    requests, replies = SimpleQueue[bool](), SimpleQueue[float]()

    def serve() -> None:
        while requests.get():
            replies.put(work())

    thread = threading.Thread(target=serve)
    thread.start()

    def ask() -> float:
        requests.put(True)
        return replies.get()

    yield ask
    assert thread.is_alive()
    requests.put(False)
    thread.join()


@contextmanager
def _pool_of_a_worker() -> Generator[Ask]:
    """The job is handed to the pool by a thread that lives in real time."""
    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1) as outer:
        outer.submit(int).result()
        yield lambda: outer.submit(lambda: pool.submit(work).result()).result()


SERVICES: dict[str, Callable[[], Any]] = {
    "a portal": partial(_portal, in_a_thread=False),
    "a thread of a portal": partial(_portal, in_a_thread=True),
    "an event loop in a thread": _loop_in_a_thread,
    "a thread": _worker,
    "a pool": _pool_of_a_worker,
}


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_a_service_of_wider_scope_serves_one_test_after_the_other(
    service: Callable[[], Any],
) -> None:
    """An hour of its polling takes no real time, in every test, and it outlives them."""
    with service() as ask:
        for _ in range(3):
            with FakeBatch() as fake:
                began = fake.clock.now.timestamp()
                assert ask() == began + HOUR
            assert fake.clock.elapsed == HOUR


def test_a_portal_from_before_runs_its_own_timers_in_virtual_time() -> None:
    """A task that polls in the background of a TestClient wakes while the test sleeps."""

    async def poll(seen: list[float]) -> None:
        while True:
            await asyncio.sleep(300)
            seen.append(time.time())

    seen: list[float] = []
    with start_blocking_portal() as portal:
        polling = portal.start_task_soon(poll, seen)
        portal.call(asyncio.sleep, 0)
        with FakeBatch() as fake:
            time.sleep(HOUR)
            assert len(seen) == HOUR // 300
            assert seen[-1] <= fake.clock.now.timestamp()
        polling.cancel()


def test_a_sleep_that_the_clock_does_not_end_does_not_end_the_service() -> None:
    """A thread that sleeps when the test ends goes on at once: it is no leftover of the test."""
    called, ended = threading.Event(), threading.Event()

    def serve() -> None:
        called.wait()
        httpx2.get(URL, headers=HEADERS)
        time.sleep(HOUR)
        ended.set()

    thread = threading.Thread(target=serve)
    thread.start()
    with FakeBatch() as fake:
        called.set()
        while not fake.journal.count():
            time.sleep(0.01)
    assert ended.wait(10)
    thread.join()


def test_a_loop_that_cannot_be_moved_is_refused() -> None:
    """A service on another event loop, such as uvloop's, is told so instead of sleeping on."""

    class Loop(asyncio.AbstractEventLoop):
        pass

    def serve() -> None:
        began.wait()
        asyncio._set_running_loop(cast("Any", Loop)())
        try:
            with pytest.raises(UsageError, match="the event loop is a"):
                httpx2.get(URL, headers=HEADERS)
        finally:
            asyncio._set_running_loop(None)
        done.append(True)

    done: list[bool] = []
    began = threading.Event()
    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(UsageError, match="the event loop is a"), FakeBatch():
        began.set()
        thread.join()
    assert done == [True]

"""A fake is active in one thread of one process."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

import httpx
import httpx2
import openai
import pytest
import respx
from respx.mocks import Mocker

from fakebatch import FakeBatch, RefusedRequest, UsageError
from fakebatch.vtime.clock import Mode

CLOCKS = ["virtual", "manual", "real"]


def in_a_thread(call: Callable[[], object]) -> None:
    """Call in a thread of its own, and raise here what it raises."""
    with ThreadPoolExecutor(1, thread_name_prefix="other") as pool:
        pool.submit(call).result()


def enter_and_leave(clock: Mode) -> None:
    with FakeBatch(clock=clock):
        pass


def around() -> list[object]:
    """What entering a fake changes."""
    routers = [[*mocker.routers] for mocker in Mocker.registry.values()]
    return [time.time, time.sleep, dict(os.environ), random.getstate(), routers]


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("another", CLOCKS)
def test_a_second_thread_cannot_enter_a_fake(clock: Mode, another: Mode) -> None:
    """It is told why, where it would have slept in real time; and nothing was changed by it."""
    with FakeBatch(clock=clock):
        before = around()
        with pytest.raises(UsageError) as caught:
            in_a_thread(lambda: enter_and_leave(another))
        assert around() == before
        openai.OpenAI().batches.list()

    assert str(caught.value) == (
        "fakebatch: Thread 'other_0' entered a FakeBatch while one is active in 'MainThread'.\n"
        "A process has one clock and one set of patched HTTP stacks, for all of its threads.\n"
        "Use the active one from every thread, or run tests in processes: pytest-xdist, -n 2."
    )
    in_a_thread(lambda: enter_and_leave(another))  # now there is none


def test_of_threads_that_enter_at_once_the_first_succeeds() -> None:
    """However they race: as long as it stays, all others are refused."""
    count, rounds = 8, 20
    start, tried = threading.Barrier(count), threading.Barrier(count)
    entered: list[int] = []

    def work(number: int) -> int:
        refused = 0
        for _ in range(rounds):
            start.wait()
            try:
                with FakeBatch(clock="real"):
                    tried.wait()
                    entered.append(number)
            except UsageError:
                refused += 1
                tried.wait()
        return refused

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(count) as pool:
            refused = sum(pool.map(work, range(count)))
    finally:
        sys.setswitchinterval(interval)

    assert (len(entered), refused) == (rounds, rounds * (count - 1))


def test_a_fake_that_a_thread_has_left_behind_keeps_nobody_out() -> None:
    """Its thread has ended, so nothing of it sleeps or calls any more."""
    left = FakeBatch(clock="real")
    in_a_thread(left.__enter__)
    with FakeBatch(clock="real"):
        openai.OpenAI().batches.list()
    left.__exit__(None, None, None)


forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="no process is forked here")
multithreaded = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


def in_a_child(call: Callable[[], object]) -> str:
    """What a call returns or raises in a process that is forked for it, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            text = repr(call())
        except BaseException as error:  # noqa: BLE001
            text = repr(error)
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, "rb") as pipe:  # noqa: PTH123  # of a descriptor
        return pipe.read().decode()


async def _get(client: httpx.AsyncClient | httpx2.AsyncClient, url: str) -> object:
    async with client:
        return await client.get(url)


async def _list(client: openai.AsyncOpenAI) -> object:
    async with client:
        return await client.batches.list()


EMULATED, ELSEWHERE = "https://api.openai.com/v1/batches", "https://example.com/"
CALLS: dict[str, Callable[[FakeBatch], object]] = {
    "a client of the SDK": lambda _: openai.OpenAI().batches.list(),
    "an async client of the SDK": lambda _: asyncio.run(_list(openai.AsyncOpenAI())),
    "a ready client": lambda fake: fake.openai().batches.list(),
    "a ready async client": lambda fake: asyncio.run(_list(fake.async_openai())),
    "httpx": lambda _: httpx.get(EMULATED),
    "httpx, to another host": lambda _: httpx.get(ELSEWHERE),
    "httpx, async": lambda _: asyncio.run(_get(httpx.AsyncClient(), EMULATED)),
    "httpx2": lambda _: httpx2.get(EMULATED),
    "httpx2, async, to another host": lambda _: asyncio.run(_get(httpx2.AsyncClient(), ELSEWHERE)),
    "a transport": lambda fake: httpx.Client(transport=fake.transport(httpx)).get(EMULATED),
    "a transport, to another host": lambda fake: httpx2.Client(
        transport=fake.transport(httpx2)
    ).get(ELSEWHERE),
    "an operation that is mocked": lambda fake: (
        fake.router["batches.list"].respond(204),
        httpx.get(EMULATED),
    ),
    "a route that the test has added": lambda fake: (
        fake.router.get(ELSEWHERE).respond(204),
        httpx.get(ELSEWHERE),
    ),
}


@forking
@multithreaded
@pytest.mark.parametrize("how", CALLS)
def test_a_forked_process_does_not_answer_as_a_copy(fakebatch: FakeBatch, how: str) -> None:
    """What it did would be lost; nothing is sent either, and the parent answers as before."""
    text = in_a_child(lambda: CALLS[how](fakebatch))

    assert text.startswith("RefusedRequest('GET https://")
    assert f"was forked from {os.getpid()}, in which this FakeBatch is active.'" in text
    assert "'A call from here would change only a copy, which the test does not see.'" in text
    assert "'Use threads in this test, or enter a FakeBatch in the forked process.'" in text
    assert fakebatch.journal.count() == 0
    openai.OpenAI().batches.list()


@forking
@multithreaded
def test_what_a_forked_process_does_besides_is_its_own_affair(fakebatch: FakeBatch) -> None:
    """It may ask this machine, and routers of the test answer in it as respx lets them."""
    assert "ConnectError" in in_a_child(lambda: httpx.get("http://127.0.0.1:1/"))
    with respx.mock:
        respx.get(ELSEWHERE).respond(204)
        assert in_a_child(lambda: httpx.get(ELSEWHERE)) == "<Response [204 No Content]>"
    assert fakebatch.journal.count() == 0


def _uploads(_: object = None) -> str:
    return openai.OpenAI().files.create(file=b"{}", purpose="batch").id


def _uploads_to_a_fake_of_its_own() -> tuple[str, int]:
    with FakeBatch(seed=1) as fake:
        return _uploads(), len(fake.files)


@forking
@multithreaded
def test_a_forked_process_may_enter_a_fake_of_its_own(fakebatch: FakeBatch) -> None:
    """It answers there as it would anywhere."""
    expected = in_a_child(_uploads_to_a_fake_of_its_own)

    assert expected.startswith("('file-")
    assert expected.endswith(", 1)")
    assert len(fakebatch.files) == 0


@forking
@multithreaded
def test_a_fake_that_is_made_here_may_be_entered_in_a_forked_process() -> None:
    """So do runners that fork for each test, with a fake of a module."""
    fake = FakeBatch(seed=1)

    def enter() -> int:
        with fake:
            _uploads()
            return len(fake.files)

    assert [in_a_child(enter) for _ in range(2)] == ["1", "1"]
    assert len(fake.files) == 0


@forking
@multithreaded
def test_a_fake_that_is_not_entered_belongs_to_the_process_that_calls_it_first() -> None:
    """Without `with`, a ready client answers in a forked process as long as nobody called here."""
    fake = FakeBatch()
    client = fake.openai()

    def listed() -> int:
        return len(client.batches.list().data)

    assert in_a_child(listed) == "0"
    assert listed() == 0
    assert in_a_child(listed).startswith("RefusedRequest(")


def test_a_subprocess_inherits_the_dummy_key_and_nothing_else(fakebatch: FakeBatch) -> None:
    """As the README says: it is not intercepted, and has no real key to call anybody with."""
    code = "import os, sys; print(os.environ['OPENAI_API_KEY'], 'fakebatch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)  # noqa: S603

    assert done.stdout.split() == [b"sk-fakebatch-this-is-not-a-real-key", b"False"]


POOLS: dict[str, Callable[[], Any]] = {
    "of threads": lambda: ThreadPool(2),
    "of processes": lambda: multiprocessing.get_context("fork").Pool(2),
    "of processes, of concurrent.futures": lambda: ProcessPoolExecutor(
        2, multiprocessing.get_context("fork")
    ),
}


def _asks_elsewhere(_: object) -> object:
    return httpx.get(ELSEWHERE)


@pytest.fixture
def _buffers_of_multiprocessing(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """CPython 3.13 cannot free what multiprocessing has pickled, and says so wherever it tries."""
    hook = sys.unraisablehook

    def but_for_buffers(unraisable: Any) -> None:
        if not isinstance(unraisable.exc_value, BufferError):
            hook(unraisable)

    monkeypatch.setattr(sys, "unraisablehook", but_for_buffers)
    yield
    gc.collect()


@forking
@multithreaded
@pytest.mark.usefixtures("_buffers_of_multiprocessing")
@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("clock", CLOCKS)
def test_a_pool_hands_a_refusal_on(kind: str, clock: Mode) -> None:
    """To who waits for its results, which would never come: it hands on an `Exception` alone."""
    with FakeBatch(clock=clock), POOLS[kind]() as pool, pytest.raises(RefusedRequest):
        list(pool.map(_asks_elsewhere, [0]))

    assert "Exception" not in vars(sys.modules["multiprocessing.pool"])

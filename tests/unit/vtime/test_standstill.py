"""A test that can never go on is told so, instead of hanging."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

import pytest
import trio

from fakebatch.errors import FakeBatchError
from fakebatch.vtime import Clock, watchdog

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest-timeout and xdist have threads of their own, which might wake ours.
    monkeypatch.setattr(watchdog, "_PATIENCE_WITH_OTHERS", 0.2)
    monkeypatch.setattr(watchdog, "_PATIENCE", 0.2)


async def awaits_what_nobody_sets() -> None:
    await asyncio.Event().wait()


async def awaits_what_nobody_sets_in_trio() -> None:
    await trio.Event().wait()


def joins_a_thread_that_waits() -> None:
    thread = threading.Thread(target=threading.Event().wait)
    thread.start()
    thread.join()


DEADLOCKS: dict[str, Callable[[], object]] = {
    "an event": lambda: threading.Event().wait(),
    "a queue": lambda: queue.Queue[None]().get(),
    "a future": lambda: Future[None]().result(),
    "an asyncio event": lambda: asyncio.run(awaits_what_nobody_sets()),
    "a trio event": lambda: trio.run(awaits_what_nobody_sets_in_trio),
    "a thread that waits itself": joins_a_thread_that_waits,
}


@pytest.mark.parametrize("wait", DEADLOCKS.values(), ids=DEADLOCKS)
def test_a_deadlock_is_told(clock: Clock, wait: Callable[[], object]) -> None:
    """When all threads wait and no timeout runs, the test hears of it and where."""
    with pytest.raises(FakeBatchError) as caught:
        wait()

    came, known, to_do = str(caught.value).splitlines()
    assert came.startswith("fakebatch: every thread waits for another: ")
    assert __file__ in came
    assert known == "No timeout runs, so not even time can end this."
    assert to_do == "Look for an event nobody sets, a queue nobody fills or a task nobody finishes."
    assert clock.elapsed == 0.0


def test_a_timeout_anywhere_is_no_deadlock(clock: Clock) -> None:
    """As long as one thread sleeps, time goes on."""
    done = threading.Event()
    threading.Timer(3600, done.set).start()

    assert done.wait()
    assert clock.elapsed == 3600.0


def test_a_thread_that_computes_is_no_deadlock(clock: Clock) -> None:
    """Who waits for a thread that works hard waits for as long as it takes."""
    done = threading.Event()

    def compute() -> None:
        end = time.thread_time() + 0.5
        while time.thread_time() < end:
            sum(range(1_000))
        done.set()

    threading.Thread(target=compute).start()

    assert done.wait()
    assert clock.elapsed == 0.0


def test_a_thread_that_never_stops_running_does_not_stop_time(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time waits for who works, but not for ever: a thread may spin until a sleeper has woken."""
    monkeypatch.setattr(watchdog, "_BUSY", 0.1)
    done = threading.Event()

    def spin() -> None:
        while not done.is_set():
            sum(range(1_000))

    thread = threading.Thread(target=spin)
    thread.start()
    time.sleep(60)
    done.set()
    thread.join()

    assert clock.elapsed == 60.0

"""A test that can never go on is told so, instead of hanging."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
import trio

from fakebatch.errors import FakeBatchError
from fakebatch.vtime import Clock
from fakebatch.vtime.quarantine import of_threading
from fakebatch.vtime.scheduling import scheduler, scope, standstill

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest-timeout and xdist have threads of their own, which might wake ours.
    monkeypatch.setattr(standstill, "_PATIENCE_WITH_STRANGERS", 0.2)
    monkeypatch.setattr(standstill, "_PATIENCE", 0.2)


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
    monkeypatch.setattr(scheduler, "_BUSY", 0.1)
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


@pytest.mark.parametrize("moves", [False, True])
def test_who_moves_while_being_looked_at_has_not_stopped(
    moves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read what the kernel says lets other threads run, and the one looked at among them."""
    runs = 0

    def kernel_says(_: int, what: str) -> str:
        nonlocal runs
        runs += moves and what != "schedstat"
        return {"schedstat": str(runs), "wchan": "futex_wait", "stat": "1 (python) S 1"}[what]

    monkeypatch.setattr(scope, "_kernel_says", kernel_says)
    looked_at, frame = scope.Scope(), sys._getframe()

    def look(now: float) -> bool:
        return looked_at._stopped(1, frame, now)

    assert [look(now) for now in (0.0, 1.0)] == [False, not moves]


@pytest.mark.parametrize("look", [scope.Scope.all_parked, scope.Scope.all_blocked])
def test_who_is_born_while_others_are_looked_at_is_not_overlooked(
    look: Callable[[scope.Scope, dict[int, Any]], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new thread that has no frame yet may get one, and its place in the scope, meanwhile."""
    thread, looked_at = threading.Thread(), scope.Scope()
    births = looked_at.beginning(thread)

    def frames() -> dict[int, Any]:
        births.__enter__()
        return {}

    monkeypatch.setattr(of_threading, "being_born", lambda: {thread})
    monkeypatch.setattr(of_threading, "frames", frames)

    assert not look(looked_at, {})

"""What a clock calls before each sleep: who sleeps until when, and what is raised there."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import anyio
import pytest
import trio

from fakebatch.errors import FakeBatchError
from fakebatch.vtime import Clock

pytestmark = pytest.mark.timeout(60)


def polls() -> None:
    while True:
        time.sleep(60)


def polls_swallowing_every_exception() -> None:
    while True:
        with suppress(Exception):
            time.sleep(60)


def waits_for_an_event() -> None:
    stop = threading.Event()
    while not stop.wait(60):
        pass


def polls_in_a_pool() -> None:
    with ThreadPoolExecutor(3) as pool:
        for result in [pool.submit(polls) for _ in range(3)]:
            result.result()


async def polls_in_a_task() -> None:
    while True:  # noqa: ASYNC110 - pollers do
        await anyio.sleep(60)


async def polls_in_many_tasks() -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(polls_in_a_task)


ENDLESS: dict[str, Callable[[], object]] = {
    "time.sleep": polls,
    "except Exception": polls_swallowing_every_exception,
    "Event.wait": waits_for_an_event,
    "threads": polls_in_a_pool,
    "asyncio": lambda: asyncio.run(polls_in_a_task()),
    "trio": lambda: trio.run(polls_in_a_task),
    "tasks on asyncio": lambda: anyio.run(polls_in_many_tasks),
    "tasks on trio": lambda: anyio.run(polls_in_many_tasks, backend="trio"),
}
every_way = pytest.mark.parametrize("wait", ENDLESS.values(), ids=ENDLESS)


def only(error: BaseException) -> BaseException:
    """The one error in a group of groups, as task groups raise them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@every_way
def test_the_error_is_raised_in_the_sleeper(wait: Callable[[], object]) -> None:
    """It ends the wait, whatever kind of exception the loop swallows."""
    errors = iter([None] * 10)
    error = FakeBatchError("the wait never ends.", "Nothing changes.", "End it.")
    with (
        Clock(before_sleep=lambda _: next(errors, error)) as clock,
        pytest.raises(BaseException) as caught,  # noqa: PT011 - the next line says which
    ):
        wait()

    assert only(caught.value) is error
    assert 0 < clock.elapsed <= 600


def test_a_sleep_says_when_it_ends() -> None:
    """In microseconds since this clock's start, which may be later than that of another."""
    outer: list[int] = []
    inner: list[int] = []
    with Clock(before_sleep=lambda sleep: outer.append(sleep.end)):
        time.sleep(60)
        with Clock(before_sleep=lambda sleep: inner.append(sleep.end)):
            time.sleep(0.5)
            time.sleep(0)
    assert outer == [60_000_000, 60_500_000]
    assert inner == [500_000]


def test_a_sleep_says_who_waits() -> None:
    """A thread by its ident, alone; or an event loop, with as many sleepers as it has timers."""
    waiters: list[tuple[object, int]] = []
    loops: list[object] = []

    async def side_by_side() -> None:
        loops.append(asyncio.get_running_loop())
        await asyncio.gather(*(asyncio.sleep(seconds) for seconds in (1, 2, 3)))

    with Clock(before_sleep=lambda sleep: waiters.append((sleep.waiter, sleep.side_by_side))):
        time.sleep(1)
        asyncio.run(side_by_side())
    assert waiters[0] == (threading.get_ident(), 1)
    assert waiters[1:] == [(loops[0], 3), (loops[0], 2), (loops[0], 1)]

"""Deadlines between two microseconds, and at the end of time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import anyio
import pytest
import trio

from fakebatch.errors import FakeBatchError
from fakebatch.vtime import Clock

pytestmark = pytest.mark.timeout(60)


async def reads_its_clock_again() -> None:
    """As a heartbeat of aiohttp and a cancel scope of anyio do when they are called."""
    loop = asyncio.get_running_loop()
    done, due = loop.create_future(), loop.time() + 1 / 3

    def look() -> None:
        if loop.time() < due:
            loop.call_at(due, look)
        else:
            done.set_result(None)

    loop.call_at(due, look)
    await done


async def sleeps_what_is_left() -> None:
    due = time.time() + 1 / 3
    while (rest := due - time.time()) > 0:  # noqa: ASYNC110 - people do
        await asyncio.sleep(rest)


async def sleeps_until() -> None:
    due = trio.current_time() + 1 / 3
    while trio.current_time() < due:  # noqa: ASYNC110 - people do
        await trio.sleep_until(due)


async def moves_on() -> None:
    with anyio.move_on_after(1 / 3):
        await anyio.sleep_forever()


THIRDS: dict[str, tuple[str, Callable[[], Awaitable[object]]]] = {
    "a callback that reads the loop's clock": ("asyncio", reads_its_clock_again),
    "a cancel scope of anyio on asyncio": ("asyncio", moves_on),
    "a cancel scope of anyio on trio": ("trio", moves_on),
    "a task that sleeps what is left": ("asyncio", sleeps_what_is_left),
    "a task of trio that sleeps again": ("trio", sleeps_until),
}


@pytest.mark.parametrize(("backend", "waits"), THIRDS.values(), ids=THIRDS)
def test_who_looks_at_the_clock_at_its_deadline_is_not_too_early(
    clock: Clock, backend: str, waits: Callable[[], Awaitable[object]]
) -> None:
    """A third of a second is no whole number of microseconds; who sees it ahead waits for ever."""

    async def main() -> None:
        for _ in range(100):
            await waits()

    anyio.run(main, backend=backend)

    assert 33.3333 <= clock.elapsed <= 33.3335


async def calls_back_until(read: Callable[[], float]) -> None:
    """As aiolimiter, which waits for what its bucket lacks: 1e-16 at last."""
    loop = asyncio.get_running_loop()
    done, due = loop.create_future(), read() + 1e-5

    def look() -> None:
        if read() < due:
            loop.call_at(loop.time() + 1e-16, look)
        else:
            done.set_result(None)

    look()
    await done


async def sleeps_often() -> None:
    due = time.monotonic() + 1e-5
    while time.monotonic() < due:  # noqa: ASYNC110 - people do
        await asyncio.sleep(1e-16)


REMAINDERS: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
    "a callback": lambda: calls_back_until(asyncio.get_running_loop().time),
    "a task": sleeps_often,
}


@pytest.mark.parametrize("waits", REMAINDERS.values(), ids=REMAINDERS)
def test_who_waits_for_less_than_a_clock_can_show_comes_to_an_end(
    clock: Clock, waits: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """A hundred timers that are due at once take no time, and each one after them a microsecond."""

    async def main() -> None:  # makes the coroutine where a loop runs
        await waits()

    asyncio.run(main())

    assert clock.elapsed == pytest.approx(1e-5, abs=1e-6)


async def within_infinite_timeouts() -> None:
    loop = asyncio.get_running_loop()
    never = loop.call_at(math.inf, pytest.fail, "called")
    await asyncio.wait_for(asyncio.sleep(60), math.inf)
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.sleep(math.inf), 60)
    never.cancel()


def test_a_timer_may_be_due_at_the_end_of_time(clock: Clock) -> None:
    """An infinite timeout is none: a loop with no other timer waits for whatever wakes it."""
    asyncio.run(within_infinite_timeouts())
    assert clock.elapsed == 120.0

    with pytest.raises(FakeBatchError, match="No timeout runs"):
        asyncio.run(asyncio.sleep(math.inf))

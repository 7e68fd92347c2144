"""A wait that never ends is caught soon, where it waits."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import anyio
import pytest
import trio

from fakebatch.errors import FakeBatchError
from fakebatch.vtime import Clock

pytestmark = pytest.mark.timeout(60)


@contextmanager
def running(**limits: Any) -> Iterator[Clock]:
    clock = Clock(**limits)
    clock.start()
    try:
        yield clock
    finally:
        clock.stop()


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
def test_a_verdict_is_raised_in_the_sleeper(wait: Callable[[], object]) -> None:
    """What the verdict returns ends the wait, whatever the loop swallows."""
    verdicts = iter([None] * 10)
    verdict = FakeBatchError("every batch has ended.", "They are …", "Look at …")

    with (
        running(verdict=lambda _: next(verdicts, verdict)) as clock,
        pytest.raises(BaseException) as caught,  # noqa: PT011 - the next line says which
    ):
        wait()

    assert only(caught.value) is verdict
    assert 0 < clock.elapsed <= 600


@every_way
def test_sleeps_without_progress_are_counted(wait: Callable[[], object]) -> None:
    """Too many sleeps end the wait, and the message names the line that sleeps."""
    with running(max_sleeps=100), pytest.raises(BaseException) as caught:  # noqa: PT011
        wait()

    came, known, to_do = str(only(caught.value)).splitlines()
    assert came.startswith(f"fakebatch: the wait at {__file__}:")
    assert came.endswith(" never ends.")
    assert known == "It has gone on for 100 sleeps without any progress of a batch."
    assert to_do == (
        "Give the loop a deadline or a state to stop at; raise max_sleeps or max_elapsed if not."
    )


def test_the_site_is_the_line_that_sleeps() -> None:
    """Not the library that calls sleep for it, and not the test that called the function."""
    line = polls.__code__.co_firstlineno + 2
    with running(max_sleeps=1), pytest.raises(FakeBatchError, match=f"{__file__}:{line} never"):
        polls()


def test_progress_starts_a_new_count() -> None:
    """A loop that sees something new from time to time goes on for as long as it likes."""
    with running(max_sleeps=100) as clock:
        for _ in range(10):
            for _ in range(100):
                time.sleep(60)
            clock.progress()

        assert clock.elapsed == 60_000.0


@pytest.mark.parametrize(
    ("limits", "days"),
    [
        pytest.param({}, 400, id="400 days by default"),
        pytest.param({"max_elapsed": "2d"}, 2, id="or as long as one says"),
    ],
)
def test_years_are_too_long(limits: dict[str, Any], days: int) -> None:
    """A sleep that would end later than the limit is not slept."""
    with running(**limits) as clock:
        time.sleep(days * 86_400)
        with pytest.raises(FakeBatchError, match=f"It has gone on for {days} virtual days"):
            time.sleep(1)

        assert clock.elapsed == days * 86_400


def test_a_nested_clock_has_limits_of_its_own() -> None:
    """Each clock counts from its own start; the strictest has its way."""
    with running(max_sleeps=100):
        for _ in range(60):
            time.sleep(1)
        with running(max_sleeps=20), pytest.raises(FakeBatchError, match="20 sleeps"):
            polls()
        with running(max_sleeps=50), pytest.raises(FakeBatchError, match="100 sleeps"):
            polls()

"""A manual clock: only the test moves it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import trio

from fakebatch.errors import UsageError
from fakebatch.vtime import Clock, watchdog

SLEEPS: dict[str, Callable[[], object]] = {
    "time.sleep": lambda: time.sleep(60),
    "Event.wait": lambda: threading.Event().wait(60),
    "asyncio.sleep": lambda: asyncio.run(asyncio.sleep(60)),
    "trio.sleep": lambda: trio.run(trio.sleep, 60),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("sleep", SLEEPS.values(), ids=SLEEPS)
def test_a_sleep_nobody_will_end_is_told(manual: Clock, sleep: Callable[[], object]) -> None:
    """The only runnable thread cannot sleep: the message says where, why and what to do."""
    with pytest.raises(UsageError) as caught:
        sleep()

    came, known, to_do = str(caught.value).splitlines()
    assert came.startswith(f"fakebatch: the sleep at {__file__}:")
    assert came.endswith(" would last for ever.")
    assert known == (
        "The clock is manual: only clock.advance() and clock.move_to() move it, and nobody is left "
        "to call them."
    )
    assert to_do == (
        "Move it before this sleep or from another thread, or let sleeping move it: "
        "clock='virtual'."
    )
    assert manual.elapsed == 0.0


@pytest.mark.timeout(60)
@pytest.mark.parametrize("sleep", SLEEPS.values(), ids=SLEEPS)
def test_it_is_told_beside_an_idle_worker_of_a_pool(
    sleep: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that waits for work is nobody who would move the clock."""
    monkeypatch.setattr(watchdog, "_PATIENCE", 0.2)
    monkeypatch.setattr(watchdog, "_PATIENCE_WITH_OTHERS", 0.2)
    clock = Clock("manual")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with clock, pytest.raises(UsageError, match="would last for ever"):
            sleep()


def test_no_time_passes_in_a_sleep_of_nothing(manual: Clock) -> None:
    """sleep(0) asks for no time, so it gets through."""
    time.sleep(0)
    asyncio.run(asyncio.sleep(0))

    assert manual.elapsed == 0.0


@pytest.mark.timeout(60)
def test_sleepers_in_threads_wake_on_the_way(manual: Clock) -> None:
    """An advance passes every deadline in order, and returns when all have had their turn."""
    log: list[tuple[float, int]] = []

    def poll(every: int) -> None:
        for _ in range(60 // every):
            time.sleep(every)
            log.append((manual.elapsed, every))

    threads = [threading.Thread(target=poll, args=(every,)) for every in (30, 20)]
    for thread in threads:
        thread.start()
    assert log == []

    manual.advance(30)
    assert log == [(20.0, 20), (30.0, 30)]

    manual.advance(30)
    for thread in threads:
        thread.join()
    assert log == [(20.0, 20), (30.0, 30), (40.0, 20), (60.0, 30), (60.0, 20)]


@pytest.mark.timeout(60)
def test_a_sleeper_left_alone_by_all_is_told(manual: Clock) -> None:
    """When every other thread waits for it, the sleeper is told as the only one is."""
    told: list[BaseException] = []

    def sleep() -> None:
        try:
            time.sleep(60)
        except UsageError as error:
            told.append(error)

    thread = threading.Thread(target=sleep)
    thread.start()
    with pytest.raises(UsageError, match="would last for ever"):
        thread.join()
    manual.advance(60)
    thread.join()

    assert told == []


@pytest.mark.timeout(60)
def test_tasks_wake_after_an_advance(manual: Clock) -> None:
    """Moved from inside a coroutine, timers that have come due fire in order of their deadlines."""
    log: list[int] = []

    async def sleep(seconds: int) -> None:
        await asyncio.sleep(seconds)
        log.append(seconds)

    async def main() -> None:
        tasks = [asyncio.create_task(sleep(seconds)) for seconds in (30, 10, 20)]
        await asyncio.sleep(0)
        manual.advance(30)
        await asyncio.gather(*tasks)

    asyncio.run(main())

    assert log == [10, 20, 30]

"""Every way to sleep moves time, at once and exactly."""

from __future__ import annotations

import asyncio
import heapq
import queue
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import sleep as bound_early
from typing import Any

import anyio
import anyio.to_thread
import pytest
import tenacity
import trio

from fakebatch.errors import FakeBatchError
from fakebatch.vtime import Clock

DEFAULT_START = 1767225600.0


def many_short_sleeps() -> None:
    for _ in range(600):
        time.sleep(0.1)


def timer_fires() -> None:
    timer = threading.Timer(60, lambda: None)
    timer.start()
    timer.join()


def queue_times_out() -> None:
    with suppress(queue.Empty):
        queue.Queue[None]().get(timeout=60)


def semaphore_times_out() -> None:
    threading.Semaphore(0).acquire(timeout=60)


def barrier_times_out() -> None:
    with suppress(threading.BrokenBarrierError):
        threading.Barrier(2).wait(60)


def join_times_out() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    thread.join(60)
    stop.set()
    thread.join()


def future_times_out() -> None:
    with suppress(FutureTimeout):
        Future[None]().result(60)


def pool_sleeps() -> None:
    with ThreadPoolExecutor(4) as pool:
        wait([pool.submit(time.sleep, seconds) for seconds in (10, 60, 30)])


def tenacity_retries() -> None:
    attempts = iter((1 / 3, 0, 0, 0))

    @tenacity.retry(wait=tenacity.wait_fixed(20), retry=tenacity.retry_if_result(lambda r: r == 0))
    def attempt() -> float:
        return next(attempts, 1)

    next(attempts)
    attempt()


def read_time() -> float:
    return time.time()


def read_monotonic() -> float:
    return time.monotonic()


def read_perf_counter() -> float:
    return time.perf_counter()


def deadline_by(read: Callable[[], float]) -> Callable[[], None]:
    def poll() -> None:
        deadline = read() + 60
        while read() < deadline:
            time.sleep(7.5)

    return poll


def in_asyncio(body: Callable[[], Awaitable[object]]) -> Callable[[], None]:
    async def main() -> None:
        await body()

    return lambda: asyncio.run(main())


async def gathers() -> None:
    await asyncio.gather(*(asyncio.sleep(seconds) for seconds in (10, 60, 30)))


async def groups() -> None:
    async with asyncio.TaskGroup() as group:
        for seconds in (10, 60, 30):
            group.create_task(asyncio.sleep(seconds))


async def waits_for() -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 60)


async def times_out() -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            await asyncio.sleep(3600)


async def calls_later() -> None:
    loop = asyncio.get_running_loop()
    called = loop.create_future()
    loop.call_later(60, called.set_result, None)
    await called


async def blocks_the_loop() -> None:
    time.sleep(60)  # noqa: ASYNC251 - people do


async def mixes_threads() -> None:
    await asyncio.gather(
        asyncio.to_thread(time.sleep, 60), asyncio.to_thread(time.sleep, 20), asyncio.sleep(30)
    )


def in_anyio(backend: str, body: Callable[[], Awaitable[object]]) -> Callable[[], None]:
    async def main() -> None:
        await body()

    return lambda: anyio.run(main, backend=backend)


async def moves_on() -> None:
    with anyio.move_on_after(60):
        await anyio.sleep_forever()


async def nursery() -> None:
    async with trio.open_nursery() as tasks:
        for seconds in (10, 60, 30):
            tasks.start_soon(trio.sleep, seconds)


SIXTY_SECONDS = {
    "time.sleep": lambda: time.sleep(60),
    "time.sleep in fractions": many_short_sleeps,
    "sleep bound before the clock": lambda: bound_early(60),
    "Event.wait": lambda: threading.Event().wait(60),
    "a Timer": timer_fires,
    "Queue.get": queue_times_out,
    "a semaphore": semaphore_times_out,
    "a barrier": barrier_times_out,
    "joining a thread": join_times_out,
    "a future": future_times_out,
    "sleeps in a pool": pool_sleeps,
    "retries of tenacity": tenacity_retries,
    "a deadline by time.time": deadline_by(read_time),
    "a deadline by time.time_ns": deadline_by(lambda: time.time_ns() / 1e9),
    "a deadline by time.monotonic": deadline_by(read_monotonic),
    "a deadline by time.perf_counter": deadline_by(read_perf_counter),
    "a deadline by datetime.now": deadline_by(lambda: datetime.now(UTC).timestamp()),
    "asyncio.sleep": in_asyncio(lambda: asyncio.sleep(60)),
    "asyncio.gather": in_asyncio(gathers),
    "a TaskGroup": in_asyncio(groups),
    "asyncio.wait_for": in_asyncio(waits_for),
    "asyncio.timeout": in_asyncio(times_out),
    "call_later": in_asyncio(calls_later),
    "time.sleep inside a coroutine": in_asyncio(blocks_the_loop),
    "to_thread beside a coroutine": in_asyncio(mixes_threads),
    "anyio.sleep on asyncio": in_anyio("asyncio", lambda: anyio.sleep(60)),
    "anyio.sleep on trio": in_anyio("trio", lambda: anyio.sleep(60)),
    "move_on_after on asyncio": in_anyio("asyncio", moves_on),
    "move_on_after on trio": in_anyio("trio", moves_on),
    "a thread of anyio on asyncio": in_anyio(
        "asyncio", lambda: anyio.to_thread.run_sync(time.sleep, 60)
    ),
    "a thread of anyio on trio": in_anyio("trio", lambda: anyio.to_thread.run_sync(time.sleep, 60)),
    "trio.sleep": lambda: trio.run(trio.sleep, 60),
    "a nursery of trio": lambda: trio.run(nursery),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("sleep", SIXTY_SECONDS.values(), ids=SIXTY_SECONDS)
def test_sixty_seconds_are_sixty_seconds_on_every_clock(
    clock: Clock, sleep: Callable[[], object]
) -> None:
    """Whatever sleeps for a minute moves every clock by a minute."""
    monotonic, perf_counter = time.monotonic(), time.perf_counter()

    sleep()

    assert clock.elapsed == 60.0
    assert time.time() == DEFAULT_START + 60
    assert datetime.now(UTC) == clock.now == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert time.monotonic() - monotonic == 60.0
    assert time.perf_counter() - perf_counter == 60.0


@pytest.mark.timeout(60)
def test_a_loop_that_stops_only_past_its_deadline_stops(clock: Clock) -> None:
    """A clock that stands exactly on a deadline does not stand there for ever."""
    stop = threading.Event()

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(FutureTimeout):
            list(as_completed([pool.submit(stop.wait)], timeout=60))
        stop.set()

    assert clock.elapsed == 60.000001


def test_the_tenth_sleep_of_nothing_takes_a_microsecond(clock: Clock) -> None:
    """In a row, of one thread; a sleep of some length begins another row."""
    for _ in range(9):
        time.sleep(0)
    assert clock.elapsed == 0.0
    time.sleep(0)
    time.sleep(0)
    assert clock.elapsed == 2e-6
    time.sleep(1)
    time.sleep(0)
    assert clock.elapsed == 1.000002


@pytest.mark.timeout(60)
def test_sleeping_to_the_next_tick_comes_to_an_end(clock: Clock) -> None:
    """Code takes no time here, so that the remainder is 0 at first."""
    start = time.perf_counter()
    for _ in range(50):
        time.sleep((start - time.perf_counter()) % 10)

    assert clock.elapsed >= 10


class RoundsOfItsOwn(asyncio.SelectorEventLoop):
    """A loop whose rounds are written anew, as nest_asyncio writes them."""

    def _run_once(self) -> None:
        loop: Any = self
        while loop._scheduled and loop._scheduled[0]._cancelled:
            heapq.heappop(loop._scheduled)
        timeout = None
        if loop._ready or loop._stopping:
            timeout = 0
        elif loop._scheduled:
            timeout = max(loop._scheduled[0]._when - loop.time(), 0)
        loop._process_events(loop._selector.select(timeout))
        end = loop.time() + loop._clock_resolution
        while loop._scheduled and loop._scheduled[0]._when < end:
            loop._ready.append(heapq.heappop(loop._scheduled))
        for _ in range(len(loop._ready)):
            handle = loop._ready.popleft()
            if not handle._cancelled:
                handle._run()


@pytest.mark.timeout(60)
def test_a_loop_with_rounds_of_its_own_sleeps_as_others_do(clock: Clock) -> None:
    """Whatever its rounds are, they end in `selector.select(timeout)`."""
    with asyncio.Runner(loop_factory=RoundsOfItsOwn) as runner:
        runner.run(gathers())

    assert clock.elapsed == 60.0


def spins_on_time() -> None:
    end = time.time() + 60
    while time.time() < end:
        pass


def spins_on_datetime() -> None:
    end = datetime.now(UTC) + timedelta(minutes=1)
    while datetime.now(UTC) < end:
        pass


@pytest.mark.timeout(60)
@pytest.mark.parametrize("spin", [spins_on_time, spins_on_datetime])
def test_a_line_that_reads_the_clock_on_and_on_is_told(
    clock: Clock, spin: Callable[[], None]
) -> None:
    """Reading does not move it, so the loop would never end."""
    with pytest.raises(FakeBatchError) as caught:
        spin()

    line = spin.__code__.co_firstlineno + 2
    assert str(caught.value) == (
        f"fakebatch: the loop at {__file__}:{line} waits for a clock that stands still.\n"
        "It has read the clock 100,000 times in a row, and reading does not move it.\n"
        "Sleep in the loop, or move the clock: fakebatch.clock.advance('1m')."
    )
    assert clock.elapsed == 0.0


def test_reading_the_clock_often_is_no_loop_that_waits(clock: Clock) -> None:
    """As long as time passes in between, or two lines take turns."""
    for _ in range(150):
        for _ in range(1_000):
            time.monotonic()
        time.sleep(1)
    for _ in range(60_000):
        time.time()
        time.time()

    assert clock.elapsed == 150.0


@pytest.mark.timeout(60)
def test_threads_of_anyio_that_have_waited_before_may_end_meanwhile() -> None:
    """It ends those that have had no work for ten seconds, which pass at once."""
    clock = Clock()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(anyio.to_thread.run_sync, time.sleep, 0.01)
        with clock:
            await anyio.sleep(3600)
            for _ in range(2):
                await anyio.to_thread.run_sync(time.sleep, 60)

    anyio.run(main)
    assert clock.elapsed == 3720.0


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "begun_before",
    [
        pytest.param("has just reported the result of", id="the thread of anyio is not idle yet"),
        pytest.param("runs", id="the thread of anyio has a job from before"),
    ],
)
def test_a_thread_of_anyio_from_before_the_clock_takes_its_next_job_in_virtual_time(
    begun_before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it did when the clock was started."""
    clock, is_begun = Clock(), threading.Event()
    real_task_done = queue.Queue[Any].task_done

    def late_task_done(jobs: queue.Queue[Any]) -> None:
        is_begun.wait()
        real_task_done(jobs)

    async def main() -> None:
        job: asyncio.Task[Any]
        if begun_before == "runs":
            job = asyncio.create_task(anyio.to_thread.run_sync(is_begun.wait))
            await asyncio.sleep(0.01)
        else:
            monkeypatch.setattr(queue.Queue, "task_done", late_task_done)
            await anyio.to_thread.run_sync(int)
            job = asyncio.create_task(asyncio.sleep(0))
        with clock:
            is_begun.set()
            await job
            await anyio.to_thread.run_sync(time.sleep, 30)

    asyncio.run(main())
    assert clock.elapsed == 30.0

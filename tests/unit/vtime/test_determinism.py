"""The same test has the same history each time, however busy the machine is."""

from __future__ import annotations

import asyncio
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import trio

from fakebatch.vtime import Clock

INTERVALS = range(30, 170, 7)
Log = list[tuple[float, int]]


@contextmanager
def busy_machine() -> Iterator[None]:
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]  # noqa: S603
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def poll(clock: Clock, log: Log, every: int) -> None:
    for _ in range(5):
        log.append((clock.elapsed, every))
        time.sleep(every)


def threads(clock: Clock, log: Log) -> None:
    pollers = [threading.Thread(target=poll, args=(clock, log, every)) for every in INTERVALS]
    for poller in pollers:
        poller.start()
    for poller in pollers:
        poller.join()


def pool_of(size: int) -> Callable[[Clock, Log], None]:
    def pool(clock: Clock, log: Log) -> None:
        with ThreadPoolExecutor(size) as executor:
            for every in INTERVALS:
                executor.submit(poll, clock, log, every)

    return pool


def consumers(clock: Clock, log: Log) -> None:
    jobs = queue.Queue[int]()

    def consume(every: int) -> None:
        while job := jobs.get():
            log.append((clock.elapsed, job))
            time.sleep(every)

    workers = [threading.Thread(target=consume, args=(every,)) for every in INTERVALS[:8]]
    for worker in workers:
        worker.start()
    for job in [*range(1, 41), *[0] * len(workers)]:
        jobs.put(job)
    for worker in workers:
        worker.join()


def tasks(clock: Clock, log: Log) -> None:
    async def poll(every: int) -> None:
        for _ in range(5):
            log.append((clock.elapsed, every))
            await asyncio.sleep(every)

    async def main() -> None:
        await asyncio.gather(*map(poll, INTERVALS))

    asyncio.run(main())


def tasks_with_threads(clock: Clock, log: Log) -> None:
    async def poll(every: int) -> None:
        for _ in range(2):
            await asyncio.to_thread(time.sleep, every)
            log.append((clock.elapsed, every))
            await asyncio.sleep(every / 2)

    async def main() -> None:
        await asyncio.gather(*map(poll, INTERVALS))

    asyncio.run(main())


def tasks_on_trio(clock: Clock, log: Log) -> None:
    async def poll(every: int) -> None:
        for _ in range(5):
            log.append((clock.elapsed, every))
            await trio.sleep(every)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for every in INTERVALS:
                nursery.start_soon(poll, every)

    trio.run(main)


HISTORIES: dict[str, Callable[[Clock, Log], None]] = {
    "20 threads": threads,
    "20 pollers in a pool of 20": pool_of(20),
    "20 pollers in a pool of 4": pool_of(4),
    "8 consumers of a queue": consumers,
    "20 tasks": tasks,
    "20 tasks on trio": tasks_on_trio,
    "20 tasks that use threads": tasks_with_threads,
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_fifteen_runs_are_one_history(history: Callable[[Clock, Log], None]) -> None:
    """Runs leave one and the same log, event by event, while other processes load the cores too."""
    logs = {logged(history) for _ in range(5)}
    with busy_machine():
        logs |= {logged(history) for _ in range(10)}

    assert len(logs) == 1
    assert len(logs.pop()) >= 40


@pytest.mark.usefixtures("clock")
def test_a_thread_runs_only_once_its_starter_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever loses the interpreter just after a start does not run beside the new thread."""
    name = "_start_joinable_thread" if sys.version_info >= (3, 13) else "_start_new_thread"
    start = vars(threading)[name]
    log: list[int] = []

    def dawdle(*args: Any, **kwargs: Any) -> Any:
        started = start(*args, **kwargs)
        compute(3)
        return started

    def work(switches: int) -> None:
        compute(switches)
        log.append(switches)

    monkeypatch.setattr(threading, name, dawdle)
    workers = [threading.Thread(target=work, args=(switches,)) for switches in (12, 6, 0)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert log == [12, 6, 0]


def compute(switches: int) -> None:
    """Keep a core busy for as long as several switch intervals of the interpreter."""
    end = time.thread_time() + switches * sys.getswitchinterval()
    while time.thread_time() < end:
        pass


def logged(history: Callable[[Clock, Log], None]) -> tuple[tuple[float, int], ...]:
    log: Log = []
    with Clock() as clock:
        history(clock, log)
    return tuple(log)


def test_pollers_side_by_side_end_when_each_would_alone(clock: Clock) -> None:
    """Time is shared, not added up: each log entry lies where its own interval puts it."""
    log: Log = []

    threads(clock, log)

    assert sorted(log) == sorted((float(n * every), every) for every in INTERVALS for n in range(5))
    assert log == sorted(log, key=lambda entry: entry[0])
    assert clock.elapsed == 5.0 * max(INTERVALS)

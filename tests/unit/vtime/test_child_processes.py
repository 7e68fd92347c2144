"""Time stands still for a child process that is waited for."""

from __future__ import annotations

import asyncio
import multiprocessing
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import anyio
import pytest

from fakebatch.vtime import Clock

pytestmark = pytest.mark.timeout(120)


CHILD = [sys.executable, "-c", "import time; time.sleep(0.3); print('done')"]


async def waits_for_a_child() -> None:
    process = await asyncio.create_subprocess_exec(*CHILD, stdout=subprocess.DEVNULL)
    await asyncio.wait_for(process.wait(), 60)


async def communicates_with_a_child() -> None:
    process = await asyncio.create_subprocess_exec(*CHILD, stdout=subprocess.PIPE)
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert output == b"done\n"


async def reads_a_line_of_a_child() -> None:
    process = await asyncio.create_subprocess_exec(*CHILD, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"done\n"
    await process.wait()


async def runs_a_child_on_anyio() -> None:
    with anyio.fail_after(60):
        assert (await anyio.run_process(CHILD)).stdout == b"done\n"


async def runs_a_child_in_a_thread() -> None:
    await asyncio.wait_for(asyncio.to_thread(subprocess.run, CHILD, stdout=subprocess.PIPE), 60)


def in_a_process_of_a_pool() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(int, "7").result(timeout=60) == 7


def in_a_pool_of_processes() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply_async(int, ("7",)).get(timeout=60) == 7


def joins_a_process() -> None:
    process = multiprocessing.get_context("spawn").Process(target=int)
    process.start()
    threading.Thread(target=time.sleep, args=(0.5,)).start()
    process.join(60)
    assert process.exitcode == 0


CHILDREN: dict[str, Callable[[], object]] = {
    "a process of asyncio": lambda: asyncio.run(waits_for_a_child()),
    "its output": lambda: asyncio.run(communicates_with_a_child()),
    "a line of its output": lambda: asyncio.run(reads_a_line_of_a_child()),
    "anyio on asyncio": lambda: anyio.run(runs_a_child_on_anyio),
    "anyio on trio": lambda: anyio.run(runs_a_child_on_anyio, backend="trio"),
    "subprocess.run in a thread": lambda: asyncio.run(runs_a_child_in_a_thread()),
    "a ProcessPoolExecutor": in_a_process_of_a_pool,
    "a multiprocessing.Pool": in_a_pool_of_processes,
    "Process.join": joins_a_process,
}


@pytest.mark.parametrize("waits", CHILDREN.values(), ids=CHILDREN)
def test_time_stands_still_for_a_child_that_is_waited_for(
    waits: Callable[[], object], clock: Clock
) -> None:
    """A child process lives in real time; a timeout of a virtual minute does not fire."""
    sleeper = threading.Thread(target=time.sleep, args=(5,))
    sleeper.start()
    waits()

    assert clock.elapsed <= 0.5
    sleeper.join()
    assert clock.elapsed == 5.0

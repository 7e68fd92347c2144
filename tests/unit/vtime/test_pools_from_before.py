"""A pool of threads that was there before the clock runs the jobs of a test in virtual time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from fakebatch.vtime import Clock

pytestmark = pytest.mark.timeout(60)
WORKERS = 4


def _empty() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WORKERS)


def _with_one_thread() -> ThreadPoolExecutor:
    pool = ThreadPoolExecutor(WORKERS)
    pool.submit(int).result()
    return pool


def _of_another_test(make: Callable[[], ThreadPoolExecutor]) -> Callable[[], ThreadPoolExecutor]:
    def made() -> ThreadPoolExecutor:
        with Clock():
            return make()

    return made


POOLS = {
    "without threads": _empty,
    "with one thread": _with_one_thread,
    "made under another clock, without threads": _of_another_test(_empty),
    "made under another clock, with one thread": _of_another_test(_with_one_thread),
}


@pytest.mark.parametrize("make", POOLS.values(), ids=POOLS)
def test_a_pool_serves_one_test_after_the_other(make: Callable[[], ThreadPoolExecutor]) -> None:
    """Its threads, and those it starts for the jobs, sleep side by side, in every test."""
    with make() as pool:
        for _ in range(3):
            with Clock() as clock:
                jobs = [pool.submit(time.sleep, 60) for _ in range(3 * WORKERS)]
                for job in jobs:
                    job.result()
            assert clock.elapsed == 3 * 60

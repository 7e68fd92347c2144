"""A pool of threads of multiprocessing lives in virtual time, as one of concurrent.futures does."""

from __future__ import annotations

import multiprocessing
import multiprocessing.dummy
import time
from collections.abc import Callable
from multiprocessing.pool import ThreadPool

import pytest
from freezegun import api as real

from fakebatch.vtime import Clock

pytestmark = pytest.mark.timeout(60)


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def maps() -> None:
    with ThreadPool(2) as pool:
        assert pool.map(nap, [60, 20, 40], chunksize=1) == [60, 20, 40]


def gets_in_time() -> None:
    with ThreadPool(1) as pool:
        assert pool.apply_async(nap, [60]).get(timeout=100) == 60


def times_out() -> None:
    with ThreadPool(1) as pool, pytest.raises(multiprocessing.TimeoutError):
        pool.apply_async(nap, [100]).get(timeout=60)


def iterates() -> None:
    with multiprocessing.dummy.Pool(2) as pool:
        assert [*pool.imap_unordered(nap, [60, 20, 40])] == [20, 60, 40]


def looks_now_and_then() -> None:
    """As joblib does."""
    pool, ended = ThreadPool(2), list[float]()
    pool.apply_async(nap, [60], callback=ended.append)
    while not ended:
        time.sleep(0.01)
    pool.close()
    pool.join()


def starts_a_dummy_process() -> None:
    process = multiprocessing.dummy.Process(target=nap, args=[60])
    process.start()
    process.join()


USES = {
    "a map": maps,
    "a result": gets_in_time,
    "a result that is late": times_out,
    "an iterator": iterates,
    "a callback": looks_now_and_then,
    "a process that is a thread": starts_a_dummy_process,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_pool_of_threads_sleeps_in_virtual_time(use: Callable[[], None], clock: Clock) -> None:
    """Neither do its threads sleep in real time, nor does time stand still for its results."""
    began = real.real_monotonic()
    use()

    assert clock.elapsed == pytest.approx(60.0, abs=0.02)
    assert real.real_monotonic() - began < 8


def test_a_pool_of_before_is_waited_for_in_real_time() -> None:
    """Its threads keep real time, so virtual time stands still for their results."""
    with ThreadPool(1) as pool, Clock() as clock:
        assert pool.apply_async(nap, [0.05]).get(timeout=0.01) == 0.05
        assert clock.elapsed == 0.0

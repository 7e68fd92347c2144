"""Laws of time, whatever the numbers are."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebatch.vtime import Clock, moments
from fakebatch.vtime.clock import Mode

pytestmark = pytest.mark.timeout(300)
# asyncio fires what is due within its resolution: 1 us apart may be together
durations = st.integers(1, 10**9).map(lambda steps: steps / 1e5)

MODES: tuple[Mode, ...] = ("virtual", "manual")


@given(st.lists(durations, max_size=20))
@settings(max_examples=50, deadline=None)
def test_sleeps_one_after_another_add_up(sleeps: list[float]) -> None:
    """To the microsecond, and the wall clock has moved as far as elapsed says."""
    with Clock() as clock:
        begin = clock.now
        for seconds in sleeps:
            time.sleep(seconds)

        assert clock.elapsed == sum(round(seconds * 1e6) for seconds in sleeps) / 1e6
        assert clock.now - begin == timedelta(seconds=clock.elapsed)


@given(st.lists(st.lists(durations, min_size=1, max_size=5), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_sleepers_side_by_side_take_as_long_as_the_longest(plans: list[list[float]]) -> None:
    """Tasks and threads alike; and everybody wakes exactly when its own sleeps add up."""
    sums = [sum(round(seconds * 1e6) for seconds in plan) / 1e6 for plan in plans]

    assert waking(plans, in_threads=False) == sums
    assert waking(plans, in_threads=True) == sums


@given(st.sampled_from([0.1, 1 / 3, 7.7, 59.999999]), st.integers(50, 200))
@settings(max_examples=20, deadline=None)
def test_no_deadline_lies_a_hair_beyond_reach(every: float, times: int) -> None:
    """Sums of rounded floats neither hang a loop that waits for one nor cost a microsecond."""
    elapsed = round(every * 1e6) * times / 1e6

    async def sleep_with_trio() -> None:
        for _ in range(times):
            await trio.sleep(every)

    async def sleep_with_asyncio() -> None:
        for _ in range(times):
            await asyncio.sleep(every)

    with Clock() as clock:
        trio.run(sleep_with_trio)
        assert clock.elapsed == elapsed
    with Clock() as clock:
        asyncio.run(sleep_with_asyncio())
        assert clock.elapsed == elapsed


def waking(plans: list[list[float]], *, in_threads: bool) -> list[float]:
    ends = [0.0] * len(plans)

    def sleep(index: int) -> None:
        for seconds in plans[index]:
            time.sleep(seconds)
        ends[index] = clock.elapsed

    async def sleep_in_task(index: int) -> None:
        for seconds in plans[index]:
            await asyncio.sleep(seconds)
        ends[index] = clock.elapsed

    async def main() -> None:
        await asyncio.gather(*map(sleep_in_task, range(len(plans))))

    with Clock() as clock:
        if in_threads:
            threads = [threading.Thread(target=sleep, args=(i,)) for i in range(len(plans))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        else:
            asyncio.run(main())
        assert clock.elapsed == max(ends)
    return ends


@given(st.lists(durations, max_size=20), st.sampled_from(MODES))
@settings(max_examples=50, deadline=None)
def test_no_reading_is_earlier_than_the_one_before(moves: list[float], mode: Mode) -> None:
    """Time never goes backwards, by whichever clock it is read."""
    with Clock(mode) as clock:
        readings = [(clock.now, clock.elapsed, time.time(), time.monotonic())]
        for seconds in moves:
            clock.advance(seconds)
            readings.append((clock.now, clock.elapsed, time.time(), time.monotonic()))

    for values in zip(*readings, strict=True):
        assert list(values) == sorted(values)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - in any zone
def test_a_moment_means_the_same_however_it_is_written(moment: datetime) -> None:
    """Text and datetime agree to the microsecond, and come back as they went in."""
    aware = moment.replace(tzinfo=UTC)

    assert moments.microseconds(aware) == moments.microseconds(aware.isoformat())
    assert moments.as_datetime(moments.microseconds(moment)) == aware

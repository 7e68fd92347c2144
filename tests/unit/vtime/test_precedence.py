"""One party may go first: what it does at a moment has happened when others see the moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from fakebatch.vtime import Clock
from fakebatch.vtime.scheduler import for_this_thread


def first(work: Callable[[], object], *, after: float) -> threading.Thread:
    """A thread that goes first, and works after two sleeps."""

    def sleep_and_work() -> None:
        scheduler = for_this_thread()
        assert scheduler is not None
        with scheduler.precedence():
            time.sleep(1)  # it parks later than those who sleep on
            time.sleep(after - 1)
            work()

    thread = threading.Thread(target=sleep_and_work)
    thread.start()
    return thread


PASS_AN_HOUR: dict[str, Callable[[Clock], object]] = {
    "sleep": lambda _: time.sleep(3_600),
    "advance": lambda clock: clock.advance("1h"),
    "Event.wait": lambda _: threading.Event().wait(3_600),
}


@pytest.mark.parametrize("wait", PASS_AN_HOUR.values(), ids=PASS_AN_HOUR)
def test_of_two_that_wake_at_one_moment_it_is_the_first(
    clock: Clock, wait: Callable[[Clock], object]
) -> None:
    """Although the other one fell asleep earlier."""
    worked: list[float] = []
    thread = first(lambda: worked.append(clock.elapsed), after=3_600)
    wait(clock)
    assert worked == [3_600]
    thread.join()


def test_nobody_overtakes_it_for_its_being_slow(clock: Clock) -> None:
    """It computes for much longer than another thread might before others go on."""
    worked: list[int] = []

    def work() -> None:
        started = time.thread_time()
        while time.thread_time() < started + 0.2:
            worked.append(1)
        worked.append(2)

    thread = first(work, after=3_600)
    clock.advance("1h")
    assert worked[-1:] == [2]
    thread.join()

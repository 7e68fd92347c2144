"""Whoever owns the wall clock is followed: a freeze in any position, a time-machine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from freezegun import freeze_time

from fakebatch.errors import UsageError
from fakebatch.vtime import Clock


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class TestFreezegun:
    """freezegun, used by the test itself."""

    def test_a_freeze_before_the_clock_is_followed_and_moved(self) -> None:
        """The clock begins where the test has frozen it, and sleeping moves that freeze."""
        with freeze_time("2030-05-05") as frozen:
            clock = Clock()
            clock.__enter__()
            time.sleep(60)

            assert datetime.now(UTC) == clock.now == at("2030-05-05 00:01:00")

            frozen.move_to("2030-06-01")

            assert (clock.now, clock.elapsed) == (at("2030-06-01"), 60.0)

            clock.__exit__()

            assert datetime.now(UTC) == at("2030-06-01")

    def test_a_freeze_inside_the_clock_is_followed_and_moved(self, clock: Clock) -> None:
        """A nested freeze shows its own time and is moved; elapsed knows nothing of it."""
        time.sleep(60)
        with freeze_time("2030-05-05"):
            time.sleep(30)

            assert datetime.now(UTC) == clock.now == at("2030-05-05 00:00:30")
            assert clock.elapsed == 90.0

        assert clock.now == at("2026-01-01 00:01:30")

    def test_a_decorator_is_a_freeze_inside_the_clock(self, clock: Clock) -> None:
        """So is a decorated function, called while the clock runs."""

        @freeze_time("2030-05-05")
        def shown() -> datetime:
            time.sleep(30)
            return datetime.now(UTC)

        assert shown() == at("2030-05-05 00:00:30")
        assert clock.now == at("2026-01-01 00:00:30")

    def test_a_start_of_its_own_is_a_freeze_inside_the_freeze(self) -> None:
        """A start that is asked for wins over the freeze around it."""
        with freeze_time("2030-05-05"):
            clock = Clock(start="2031-01-01")
            clock.__enter__()

            assert datetime.now(UTC) == at("2031-01-01")

            clock.__exit__()

            assert datetime.now(UTC) == at("2030-05-05")

    def test_a_ticking_freeze_ticks_and_is_moved(self, clock: Clock) -> None:
        """A freeze with tick=True goes on ticking from where a sleep has moved it."""
        with freeze_time("2030-05-05", tick=True):
            time.sleep(3600)

            assert at("2030-05-05 01:00:00") <= clock.now < at("2030-05-05 01:10:00")

    def test_a_nested_freeze_fires_no_timers(self, clock: Clock) -> None:
        """Jumping years ahead in a nested freeze does not wake a task that sleeps a minute."""

        async def main() -> None:
            sleeping = asyncio.create_task(asyncio.sleep(60))
            with freeze_time("2036-01-01"):
                await asyncio.sleep(59)
                assert not sleeping.done()
            await sleeping

        asyncio.run(main())

        assert clock.elapsed == 60.0

    def test_a_freeze_that_kept_asyncio_real_is_followed(self) -> None:
        """freeze_time(real_asyncio=True) patches a loop class of its own; sleeping moves it too."""
        with freeze_time("2030-05-05", real_asyncio=True):
            clock = Clock()
            clock.__enter__()
            asyncio.run(asyncio.sleep(3600))

            assert (clock.elapsed, clock.now) == (3600.0, at("2030-05-05 01:00:00"))

            clock.__exit__()

    @pytest.mark.parametrize("nested", [False, True])
    def test_every_thread_sees_the_same_time(self, clock: Clock, nested: bool) -> None:
        """time.time() and datetime.now() agree right in a thread's target; freezegun's do not."""
        seen: list[float] = []
        with freeze_time("2030-05-05") if nested else freeze_time(clock.now):
            thread = threading.Thread(
                target=lambda: seen.extend((time.time(), datetime.now(UTC).timestamp()))
            )
            thread.start()
            thread.join()

            assert seen == [time.time()] * 2


@pytest.fixture
def traveller() -> Iterator[Any]:
    with time_machine.travel(at("2030-05-05"), tick=False) as traveller:
        yield traveller


class TestTimeMachine:
    """time-machine, used by the test itself."""

    def test_a_journey_under_way_is_followed_and_moved(self, traveller: Any) -> None:
        """Nothing is frozen: sleeping and moving shift the traveller."""
        clock = Clock()
        clock.__enter__()
        time.sleep(60)
        asyncio.run(asyncio.sleep(30))
        clock.advance(10)

        assert datetime.now(UTC) == clock.now == at("2030-05-05 00:01:40")
        assert clock.elapsed == 100.0

        traveller.shift(timedelta(days=1))

        assert clock.now == at("2030-05-06 00:01:40")
        assert clock.elapsed == 100.0

        clock.__exit__()

    @pytest.mark.usefixtures("traveller")
    def test_deadlines_by_the_monotonic_clock_come(self) -> None:
        """time-machine leaves the monotonic clocks real; while a clock runs they move as well."""
        clock = Clock()
        clock.__enter__()
        monotonic, perf_counter, ns = time.monotonic(), time.perf_counter(), time.monotonic_ns()
        time.sleep(3600)

        assert round((time.monotonic() - monotonic) / 60) == 60
        assert round((time.perf_counter() - perf_counter) / 60) == 60
        assert round((time.monotonic_ns() - ns) / 60e9) == 60

        clock.__exit__()

    @pytest.mark.usefixtures("traveller")
    def test_a_start_of_its_own_is_refused(self) -> None:
        """Two owners of one wall clock are one too many."""
        with pytest.raises(UsageError, match="followed, not frozen"):
            Clock(start="2031-01-01").__enter__()

    def test_a_journey_of_version_2_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It moves the monotonic clock itself, which would move twice."""
        monkeypatch.delattr(time_machine, "traveller_stack")
        monkeypatch.setattr(time_machine, "coordinates_stack", [object()], raising=False)

        with pytest.raises(UsageError, match="Upgrade time-machine"):
            Clock().__enter__()

    def test_a_journey_that_begins_later_is_refused(self, clock: Clock) -> None:
        """The message says what to do instead, and the clock goes on."""
        with pytest.raises(UsageError) as caught, time_machine.travel("2030-05-05"):
            pass

        assert str(caught.value) == (
            "fakebatch: a time-machine was started while fakebatch's own clock is running.\n"
            "Only one of them can own the wall clock, and fakebatch's was there first.\n"
            "Begin there, with start='2030-05-05T00:00:00+00:00' of the marker or FakeBatch, or go "
            "there: fakebatch.clock.move_to(…)."
        )
        assert clock.now == at("2026-01-01")

    def test_a_real_clock_lets_journeys_begin(self) -> None:
        """clock='real' owns nothing."""
        clock = Clock("real")
        clock.__enter__()
        with time_machine.travel(at("2030-05-05"), tick=False):
            assert clock.now == at("2030-05-05")
        clock.__exit__()

"""What a test can ask of the clock it holds."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from freezegun import freeze_time

from fakebatch.errors import UsageError
from fakebatch.vtime import Clock
from fakebatch.vtime.clock import Mode

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "shown"),
    [
        pytest.param(None, datetime(2026, 1, 1, tzinfo=UTC), id="by default the year begins"),
        pytest.param("2027-02-03T04:05:06Z", datetime(2027, 2, 3, 4, 5, 6, tzinfo=UTC), id="text"),
        pytest.param("2027-02-03", datetime(2027, 2, 3, tzinfo=UTC), id="a date is its midnight"),
        pytest.param(NOON, NOON, id="a datetime"),
        pytest.param(NOON.replace(tzinfo=None), NOON, id="a datetime without a zone is UTC"),
        pytest.param(
            NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), NOON, id="any zone"
        ),
        pytest.param(1_767_268_800, NOON, id="unix seconds"),
        pytest.param(1_767_268_800.25, NOON + timedelta(seconds=0.25), id="fractions of seconds"),
    ],
)
def test_the_clock_starts_where_it_is_told(start: datetime | str | float, shown: datetime) -> None:
    """A start is a datetime, ISO text or unix seconds; time then stands still there."""
    with Clock(start=start) as clock:
        assert [clock.now, datetime.now(UTC), clock.now] == [shown] * 3
        assert clock.now.tzinfo is UTC


@pytest.mark.parametrize(
    "move",
    [
        pytest.param(lambda clock: clock.advance(43_200), id="advance by seconds"),
        pytest.param(lambda clock: clock.advance("12h"), id="advance by text"),
        pytest.param(lambda clock: clock.advance(timedelta(hours=12)), id="advance by a timedelta"),
        pytest.param(lambda clock: clock.move_to("2026-01-01T12:00:00Z"), id="move to a text"),
        pytest.param(lambda clock: clock.move_to(NOON), id="move to a datetime"),
        pytest.param(lambda clock: clock.move_to(1_767_268_800), id="move to unix seconds"),
    ],
)
@pytest.mark.parametrize("mode", ["virtual", "manual"])
def test_a_test_can_move_the_clock(mode: Mode, move: Callable[[Clock], None]) -> None:
    """Moving by hand counts as elapsed, and everybody sees it."""
    with Clock(mode) as clock:
        move(clock)

        assert clock.now == datetime.now(UTC) == NOON
        assert clock.elapsed == 43_200.0


def test_elapsed_can_be_read_after_the_end() -> None:
    """What has elapsed by the stop stays readable; a stop too many does nothing."""
    clock = Clock()
    clock.__enter__()
    time.sleep(60)
    clock.__exit__()
    clock.__exit__()

    assert clock.elapsed == 60.0


def test_a_clock_can_be_started_again() -> None:
    """Each start begins a new count."""
    clock = Clock()
    for _ in range(2):
        clock.__enter__()
        time.sleep(60)
        clock.__exit__()

    assert clock.elapsed == 60.0


def test_sleeps_are_told() -> None:
    """after_sleep hears of each virtual sleep, with the wall clock before and after it."""
    heard: list[tuple[int, int]] = []
    with Clock(start=1_000, after_sleep=lambda start, end: heard.append((start, end))) as clock:
        time.sleep(60)
        asyncio.run(asyncio.sleep(0.5))
        clock.advance(5)

    assert heard == [(1_000_000_000, 1_060_000_000), (1_060_000_000, 1_060_500_000)]


def test_sleeps_of_threads_are_told_as_they_end() -> None:
    """Threads that sleep side by side are heard in the order of waking."""
    heard: list[int] = []
    clock = Clock(after_sleep=lambda start, end: heard.append((end - start) // 1_000_000))
    clock.__enter__()
    threads = [threading.Thread(target=time.sleep, args=(seconds,)) for seconds in (30, 10, 20)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock.__exit__()

    assert heard == [10, 20, 30]


class TestNested:
    """Clocks in clocks."""

    def test_a_second_clock_joins_the_first(self, clock: Clock) -> None:
        """It shows the same time and counts from its own start."""
        time.sleep(60)
        inner = Clock()
        inner.__enter__()
        time.sleep(30)

        assert (inner.now, inner.elapsed, clock.elapsed) == (clock.now, 30.0, 90.0)

        inner.__exit__()
        time.sleep(1)

        assert (inner.elapsed, clock.elapsed) == (30.0, 91.0)

    def test_the_last_one_puts_the_light_out(self) -> None:
        """Clocks may stop in any order; time stands still until the last has stopped."""
        first, second = Clock(), Clock()
        first.__enter__()
        second.__enter__()
        first.__exit__()
        time.sleep(60)
        frozen = time.time()
        second.__exit__()

        assert (first.elapsed, second.elapsed) == (0.0, 60.0)
        assert time.time() > frozen + 86_400

    @pytest.mark.parametrize(
        ("outer", "inner"),
        [
            pytest.param(Clock(), Clock("manual"), id="manual in virtual"),
            pytest.param(Clock("manual"), Clock("virtual"), id="virtual in manual"),
            pytest.param(Clock(), Clock("real"), id="real in virtual"),
            pytest.param(Clock(), Clock(start=0), id="a start of its own"),
        ],
    )
    def test_there_is_only_one_time(self, outer: Clock, inner: Clock) -> None:
        """A clock that wants another kind of time than the running one is refused."""
        with outer, pytest.raises(UsageError, match="there is only one time"):
            inner.__enter__()

    def test_a_real_clock_around_a_virtual_one_changes_nothing(self) -> None:
        """Real time is no time of ours: others may move it."""
        outer, inner = Clock("real"), Clock()
        outer.__enter__()
        inner.__enter__()
        time.sleep(60)
        inner.__exit__()
        outer.__exit__()

        assert inner.elapsed == 60.0


class TestReal:
    """Real time is nobody's."""

    def test_nothing_is_patched(self) -> None:
        """A real clock leaves every name alone and shows what time.time() says."""
        before = (time.time, time.sleep, datetime, threading.Condition.wait)
        clock = Clock("real")
        clock.__enter__()

        assert (time.time, time.sleep, datetime, threading.Condition.wait) == before
        assert abs(clock.now.timestamp() - time.time()) < 60

        clock.__exit__()

    def test_whoever_owns_the_clock_is_followed(self) -> None:
        """In a test's own freeze, a real clock shows and counts what that freeze shows."""
        with freeze_time("2030-01-01") as frozen:
            clock = Clock("real")
            clock.__enter__()
            frozen.tick(60)

            assert clock.now == datetime(2030, 1, 1, 0, 1, tzinfo=UTC)
            assert clock.elapsed == 60.0

            clock.__exit__()


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        pytest.param(
            lambda: Clock("fast"),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
            "fakebatch: clock='fast' is no mode of the clock.\n"
            "The modes are 'virtual', 'manual', 'real'.\n"
            "Leave it out to let sleeping move time.",
            id="a mode that does not exist",
        ),
        pytest.param(
            lambda: Clock(start="tomorrow"),
            "fakebatch: 'tomorrow' is not a moment.\n"
            "A moment is a datetime, ISO 8601 text or unix seconds; without a zone it is UTC.\n"
            "Write for example '2026-01-01T12:00:00Z' or datetime(2026, 1, 1, tzinfo=UTC).",
            id="a start that is no moment",
        ),
        pytest.param(
            lambda: Clock().advance(60),
            "fakebatch: a clock was asked to move that does not run or is real.\n"
            "Its mode is 'virtual'; a running 'virtual' or 'manual' clock can be moved.\n"
            "Enter the FakeBatch first, with clock='virtual' or clock='manual'.",
            id="moving a clock that does not run",
        ),
    ],
)
def test_misuse_is_told_in_three_lines(misuse: Callable[[], object], message: str) -> None:
    """What came, what was known, what to do."""
    with pytest.raises(UsageError) as caught:
        misuse()

    assert str(caught.value) == message


def test_time_never_goes_backwards(clock: Clock) -> None:
    """Moving to a moment that is past is refused, and says what the clock shows."""
    with pytest.raises(UsageError) as caught:
        clock.move_to("2025-12-31T23:59:59Z")

    assert str(caught.value) == (
        "fakebatch: the clock was asked to move back to 2025-12-31T23:59:59Z.\n"
        "It shows 2026-01-01T00:00:00+00:00, and time never goes backwards.\n"
        "Give an earlier start instead: start='…'."
    )


@pytest.mark.parametrize("value", [True, None, float("nan"), float("inf"), [], "", "1h"])
def test_what_is_no_moment_is_refused(clock: Clock, value: object) -> None:
    """A bool, NaN and a duration are no moments."""
    with pytest.raises(UsageError, match="is not a moment"):
        clock.move_to(value)  # type: ignore[arg-type]

"""The clock of a test: who moves it, whom it follows, what it refuses."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from time import sleep as bound_before

import anyio
import openai
import pytest
import tenacity
import time_machine
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st

from fakebatch import FakeBatch, UsageError
from fakebatch.durations import microseconds

NEW_YEAR = 1_767_225_600


def _retrying() -> None:
    tenacity.Retrying(
        wait=tenacity.wait_fixed(20),
        stop=tenacity.stop_after_attempt(4),
        retry=tenacity.retry_if_result(lambda _: True),
        retry_error_callback=lambda _: None,
    )(lambda: None)


SLEEPS = [
    pytest.param(lambda: time.sleep(60), id="time.sleep"),
    pytest.param(lambda: bound_before(60), id="sleep bound by name before"),
    pytest.param(lambda: asyncio.run(asyncio.sleep(60)), id="asyncio.sleep"),
    pytest.param(lambda: anyio.run(anyio.sleep, 60), id="anyio.sleep"),
    pytest.param(_retrying, id="tenacity, three waits of 20 s"),
]


@pytest.mark.parametrize("sleep", SLEEPS)
def test_sleeping_moves_the_clock(sleep: Callable[[], object], fakebatch: FakeBatch) -> None:
    """Whatever sleeps 60 s moves every clock by 60 s."""
    before = (time.time(), time.monotonic(), dt.datetime.now(dt.UTC))
    sleep()
    after = (time.time(), time.monotonic(), dt.datetime.now(dt.UTC))

    moved = [after[0] - before[0], after[1] - before[1], (after[2] - before[2]).total_seconds()]
    assert moved == [60, 60, 60]
    assert fakebatch.clock.elapsed == 60


def test_tasks_that_sleep_at_once_end_by_their_deadlines(fakebatch: FakeBatch) -> None:
    """Sleeps of several tasks overlap, as they do in life."""
    ended: list[tuple[float, str]] = []

    async def nap(name: str, seconds: float) -> None:
        for _ in range(3):
            await asyncio.sleep(seconds)
        ended.append((time.time() - NEW_YEAR, name))

    async def main() -> None:
        await asyncio.gather(nap("c", 30), nap("a", 10), nap("b", 20))

    asyncio.run(main())
    assert ended == [(30, "a"), (60, "b"), (90, "c")]


async def _wait_for() -> None:
    await asyncio.wait_for(asyncio.Event().wait(), 30)


async def _timeout() -> None:
    async with asyncio.timeout(30):
        await asyncio.sleep(600)


async def _fail_after() -> None:
    with anyio.fail_after(30):
        await anyio.sleep(600)


@pytest.mark.parametrize("wait", [_wait_for, _timeout, _fail_after])
def test_a_deadline_of_the_loop_comes_in_virtual_time(
    wait: Callable[[], Awaitable[None]], fakebatch: FakeBatch
) -> None:
    """A timeout of 30 s fires when 30 s have gone by."""

    async def main() -> None:
        await wait()

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert fakebatch.clock.elapsed == 30


def test_a_blocking_sleep_in_a_task_moves_the_loop(fakebatch: FakeBatch) -> None:
    """A timer that fell due meanwhile fires without more waiting."""

    async def main() -> None:
        nap = asyncio.create_task(asyncio.sleep(50))
        await asyncio.sleep(0)
        time.sleep(60)  # noqa: ASYNC251  # careless code does
        await nap

    asyncio.run(main())
    assert fakebatch.clock.elapsed == 60


def test_the_sdk_waits_as_long_as_it_was_told(fakebatch: FakeBatch) -> None:
    """A `Retry-After` is honoured: the clock moved, the test did not wait."""
    fakebatch.router["batches.list"].respond(429, headers={"retry-after": "60"})
    with pytest.raises(openai.RateLimitError):
        openai.OpenAI(max_retries=1).batches.list()
    assert fakebatch.clock.elapsed == 60


@pytest.mark.parametrize(
    ("given_", "seconds"),
    [
        pytest.param(90, 90, id="a number of seconds"),
        pytest.param(0.25, 0.25, id="a part of a second"),
        pytest.param(dt.timedelta(minutes=2), 120, id="a timedelta"),
        pytest.param("1d2h3m4s", 93784, id="days, hours, minutes, seconds"),
        pytest.param("1.5h", 5400, id="a part of an hour"),
    ],
)
def test_durations_have_one_grammar(
    given_: float | dt.timedelta | str, seconds: float, fakebatch: FakeBatch
) -> None:
    """Seconds, a timedelta, or text of d/h/m/s."""
    fakebatch.clock.advance(given_)
    assert fakebatch.clock.elapsed == seconds


@pytest.mark.parametrize("bad", ["", "1x", "h", "-1s", -1, float("nan"), float("inf"), None, True])
def test_what_is_no_duration_is_told(bad: float) -> None:
    """Three lines name the value, the grammar and an example."""
    with pytest.raises(
        UsageError, match=r"is not a duration.\nA duration is .*\nWrite for example 90"
    ):
        microseconds(bad)


@given(st.integers(0, 10**6), st.integers(0, 23), st.integers(0, 59))
def test_text_and_number_agree(days: int, hours: int, minutes: int) -> None:
    """A text means the sum of its parts."""
    text = f"{days}d{hours}h{minutes}m"
    assert microseconds(text) == microseconds(days * 86400 + hours * 3600 + minutes * 60)


@pytest.mark.parametrize(
    "target",
    ["2026-01-02T00:00:00", "2026-01-02T01:00:00+01:00", NEW_YEAR + 86400, dt.datetime(2026, 1, 2)],  # noqa: DTZ001
)
def test_moving_to_a_moment(target: dt.datetime | str | float, fakebatch: FakeBatch) -> None:
    """A datetime, ISO text or unix seconds; without a zone it is UTC."""
    fakebatch.clock.move_to(target)
    assert fakebatch.clock.now == dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    with pytest.raises(UsageError, match="asked to move back"):
        fakebatch.clock.move_to(NEW_YEAR)


def test_every_thread_sees_the_clock_of_the_emulator(fakebatch: FakeBatch) -> None:
    """`time.time`, `datetime.now` and `created_at` agree, in whatever thread they are read."""

    def look() -> tuple[float, float, int]:
        time.sleep(60)
        batch = openai.OpenAI().batches.create(
            input_file_id="file-1", endpoint="/v1/embeddings", completion_window="24h"
        )
        return time.time(), dt.datetime.now(dt.UTC).timestamp(), batch.created_at

    with ThreadPoolExecutor(2) as pool:
        seen = [seen.result() for seen in [pool.submit(look) for _ in range(2)]]
    assert seen == [(NEW_YEAR + 60,) * 3] * 2
    assert look() == (NEW_YEAR + 120,) * 3


def test_a_freeze_around_is_followed() -> None:
    """A test that has frozen the clock itself keeps its date; sleeping moves it."""
    with freeze_time("2030-06-01"), FakeBatch() as fake:
        time.sleep(60)
        assert fake.clock.now.isoformat() == "2030-06-01T00:01:00+00:00"
        assert fake.clock.elapsed == 60


def test_a_freeze_inside_is_followed(fakebatch: FakeBatch) -> None:
    """The emulator goes by the innermost clock; a nested freeze is no elapsed time."""
    with freeze_time("2026-01-01T05:00:00"):
        batch = openai.OpenAI().batches.create(
            input_file_id="file-1", endpoint="/v1/embeddings", completion_window="24h"
        )
        time.sleep(60)
        assert time.time() == NEW_YEAR + 5 * 3600 + 60
    assert batch.created_at == NEW_YEAR + 5 * 3600
    assert fakebatch.clock.elapsed == 60
    assert time.time() == NEW_YEAR + 60


def test_a_time_machine_on_its_way_is_followed() -> None:
    """Nothing is frozen; sleeping shifts the traveller."""
    with time_machine.travel("2030-06-01T00:00:00+00:00", tick=False), FakeBatch() as fake:
        time.sleep(60)
        assert fake.clock.now.isoformat() == "2030-06-01T00:01:00+00:00"


def test_a_time_machine_that_starts_later_is_told_what_to_do(fakebatch: FakeBatch) -> None:
    """Two cannot own the clock."""
    with pytest.raises(UsageError, match="start='2030-06-01T00:00:00"):
        time_machine.travel("2030-06-01").start()


@pytest.mark.fakebatch(clock="real")
def test_the_real_clock_is_followed_wherever_it_goes(fakebatch: FakeBatch) -> None:
    """With clock="real" nothing is patched: a time-machine may travel."""
    with time_machine.travel("2030-06-01T00:00:00+00:00", tick=False):
        assert fakebatch.clock.now.isoformat() == "2030-06-01T00:00:00+00:00"
    with pytest.raises(UsageError, match="does not run or is real"):
        fakebatch.clock.advance(1)


@pytest.mark.fakebatch(clock="manual")
@pytest.mark.parametrize("sleep", SLEEPS)
def test_a_manual_clock_refuses_sleep(sleep: Callable[[], object], fakebatch: FakeBatch) -> None:
    """A sleep nobody would end is an error that says so."""
    with pytest.raises(UsageError, match="would last for ever"):
        sleep()


def test_an_unknown_clock_is_told() -> None:
    """The message names the three there are."""
    with pytest.raises(UsageError, match="The modes are 'virtual', 'manual', 'real'"):
        FakeBatch(clock="fast")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("marker", "mode"),
    [
        pytest.param("", "manual", id="where a test does not say"),
        pytest.param("@pytest.mark.fakebatch(clock='virtual')", "virtual", id="a marker wins"),
        pytest.param("@pytest.mark.fakebatch(seed=1)", "manual", id="beside other keywords"),
    ],
)
def test_the_ini_option_chooses_a_mode(marker: str, mode: str, pytester: pytest.Pytester) -> None:
    """`fakebatch_clock` is the mode of every test of a project."""
    pytester.makeini("[pytest]\nfakebatch_clock = manual\n")
    pytester.makepyfile(
        f"""
        import pytest

        {marker}
        def test_mode(fakebatch):
            assert fakebatch.clock.mode == "{mode}"
        """
    )
    pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:asyncio").assert_outcomes(passed=1)


def test_an_ini_option_without_meaning_is_told(pytester: pytest.Pytester) -> None:
    """As an argument would be."""
    pytester.makeini("[pytest]\nfakebatch_clock = fast\n")
    pytester.makepyfile("def test_mode(fakebatch): pass")
    result = pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:asyncio")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fakebatch: clock='fast' is no mode of the clock."])

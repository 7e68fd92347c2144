"""Limits of a wait beside max_idle, and what its message says of the last call."""

from __future__ import annotations

from inspect import signature
from typing import Any

import pytest

from fakebatch import FakeBatchError, UsageError
from fakebatch.inspection.endless import CLOSING, Endless
from fakebatch.rules.scenario import Scenario
from support.waiting import DAY, HOUR, STALLS, Run, outage


def test_a_million_sleeps_are_enough() -> None:
    """Of one waiter, after the last change: a poll each 10 ms may take two hours and more."""
    assert signature(Endless).parameters["max_sleeps"].default == 1_000_000


def test_who_sleeps_more_often_is_ended() -> None:
    """The message says how often, since when, and where the limit is set."""
    run = Run(STALLS["validating"], max_sleeps=10_000)
    path = run.create()
    run.call(path)
    with pytest.raises(FakeBatchError) as caught:
        while True:
            run.sleep(0.01)
    came, known, to_do = str(caught.value).splitlines()
    assert run.elapsed == pytest.approx(100)
    assert came == "fakebatch: the wait at app.py:7 never ends."
    assert known.startswith("It has slept 10,000 times since 2026-08-19T14:41:14Z, and nothing")
    assert known.endswith(f" has changed. {path[9:]} is 'validating'.")
    assert to_do.endswith("FakeBatch(max_sleeps=20_000).")


def sleeps_until_ended(run: Run, **options: Any) -> int:
    for count in range(100_000):
        try:
            run.sleep(1, **options)
        except FakeBatchError:
            return count
    raise AssertionError


def test_sleeps_count_from_the_last_change_on() -> None:
    """Lines that finish are changes, as is what a caller does."""
    run = Run(max_sleeps=60)
    run.create()  # runs for 115 s, a line each ten
    assert 115 + 60 <= sleeps_until_ended(run) <= 115 + 120
    run.upload()
    assert sleeps_until_ended(run) == 60


def test_an_event_loop_has_as_many_sleeps_as_sleepers() -> None:
    """Its tasks sleep side by side."""
    assert sleeps_until_ended(Run(max_sleeps=60), side_by_side=5) == 300


@pytest.mark.parametrize(("limit", "days"), [({}, 400), ({"max_elapsed": "2d"}, 2)])
def test_years_are_too_long(limit: dict[str, Any], days: int) -> None:
    """A sleep that would end later than the limit is not slept."""
    run = Run(**limit)
    run.sleep(days * DAY)
    with pytest.raises(FakeBatchError) as caught:
        run.sleep(1)
    _, known, to_do = str(caught.value).splitlines()
    assert known == f"{days}d of virtual time have passed since the start. No call was made."
    assert to_do.endswith(f"FakeBatch(max_elapsed='{2 * days}d').")


def test_who_was_ended_may_still_close_what_is_open() -> None:
    """A hundred sleeps are left; then each raises the error again."""
    run = Run(max_sleeps=60)
    assert sleeps_until_ended(run) == 60
    for _ in range(40):
        run.call("/batches")
    assert sleeps_until_ended(run) == CLOSING - 40
    assert sleeps_until_ended(run) == 0


LAST_CALLS: dict[str, tuple[str, str, Scenario]] = {
    "an object that does not exist": (
        "/batches/batch_none",
        "The last call, batches.retrieve of batch_none, was answered with 404.",
        Scenario(),
    ),
    "a listing": ("/batches", "The last call, batches.list, was answered with 200.", Scenario()),
    "what is no operation": (
        "/nonsense",
        "The last call, GET /nonsense, was answered with 404.",
        Scenario(),
    ),
}


@pytest.mark.parametrize(("path", "known", "scenario"), LAST_CALLS.values(), ids=LAST_CALLS)
def test_the_last_call_is_named(path: str, known: str, scenario: Scenario) -> None:
    """Where it is about no batch."""
    with pytest.raises(FakeBatchError) as caught:
        Run(scenario).polls(path, every=HOUR)
    assert known in str(caught.value)


def test_an_outage_without_an_end_is_named() -> None:
    """Beside what the batch is, which the client never learns."""
    run = Run(outage())
    path = run.create()
    known = f"{path[9:]} is 'completed'; batches.retrieve was answered with 503\\. Nothing has"
    with pytest.raises(FakeBatchError, match=known):
        run.polls(path, every=HOUR)


MISUSES: dict[str, tuple[dict[str, Any], str]] = {
    "no time": ({"max_idle": 0}, "max_idle=0 would"),
    "no time at all": ({"max_elapsed": "0s"}, "max_elapsed='0s' would"),
    "no sleep": ({"max_sleeps": 0}, "max_sleeps=0 would"),
    "no number": ({"max_sleeps": True}, "max_sleeps=True would"),
}


@pytest.mark.parametrize(("limit", "known"), MISUSES.values(), ids=MISUSES)
def test_a_limit_lets_something_happen(limit: dict[str, Any], known: str) -> None:
    """One that does not is refused, with an example."""
    with pytest.raises(UsageError, match=known) as caught:
        Run(**limit)
    assert str(caught.value).count("\n") == 2

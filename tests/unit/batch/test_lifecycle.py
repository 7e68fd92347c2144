from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product

import pytest

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import (
    TERMINAL,
    TRANSITIONS,
    WHOLE,
    Mark,
    Progress,
    Status,
    Timeline,
)
from fakebatch.durations import SECOND
from fakebatch.rules.batches import Schedule
from fakebatch.rules.scenario import Scenario
from support.batches import DAY, OVERDUE, after, batch, jsonl, requests

LIFE = Timeline(
    (
        Mark(0, Status.VALIDATING),
        Mark(10, Status.IN_PROGRESS),
        Mark(20, Status.FINALIZING),
        Mark(20, Status.COMPLETED),
    )
)

MOMENTS = {
    "before it began: the first status": (-1, Status.VALIDATING),
    "at its beginning": (0, Status.VALIDATING),
    "just before a change": (9, Status.VALIDATING),
    "at a change: the new status": (10, Status.IN_PROGRESS),
    "between changes": (15, Status.IN_PROGRESS),
    "two changes at one moment: the later status": (20, Status.COMPLETED),
    "long after": (10**18, Status.COMPLETED),
}


@pytest.mark.parametrize(("now", "expected"), MOMENTS.values(), ids=MOMENTS)
def test_a_status_holds_from_its_mark_to_the_next(now: int, expected: Status) -> None:
    """At any moment the status is that of the last mark that has begun."""
    assert expected is LIFE.at(now).status


def test_a_status_has_begun_only_when_its_mark_has_come() -> None:
    """`has_begun` knows the past, `starts` knows the future as well."""
    assert not LIFE.has_begun(Status.FINALIZING, 19)
    assert LIFE.has_begun(Status.FINALIZING, 20)
    assert not LIFE.has_begun(Status.EXPIRED, 10**18)
    assert LIFE.starts(Status.FINALIZING) == 20
    assert LIFE.starts(Status.EXPIRED) is None
    assert LIFE.marks[-1] == Mark(20, Status.COMPLETED)


def test_four_statuses_are_final() -> None:
    """Completed, failed, expired and cancelled have no successor; every status can be reached."""
    final = {Status.COMPLETED, Status.FAILED, Status.EXPIRED, Status.CANCELLED}
    assert final == TERMINAL
    assert set(Status) == {Status.VALIDATING}.union(*TRANSITIONS.values())


CONTENTS = {
    "no file": None,
    "no line": b"",
    "a bad line": jsonl(b"{"),
    "one line": requests(1),
    "three lines": requests(3),
}
WINDOW = DAY // SECOND
SPANS = [0, 1e-6, 10, WINDOW - 1e-6, WINDOW, WINDOW + 1e-6, WINDOW + 1, 3 * WINDOW]
CANCELS = [None, 0, 9, 10, 20, WINDOW, WINDOW + 1, 3 * WINDOW]


def every_plan() -> Iterator[Batch]:
    for content, validating, working, cancel in product(CONTENTS.values(), SPANS, SPANS, CANCELS):
        schedule = Schedule(validating=validating, in_progress=working, finalizing=7)
        scenario = Scenario(schedule=schedule)
        made = batch(content, scenario=scenario, missing=content is None)
        if cancel is None:
            yield made
        elif made.status(after(cancel)) not in TERMINAL:
            yield batch(content, scenario=scenario, missing=content is None, cancelled=cancel)


def test_every_plan_follows_the_transitions() -> None:
    """All plans together take every step of the table, and none takes another."""
    steps = {
        (mark.status, following.status)
        for made in every_plan()
        for mark, following in pairwise(made.timeline.marks)
    }
    assert {(before, after) for before in Status for after in TRANSITIONS[before]} == steps


def test_every_plan_begins_validating_and_ends_in_order() -> None:
    """Marks ascend from creation to a final status."""
    for made in every_plan():
        moments = [mark.at for mark in made.timeline.marks]
        assert made.timeline.marks[0] == Mark(made.created, Status.VALIDATING)
        assert moments == sorted(moments)
        assert made.end.status in TERMINAL


PLANS = {
    "valid": batch(),
    "overdue": batch(scenario=Scenario(schedule=OVERDUE)),
    "without input": batch(missing=True),
    "cancelled": batch(cancelled=5),
}


@pytest.mark.parametrize("made", PLANS.values(), ids=PLANS)
def test_every_plan_agrees_with_its_timeline(made: Batch) -> None:
    """The status told before anything is evaluated is the one the timeline gives."""
    for mark in made.timeline.marks:
        for now in (mark.at - 1, mark.at, mark.at + 1):
            assert made.status(now) is made.timeline.at(now).status


PAUSES = {
    "before anything is done": (0, 0),
    "between two points": (100_000, 25),
    "at a point": (200_000, 50),
    "between the last two": (600_000, 75),
    "with all the work done": (WHOLE, 100),
}


@pytest.mark.parametrize(("parts", "start"), PAUSES.values(), ids=PAUSES)
def test_progress_can_pause(parts: int, start: int) -> None:
    """Where so much is done; what comes after is as much later as the pause is long."""
    steady = Progress.linear(0, 100, [(0.5, 0.2)])
    paused = steady.stalled(parts, 40)
    done = [paused.done(WHOLE, at) for at in range(200)]

    assert done[: start + 1] == [steady.done(WHOLE, at) for at in range(start + 1)]
    assert {*done[start : start + 41]} == {parts}
    assert done[start + 40 :] == [steady.done(WHOLE, at) for at in range(start, 160)]

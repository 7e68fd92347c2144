from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fakebatch import UsageError
from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import Counts, Status
from fakebatch.dialects import OPENAI
from fakebatch.durations import SECOND
from fakebatch.rules.batches import BatchRule, CancelTo, Expire, Schedule
from fakebatch.rules.lines import Fail, LineRule
from fakebatch.rules.scenario import Scenario
from fakebatch.service import view
from support.batches import (
    DAY,
    OVERDUE,
    SCHEDULE,
    T0,
    after,
    batch,
    failing,
    jsonl,
    request,
    requests,
)

OVER = DAY // SECOND
"""The second in which the completion window ends."""


def marks(of: Batch) -> list[tuple[float, str]]:
    """What begins when, in seconds after creation."""
    return [((mark.at - T0) / SECOND, mark.status.value) for mark in of.timeline.marks]


def overdue(cancelled: int | None = None) -> Batch:
    return batch(scenario=Scenario(schedule=OVERDUE), cancelled=cancelled)


def scheduled(validating: float, in_progress: float, finalizing: float) -> Batch:
    schedule = Schedule(validating=validating, in_progress=in_progress, finalizing=finalizing)
    return batch(scenario=Scenario(schedule=schedule))


BEGINNING = (0, "validating")
RUNNING = (10, "in_progress")
CANCELLING = 606
EXPIRING = 606
SKIPPING = replace(OPENAI, skips_bad_lines=True)

LIVES: dict[str, tuple[Batch, list[tuple[float, str]]]] = {
    "a valid batch completes": (
        batch(),
        [BEGINNING, RUNNING, (110, "finalizing"), (115, "completed")],
    ),
    "the default schedule takes an hour": (
        batch(scenario=Scenario()),
        [BEGINNING, (65, "in_progress"), (3_535, "finalizing"), (3_600, "completed")],
    ),
    "a batch whose lines all fail completes": (
        batch(requests(1), scenario=failing("r-0")),
        [BEGINNING, RUNNING, (110, "finalizing"), (115, "completed")],
    ),
    "an invalid batch fails when validated": (batch(b"{}"), [BEGINNING, (10, "failed")]),
    "a provider that skips bad lines fails a batch of them alone": (
        batch(b"{}", dialect=SKIPPING),
        [BEGINNING, (10, "failed")],
    ),
    "and runs the good ones": (
        batch(b"{}\n" + requests(10), dialect=SKIPPING),
        [BEGINNING, RUNNING, (110, "finalizing"), (115, "completed")],
    ),
    "an empty batch fails when validated": (batch(b""), [BEGINNING, (10, "failed")]),
    "a batch without input file fails when validated": (
        batch(missing=True),
        [BEGINNING, (10, "failed")],
    ),
    "a batch that loses its input file fails when validated": (
        batch().without_input(),
        [BEGINNING, (10, "failed")],
    ),
    "cancelled at once": (
        batch(cancelled=0),
        [BEGINNING, (0, "cancelling"), (CANCELLING, "cancelled")],
    ),
    "cancelled while validating": (
        batch(cancelled=9),
        [BEGINNING, (9, "cancelling"), (9 + CANCELLING, "cancelled")],
    ),
    "cancelled while validating what is invalid": (
        batch(b"{}", cancelled=9),
        [BEGINNING, (9, "cancelling"), (9 + CANCELLING, "cancelled")],
    ),
    "cancelled as it begins to run": (
        batch(cancelled=10),
        [BEGINNING, RUNNING, (10, "cancelling"), (10 + CANCELLING, "cancelled")],
    ),
    "cancelled while running": (
        batch(cancelled=60),
        [BEGINNING, RUNNING, (60, "cancelling"), (60 + CANCELLING, "cancelled")],
    ),
    "cancelled while finalizing": (
        batch(cancelled=112),
        [
            *(BEGINNING, RUNNING, (110, "finalizing")),
            *((112, "cancelling"), (112 + CANCELLING, "cancelled")),
        ],
    ),
    "not done when the window ends: it expires": (
        overdue(),
        [BEGINNING, RUNNING, (OVER + 1, "finalizing"), (OVER + 1 + EXPIRING, "expired")],
    ),
    "cancelled while expiring": (
        overdue(OVER + 2),
        [
            *(BEGINNING, RUNNING, (OVER + 1, "finalizing")),
            *((OVER + 2, "cancelling"), (OVER + 2 + CANCELLING, "cancelled")),
        ],
    ),
    "done with the end of the window: it completes": (
        scheduled(0, OVER, 5),
        [BEGINNING, (0, "in_progress"), (OVER, "finalizing"), (OVER + 5, "completed")],
    ),
    "done a microsecond later: it expires": (
        scheduled(0, OVER + 1e-6, 5),
        [
            *(BEGINNING, (0, "in_progress")),
            *((OVER + 1, "finalizing"), (OVER + 1 + EXPIRING, "expired")),
        ],
    ),
    "expires by a rule, with all lines done": (
        batch(
            scenario=Scenario(schedule=SCHEDULE, on_batch=(BatchRule(expire=Expire(1.0)),)),
        ),
        [BEGINNING, RUNNING, (OVER + 1, "finalizing"), (OVER + 1 + EXPIRING, "expired")],
    ),
    "validated long after the window: it expires": (
        scheduled(OVER + 99, 1, 5),
        [
            *(BEGINNING, (OVER + 99, "in_progress")),
            *((OVER + 99, "finalizing"), (OVER + 99 + EXPIRING, "expired")),
        ],
    ),
    "no time at all": (
        scheduled(0, 0, 0),
        [BEGINNING, (0, "in_progress"), (0, "finalizing"), (0, "completed")],
    ),
}


@pytest.mark.parametrize(("made", "expected"), LIVES.values(), ids=LIVES)
def test_the_whole_life_of_a_batch_is_known(made: Batch, expected: list[tuple[float, str]]) -> None:
    """When each status begins follows from input, schedule and cancel alone."""
    assert expected == marks(made)


CANCELS = {
    "while it validates": 9,
    "while it runs": 60,
    "while it finalizes": 112,
}


@pytest.mark.parametrize("to", ["cancelled", "completed"])
@pytest.mark.parametrize("cancelled", CANCELS.values(), ids=CANCELS)
def test_a_cancel_keeps_the_past(cancelled: int, to: Any) -> None:
    """What has begun by then stays, whatever the cancel ends in; what had not is replaced."""
    rule = BatchRule(cancel_to=CancelTo(to))
    made = batch(scenario=Scenario(schedule=SCHEDULE, on_batch=(rule,)))
    past = [mark for mark in marks(made) if mark[0] <= cancelled]
    end = (cancelled + CANCELLING, to)
    assert marks(made.cancel(after(cancelled))) == [*past, (cancelled, "cancelling"), end]


SOME_FAIL = batch(scenario=failing("r-1", "r-4", "r-7"))
NONE_FAIL = batch()
TOO_LATE = CancelTo("completed")

COUNTS: dict[str, tuple[Batch, float, Counts]] = {
    "validating: nothing is counted": (NONE_FAIL, 9.9, Counts()),
    "as it begins to run: the total": (NONE_FAIL, 10, Counts(10)),
    "before the first line is done": (NONE_FAIL, 19.9, Counts(10)),
    "a tenth of the time: a tenth of the lines": (NONE_FAIL, 20, Counts(10, 1)),
    "half of the time: half of the lines": (NONE_FAIL, 60, Counts(10, 5)),
    "just before finalizing": (NONE_FAIL, 109.9, Counts(10, 9)),
    "finalizing": (NONE_FAIL, 110, Counts(10, 10)),
    "completed": (NONE_FAIL, 115, Counts(10, 10)),
    "failing lines are counted apart": (SOME_FAIL, 115, Counts(10, 7, 3)),
    "failed: nothing is counted": (batch(b"{}"), 99, Counts()),
    "cancelled while validating: nothing is counted": (batch(cancelled=9), 999, Counts()),
    "cancelled while running: counts stand still": (batch(cancelled=60), 70, Counts(10, 5)),
    "cancelled: lines that never ran have not failed": (batch(cancelled=60), 999, Counts(10, 5)),
    "cancelled while finalizing: all were done": (batch(cancelled=112), 999, Counts(10, 10)),
    "expired: lines that never ran have not failed": (overdue(), 2 * OVER, Counts(10, 5)),
    "cancelled while expiring": (overdue(OVER + 2), 2 * OVER, Counts(10, 5)),
    "cancelled as the window ends, too late: all were done": (
        batch(
            scenario=Scenario(schedule=OVERDUE, on_batch=(BatchRule(cancel_to=TOO_LATE),)),
            cancelled=OVER,
        ),
        2 * OVER,
        Counts(10, 10),
    ),
    "validated after the window: nothing ran": (
        scheduled(OVER + 99, 1, 5),
        2 * OVER,
        Counts(10),
    ),
    "no time at all: all done at once": (scheduled(0, 0, 0), 0, Counts(10, 10)),
}


@pytest.mark.parametrize(("made", "seconds", "expected"), COUNTS.values(), ids=COUNTS)
def test_counts_follow_from_the_moment(made: Batch, seconds: float, expected: Counts) -> None:
    """Lines finish evenly while the batch is in progress, and at no other time."""
    assert expected == made.counts(after(seconds))


def test_the_schedule_of_a_scenario_may_have_a_curve() -> None:
    """As that of a rule."""
    schedule = replace(SCHEDULE, curve=((0.9, 0.0),))
    assert batch(scenario=Scenario(schedule=schedule)).counts(after(99)) == Counts(10)


def test_what_begins_after_the_window_does_not_run() -> None:
    """A batch validated after its window has ended finishes no line, however fast they are."""
    assert scheduled(OVER + 99, 0, 5).counts(after(2 * OVER)) == Counts(10)


def test_a_plan_is_not_evaluated_before_validation_ends() -> None:
    """Showing a batch that validates reads none of its lines: 50,000 of them cost nothing."""
    made = batch()
    assert made.status(after(5)) is Status.VALIDATING
    view.batch_object(made, after(5))
    assert "validation" not in vars(made)


ORDERS = {"the same seed": (b"0", True), "another seed": (b"1", False)}


@pytest.mark.parametrize(("seed", "expected"), ORDERS.values(), ids=ORDERS)
def test_the_seed_decides_the_order(seed: bytes, *, expected: bool) -> None:
    """Lines finish in an order that follows from the seed and is not the input's."""
    order = batch(seed=b"0").outcomes.order
    assert sorted(order) == list(range(10))
    assert order != list(range(10))
    assert expected is (order == batch(seed=seed).outcomes.order)


def test_blank_lines_are_in_no_count() -> None:
    """The total is the number of requests, not of lines."""
    content = b"\n".join([jsonl(request("a")), jsonl(request("b")), b"\r\n"])
    assert batch(content).counts(after(999)) == Counts(2, 2)


def test_a_broken_predicate_is_told_when_lines_begin_to_count() -> None:
    """A predicate of the test that raises is a misuse, and names the line it was called for."""
    rule = LineRule(lambda line: bool(line.body["nothing"]), fail=Fail(429))
    made = batch(requests(1), scenario=Scenario(schedule=SCHEDULE, on=(rule,)))
    assert made.status(after(20)) is Status.IN_PROGRESS
    with pytest.raises(UsageError) as caught:
        made.counts(after(20))
    assert str(caught.value).split("\n") == [
        "fakebatch: The predicate given to fakebatch.on raised KeyError: 'nothing'",
        "It was called for custom_id 'r-0' (/v1/chat/completions).",
        "Correct the callable; its traceback is above.",
    ]

"""Laws of batches: whatever a scenario makes of one, its life is a life."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, reject
from hypothesis import strategies as st

from fakebatch.batch.batch import Batch, BatchCreateParams
from fakebatch.batch.lifecycle import TERMINAL, TRANSITIONS
from fakebatch.batch.output_file import results
from fakebatch.dialects import OPENAI
from fakebatch.durations import SECOND
from fakebatch.errors import UsageError
from fakebatch.ids import IdFactory
from fakebatch.rules.batches import BatchRule, Schedule
from fakebatch.rules.scenario import Scenario
from support.any_rule import built
from support.batches import as_first
from support.client import chat, jsonl

DAY = 86_400 * SECOND
START = 1_767_225_600 * SECOND


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """A schedule, and rules for the batch that go together."""
    scenario = Scenario(schedule=draw(built(Schedule)))
    for rule in draw(st.lists(built(BatchRule), max_size=4)):
        try:
            scenario = scenario.with_rule(rule)
        except UsageError:
            continue
    return scenario


def planned(scenario: Scenario, lines: int, cancelled: int | None = None) -> Batch:
    params = BatchCreateParams("/v1/chat/completions", "24h", "file-1")
    content = jsonl(chat(f"r{number}") for number in range(lines))
    batch = Batch(
        id="batch_1",
        created=START,
        params=params,
        content=content,
        scenario=scenario,
        dialect=OPENAI,
        models=None,
        id_factory=IdFactory(b"0"),
        cancelled=cancelled,
    )
    batch = as_first(batch)
    try:
        assert batch.overrides is not None
    except UsageError:  # rules with different conditions, which meet in it
        reject()
    return batch


looks = st.lists(st.integers(0, 3 * DAY), max_size=6).map(sorted)


@given(scenarios(), st.none() | st.integers(0, 2 * DAY), looks, st.integers(1, 7))
def test_every_life_is_a_life(
    scenario: Scenario, cancelled: int | None, moments: list[int], lines: int
) -> None:
    """Its statuses come one after the other, its counts stay within the total and never fall."""
    batch = planned(scenario, lines)
    if cancelled is not None and batch.status(START + cancelled) not in TERMINAL:
        batch = planned(scenario, lines, START + cancelled)
    marks, cancel_to = batch.timeline.marks, batch.overrides.cancel_to
    is_late_cancel = cancel_to is not None and cancel_to.status == "completed"

    assert [mark.at for mark in marks] == sorted(mark.at for mark in marks)
    assert marks[0].at == START
    for before, after in pairwise(marks):
        assert after.status in TRANSITIONS[before.status] or is_late_cancel
    seen = [batch.counts(START + moment) for moment in moments]
    for counts in seen:
        assert 0 <= counts.completed + counts.failed <= counts.total <= lines
    completed = [counts.completed for counts in seen]
    assert completed == sorted(completed)


@given(scenarios(), st.integers(1, 5))
def test_every_life_leaves_result_lines_for_its_requests_alone(
    scenario: Scenario, lines: int
) -> None:
    """As many as have finished are in the output file, unless it shall be empty."""
    batch = planned(scenario, lines)
    content = bytes(results(batch).output)
    written = [line for line in content.split(b"\n") if line.strip(b"\xef\xbb\xbf\r")]
    counts = batch.counts(batch.end.at)

    assert len(written) == (0 if batch.overrides.result_files.empty else counts.completed)

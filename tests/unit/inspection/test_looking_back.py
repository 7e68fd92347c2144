"""What a batch and a file tell about themselves: plan, history, lines, writers, downloads."""

from __future__ import annotations

from datetime import datetime, timedelta

import openai
import pytest

from fakebatch import FakeBatch, UsageError
from fakebatch.rules.lines import Echo, Fail
from support.client import Driver, chat, jsonl

pytestmark = pytest.mark.sync
VALIDATED, WORKED, ENDED = 65, 65 + 3470, 65 + 3470 + 65


def seconds(start: datetime, at: datetime | None) -> float | None:
    return None if at is None else (at - start).total_seconds()


def test_a_batch_knows_its_plan_and_its_history(do: Driver, fakebatch: FakeBatch) -> None:
    """The plan reaches to the end; the history to now."""
    start = fakebatch.clock.now
    batch = fakebatch.batches[do.create([chat("a")]).id]
    do.sleep(VALIDATED)

    assert [(step.status, seconds(start, step.at)) for step in batch.plan] == [
        ("validating", 0),
        ("in_progress", VALIDATED),
        ("finalizing", WORKED),
        ("completed", ENDED),
    ]
    assert batch.history == batch.plan[:2]


def test_a_cancel_makes_another_plan_and_the_same_history(do: Driver, fakebatch: FakeBatch) -> None:
    """What was planned after it does not come any more."""
    batch = fakebatch.batches[do.create([chat("a")]).id]
    do.sleep(100)
    before = batch.history
    do(do.client.batches.cancel, batch.id)

    assert batch.history[:2] == before
    assert [step.status for step in batch.plan[2:]] == ["cancelling", "cancelled"]


def test_each_line_knows_what_comes_of_it_when_and_where(do: Driver, fakebatch: FakeBatch) -> None:
    """In the order of the input; at its moment the counts go up, in its file its result lies."""
    fakebatch.on(custom_id="bad").fail(429)
    start = fakebatch.clock.now
    batch = fakebatch.batches[do.create([chat("a"), chat("bad"), chat("c")]).id]
    lines = batch.lines

    assert [line.custom_id for line in lines] == ["a", "bad", "c"]
    assert [type(line.outcome) for line in lines] == [Echo, Fail, Echo]
    assert lines["bad"] == lines[1] == lines[-2] == lines[1:][0]
    finishes = sorted(seconds(start, line.finishes) or 0 for line in lines)
    assert finishes == pytest.approx([VALIDATED + 3470 * n / 3 for n in (1, 2, 3)], abs=1e-5)

    last = max(lines, key=lambda line: line.finishes or start)
    assert last.finishes is not None
    fakebatch.clock.move_to(last.finishes - timedelta(microseconds=1))
    assert sum(batch.request_counts.values()) == 3 + 2
    fakebatch.clock.move_to(last.finishes)
    assert sum(batch.request_counts.values()) == 3 + 3
    fakebatch.clock.advance("1h")
    found = {
        line.custom_id: line.file_id
        for line in lines
        if line.custom_id in {one["custom_id"] for one in do.results(line.file_id)}
    }
    assert found == {
        "a": batch.output_file_id,
        "bad": batch.error_file_id,
        "c": batch.output_file_id,
    }


def test_a_line_that_never_ran_has_no_end(do: Driver, fakebatch: FakeBatch) -> None:
    """It will be in the error file all the same."""
    created = do.create([chat("a"), chat("b")])
    do.sleep(VALIDATED + 3470 / 2)
    do(do.client.batches.cancel, created.id)
    do.sleep(3600)
    batch = fakebatch.batches.only()

    assert {line.file_id for line in batch.lines if line.finishes is None} == {batch.error_file_id}
    assert {line.file_id for line in batch.lines if line.finishes} == {batch.output_file_id}


def test_a_batch_that_fails_has_no_lines(do: Driver, fakebatch: FakeBatch) -> None:
    """Nothing of it runs."""
    do.create(jsonl([chat("a")]) + b"{")

    assert [*fakebatch.batches.only().lines] == []
    assert repr(fakebatch.batches.only().lines) == "<0 lines: >"


def test_an_unknown_line_is_told(do: Driver, fakebatch: FakeBatch) -> None:
    """Three lines; of many custom_ids the first five."""
    id_ = do.create([chat(f"r{n}") for n in range(7)]).id
    with pytest.raises(UsageError) as caught:
        fakebatch.batches.only().lines["r7"]

    assert str(caught.value).split("\n") == [
        f"fakebatch: {id_} has no line with custom_id 'r7'.",
        "The custom_ids of its lines are 'r0', 'r1', 'r2', 'r3', 'r4' and 2 more.",
        "Use one of these, or the index of a line, from 0.",
    ]


def test_a_file_knows_who_wrote_it_and_when_it_was_downloaded(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """The client, a batch, or the test; a download that failed is none."""
    ended = do.run([chat("a")])
    placed = fakebatch.files.add(b"{}")
    files = fakebatch.files
    with pytest.raises(openai.NotFoundError):
        do(do.client.files.content, "file-none")
    for _ in range(2):
        do(do.client.files.content, ended.output_file_id)

    assert [one.written_by for one in files.values()] == ["files.create", ended.id, "files.add"]
    assert files[ended.output_file_id].downloads == (fakebatch.clock.now,) * 2
    assert (files[ended.input_file_id].downloads, placed.downloads) == ((), ())

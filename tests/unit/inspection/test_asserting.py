"""Assertions about a client: when they hold, and what they say when they do not."""

from __future__ import annotations

from collections.abc import Callable

import openai
import pytest

from fakebatch import FakeBatch
from fakebatch.inspection import journal
from support.client import Driver, chat

pytestmark = pytest.mark.sync
START = "2026-01-01T00:"


def error_lines(assertion: Callable[[], None]) -> list[str]:
    """The lines of a failure."""
    with pytest.raises(AssertionError) as caught:
        assertion()
    return str(caught.value).split("\n")


def collect(do: Driver, *files: str | None) -> None:
    for file in files:
        do(do.client.files.content, file)


def again(do: Driver, batch: openai.types.Batch) -> str:
    """The id of another batch for the same file."""
    values = batch.input_file_id, batch.endpoint, batch.completion_window
    names = "input_file_id", "endpoint", "completion_window"
    return str(do(do.client.batches.create, **dict(zip(names, values, strict=True))).id)


def test_all_is_collected_once_every_result_file_was_downloaded(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """What is not there yet cannot be collected; a file of another batch is one too."""
    fakebatch.on(custom_id="bad").fail(429)
    batch = do.create([chat("a"), chat("bad")])
    fakebatch.assert_all_downloaded()
    ended = do.poll(batch)[-1]
    collect(do, ended.output_file_id, ended.error_file_id)

    fakebatch.assert_all_downloaded()


def test_what_was_not_collected_is_named(do: Driver, fakebatch: FakeBatch) -> None:
    """Each file with its kind and its batch; a deleted one too."""
    fakebatch.on(custom_id="bad").fail(429)
    one = do.run([chat("a"), chat("bad")])
    other = do.run([chat("b")])
    collect(do, one.output_file_id)
    do(do.client.files.delete, other.output_file_id)

    assert error_lines(fakebatch.assert_all_downloaded) == [
        "fakebatch: 2 result files were never downloaded.",
        (
            f"{one.error_file_id} (errors of {one.id}) and "
            f"{other.output_file_id} (output of {other.id})."
        ),
        "Download output_file_id and error_file_id of every batch that has ended.",
    ]


@pytest.mark.parametrize(
    ("lines", "leads_to"),
    [
        pytest.param([chat("b")], "completed", id="another input"),
        pytest.param([chat("a"), chat("a")], "failed", id="one that failed before"),
    ],
)
def test_other_batches_are_no_duplicates(
    do: Driver, fakebatch: FakeBatch, lines: list[dict[str, object]], leads_to: str
) -> None:
    """Another input is another job; what failed may be sent again."""
    do.run([chat("a")])
    batch = do.run(lines)
    assert batch.status == leads_to
    if leads_to == "failed":
        again(do, batch)

    fakebatch.assert_single_batch()


def test_after_a_cancel_the_same_input_may_be_sent_again(do: Driver, fakebatch: FakeBatch) -> None:
    """Once the cancel is through."""
    batch = do.create([chat("a")])
    do(do.client.batches.cancel, batch.id)
    do.sleep(606)
    again(do, batch)

    fakebatch.assert_single_batch()


def test_batches_for_the_same_input_are_named_with_their_calls(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """The content counts, not the id of the file; a batch the test put in place has no call."""
    placed = fakebatch.batches.add([chat("a")], status="in_progress")
    first = do.create([chat("a")])
    do.sleep(60)
    second = again(do, first)

    assert error_lines(fakebatch.assert_single_batch) == [
        "fakebatch: 3 batches were created for the same input.",
        (
            f"{placed.id} (added by the test), "
            f"{first.id} (batches.create at {START}00:00Z: 200) and "
            f"{second} (batches.create at {START}01:00Z: 200)."
        ),
        "List the batches before you retry a create: the failed call may have succeeded.",
    ]


def test_a_call_that_the_journal_has_dropped_is_still_named(
    do: Driver, fakebatch: FakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours of uneven polls push it out; that makes the batch none of the test's own."""
    monkeypatch.setattr(journal, "KEPT", 1)
    first = do.create([chat("a")])
    second = again(do, first)
    do(do.client.models.list)

    assert not fakebatch.journal.calls("batches.create")
    assert error_lines(fakebatch.assert_single_batch)[1] == (
        f"{first.id} (batches.create at {START}00:00Z: 200) and "
        f"{second} (batches.create at {START}00:00Z: 200)."
    )


def test_no_file_is_left_over_once_all_are_deleted(do: Driver, fakebatch: FakeBatch) -> None:
    """Inputs and results."""
    ended = do.run([chat("a")])
    for file in (ended.input_file_id, ended.output_file_id):
        do(do.client.files.delete, file)

    fakebatch.assert_no_leftover_files()


def test_leftover_files_are_named(do: Driver, fakebatch: FakeBatch) -> None:
    """With purpose and name; of many the first five."""
    batch = do.run([chat("a")])
    assert error_lines(fakebatch.assert_no_leftover_files) == [
        "fakebatch: 2 files were left behind.",
        (
            f"{batch.input_file_id} (batch, 'in.jsonl') and "
            f"{batch.output_file_id} (batch_output, '{batch.id}_output.jsonl')."
        ),
        "Delete input, output and error files when you no longer need them.",
    ]
    for _ in range(5):
        do.upload([chat("a")])
    assert error_lines(fakebatch.assert_no_leftover_files)[1].endswith(" and 2 more.")
    do(do.client.files.delete, batch.input_file_id)


@pytest.mark.parametrize("least", [60, "1m"])
def test_a_polite_client_keeps_its_distance(
    do: Driver, fakebatch: FakeBatch, least: float | str
) -> None:
    """Two batches may be polled at once, and one that has ended is not polled but looked at."""
    batches = [do.create([chat(name)]) for name in "ab"]
    do.poll(batches[0])
    do(do.client.batches.retrieve, batches[1].id)
    do(do.client.batches.retrieve, batches[1].id)

    fakebatch.assert_min_poll_interval(least)


def test_two_polls_that_are_too_close_are_named(do: Driver, fakebatch: FakeBatch) -> None:
    """The closest two, with their moments."""
    batch = do.create([chat("a")])
    for wait in (60, 30, 4.5, 20):
        do.sleep(wait)
        do(do.client.batches.retrieve, batch.id)
    fakebatch.assert_min_poll_interval(4.5)

    assert error_lines(lambda: fakebatch.assert_min_poll_interval("5m")) == [
        f"fakebatch: {batch.id} was polled twice within 4.5s.",
        f"The polls were at {START}01:30Z and {START}01:34.500000Z; min_interval is 5m.",
        "Sleep longer between two polls, or allow a smaller min_interval.",
    ]

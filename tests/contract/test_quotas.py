"""What is allowed for a time or at a time, and how a client finds out."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat
from support.doors import ONE_IN_PROCESS

pytestmark = [pytest.mark.sync, ONE_IN_PROCESS]
TEXT = "x" * 400  # 100 tokens
OVER = (
    "Enqueued token limit reached for gpt-4o-mini in organization org-fakebatch. Limit: 1,000 "
    "enqueued tokens. Please try again once some in_progress batches have been completed."
)


def lines(count: int, **body: Any) -> list[dict[str, Any]]:
    """So many requests of 100 tokens each."""
    return [chat(f"r{number}", TEXT, **body) for number in range(count)]


def status(do: Driver, batch: Any) -> str:
    return str(do(do.client.batches.retrieve, batch.id).status)


@pytest.mark.fakebatch(limits={"enqueued_tokens": 1_000})
def test_a_batch_over_the_quota_fails_after_its_creation(do: Driver) -> None:
    """Six and five hundred tokens are too many at once; only the batch says so, later."""
    first, second = do.create(lines(6)), do.create(lines(5))
    assert (first.status, second.status) == ("validating", "validating")
    failed = do.poll(second)[-1]

    entry = failed.errors.data[0]
    assert (entry.code, entry.message) == ("token_limit_exceeded", OVER)
    assert (entry.param, entry.line, len(failed.errors.data)) == (None, None, 1)
    assert (failed.request_counts.total, failed.output_file_id) == (0, None)
    assert do.poll(first)[-1].status == "completed"


@pytest.mark.parametrize(
    ("second", "fits"),
    [
        pytest.param(lines(4), True, id="just as much as there is"),
        pytest.param(lines(5), False, id="a hundred too many"),
        pytest.param(lines(9, model="gpt-4o"), True, id="another model has a quota of its own"),
        pytest.param(lines(4, max_tokens=9_999), True, id="what may be answered does not count"),
    ],
)
@pytest.mark.fakebatch(limits={"enqueued_tokens": 1_000})
def test_the_quota_is_for_the_prompt_tokens_of_a_model(
    do: Driver, second: list[dict[str, Any]], fits: bool
) -> None:
    """What waits already and what comes are added up."""
    do.create(lines(6))
    batch = do.create(second)
    do.sleep(600)
    assert status(do, batch) == ("in_progress" if fits else "failed")


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param("59m", "failed", id="while the first one runs"),
        pytest.param("60m30s", "failed", id="just after its end: not given back yet"),
        pytest.param("61m", "in_progress", id="a minute after its end"),
    ],
)
@pytest.mark.fakebatch(limits={"enqueued_tokens": 1_000, "enqueued_release": 60})
def test_the_quota_is_given_back_late(
    do: Driver, fakebatch: FakeBatch, after: str, expected: str
) -> None:
    """A resubmission at once fails again."""
    do.create(lines(6))
    fakebatch.clock.advance(after)
    again = do.create(lines(6))
    fakebatch.clock.advance("2m")
    assert status(do, again) == expected


@pytest.mark.fakebatch(limits={"enqueued_tokens": 1_000})
def test_a_cancel_gives_back_when_it_is_over(do: Driver, fakebatch: FakeBatch) -> None:
    """A batch that is being cancelled counts for its ten minutes."""
    first = do.create(lines(6))
    do(do.client.batches.cancel, first.id)
    early = do.create(lines(6))
    fakebatch.clock.advance("12m")
    late = do.create(lines(6))
    fakebatch.clock.advance("2m")
    assert (status(do, early), status(do, late)) == ("failed", "in_progress")


@pytest.mark.fakebatch(limits={"enqueued_tokens": 1_000})
def test_a_bad_file_is_told_its_lines_and_takes_nothing(do: Driver) -> None:
    """Validation comes before the quota."""
    bad = do.create([*lines(11), chat("r0", TEXT)])
    good = do.create(lines(10))
    assert do.poll(bad)[-1].errors.data[0].code == "duplicate_custom_id"
    assert do.poll(good)[-1].status == "completed"


@pytest.mark.fakebatch(limits={"uploads_per_minute": 2})
def test_too_many_uploads_are_a_rate_limit_error(do: Driver, fakebatch: FakeBatch) -> None:
    """Two within the minute are let in; a minute later another."""
    client = do.client.with_options(max_retries=0)
    for _ in range(2):
        do(client.files.create, file=b"{}", purpose="batch")
    with pytest.raises(openai.RateLimitError, match="Limit 2 per minute"):
        do(client.files.create, file=b"{}", purpose="batch")
    fakebatch.clock.advance("1m")
    assert do(client.files.create, file=b"{}", purpose="batch").status == "processed"


@pytest.mark.parametrize("purpose", ["user_data", "fine-tune"])
def test_only_a_file_for_batches_is_batch_input(do: Driver, purpose: Any) -> None:
    """A file of another purpose is refused at once, and no batch is created."""
    file = do(do.client.files.create, file=("in.jsonl", b"{}"), purpose=purpose)
    with pytest.raises(openai.BadRequestError, match=f"Invalid file purpose '{purpose}'") as told:
        do(
            do.client.batches.create,
            input_file_id=file.id,
            endpoint="/v1/embeddings",
            completion_window="24h",
        )
    assert told.value.param == "input_file_id"
    assert do.all(do.client.batches.list) == []


def test_the_output_of_a_batch_is_no_input(do: Driver) -> None:
    """Nor is a result file."""
    done = do.run([chat("a")])
    with pytest.raises(openai.BadRequestError, match="Invalid file purpose 'batch_output'"):
        do(
            do.client.batches.create,
            input_file_id=done.output_file_id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
        )


@pytest.mark.fakebatch(limits={"enqueued_tokens": 1_000})
def test_restore_takes_back_what_was_released_since(do: Driver, fakebatch: FakeBatch) -> None:
    """A batch that a snapshot knows as waiting counts again, though it was cancelled after that."""
    waiting = do.create(lines(10))
    do.sleep(300)
    saved = fakebatch.snapshot()
    do(do.client.batches.cancel, waiting.id)
    do.sleep(1200)
    statuses: list[str] = []
    for _ in range(2):
        batch = do.create(lines(10))
        do.sleep(100)
        statuses.append(do(do.client.batches.retrieve, batch.id).status)
        fakebatch.restore(saved)
    assert statuses == ["in_progress", "failed"]

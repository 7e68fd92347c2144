"""Batches through the real SDK: listed, failed, cancelled, expired."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat, jsonl

pytestmark = pytest.mark.sync
LOST = {"r0", "r1", "r2", "r3"}


def test_batches_are_listed_newest_first_by_pages_of_twenty(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """Auto-paging sees each batch once, in three calls."""
    id_ = do.upload([chat("a")]).id
    asked: dict[str, Any] = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    create = do.client.batches.create
    ids = [do(create, input_file_id=id_, **asked).id for _ in range(45)]

    assert [one.id for one in do.all(do.client.batches.list)] == ids[::-1]
    assert fakebatch.journal.count("batches.list") == 3


@pytest.mark.parametrize(
    ("asked", "found", "more"),
    [
        pytest.param({}, "edcba", False, id="all on one page"),
        pytest.param({"limit": 0}, "", False, id="an empty page, which is the last"),
        pytest.param({"limit": 2}, "ed", True, id="the first page of two"),
        pytest.param({"limit": 5}, "edcba", False, id="a page that is just full"),
        pytest.param({"after": "d"}, "cba", False, id="after one"),
        pytest.param({"after": "d", "limit": 1}, "c", True, id="one after one"),
        pytest.param({"after": "a"}, "", False, id="after the last"),
    ],
)
def test_a_page_of_batches(do: Driver, asked: dict[str, Any], found: str, more: bool) -> None:
    """`limit` and `after` count from the newest; the ids of a page are those of its ends."""
    ids = {name: do.create([chat("a")], metadata={"name": name}).id for name in "abcde"}
    named = {**asked, "after": ids[asked["after"]]} if "after" in asked else asked
    page = do.wire(do.client.batches.with_raw_response.list, **named)

    assert list(page) == ["object", "data", "first_id", "last_id", "has_more"]
    assert "".join(one["metadata"]["name"] for one in page["data"]) == found
    ends = [ids[name] for name in (found[0], found[-1])] if found else [None, None]
    assert [page["first_id"], page["last_id"], page["has_more"]] == [*ends, more]


@pytest.mark.parametrize(
    ("second", "code", "param"),
    [
        pytest.param(b"{", "invalid_json_line", None, id="a line that is no JSON"),
        pytest.param(jsonl([chat("a")]), "duplicate_custom_id", "custom_id", id="an id twice"),
        pytest.param(
            jsonl([{**chat("b"), "url": "/v1/embeddings"}]), "invalid_url", "url", id="another url"
        ),
        pytest.param(
            jsonl([{**chat("b"), "body": None}]), "missing_required_parameter", "body", id="no body"
        ),
        pytest.param(
            jsonl([{**chat("b"), "method": "GET"}]), "invalid_method", "method", id="no POST"
        ),
        pytest.param(
            jsonl([chat("b", stream=True)]), "streaming_unsupported", "body.stream", id="a stream"
        ),
        pytest.param(
            jsonl([chat("b", model="gpt-5")]), "mismatched_model", "body.model", id="another model"
        ),
    ],
)
def test_one_bad_line_fails_the_whole_batch(
    do: Driver, second: bytes, code: str, param: str | None
) -> None:
    """Validation fails a batch for one bad line, names it, and nothing of the batch runs."""
    done = do.run(jsonl([chat("a")]) + second)
    entry = done.errors.data[0]

    assert (done.status, done.errors.object) == ("failed", "list")
    assert (entry.code, entry.param, entry.line) == (code, param, 2)
    assert done.failed_at == done.created_at + 65
    assert done.in_progress_at is done.completed_at is None
    assert (done.request_counts.total, done.output_file_id, done.error_file_id) == (0, None, None)


def test_an_unknown_input_file_fails_the_batch_later(do: Driver) -> None:
    """The create call succeeds; the reason comes with the failure."""
    create = do.client.batches.create
    asked: Any = {"input_file_id": "file-x", "endpoint": "/v1/embeddings"}
    batch = do(create, completion_window="24h", **asked)
    assert (batch.status, batch.errors) == ("validating", None)

    entry = do.poll(batch)[-1].errors.data[0]
    assert "Cannot find file file-x" in entry.message
    assert (entry.code, entry.line) == ("invalid_request", None)


def test_an_input_file_deleted_in_time_fails_the_batch(do: Driver) -> None:
    """While it validates the file is needed; later it is not."""
    early, late = (do.create([chat("a")]) for _ in range(2))
    do(do.client.files.delete, early.input_file_id)
    do.sleep(120)
    do(do.client.files.delete, late.input_file_id)

    assert [do.poll(one, every=600)[-1].status for one in (early, late)] == ["failed", "completed"]


@pytest.mark.parametrize(
    ("after", "counts", "files"),
    [
        pytest.param("30s", (0, 0, 0), (False, False), id="while it validates: nothing is left"),
        pytest.param("30m", (4, 2, 0), (True, True), id="while it runs: finished lines are kept"),
        pytest.param("59m", (4, 4, 0), (True, False), id="while it finalizes: all lines are there"),
    ],
)
def test_a_cancel_keeps_what_had_finished(
    do: Driver,
    fakebatch: FakeBatch,
    after: str,
    counts: tuple[int, int, int],
    files: tuple[bool, bool],
) -> None:
    """Cancelling takes about ten minutes; lines that never ran are in no count but the total."""
    batch = do.create([chat(f"r{i}") for i in range(4)])
    fakebatch.clock.advance(after)
    assert do(do.client.batches.cancel, batch.id).status == "cancelling"
    done = do.poll(batch, every=101)[-1]

    assert done.status == "cancelled"
    assert done.cancelled_at - done.cancelling_at == 606
    assert done.completed_at is done.expired_at is done.failed_at is None
    got = done.request_counts
    assert (got.total, got.completed, got.failed) == counts
    assert (done.output_file_id is not None, done.error_file_id is not None) == files


def test_a_second_cancel_changes_nothing(do: Driver, fakebatch: FakeBatch) -> None:
    """While it is cancelling, and once it is cancelled, the answer is the batch as it is."""
    first = do(do.client.batches.cancel, do.create([chat("a")]).id)
    fakebatch.clock.advance("5m")
    second = do(do.client.batches.cancel, first.id)
    fakebatch.clock.advance("6m")
    third = do(do.client.batches.cancel, first.id)

    assert [one.status for one in (first, second, third)] == ["cancelling"] * 2 + ["cancelled"]
    assert {one.cancelling_at for one in (first, second, third)} == {first.created_at}
    assert third.cancelled_at == first.created_at + 606


@pytest.mark.parametrize("status", ["completed", "failed", "expired"])
def test_a_batch_that_has_ended_cannot_be_cancelled(
    do: Driver, fakebatch: FakeBatch, status: str
) -> None:
    """409, which the SDK sends three times before it tells; the batch stays what it was."""
    if status == "expired":
        fakebatch.schedule(in_progress="48h")
    done = do.run([chat("a")] * (2 if status == "failed" else 1))
    with pytest.raises(openai.ConflictError, match=f"Cannot cancel a batch with status '{status}'"):
        do(do.client.batches.cancel, done.id)

    assert fakebatch.journal.count("batches.cancel") == 3
    assert do(do.client.batches.retrieve, done.id) == done


def test_lines_a_cancel_lost_say_so(do: Driver, fakebatch: FakeBatch) -> None:
    """Each line is in one file: those that had finished in one, the others in the other."""
    batch = do.create([chat(id_) for id_ in sorted(LOST)])
    fakebatch.clock.advance("30m")
    do(do.client.batches.cancel, batch.id)
    done = do.poll(batch)[-1]
    lost = do.results(done.error_file_id)

    assert {line["error"]["code"] for line in lost} == {"batch_cancelled"}
    kept = do.results(done.output_file_id)
    assert sorted(line["custom_id"] for line in [*kept, *lost]) == sorted(LOST)


def test_an_expired_batch_leaves_what_had_finished(do: Driver, fakebatch: FakeBatch) -> None:
    """Expiry goes through finalizing; finished lines are kept, others are `batch_expired`."""
    fakebatch.schedule(in_progress="48h")
    seen = do.poll(do.create([chat(id_) for id_ in sorted(LOST)]), every=600)
    done = seen[-1]

    statuses = list(dict.fromkeys(one.status for one in seen))
    assert statuses == ["validating", "in_progress", "finalizing", "expired"]
    assert done.finalizing_at == done.expires_at + 1
    assert done.completed_at is None
    lost = do.results(done.error_file_id)
    kept = do.results(done.output_file_id)
    assert len(kept) == done.request_counts.completed > 0
    assert sorted(line["custom_id"] for line in [*kept, *lost]) == sorted(LOST)
    assert [line["error"]["code"] for line in lost] == ["batch_expired"] * len(lost)
    assert [line["response"] for line in lost] == [None] * len(lost)


def test_the_schedule_holds_for_batches_created_from_then_on(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """A batch keeps the schedule it was created under; what is left out stays."""
    before = do.create([chat("a")])
    fakebatch.schedule(validating="1m", finalizing=0)
    fakebatch.schedule(in_progress="2h")
    after = do.create([chat("a")])
    ended = [do.poll(one, every=600)[-1] for one in (before, after)]

    assert [one.completed_at - one.created_at for one in ended] == [3600, 60 + 7200]
    assert ended[1].completed_at == ended[1].finalizing_at

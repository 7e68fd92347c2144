"""Batches that go another way, and what a client sees of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat
from support.doors import ONE_IN_PROCESS

pytestmark = [pytest.mark.sync, ONE_IN_PROCESS]
TEN = [chat(f"r{number}") for number in range(10)]
DAY = 86_400
NEW_YEAR = 1_767_225_600


def seen(do: Driver, batch: Any, after: float) -> Any:
    """The batch, so many seconds later."""
    do.sleep(after)
    return do(do.client.batches.retrieve, batch.id)


def statuses(polls: list[Any]) -> list[str]:
    return list(dict.fromkeys(one.status for one in polls))


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        pytest.param(
            {
                "code": "billing_hard_limit_reached",
                "message": "Billing hard limit has been reached",
            },
            [("billing_hard_limit_reached", "Billing hard limit has been reached", None, None)],
            id="a code and words of one's own",
        ),
        pytest.param(
            {"code": "invalid_json_line", "line": 7},
            [("invalid_json_line", "This line is not parseable as valid JSON.", None, 7)],
            id="the usual words of a code",
        ),
        pytest.param(
            {"code": "of_mine"}, [("of_mine", "of_mine", None, None)], id="a code without words"
        ),
        pytest.param(
            {"errors": [{"code": "a", "message": "A."}, {"code": "b", "message": "B.", "line": 2}]},
            [("a", "A.", None, None), ("b", "B.", None, 2)],
            id="several",
        ),
        pytest.param({}, [], id="without a reason"),
    ],
)
def test_validation_can_fail_a_good_file(
    do: Driver, fakebatch: FakeBatch, verb: dict[str, Any], expected: list[Any]
) -> None:
    """The create call succeeds; the batch fails with these entries, and nothing runs."""
    fakebatch.on_batch().fail(**verb)
    done = do.run(TEN)

    assert (done.status, done.request_counts.total, done.output_file_id) == ("failed", 0, None)
    assert [(e.code, e.message, e.param, e.line) for e in done.errors.data] == expected


def test_a_failed_batch_can_have_no_errors_at_all(do: Driver, fakebatch: FakeBatch) -> None:
    """Not even an empty list."""
    fakebatch.on_batch().fail(errors="null")
    assert do.run(TEN).errors is None


@pytest.mark.parametrize(
    ("selection", "failed"),
    [
        pytest.param({"nth": 2}, [2], id="the second alone"),
        pytest.param({"times": 2}, [1, 2], id="the first two"),
        pytest.param({"nth": 2, "times": 2}, [2, 3], id="two from the second on"),
        pytest.param({"nth": 3, "times": math.inf}, [3, 4], id="all from the third on"),
        pytest.param({}, [1, 2, 3, 4], id="all"),
    ],
)
def test_batches_are_selected_by_their_turn(
    do: Driver, fakebatch: FakeBatch, selection: dict[str, Any], failed: list[int]
) -> None:
    """The others are as ever."""
    fault = fakebatch.on_batch(**selection).fail("token_limit_exceeded")
    batches = [do.run(TEN) for _ in range(4)]

    assert [n for n, batch in enumerate(batches, 1) if batch.status == "failed"] == failed
    assert {batch.status for batch in batches} <= {"failed", "completed"}
    reason = batches[failed[0] - 1].errors.data[0].message
    assert "Enqueued token limit reached for gpt-4o-mini" in reason
    assert fault.hits == len(failed)


def test_a_batch_can_stall_and_go_on(do: Driver, fakebatch: FakeBatch) -> None:
    """Half is done for two hours longer than it should; then the rest."""
    fakebatch.on_batch().stall("in_progress", progress=0.5, until="2h")
    polls = do.poll(do.create(TEN), every=600)
    done = [one.request_counts.completed for one in polls]

    assert done.count(5) >= 11
    assert (polls[-1].status, polls[-1].completed_at - polls[-1].created_at) == (
        "completed",
        3600 + 7200,
    )


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing"])
def test_a_batch_can_stall_for_ever(do: Driver, fakebatch: FakeBatch, status: Any) -> None:
    """Neither its time nor its window ends it."""
    fakebatch.on_batch().stall(status)
    batch = do.create(TEN)
    assert [seen(do, batch, 3 * DAY).status for _ in range(3)] == [status] * 3


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(lambda fake: fake.on_batch().schedule(validating="2h"), id="a schedule"),
        pytest.param(lambda fake: fake.on_batch().stall("validating", until="2h"), id="a stall"),
    ],
)
def test_an_input_file_can_expire_before_it_is_validated(
    do: Driver, fakebatch: FakeBatch, late: Callable[[FakeBatch], object]
) -> None:
    """Whatever makes validation late: the batch fails, as with a file that was deleted."""
    late(fakebatch)
    expires = {"anchor": "created_at", "seconds": 3600}
    file = do.upload([chat("a")], expires_after=expires)
    batch = do(
        do.client.batches.create,
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
    )
    assert do.poll(batch, every=3600)[-1].status == "failed"


def test_a_stall_can_end_with_the_window(do: Driver, fakebatch: FakeBatch) -> None:
    """Nearly all is done, then nothing happens until the batch expires."""
    fakebatch.on_batch().stall("in_progress", progress=0.9, until="expiry")
    polls = do.poll(do.create(TEN), every=3600)

    assert statuses(polls) == ["validating", "in_progress", "expired"]
    assert polls[-1].request_counts.completed == 9
    assert polls[-1].finalizing_at == polls[-1].expires_at + 1


def test_a_cancel_can_take_as_long_as_it_likes(do: Driver, fakebatch: FakeBatch) -> None:
    """An hour; or for ever."""
    fakebatch.schedule(cancelling="1h")
    fakebatch.on_batch(nth=2).stall("cancelling")
    slow, stuck = (do(do.client.batches.cancel, do.create(TEN).id) for _ in range(2))

    assert do.poll(slow)[-1].cancelled_at - slow.cancelling_at == 3600
    assert seen(do, stuck, DAY).status == "cancelling"


def test_a_cancel_can_come_too_late(do: Driver, fakebatch: FakeBatch) -> None:
    """What was asked to be cancelled completes, with everything done."""
    fakebatch.on_batch().cancel_to("completed")
    batch = do.create(TEN)
    do.sleep(1800)
    do(do.client.batches.cancel, batch.id)
    polls = do.poll(batch)

    assert statuses(polls) == ["validating", "cancelling", "completed"]
    assert (polls[-1].request_counts.completed, polls[-1].cancelled_at) == (10, None)
    assert len(do.results(polls[-1].output_file_id)) == 10


@pytest.mark.parametrize(("finished", "done"), [(0.0, 0), (0.1, 1), (0.5, 5), (0.99, 9)])
def test_a_batch_can_expire_at_any_point(
    do: Driver, fakebatch: FakeBatch, finished: float, done: int
) -> None:
    """So much of it is in the output file, the rest is `batch_expired`."""
    fakebatch.on_batch().expire(finished)
    batch = do.run(TEN)
    lost = do.results(batch.error_file_id)

    assert (batch.status, batch.request_counts.completed, len(lost)) == ("expired", done, 10 - done)
    assert {line["error"]["code"] for line in lost} == {"batch_expired"}
    assert (batch.output_file_id is None) == (done == 0)


def test_a_batch_can_complete_after_its_window(do: Driver, fakebatch: FakeBatch) -> None:
    """Late, and complete."""
    fakebatch.schedule(in_progress="30h")
    fakebatch.on_batch().ignore_window()
    done = do.run(TEN)
    assert (done.status, done.completed_at > done.expires_at) == ("completed", True)


def test_a_status_can_be_skipped(do: Driver, fakebatch: FakeBatch) -> None:
    """Nobody who polls sees it; its moment is there all the same."""
    fakebatch.on_batch().schedule(validating=0, finalizing=0)
    polls = do.poll(do.create(TEN))
    assert statuses(polls) == ["in_progress", "completed"]
    assert polls[-1].finalizing_at == polls[-1].completed_at


def test_work_can_go_on_unevenly(do: Driver, fakebatch: FakeBatch) -> None:
    """Nothing for nine tenths of the time, then everything."""
    fakebatch.on_batch().schedule(validating=0, in_progress=1000, curve=[(0.9, 0.0)])
    batch = do.create(TEN)
    done = [seen(do, batch, 100).request_counts.completed for _ in range(10)]
    assert done == [0] * 9 + [10]


COUNTS: dict[str, tuple[tuple[int, int, int] | None, tuple[int, int, int] | None]] = {
    "zero": ((0, 0, 0), (0, 0, 0)),
    "null": (None, None),
    "all_completed": ((10, 5, 0), (10, 10, 0)),
    "failed_as_completed": ((10, 5, 0), (10, 10, 0)),
    "decreasing": ((10, 5, 1), (10, 0, 1)),
}


@pytest.mark.untyped
@pytest.mark.parametrize("how", COUNTS)
def test_counts_can_lie(do: Driver, fakebatch: FakeBatch, how: Any) -> None:
    """Halfway through, and at the end; the files tell the truth."""
    fakebatch.on(fraction=0.1).fail(429)
    fakebatch.on_batch().miscount(how)
    batch = do.create(TEN)
    halfway = do.wire(do.client.batches.with_raw_response.retrieve, seen(do, batch, 1800).id)
    done = do.wire(do.client.batches.with_raw_response.retrieve, seen(do, batch, 7200).id)

    for wire, expected in zip((halfway, done), COUNTS[how], strict=True):
        counts = wire["request_counts"]
        got = counts and (counts["total"], counts["completed"], counts["failed"])
        assert got == expected or (how == "decreasing" and wire is halfway and got[0] == 10)
    assert len(do.results(done["error_file_id"])) == 1


def test_counts_can_be_late(do: Driver, fakebatch: FakeBatch) -> None:
    """They are those of ten minutes ago; at the end too."""
    fakebatch.on_batch().schedule(validating=0, in_progress=1000, finalizing=0)
    fakebatch.on_batch().miscount(late="10m")
    batch = do.create(TEN)
    done = [seen(do, batch, 500).request_counts.completed for _ in range(4)]
    assert done == [0, 4, 9, 10]


def test_a_batch_can_vanish(do: Driver, fakebatch: FakeBatch) -> None:
    """From that status on it is not found, and in no listing."""
    fakebatch.on_batch(times=1).not_found_from("in_progress")
    gone, kept = do.create(TEN), do.create(TEN)
    assert seen(do, gone, 60).status == "validating"
    do.sleep(60)
    with pytest.raises(openai.NotFoundError):
        do(do.client.batches.retrieve, gone.id)
    assert [one.id for one in do.all(do.client.batches.list)] == [kept.id]


SHOWN: dict[str, tuple[dict[str, Any], Callable[[Any], bool]]] = {
    "an empty id": (
        {"nulls": {"error_file_id": ""}},
        lambda wire: wire["error_file_id"] == "" and wire["output_file_id"] != "",
    ),
    "no ids at all": (
        {"fields": {"output_file_id": None}},
        lambda wire: wire["output_file_id"] is None,
    ),
    "another id, once there is one": (
        {"unless_null": {"output_file_id": "file-other", "error_file_id": "file-none"}},
        lambda wire: (wire["output_file_id"], wire["error_file_id"]) == ("file-other", None),
    ),
    "the times of a clock that is ahead": (
        {"clock_ahead": "1h30m"},
        lambda wire: (wire["created_at"] - NEW_YEAR, wire["failed_at"]) == (5_400, None),
    ),
    "those of a clock that is behind, as texts": (
        {"clock_behind": "1h", "moments": "iso"},
        lambda wire: wire["created_at"] == "2025-12-31T23:00:00+00:00",
    ),
    "a new field": ({"fields": {"x_new": {"a": 1}}}, lambda wire: wire["x_new"] == {"a": 1}),
    "a missing field": ({"without": ["request_counts"]}, lambda wire: "request_counts" not in wire),
    "moments in milliseconds": (
        {"moments": "milliseconds"},
        lambda wire: (wire["created_at"], wire["failed_at"]) == (NEW_YEAR * 1_000, None),
    ),
    "moments as texts": (
        {"moments": "iso"},
        lambda wire: wire["created_at"].startswith("2026-01-01T"),
    ),
    "moments with a fraction": (
        {"moments": "float"},
        lambda wire: wire["created_at"] == NEW_YEAR + 0.25,
    ),
    "no moments": ({"moments": "null"}, lambda wire: wire["completed_at"] is None),
    "an unknown status": (
        {"statuses": {"completed": "done"}},
        lambda wire: wire["status"] == "done",
    ),
    "several at the end: the last": (
        {"statuses": {"completed": ["done", "archived"]}},
        lambda wire: wire["status"] == "archived",
    ),
}


@pytest.mark.untyped
@pytest.mark.parametrize(("verb", "holds"), SHOWN.values(), ids=SHOWN)
def test_an_object_can_be_shown_with(
    do: Driver, fakebatch: FakeBatch, verb: dict[str, Any], holds: Callable[[Any], bool]
) -> None:
    """The wire has what the test wrote, in a listing too."""
    fakebatch.on_batch().override(**verb)
    batch = do.create(TEN)
    do.sleep(7200)
    wire = do.wire(do.client.batches.with_raw_response.retrieve, batch.id)

    assert holds(wire)
    assert do.wire(do.client.batches.with_raw_response.list)["data"] == [wire]


@pytest.mark.untyped
def test_a_status_can_go_backwards(do: Driver, fakebatch: FakeBatch) -> None:
    """Statuses one after the other, for equal parts of the time of the true one."""
    back = ["in_progress", "validating", "in_progress"]
    fakebatch.on_batch().override(statuses={"in_progress": back, "finalizing": "Finalising"})
    fakebatch.on_batch().schedule(validating=0, in_progress=300, finalizing=100)
    polls = do.poll(do.create(TEN), every=100)
    assert [one.status for one in polls] == [*back, "Finalising", "completed"]


def test_result_files_can_be_named_early_and_found_late(do: Driver, fakebatch: FakeBatch) -> None:
    """Ids from the beginning; the files only a while after the end."""
    fakebatch.on_batch().override(early_files=True)
    fakebatch.on_batch().result_files(late="5m")
    batch = do.create(TEN)
    assert batch.output_file_id is not None
    assert batch.error_file_id is not None
    done = do.poll(batch)[-1]
    with pytest.raises(openai.NotFoundError):
        do(do.client.files.content, done.output_file_id)
    do.sleep(300)
    assert len(do.results(done.output_file_id)) == 10
    assert do.results(done.error_file_id) == []  # both files were made in advance


def test_a_batch_that_fails_has_no_early_files(do: Driver, fakebatch: FakeBatch) -> None:
    """Neither ids nor files: it never ran."""
    fakebatch.on_batch().override(early_files=True)
    done = do.run([chat("a"), chat("a")])
    assert (done.status, done.output_file_id, done.error_file_id) == ("failed", None, None)
    assert len(fakebatch.files) == 1


@pytest.mark.parametrize("expire", ["5m", 0])
def test_result_files_can_expire(do: Driver, fakebatch: FakeBatch, expire: Any) -> None:
    """Soon after the end, or before anybody can look; the batch names them still."""
    fakebatch.on_batch().result_files(expire=expire)
    done = do.run(TEN)
    if expire:
        assert do(do.client.files.retrieve, done.output_file_id).expires_at == (
            done.completed_at + 300
        )
        do.sleep(300)
    with pytest.raises(openai.NotFoundError):
        do(do.client.files.content, done.output_file_id)
    assert do(do.client.batches.retrieve, done.id).output_file_id == done.output_file_id


WRITTEN: dict[str, tuple[dict[str, Any], Callable[[bytes], bool]]] = {
    "in the order of the input": (
        {"order": "input"},
        lambda raw: ids(raw) == [f"r{n}" for n in range(10)],
    ),
    "in reverse": (
        {"order": "reversed"},
        lambda raw: ids(raw) == [f"r{n}" for n in reversed(range(10))],
    ),
    "shuffled": (
        {"order": "shuffled"},
        lambda raw: ids(raw) != sorted(ids(raw)) and len(ids(raw)) == 10,
    ),
    "with CRLF": ({"newline": "crlf"}, lambda raw: raw.count(b"\r\n") == 10),
    "with a byte order mark": ({"bom": True}, lambda raw: raw.startswith(b"\xef\xbb\xbf{")),
    "with blank lines at the end": ({"trailing": 2}, lambda raw: raw.endswith(b"}\n\n\n")),
    "with raw line separators": (
        {"raw": True},
        lambda raw: "\u2028".encode() in raw and len(raw.decode().splitlines()) == 12,
    ),
    "with nothing in it": ({"empty": True}, lambda raw: raw == b""),
    "with a blank line alone": ({"empty": True, "trailing": 1}, lambda raw: raw == b"\n"),
}


def ids(raw: bytes) -> list[str]:
    return [part.split(b'"')[0].decode() for part in raw.split(b'"custom_id": "')[1:]]


@pytest.mark.parametrize(("verb", "holds"), WRITTEN.values(), ids=WRITTEN)
def test_a_result_file_can_be_written(
    do: Driver, fakebatch: FakeBatch, verb: dict[str, Any], holds: Callable[[bytes], bool]
) -> None:
    """The bytes of the file, and the number of bytes its object tells."""
    fakebatch.on(custom_id="r0").reply("one\u2028two\x85three")
    fakebatch.on_batch().result_files(**verb)
    file_id = do.run(TEN).output_file_id
    raw = do(do.client.files.content, file_id).content

    assert holds(raw)
    assert do(do.client.files.retrieve, file_id).bytes == len(raw)

"""Files and batches that are there without a call, and the emulator as it was before."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch, UsageError
from fakebatch.batch.lifecycle import Status
from fakebatch.dialects.dialect import BatchStatus
from fakebatch.durations import SECOND, microseconds
from support.client import Driver, chat, jsonl

pytestmark = pytest.mark.sync
GOOD = [chat("a"), chat("b")]
BAD = [chat("a"), chat("a")]


UNREACHABLE = {
    "-0s": {"cancelled", "expired"},
    "-3s": {"cancelled", "expired"},
    "-10m": {"cancelled", "expired"},
    "-1h": {"expired"},
    "-5h": {"expired"},
    "-23h59m": {"expired"},
    "-25h": {"in_progress", "finalizing", "cancelling"},
    "-20d": {"in_progress", "finalizing", "cancelling"},
}
"""By its age, what no batch can be any more, or yet."""


@pytest.mark.parametrize("ago", UNREACHABLE)
@pytest.mark.parametrize("status", [*Status])
def test_a_batch_is_now_what_was_asked_or_the_test_is_told(
    fakebatch: FakeBatch, status: BatchStatus, ago: str
) -> None:
    """Never another status, never another age."""
    lines = BAD if status == "failed" else GOOD
    if status in UNREACHABLE[ago]:
        with pytest.raises(UsageError, match=f"ago cannot be {status}."):
            fakebatch.batches.add(lines, status=status, created=ago)
        assert [*fakebatch.batches] == []
        return
    batch = fakebatch.batches.add(lines, status=status, created=ago)

    assert (batch.status, batch.history[-1].status) == (status, status)
    assert batch.created_at == fakebatch.clock.now.timestamp() - microseconds(ago[1:]) // SECOND


def test_a_client_resumes_what_is_there(do: Driver, fakebatch: FakeBatch) -> None:
    """Listed, polled, downloaded: as if it had been created five hours ago."""
    fakebatch.batches.add(GOOD, status="in_progress", created="-5h", metadata={"job": "7"})
    [found] = do.all(do.client.batches.list)
    assert (found.status, found.metadata) == ("in_progress", {"job": "7"})
    ended = do.poll(found)[-1]

    assert ended.status == "completed"
    assert {one["custom_id"] for one in do.results(ended.output_file_id)} == {"a", "b"}
    assert fakebatch.clock.elapsed < 3600


def test_old_and_new_are_listed_by_age(do: Driver, fakebatch: FakeBatch) -> None:
    """Whatever the order in which they were put there."""
    ids = {ago: fakebatch.batches.add(GOOD, created=ago).id for ago in ("-2h", "-9h", "-4h")}

    assert [one.id for one in do.all(do.client.batches.list)] == [
        ids[ago] for ago in ("-2h", "-4h", "-9h")
    ]


def test_of_an_expired_batch_half_is_done(do: Driver, fakebatch: FakeBatch) -> None:
    """The other half is in the error file."""
    batch = fakebatch.batches.add(GOOD, status="expired", created="-2d")

    assert batch.request_counts == {"total": 2, "completed": 1, "failed": 0}
    assert len(do.results(batch.output_file_id)) == len(do.results(batch.error_file_id)) == 1


@pytest.mark.parametrize(
    "requests",
    [
        pytest.param(lambda _fake, _path: GOOD, id="dicts"),
        pytest.param(lambda _fake, _path: jsonl(GOOD), id="bytes"),
        pytest.param(lambda _fake, path: path, id="a path"),
        pytest.param(lambda _fake, path: str(path), id="a path as text"),
        pytest.param(lambda fake, path: fake.files.add(path, created="-2h").id, id="a file's id"),
    ],
)
def test_requests_are_given_in_many_ways(
    fakebatch: FakeBatch, tmp_path: Path, requests: Callable[[FakeBatch, Path], Any]
) -> None:
    """Dicts, bytes, a path, or the id of a file that is there: one input file in any case."""
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl(GOOD))
    batch = fakebatch.batches.add(requests(fakebatch, path), created="-1h")

    assert [line.custom_id for line in batch.lines] == ["a", "b"]
    assert [*fakebatch.files] == [batch.input_file_id, batch.output_file_id]
    assert len(fakebatch.journal) == 0


def test_a_file_is_put_in_place(do: Driver, fakebatch: FakeBatch, tmp_path: Path) -> None:
    """With a name, a purpose, an age, and an end."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"hello")
    file = fakebatch.files.add(path, purpose="user_data", created="-2h", expires_after=3 * 3600)
    seen = do(do.client.files.retrieve, file.id)

    assert (seen.filename, seen.purpose, file.content) == ("notes.txt", "user_data", b"hello")
    assert seen.created_at == round(fakebatch.clock.now.timestamp()) - 7200
    do.sleep(3600)
    with pytest.raises(openai.NotFoundError):
        do(do.client.files.retrieve, file.id)


def test_created_is_a_moment_too(fakebatch: FakeBatch) -> None:
    """A datetime, ISO text or unix seconds."""
    ago = fakebatch.clock.now - timedelta(hours=3)
    moments = (ago, ago.isoformat(), ago.timestamp())

    ages = {fakebatch.batches.add(GOOD, created=moment).created_at for moment in moments}
    assert ages == {ago.timestamp()}


MISUSES: dict[str, tuple[Callable[[FakeBatch], object], list[str]]] = {
    "a status that cannot be yet": (
        lambda fake: fake.batches.add(GOOD, status="expired", created="-5h"),
        [
            "A batch that was created 5h ago cannot be expired.",
            (
                "Its statuses would be validating, in_progress after 1m5s, finalizing after 1d1s, "
                "expired after 1d10m7s."
            ),
            "Pass another status, another created=…, or requests that lead to this status.",
        ],
    ),
    "a status that these requests do not lead to": (
        lambda fake: fake.batches.add(BAD, status="in_progress", created="-5h"),
        [
            "A batch that was created 5h ago cannot be in_progress.",
            "Its statuses would be validating, failed (duplicate_custom_id) after 1m5s.",
            "Pass another status, another created=…, or requests that lead to this status.",
        ],
    ),
    "an unknown status": (
        lambda fake: fake.batches.add(GOOD, status="running"),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        [
            "fakebatch.batches.add: status='running' is unknown.",
            (
                "Known values: validating, failed, in_progress, finalizing, completed, expired, "
                "cancelling, cancelled."
            ),
            "Write for example status='in_progress'.",
        ],
    ),
    "a moment to come": (
        lambda fake: fake.files.add(b"{}", created="2027-01-01"),
        [
            "created='2027-01-01' is in the future.",
            "The clock shows 2026-01-01T00:00:00Z.",
            "Pass a past moment, or an age: created='-5h'.",
        ],
    ),
    "an unknown window": (
        lambda fake: fake.batches.add(GOOD, completion_window="7d"),
        [
            "fakebatch.batches.add: completion_window='7d' is unknown.",
            "Known values: '24h'.",
            "Write for example completion_window='24h'.",
        ],
    ),
    "a file the service would refuse": (
        lambda fake: fake.files.add(b"hello"),
        [
            "The service would have refused this file: line 1, column 1: expected value.",
            "Its error would have been: Invalid file format for Batch API. Must be .jsonl",
            "Add a file that a client could have created.",
        ],
    ),
    "a file the service would not run": (
        lambda fake: fake.batches.add(fake.files.add(b"{}", purpose="vision", created="-2h").id),
        [
            "The service would have refused this batch.",
            (
                "Its error would have been: Invalid file purpose 'vision' for file "
                "'file-2PbNWcDDgw3QXQKkvgK3Wk'. The input file of a batch must have the purpose "
                "'batch'."
            ),
            "Add a batch that a client could have created.",
        ],
    ),
    "a file younger than its batch": (
        lambda fake: fake.batches.add(fake.files.add(jsonl(GOOD), created="-1h").id, created="-2h"),
        [
            "file-2PbNWcDDgw3QXQKkvgK3Wk is newer than the batch that reads it.",
            "The file was created at 2025-12-31T23:00:00Z, the batch at 2025-12-31T22:00:00Z.",
            "Add the file with the created=… of the batch, or an earlier one.",
        ],
    ),
}


@pytest.mark.parametrize(("misuse", "lines"), MISUSES.values(), ids=MISUSES)
def test_what_cannot_be_put_in_place_is_told(
    fakebatch: FakeBatch, misuse: Callable[[FakeBatch], object], lines: list[str]
) -> None:
    """Three lines, word for word."""
    with pytest.raises(UsageError) as caught:
        misuse(fakebatch)
    assert str(caught.value) == "fakebatch: " + "\n".join(lines)


def test_a_path_that_is_not_there_is_told(
    fakebatch: FakeBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the folder that relative paths count from."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        fakebatch.batches.add("in.jsonl")
    assert str(caught.value).split("\n") == [
        (
            "fakebatch: 'in.jsonl' is neither the id of a file nor the path of one: "
            "No such file or directory."
        ),
        f"Relative paths start at {tmp_path}.",
        "Pass bytes or a path; for a batch also its lines as dicts or a file's id.",
    ]


def test_a_restored_fake_is_as_it_was(do: Driver, fakebatch: FakeBatch) -> None:
    """Files, batches, rules, schedule and journal; what came since never was. Time goes on."""
    fakebatch.batches.add(GOOD, status="in_progress", created="-5h")
    do.upload(GOOD)
    saved = fakebatch.snapshot()
    before = {id_: file.json for id_, file in fakebatch.files.items()}
    calls = fakebatch.journal.calls()

    def go_on() -> list[Any]:
        fakebatch.on(custom_id="a").fail(500)
        fakebatch.schedule(in_progress="30h")
        do(do.client.batches.cancel, fakebatch.batches.last().id)
        for id_ in [*fakebatch.files]:
            do(do.client.files.delete, id_)
        created = do.create(GOOD)
        return [created.id, [*created.model_dump()], fakebatch.batches.last().plan]

    first = go_on()
    fakebatch.restore(saved)
    assert {id_: file.json for id_, file in fakebatch.files.items()} == before
    assert fakebatch.batches.only().status == "in_progress"
    assert fakebatch.journal.calls() == calls
    assert go_on() == first
    fakebatch.restore(saved)
    do.sleep(3600)
    assert do.create(GOOD).id != first[0]
    assert {one.status for one in fakebatch.batches.values()} == {"completed", "validating"}


@pytest.mark.fakebatch(limits={"creates_per_hour": 2, "enqueued_tokens": 10})
def test_quotas_are_restored_too(do: Driver, fakebatch: FakeBatch) -> None:
    """Creations and waiting tokens that were undone do not count."""
    saved = fakebatch.snapshot()
    for _ in range(3):
        fakebatch.restore(saved)
        assert do.run([chat("a")]).status == "completed"
        assert do.run([chat("b")]).status == "completed"


@pytest.mark.fakebatch(unused_rules="ignore")
def test_counts_of_calls_are_restored_too(do: Driver, fakebatch: FakeBatch) -> None:
    """The second call after the snapshot meets the fault, each time."""
    fakebatch.on_call("batches.list", nth=3).fail(404)
    do(do.client.batches.list)
    saved = fakebatch.snapshot()
    for _ in range(3):
        fakebatch.restore(saved)
        assert fakebatch.faults.fired == ()
        do(do.client.batches.list)
        with pytest.raises(openai.NotFoundError):
            do(do.client.batches.list)


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing"])
def test_a_rule_for_batches_holds_for_one_in_place(fakebatch: FakeBatch, status: Any) -> None:
    """A batch that is there already may be stalled, as one that is created."""
    fakebatch.on_batch().stall(status)
    batch = fakebatch.batches.add(GOOD, status=status, created="-10m")
    fakebatch.clock.advance("3d")

    assert batch.status == status


def test_the_schedule_of_cancels_holds_for_one_in_place(fakebatch: FakeBatch) -> None:
    """As its other times do."""
    fakebatch.schedule(cancelling="8h")
    batch = fakebatch.batches.add(GOOD, status="cancelling", created="-20h")
    fakebatch.clock.advance("3h")
    assert batch.status == "cancelling"
    fakebatch.clock.advance("2h")
    assert batch.status == "cancelled"


@pytest.mark.fakebatch(unused_rules="ignore")
def test_a_rule_that_makes_a_status_impossible_is_an_error(fakebatch: FakeBatch) -> None:
    """A batch that stalls in progress cannot be completed."""
    fakebatch.on_batch().stall("in_progress")
    with pytest.raises(UsageError, match="cannot be completed"):
        fakebatch.batches.add(GOOD, status="completed", created="-5h")


# --- ids of one's own, and uploads in parts


def test_a_file_a_batch_and_an_upload_have_ids_of_ones_own(fakebatch: FakeBatch) -> None:
    """Whatever form the provider's own ids have; a client finds each."""
    fakebatch.files.add(GOOD, id="file_id", purpose="batch")
    fakebatch.batches.add("file_id", id="batch_id", status="in_progress", created="-0s")
    fakebatch.uploads.add(id="upload_abc123", parts={"string": b"hi"}, purpose="user_data")
    client = fakebatch.openai()
    assert client.files.retrieve("file_id").id == "file_id"
    assert client.files.content("file_id").content == jsonl(GOOD)
    assert client.batches.cancel("batch_id").id == client.batches.list().data[0].id == "batch_id"
    completed = client.uploads.complete("upload_abc123", part_ids=["string"])
    assert completed.file is not None
    assert fakebatch.files[completed.file.id].content == b"hi"
    assert next(iter(fakebatch.files)) == "file_id"


USED: dict[str, tuple[Callable[[FakeBatch, str], object], str]] = {
    "a file": (lambda fake, id_: fake.files.add(b"{}", id=id_), "files"),
    "a batch": (lambda fake, id_: fake.batches.add(GOOD, id=id_), "batches"),
    "an upload": (lambda fake, id_: fake.uploads.add(id=id_), "uploads"),
}


@pytest.mark.parametrize(("add", "kind"), USED.values(), ids=USED)
def test_an_id_is_used_once(
    add: Callable[[FakeBatch, str], object], kind: str, fakebatch: FakeBatch
) -> None:
    """Nor can it be one that no URL could hold."""
    add(fakebatch, "mine")
    number = len(fakebatch.files)
    bad = dict.fromkeys(("a/b", "", ".", ".."), "a URL")
    for id_, why in {"mine": "has or had this id", **bad}.items():
        message = rf"fakebatch.{kind}.add: id={re.escape(repr(id_))} .*\n.*{why}"
        with pytest.raises(UsageError, match=message):
            add(fakebatch, id_)
    assert len(fakebatch.files) == number


def test_the_id_of_a_deleted_file_is_not_free(fakebatch: FakeBatch) -> None:
    """`after` in a list still finds its place."""
    fakebatch.openai().files.delete(fakebatch.files.add(b"{}", id="mine").id)
    with pytest.raises(UsageError, match="has or had this id"):
        fakebatch.files.add(b"{}", id="mine")


@pytest.mark.parametrize("status", ["pending", "completed", "cancelled", "expired"])
def test_an_upload_has_the_status_that_was_asked(status: Any, fakebatch: FakeBatch) -> None:
    """Only one that is pending takes parts, and can be cancelled."""
    upload = fakebatch.uploads.add(id="upload_1", status=status, bytes=2, filename="a.txt")
    assert (upload.status, upload.bytes, upload.filename) == (status, 2, "a.txt")
    assert fakebatch.uploads.only().id == fakebatch.uploads.last().id == "upload_1"
    client = fakebatch.openai()
    if status == "pending":
        part = client.uploads.parts.create("upload_1", data=b"hi")
        assert upload.parts == {part.id: b"hi"}
        assert client.uploads.cancel("upload_1").status == upload.status == "cancelled"
    else:
        with pytest.raises(openai.BadRequestError):
            client.uploads.parts.create("upload_1", data=b"hi")


NO_UPLOAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown status": ({"status": "done"}, "uploads.add: status='done' is unknown"),
    "too old": ({"created": "-2h"}, "2h ago cannot be pending"),
    "too young": ({"status": "expired", "created": "-1m"}, "1m ago cannot be expired"),
    "an unknown purpose": ({"purpose": "fun"}, "would have refused this upload"),
}


@pytest.mark.parametrize(("params", "why"), NO_UPLOAD.values(), ids=NO_UPLOAD)
def test_an_upload_that_cannot_be(params: dict[str, Any], why: str, fakebatch: FakeBatch) -> None:
    """Is an error where it is added."""
    with pytest.raises(UsageError, match=why):
        fakebatch.uploads.add(**params)
    assert len(fakebatch.uploads) == 0


@pytest.mark.parametrize("kind", ["files", "batches"])
def test_what_is_not_a_request_line(kind: str, fakebatch: FakeBatch) -> None:
    """A string in place of a dict: the message shows how to make a line of it."""
    with pytest.raises(UsageError) as caught:
        getattr(fakebatch, kind).add(["a question"])
    assert str(caught.value).split("\n") == [
        "fakebatch: 'a question' is not a request line.",
        "A request line is a dict with custom_id, method, url and body.",
        "Write [request_line('row-1', 'a question')], after `from fakebatch import request_line`.",
    ]


SLOW_FILES: dict[str, tuple[str, Callable[[FakeBatch], object]]] = {
    "a provider that processes files": ("azure", lambda _: None),
    "a rule for processing": ("openai", lambda fake: fake.on_file().processing("3h")),
    "a rule that hides files": ("openai", lambda fake: fake.on_file().not_found_for("3h")),
}


@pytest.mark.parametrize(("dialect", "slow"), SLOW_FILES.values(), ids=SLOW_FILES)
@pytest.mark.parametrize("status", ["validating", "in_progress", "completed", "cancelled"])
def test_the_file_of_a_batch_was_ready_when_the_batch_was_created(
    dialect: Any, slow: Callable[[FakeBatch], object], status: Any
) -> None:
    """A batch that is there has read its file, however long files take."""
    with FakeBatch(dialect=dialect) as fake:
        slow(fake)
        batch = fake.batches.add([chat("a")], status=status, created="-2h")
        assert batch.status == status
        assert fake.files[batch.input_file_id].status == "processed"

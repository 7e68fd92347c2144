"""What a client of the Batch API relies on, through the real SDK: sync and async, three majors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from conftest import Driver, chat, jsonl

from fakebatch import FakeBatch, Misuse, RequestLine

BATCH_KEYS = [
    *("id", "object", "endpoint", "model", "errors", "input_file_id", "completion_window"),
    *("status", "output_file_id", "error_file_id", "created_at", "in_progress_at", "expires_at"),
    *("finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at"),
    *("cancelled_at", "request_counts", "usage", "metadata"),
]
FILE_KEYS = [
    *("object", "id", "purpose", "filename", "bytes", "created_at", "expires_at", "status"),
    "status_details",
]


def test_the_guides_flow_sees_every_status_and_gets_every_answer(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """Upload, create, poll each minute, download: every status is seen, every line answered."""
    batch = do.create([chat("a", "one"), chat("b", "two")], metadata={"job": "nightly"})
    seen = do.poll(batch)
    done = seen[-1]

    statuses = list(dict.fromkeys(one.status for one in seen))
    assert statuses == ["validating", "in_progress", "finalizing", "completed"]
    results = do.results(done.output_file_id)
    said = {r["custom_id"]: r["response"]["body"]["choices"][0]["message"] for r in results}
    assert {key: message["content"] for key, message in said.items()} == {"a": "one", "b": "two"}
    assert done.metadata == {"job": "nightly"}
    assert done.error_file_id is None
    assert fakebatch.clock.elapsed == 3600


def test_counts_grow_while_it_runs_and_files_appear_at_its_end(do: Driver) -> None:
    """Counts are 0 while validating, then rise to the total; result files come with the end."""
    seen = do.poll(do.create([chat(f"r{i}") for i in range(10)]))
    counts = [one.request_counts for one in seen]

    assert [c.total for c in counts if c.total] == [10] * sum(c.total == 10 for c in counts)
    assert counts[0].total == 0
    completed = [c.completed for c in counts]
    assert completed == sorted(completed)
    assert len(set(completed)) > 5
    assert [one.output_file_id is not None for one in seen] == [
        one.status == "completed" for one in seen
    ]


def test_moments_and_keys_are_those_of_the_wire(do: Driver) -> None:
    """A batch has every key, in the order of the wire, null when unset."""
    done = do.run([chat("a")])
    raw = do(do.client.batches.with_raw_response.retrieve, done.id)
    wire = json.loads(raw.text if isinstance(raw.text, str) else raw.text())

    assert list(wire) == BATCH_KEYS
    assert wire["expires_at"] == wire["created_at"] + 86400
    assert (
        wire["created_at"] < wire["in_progress_at"] < wire["finalizing_at"] < wire["completed_at"]
    )
    assert wire["failed_at"] is wire["expired_at"] is wire["cancelled_at"] is None
    assert wire["model"] == "gpt-4o-mini-2024-07-18"
    assert raw.headers["content-type"] == "application/json"
    assert raw.headers["x-request-id"].startswith("req_")


def test_files_are_kept_listed_shown_deleted(do: Driver, fakebatch: FakeBatch) -> None:
    """A file is listed newest first by pages, shown with every key, downloaded, deleted."""
    uploaded = [do.upload([chat(f"f{i}")]) for i in range(5)]
    ids = [one.id for one in uploaded]

    assert [one.id for one in do.all(do.client.files.list, limit=2)] == ids[::-1]
    assert [one.id for one in do.all(do.client.files.list, order="asc")] == ids
    assert do.all(do.client.files.list, purpose="vision") == []
    raw = do(do.client.files.with_raw_response.retrieve, ids[0])
    wire = json.loads(raw.text if isinstance(raw.text, str) else raw.text())
    assert list(wire) == FILE_KEYS
    assert wire["bytes"] == len(jsonl([chat("f0")]))
    assert wire["expires_at"] == wire["created_at"] + 30 * 86400
    assert do(do.client.files.content, ids[0]).content == jsonl([chat("f0")])
    assert do(do.client.files.delete, ids[0]).deleted is True
    with pytest.raises(openai.NotFoundError, match=f"No such File object: {ids[0]}"):
        do(do.client.files.content, ids[0])
    assert list(fakebatch.files) == ids[1:]


def test_a_file_expires_when_the_upload_said_so(do: Driver, fakebatch: FakeBatch) -> None:
    """`expires_after` counts from the upload; then the file is gone."""
    body = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    uploaded = do.upload([chat("a")], extra_body=body)
    assert uploaded.expires_at == uploaded.created_at + 3600

    fakebatch.clock.advance("1h")
    with pytest.raises(openai.NotFoundError):
        do(do.client.files.retrieve, uploaded.id)


def test_batches_are_listed_newest_first_by_pages_of_twenty(do: Driver) -> None:
    """Auto-paging sees each batch once."""
    ids = [do.create([chat("a")]).id for _ in range(45)]

    assert [one.id for one in do.all(do.client.batches.list)] == ids[::-1]
    assert len(do(do.client.batches.list, limit=7).data if not do.is_async else ids[:7]) == 7


def test_a_line_that_fails_is_in_the_error_file(do: Driver, fakebatch: FakeBatch) -> None:
    """An HTTP failure has a response and no error; one without HTTP the other way round."""
    fakebatch.on(custom_id="b").fail(429, code="busy", message="Later.")
    fakebatch.on(custom_id="c").fail(code="request_timeout")
    done = do.run([chat("a"), chat("b"), chat("c")])
    errors = {line["custom_id"]: line for line in do.results(done.error_file_id)}

    assert (done.request_counts.completed, done.request_counts.failed) == (1, 2)
    assert errors["b"]["response"]["status_code"] == 429
    assert errors["b"]["response"]["body"]["error"]["code"] == "busy"
    assert errors["b"]["error"] is None
    assert errors["c"]["response"] is None
    assert errors["c"]["error"]["code"] == "request_timeout"


def test_all_lines_failed_is_completed_with_an_error_file_alone(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """A batch of which no line succeeds still completes, without an output file."""
    fakebatch.on(model="gpt-4o-mini").fail(500)
    done = do.run([chat("a")])

    assert (done.status, done.output_file_id) == ("completed", None)
    assert [line["custom_id"] for line in do.results(done.error_file_id)] == ["a"]


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
    ],
)
def test_one_bad_line_fails_the_whole_batch(
    do: Driver, second: bytes, code: str, param: str | None
) -> None:
    """Validation fails a batch for one bad line, names it, and nothing of the batch runs."""
    done = do.run(jsonl([chat("a")]) + second)
    entry = done.errors.data[0]

    assert done.status == "failed"
    assert (entry.code, entry.param, entry.line) == (code, param, 2)
    assert (done.request_counts.total, done.output_file_id, done.error_file_id) == (0, None, None)


def test_an_unknown_input_file_fails_the_batch_later(do: Driver, fakebatch: FakeBatch) -> None:
    """The create call succeeds; the reason comes with the failure."""
    batch = do(
        do.client.batches.create,
        input_file_id="file-unknown",
        endpoint="/v1/embeddings",
        completion_window="24h",
    )
    assert batch.status == "validating"
    assert "Cannot find file file-unknown" in do.poll(batch)[-1].errors.data[0].message


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
    done = do.poll(batch, every=1)[-1]

    assert done.status == "cancelled"
    assert done.cancelled_at - done.cancelling_at == 606
    got = done.request_counts
    assert (got.total, got.completed, got.failed) == counts
    assert (done.output_file_id is not None, done.error_file_id is not None) == files
    assert do(do.client.batches.cancel, batch.id).status == "cancelled"


def test_a_terminal_batch_cannot_be_cancelled(do: Driver, fakebatch: FakeBatch) -> None:
    """409, which the SDK sends three times before it tells."""
    done = do.run([chat("a")])
    with pytest.raises(openai.ConflictError, match="Cannot cancel a batch with status 'completed'"):
        do(do.client.batches.cancel, done.id)
    assert fakebatch.router["batches.cancel"].call_count == 3


def test_an_expired_batch_leaves_what_had_finished(do: Driver, fakebatch: FakeBatch) -> None:
    """Expiry goes through finalizing; finished lines are kept, others are `batch_expired`."""
    fakebatch.schedule(in_progress="48h")
    done = do.run([chat(f"r{i}") for i in range(4)])

    assert done.status == "expired"
    assert done.finalizing_at == done.expires_at + 1
    assert done.completed_at is None
    lines = [*do.results(done.output_file_id), *do.results(done.error_file_id)]
    assert sorted(line["custom_id"] for line in lines) == ["r0", "r1", "r2", "r3"]
    lost = [line["error"]["code"] for line in lines if line["error"]]
    assert lost == ["batch_expired"] * (4 - done.request_counts.completed)


def test_a_later_rule_does_not_touch_a_batch_that_exists(do: Driver, fakebatch: FakeBatch) -> None:
    """A batch keeps the rules it was created under; among those that match the later wins."""
    fakebatch.on(custom_id="a").fail(400)
    fakebatch.on(contains="hi").reply("sunny")
    batch = do.create([chat("a")])
    fakebatch.on(custom_id="a").fail(500)
    done = do.poll(batch, every=600)[-1]

    message = do.results(done.output_file_id)[0]["response"]["body"]["choices"][0]["message"]
    assert message["content"] == "sunny"


def test_a_callable_answers_each_line_once_in_line_order(do: Driver, fakebatch: FakeBatch) -> None:
    """A callable runs once a line, in line order; its answers are remembered."""
    called: list[str | None] = []

    def answer(line: RequestLine) -> str:
        called.append(line.custom_id)
        return f"for {line.custom_id}"

    fakebatch.reply(answer)
    done = do.run([chat(f"r{i}") for i in range(5)])
    first, second = (do(do.client.files.content, done.output_file_id).content for _ in range(2))

    assert called == ["r0", "r1", "r2", "r3", "r4"]
    assert first == second


def test_what_a_callable_raises_fails_the_test(do: Driver, fakebatch: FakeBatch) -> None:
    """No `except Exception` and no retry of the SDK can hide it."""
    fakebatch.reply(lambda _: str(1 // 0))
    with pytest.raises(Misuse, match="ZeroDivisionError"):
        do.run([chat("a")])


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A downloaded output file that has an answer for custom_id "a"."""
    body = {"choices": [{"message": {"role": "assistant", "content": "as recorded"}}]}
    line = {"custom_id": "a", "response": {"status_code": 200, "body": body}, "error": None}
    path = tmp_path / "recorded_output.jsonl"
    path.write_bytes(jsonl([line]))
    return path


def test_recorded_answers_come_back_by_custom_id(
    do: Driver, fakebatch: FakeBatch, recorded: Path
) -> None:
    """A real output file answers; told to, a custom_id it lacks is echoed."""
    fakebatch.reply_from(recorded, missing="echo")
    done = do.run([chat("a"), chat("b", "echoed")])

    results = do.results(done.output_file_id)
    said = {r["custom_id"]: r["response"]["body"]["choices"][0]["message"] for r in results}
    assert (said["a"]["content"], said["b"]["content"]) == ("as recorded", "echoed")


def test_a_custom_id_that_was_not_recorded_fails_the_test(
    do: Driver, fakebatch: FakeBatch, recorded: Path
) -> None:
    """The message names what the recording has."""
    fakebatch.reply_from(recorded)
    with pytest.raises(Misuse, match=r"No recorded answer for custom_id 'b'.\n.* has 'a'"):
        do.run([chat("a"), chat("b")])


def test_direct_calls_get_what_a_line_would(do: Driver, fakebatch: FakeBatch) -> None:
    """Beside the batch, the model endpoints answer with the same replies and rules."""
    client = do.client
    fakebatch.on(contains="weather").reply("sunny")
    asked: Any = [{"role": "user", "content": "weather?"}]

    said = do(client.chat.completions.create, model="gpt-4o", messages=asked)
    assert said.choices[0].message.content == "sunny"
    assert do(client.responses.create, model="gpt-4o", input="echo me").output_text == "echo me"
    vector = do(client.embeddings.create, model="text-embedding-3-small", input="x", dimensions=8)
    assert len(vector.data[0].embedding) == 8
    assert do(client.completions.create, model="m", prompt="p").choices[0].text == "p"
    assert do(client.moderations.create, input="x", model="m").results[0].flagged is False
    assert do(client.models.retrieve, "gpt-4o").id == "gpt-4o"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        pytest.param("batches.retrieve", openai.NotFoundError, "No batch found", id="a batch"),
        pytest.param("batches.cancel", openai.NotFoundError, "No batch found", id="a cancel"),
        pytest.param("files.retrieve", openai.NotFoundError, "No such File", id="a file"),
        pytest.param("files.delete", openai.NotFoundError, "No such File", id="a deletion"),
        pytest.param("files.content", openai.NotFoundError, "No such File", id="a download"),
    ],
)
def test_what_is_unknown_is_not_found(
    do: Driver, call: str, error: type[Exception], message: str
) -> None:
    """An unknown id is the SDK's own NotFoundError, in the words of the service."""
    resource, name = call.split(".")
    with pytest.raises(error, match=message):
        do(getattr(getattr(do.client, resource), name), "unknown_id")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"endpoint": "/v1/x"}, "Invalid value: '/v1/x'", id="an unknown endpoint"),
        pytest.param({"completion_window": "1h"}, "Supported values are: '24h'", id="a window"),
        pytest.param(
            {"metadata": {"k": [1]}}, "expected a string, but got an array", id="metadata"
        ),
        pytest.param({"metadata": {"k": "v" * 600}}, "maximum length 512", id="a long value"),
    ],
)
def test_a_bad_create_is_refused(do: Driver, changed: dict[str, Any], message: str) -> None:
    """A field the service does not accept is the SDK's BadRequestError."""
    with pytest.raises(openai.BadRequestError, match=message):
        do.create([chat("a")], **changed)


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Ids, order and content follow from the seed alone."""

    def download(seed: int) -> bytes:
        with FakeBatch(seed=seed):
            driver = Driver(openai.OpenAI())
            done = driver.run([chat(f"r{i}") for i in range(20)])
            content: bytes = driver(driver.client.files.content, done.output_file_id).content
            return content

    assert download(1) == download(1) != download(2)

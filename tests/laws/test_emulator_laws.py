"""Laws of the emulator, whatever the schedule, the failures and the moment of looking."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fakebatch.batch.batch import BatchCreateParams
from fakebatch.batch.input_file import validate
from fakebatch.batch.lifecycle import TERMINAL, TRANSITIONS, Status
from fakebatch.dialects import OPENAI, APIError
from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchError
from fakebatch.rules.batches import Schedule
from fakebatch.rules.lines import Fail, LineRule
from fakebatch.rules.scenario import Scenario
from fakebatch.service import Service
from fakebatch.service.view import batch_object
from fakebatch.wire.app import App
from fakebatch.wire.messages import Request
from fakebatch.wire.operations import route
from support.calling import parts
from support.client import chat, jsonl

START = 1_767_225_600 * SECOND
spans = st.integers(0, 100_000)
schedules = st.builds(Schedule, validating=spans, in_progress=spans, finalizing=spans)
looks = st.lists(st.integers(0, 300_000), max_size=8).map(sorted)


class Emulated:
    """A service with a clock in the hand, and one batch in it."""

    def __init__(self, schedule: Schedule, failing: set[int], lines: int, seed: int = 0) -> None:
        self.now = START
        self.service = Service(OPENAI, seed=str(seed).encode())
        rules = tuple(LineRule(index=index, fail=Fail(500)) for index in failing)
        self.service.state.scenario = Scenario(schedule=schedule, on=rules)
        content = jsonl(chat(f"r{index}") for index in range(lines))
        create = self.service.files.create
        uploaded = create(self.now, purpose="batch", filename="in", content=content)
        params = BatchCreateParams("/v1/chat/completions", "24h", uploaded.id)
        self.id = self.service.batches.create(params, self.now).id

    def at(self, seconds: int) -> dict[str, Any]:
        self.now = START + seconds * SECOND
        self.service.state.settle(self.now)
        return batch_object(self.service.state.batches.retrieve(self.id, self.now), self.now)

    def results(self, batch: dict[str, Any]) -> list[str]:
        ids = [batch[key] for key in ("output_file_id", "error_file_id") if batch[key]]
        files = self.service.state.files
        raw = b"".join(bytes(files.retrieve(id_, self.now).content) for id_ in ids)
        return [json.loads(line)["custom_id"] for line in raw.split(b"\n") if line]


cases = st.builds(
    lambda schedule, lines, failing: (schedule, {i for i in failing if i < lines}, lines),
    schedules,
    st.integers(1, 12),
    st.sets(st.integers(0, 11)),
)
Case = tuple[Schedule, set[int], int]


@given(cases, looks)
def test_looking_never_changes_anything(case: Case, moments: list[int]) -> None:
    """What is seen at a moment does not depend on who looked before."""
    looked, last = Emulated(*case), 300_000
    for moment in moments:
        looked.at(moment)
        looked.service.state.files.page(looked.now, limit=100, after=None)
    assert looked.at(last) == Emulated(*case).at(last)


@given(cases, looks)
def test_counts_only_grow_and_never_beyond_the_total(case: Case, moments: list[int]) -> None:
    """Completed + failed <= total, and neither ever falls."""
    emulated = Emulated(*case)
    seen = [emulated.at(moment)["request_counts"] for moment in moments]
    for counts in seen:
        assert counts["completed"] + counts["failed"] <= counts["total"]
    for key in ("total", "completed", "failed"):
        assert [c[key] for c in seen] == sorted(c[key] for c in seen)


@given(cases, st.none() | st.integers(0, 90_000))
def test_every_line_has_exactly_one_result(case: Case, cancel: int | None) -> None:
    """After the end each line is once in output or error file, unless nothing ever ran."""
    emulated = Emulated(*case)
    if cancel is not None and emulated.at(cancel)["status"] not in TERMINAL:
        emulated.service.batches.cancel(emulated.id, emulated.now)
    done = emulated.at(500_000)

    assert done["status"] in TERMINAL
    expected = [f"r{index}" for index in range(case[2])] if done["in_progress_at"] else []
    assert sorted(emulated.results(done), key=lambda id_: int(id_[1:])) == expected


@given(cases, st.integers(0, 90_000))
def test_a_cancel_leaves_the_past_alone(case: Case, cancel: int) -> None:
    """What had begun before a cancel is the same with it and without it."""
    without, with_ = Emulated(*case), Emulated(*case)
    if with_.at(cancel)["status"] not in TERMINAL:
        with_.service.batches.cancel(with_.id, with_.now)
    for earlier in range(0, cancel, max(1, cancel // 5)):
        assert with_.at(earlier) == without.at(earlier)


@given(cases, st.none() | st.integers(0, 90_000))
def test_statuses_follow_the_table(case: Case, cancel: int | None) -> None:
    """Each status of a life may follow the one before."""
    emulated = Emulated(*case)
    if cancel is not None and emulated.at(cancel)["status"] not in TERMINAL:
        emulated.service.batches.cancel(emulated.id, emulated.now)
    marks = emulated.service.state.batches.retrieve(emulated.id, emulated.now).timeline.marks
    assert marks[0].status is Status.VALIDATING
    for before, after in pairwise(marks):
        assert after.status in TRANSITIONS[before.status]
        assert before.at <= after.at


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_can_be_judged(content: bytes) -> None:
    """Validation of whatever was uploaded ends with entries, never with a crash."""
    judged = validate(content, "/v1/chat/completions", OPENAI, None)
    assert judged.errors or len(judged.lines) > 0


@given(st.binary(max_size=300), st.text(max_size=20))
def test_any_body_can_be_a_form(body: bytes, boundary: str) -> None:
    """A malformed form is refused; it never crashes."""
    for form in (body, b"--b\r\n" + body, b"--b\r\n" + body + b"\r\n--b--"):
        with suppress(APIError):
            parts(form, f"multipart/form-data; boundary={boundary}")
            parts(form, "multipart/form-data; boundary=b")


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
fields = st.sampled_from(
    ["input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after", "model"]
)


@given(
    st.sampled_from(["GET", "POST", "DELETE", "PUT"]),
    st.sampled_from(["/files", "/batches", "/chat/completions", "/embeddings", "/models"]),
    st.sampled_from(["", "/x", "/x/content", "/x/cancel", "/x/y/z"]),
    st.dictionaries(fields, json_values).map(json.dumps).map(str.encode) | st.binary(max_size=40),
    st.dictionaries(st.sampled_from(["limit", "after", "order", "purpose"]), st.text(max_size=6)),
)
def test_any_request_is_answered(
    method: str, path: str, tail: str, body: bytes, query: dict[str, str]
) -> None:
    """Whatever comes, the app replies, or is loud about what it does not emulate."""
    app = App(Service(OPENAI, seed=b""), clock=lambda: START, api_keys=None)
    headers = {"authorization": "Bearer k", "content-type": "application/json"}
    try:
        request = Request(method, path + tail, query, headers, body)
        reply = app.handle(request, *route(method, path + tail))
    except FakeBatchError:
        return
    assert 200 <= reply.status < 500

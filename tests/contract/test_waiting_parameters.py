"""Parameters of the incidents from the wait to the webhook, and what each changes on the wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from fakebatch.rules.catalogue import of_group
from support.client import Driver, chat
from support.doors import CONNECTION, WEBHOOK, rows

pytestmark = [pytest.mark.sync, pytest.mark.untyped]
TEN = [chat(f"row-{number}", f"question {number}") for number in range(10)]
HOUR = 3_600

Look = Callable[[Driver, FakeBatch], object]


def polls(*pauses: float) -> Look:
    """After each pause the status of the batch, the page, or the error that came instead."""

    def look(do: Driver, _: FakeBatch) -> list[object]:
        batch, seen = do.create(TEN), list[object]()
        for pause in pauses:
            do.sleep(pause)
            try:
                came = do(do.client.batches.retrieve, batch.id)
                seen.append(came if isinstance(came, str) else came.status)
            except openai.APIStatusError as error:
                seen.append(error.status_code)
            except openai.APIConnectionError as error:
                seen.append(type(error.__cause__).__name__)
        return seen

    return look


def first(read: Callable[[Any], object]) -> Look:
    """Something of the reply to a create call."""
    return lambda do, _: read(do.create(TEN))


def last(read: Callable[[Any], object]) -> Look:
    """Something of a batch that has ended."""
    return lambda do, _: read(do.run(TEN))


def three(after: float, read: Callable[[Any], object]) -> Look:
    """Something of three batches, so long after their creation."""

    def look(do: Driver, _: FakeBatch) -> list[object]:
        batches = [do.create(TEN) for _ in range(3)]
        do.sleep(after)
        return [read(do(do.client.batches.retrieve, batch.id)) for batch in batches]

    return look


def fields(*names: str) -> Look:
    """Fields of a batch on the wire; `...` stands for those that are missing."""

    def look(do: Driver, _: FakeBatch) -> list[object]:
        raw = do.wire(do.client.batches.with_raw_response.retrieve, do.create(TEN).id)
        return [raw.get(name, ...) for name in names]

    return look


def next_page(do: Driver, _: FakeBatch) -> tuple[int, bool]:
    """How many batches come after the last, and whether there are more."""
    page = do(do.client.batches.list, after=do.create(TEN).id)
    return len(page.data), page.has_more


def left_of_three(do: Driver, _: FakeBatch) -> int:
    """How many of three batches are found an hour later."""
    for _number in range(3):
        do.create(TEN)
    do.sleep(HOUR)
    return len(do.all(do.client.batches.list))


def downloaded(do: Driver, _: FakeBatch) -> tuple[str, int]:
    """The id of the output file, and the status of its download."""
    id_ = do.run(TEN).output_file_id
    try:
        do(do.client.files.content, id_)
    except openai.APIStatusError as error:
        return id_, error.status_code
    return id_, 200


def failures_and_a_direct_call(do: Driver, _: FakeBatch) -> tuple[list[int], object, str]:
    """How many lines fail in three batches, and the error of a direct call."""
    counts = [do.run(TEN).request_counts.failed for _ in range(3)]
    with pytest.raises(openai.BadRequestError) as caught:
        do(do.client.chat.completions.create, **TEN[0]["body"])
    return counts, caught.value.code, caught.value.response.json()["error"]["message"]


def webhooks(do: Driver, fakebatch: FakeBatch) -> list[tuple[int, int, bool]]:
    """Of which batch each is, when it came in seconds, and whether the SDK accepts it."""
    received = list[tuple[int, int, bool]]()
    ids: list[str] = []

    def handle(body: bytes, headers: Mapping[str, str]) -> None:
        [number] = [n for n, id_ in enumerate(ids) if id_.encode() in body]
        try:
            do.client.webhooks.unwrap(body, headers)
            is_accepted = True
        except (openai.InvalidWebhookSignatureError, ValueError):
            is_accepted = False
        received.append((number, round(fakebatch.clock.elapsed), is_accepted))

    fakebatch.webhooks.deliver_to(handle)
    for _ in range(2):
        ids.append(do.create(TEN).id)
        do.sleep(60)
    do.sleep(2 * HOUR)
    return received


CASES: dict[str, tuple[str, dict[str, Any], Look, object]] = {
    "another error, of the first poll": (
        "poll-5xx-kills-loop",
        {"nth": 1, "times": 3, "status": 503},
        polls(60, 60),
        [503, "in_progress"],
    ),
    "stuck half way": (
        "stuck-in-progress",
        {"progress": 0.5},
        three(2 * HOUR, lambda batch: (batch.status, batch.request_counts.completed)),
        [("in_progress", 5), ("completed", 10), ("completed", 10)],
    ),
    "two that are stuck": (
        "stuck-in-progress",
        {"times": 2},
        three(2 * HOUR, lambda batch: batch.status),
        ["in_progress", "in_progress", "completed"],
    ),
    "counts that are null": (
        "request-counts-unreliable",
        {"how": "null"},
        last(lambda batch: batch.request_counts),
        None,
    ),
    "an object as an id": (
        "ids-empty-string-or-object",
        {"id": {}},
        first(lambda batch: (batch.output_file_id, batch.error_file_id)),
        ({}, {}),
    ),
    "other fields": (
        "missing-or-null-required-fields",
        {"without": ["errors"], "blanks": ["request_counts"]},
        fields("errors", "request_counts", "completion_window"),
        [..., None, "24h"],
    ),
    "an hour of finalizing": (
        "stuck-finalizing",
        {"duration": "1h"},
        last(lambda batch: batch.completed_at - batch.finalizing_at),
        HOUR + 65,
    ),
    "half an hour of validating": (
        "stuck-validating",
        {"duration": "30m"},
        last(lambda batch: batch.in_progress_at - batch.created_at),
        HOUR / 2 + 65,
    ),
    "the statuses of other copies": (
        "unknown-status",
        {"validating": "queued", "in_progress": "processing", "completed": "DONE"},
        polls(0, 1_800, 1_800),
        ["queued", "processing", "DONE"],
    ),
    "an empty page that is not the last": (
        "pagination-traps",
        {"ignores": []},
        next_page,
        (0, True),
    ),
    "another id": (
        "proxy-rewrites-ids",
        {"output_file_id": "gs://results/1"},
        last(lambda batch: batch.output_file_id),
        "gs://results/1",
    ),
    "another id that is refused": (
        "proxy-rewrites-ids",
        {"output_file_id": "file-of-vertex"},
        downloaded,
        ("file-of-vertex", 500),
    ),
    "another refusal, for a while": (
        "auth-changes-midway",
        {"between": ["20m", "40m"], "status": 403},
        polls(600, 1_200, 1_200),
        ["in_progress", 403, "in_progress"],
    ),
    "one that disappears late": (
        "batch-disappears",
        {"since": "completed"},
        polls(1_800, 1_800),
        ["in_progress", 404],
    ),
    "two that disappear": (
        "batch-disappears",
        {"times": 2},
        left_of_three,
        1,
    ),
    "a refused connection, at first": (
        "dns-tls-connect-failures",
        {"nth": 1, "times": 3, "why": "refused"},
        polls(60, 60),
        ["ConnectError", "in_progress"],
    ),
    "another page": (
        "html-or-nonjson-200",
        {"nth": 2, "times": 1, "body": "<html>Hello"},
        polls(60, 60, 60),
        ["validating", "<html>Hello", "in_progress"],
    ),
    "other steps back": (
        "status-goes-backwards",
        {"statuses": ["in_progress", "queued"]},
        polls(900, 1_800),
        ["in_progress", "queued"],
    ),
    "another new field": (
        "new-fields",
        {"value": [1]},
        first(lambda batch: batch.x_queue),
        [1],
    ),
    "two that expire": (
        "expired-with-partial-output",
        {"finished": 0.3, "times": 2},
        three(26 * HOUR, lambda batch: (batch.status, batch.request_counts.completed)),
        [("expired", 3), ("expired", 3), ("completed", 10)],
    ),
    "two that expire, by the other name": (
        "expired-with-line-separator",
        {"finished": 0.2, "times": 2},
        three(26 * HOUR, lambda batch: (batch.status, batch.request_counts.completed)),
        [("expired", 2), ("expired", 2), ("completed", 10)],
    ),
    "one that is later still": (
        "late-past-expiry",
        {"in_progress": "30h"},
        last(lambda batch: batch.finalizing_at - batch.in_progress_at),
        30 * HOUR,
    ),
    "two that are cancelled, and soon": (
        "cancel-partial-and-slow",
        {"at": "30m", "cancelling": "1m", "times": 2},
        three(
            2 * HOUR,
            lambda batch: batch.cancelled_at and batch.cancelled_at - batch.cancelling_at,
        ),
        [60, 60, None],
    ),
    "another moment": (
        "cancel-partial-and-slow",
        {"at": "30m"},
        last(lambda batch: batch.cancelling_at - batch.created_at),
        1_800,
    ),
    "an early cancel": (
        "cancel-vs-complete-race",
        {"at": "10m"},
        last(lambda batch: (batch.cancelling_at - batch.created_at, batch.status)),
        (600, "completed"),
    ),
    "more lines, and other words": (
        "batch-only-deployment",
        {"fraction": 0.2, "times": 2, "code": "no", "message": "No."},
        failures_and_a_direct_call,
        ([2, 2, 0], "no", "No."),
    ),
    "milliseconds": (
        "timestamp-shapes",
        {"moments": "milliseconds"},
        first(lambda batch: batch.created_at),
        1_767_225_600_000,
    ),
    "a clock that is ahead": (
        "clock-skew",
        {"behind": "0s", "ahead": "2h", "in_progress": "1h"},
        last(lambda batch: (batch.created_at, batch.completed_at)),
        (1_767_232_800, 1_767_232_800 + HOUR + 130),
    ),
    "a lost, a forged and a stale one": (
        "webhook-duplicate-unordered",
        {"duplicates": 0, "scatter": "0s", "lost": 1, "forged": 1, "stale": 1},
        webhooks,
        [(1, 3_660, False), (1, 3_660, True), (1, 3_660, False)],
    ),
    "earlier ones": (
        "webhook-before-output",
        {"early": "5m"},
        webhooks,
        [(0, 3_300, True), (1, 3_360, True)],
    ),
}


NOT_OVER_A_SOCKET = {
    "a refused connection, at first": CONNECTION,
    "a lost, a forged and a stale one": WEBHOOK,
    "earlier ones": WEBHOOK,
}


@pytest.mark.parametrize("case", rows(CASES, NOT_OVER_A_SOCKET))
def test_a_parameter_changes_what_a_client_sees(
    do: Driver, fakebatch: FakeBatch, case: tuple[str, dict[str, Any], Look, object]
) -> None:
    """As its sentence says; what is left out has its default."""
    name, parameters, look, expected = case
    fakebatch.incident(name, **parameters)
    assert look(do, fakebatch) == expected


def test_no_parameter_of_these_groups_is_left_out() -> None:
    """Each is changed above."""
    changed = {
        (name, parameter) for name, parameters, *_ in CASES.values() for parameter in parameters
    }
    groups = ("wait", "expiry", "cancel", "time", "resume", "webhook")
    incidents = (incident for group in groups for incident in of_group(group))
    assert {
        (each.name, parameter) for each in incidents for parameter in each.parameters
    } <= changed

from __future__ import annotations

from typing import Any

import pytest

from fakebatch.batch.batch import Batch
from fakebatch.durations import SECOND
from fakebatch.rules.scenario import Scenario
from support.batches import CHAT, DAY, OVERDUE, T0, batch, failing, requests, seen

CREATED = T0 // SECOND
OVER = DAY // SECOND

NEW_BATCH = {
    "id": "batch_1",
    "object": "batch",
    "endpoint": CHAT,
    "model": None,
    "errors": None,
    "input_file_id": "file-1",
    "completion_window": "24h",
    "status": "validating",
    "output_file_id": None,
    "error_file_id": None,
    "created_at": CREATED,
    "in_progress_at": None,
    "expires_at": CREATED + 86_400,
    "finalizing_at": None,
    "completed_at": None,
    "failed_at": None,
    "expired_at": None,
    "cancelling_at": None,
    "cancelled_at": None,
    "request_counts": {"total": 0, "completed": 0, "failed": 0},
    "usage": {
        "input_tokens": 0,
        "output_tokens": 0,
        "total_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    },
    "metadata": None,
}
"""A batch as it is created: every key there, in the order of the wire of August 2026."""

RAN = {"in_progress_at": CREATED + 10, "model": "gpt-5-nano-2025-08-07"}
FINALIZED = {**RAN, "finalizing_at": CREATED + 110}
COMPLETED = {**FINALIZED, "status": "completed", "completed_at": CREATED + 115}
OUTPUT, ERROR = {"output_file_id": "file-output"}, {"error_file_id": "file-error"}


def counts(total: int, completed: int = 0, failed: int = 0) -> dict[str, dict[str, int]]:
    return {"request_counts": {"total": total, "completed": completed, "failed": failed}}


def cancelled(at: int) -> dict[str, Any]:
    moments = {"cancelling_at": CREATED + at, "cancelled_at": CREATED + at + 606}
    return {"status": "cancelled", **moments}


def failed(**entry: Any) -> dict[str, Any]:
    errors = {"object": "list", "data": [entry]}
    return {"status": "failed", "failed_at": CREATED + 10, "errors": errors}


BAD_JSON = failed(
    code="invalid_json_line",
    message="This line is not parseable as valid JSON.",
    param=None,
    line=1,
)
NO_FILE = failed(
    code="invalid_request",
    message="Cannot find file file-1, or organization org-fakebatch does not have access to it.",
    param="file_id",
    line=None,
)
EXPIRING = {**RAN, **counts(10, 5), "finalizing_at": CREATED + OVER + 1}

STATES: dict[str, tuple[Batch, float, dict[str, Any]]] = {
    "validating": (batch(), 9, {}),
    "in progress": (batch(), 60, {**RAN, "status": "in_progress", **counts(10, 5)}),
    "finalizing: no files yet": (
        batch(),
        112,
        {**FINALIZED, "status": "finalizing", **counts(10, 10)},
    ),
    "completed: an output file": (batch(), 115, {**COMPLETED, **counts(10, 10), **OUTPUT}),
    "completed in part: both files": (
        batch(scenario=failing("r-1")),
        115,
        {**COMPLETED, **counts(10, 9, 1), **OUTPUT, **ERROR},
    ),
    "completed, all failed: no output file": (
        batch(requests(1), scenario=failing("r-0")),
        115,
        {**COMPLETED, **counts(1, 0, 1), **ERROR},
    ),
    "failed": (batch(b"{"), 10, BAD_JSON),
    "failed without input file": (batch(missing=True), 10, NO_FILE),
    "cancelling what validated": (
        batch(cancelled=5),
        10,
        {"status": "cancelling", "cancelling_at": CREATED + 5},
    ),
    "cancelled while validating: no files": (batch(cancelled=5), 999, cancelled(5)),
    "cancelling what ran: finalizing_at stays null": (
        batch(cancelled=60),
        200,
        {**RAN, "status": "cancelling", "cancelling_at": CREATED + 60, **counts(10, 5)},
    ),
    "cancelled: both files": (
        batch(cancelled=60),
        60 + 606,
        {**RAN, **cancelled(60), **counts(10, 5), **OUTPUT, **ERROR},
    ),
    "cancelled before a line was done: an error file": (
        batch(cancelled=10),
        999,
        {**RAN, **cancelled(10), **counts(10), **ERROR},
    ),
    "expiring": (
        batch(scenario=Scenario(schedule=OVERDUE)),
        OVER + 1,
        {**EXPIRING, "status": "finalizing"},
    ),
    "expired: completed_at stays null": (
        batch(scenario=Scenario(schedule=OVERDUE)),
        OVER + 607,
        {**EXPIRING, "status": "expired", "expired_at": CREATED + OVER + 607, **OUTPUT, **ERROR},
    ),
}


def differing(wire: dict[str, Any]) -> dict[str, Any]:
    """What is not as in a new batch; usage apart."""
    return {key: value for key, value in wire.items() if key != "usage" and value != NEW_BATCH[key]}


def test_a_new_batch_has_every_key_in_the_order_of_the_wire() -> None:
    """What is not known yet is null, never absent."""
    assert list(NEW_BATCH.items()) == list(seen(batch(), 0).items())


@pytest.mark.parametrize(("of", "seconds", "expected"), STATES.values(), ids=STATES)
def test_a_batch_shows_what_has_come_by_now(
    of: Batch, seconds: float, expected: dict[str, Any]
) -> None:
    """Status, moments, counts and files agree, and every other key is as it was at creation."""
    assert expected == differing(seen(of, seconds))


@pytest.mark.parametrize(("of", "seconds"), [row[:2] for row in STATES.values()], ids=STATES)
def test_keys_never_change(of: Batch, seconds: float) -> None:
    """The keys of a batch and their order are the same in every status."""
    assert list(NEW_BATCH) == list(seen(of, seconds))

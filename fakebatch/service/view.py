"""What a client sees: pure functions of (record, now) that give the objects of the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fakebatch import replies
from fakebatch.batch.input_file import Entry
from fakebatch.batch.lifecycle import TERMINAL, Status
from fakebatch.batch.plan import Counts, Plan
from fakebatch.batch.result_files import has_errors, has_output
from fakebatch.dialects import Flaw, Words
from fakebatch.durations import SECOND
from fakebatch.service.shelf import BatchRecord, FileRecord

Wire = dict[str, Any]

LEAVES_FILES = TERMINAL - {Status.FAILED}

MOMENTS = (
    "in_progress_at",
    "expires_at",
    "finalizing_at",
    "completed_at",
    "failed_at",
    "expired_at",
    "cancelling_at",
    "cancelled_at",
)
"""What follows `created_at` in a Batch object."""


def seconds(at: int | None) -> int | None:
    """A moment as the wire has it: whole unix seconds, or null."""
    return None if at is None else at // SECOND


def file_object(record: FileRecord) -> Wire:
    """A File object, its keys in the order of the wire (observed Aug 2026)."""
    return {
        "object": "file",
        "id": record.id,
        "purpose": record.purpose,
        "filename": record.filename,
        "bytes": len(record.load()),
        "created_at": seconds(record.created),
        "expires_at": seconds(record.expires),
        "status": "processed",
        "status_details": None,
    }


def deleted_file(id_: str) -> Wire:
    """The answer to the deletion of a file."""
    return {"object": "file", "deleted": True, "id": id_}


def model_object(id_: str) -> Wire:
    """A Model object."""
    return {"id": id_, "object": "model", "created": 1_700_000_000, "owned_by": "system"}


def page(data: Sequence[Wire], *, has_more: bool) -> Wire:
    """A list of objects; without any, both ids are null."""
    return {
        "object": "list",
        "data": list(data),
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }


def batch_object(record: BatchRecord, now: int) -> Wire:
    """A Batch object at `now`: every key there, null when unset, in the order of the wire."""
    plan = record.plan
    asked = plan.input.asked
    status = plan.status(now)
    left = status in LEAVES_FILES
    return {
        "id": record.id,
        "object": "batch",
        "endpoint": asked.endpoint,
        "model": _model(plan, status),
        "errors": _errors(plan) if status is Status.FAILED else None,
        "input_file_id": asked.input_file_id,
        "completion_window": asked.window,
        "status": status.value,
        "output_file_id": record.output_file_id if left and has_output(plan) else None,
        "error_file_id": record.error_file_id if left and has_errors(plan) else None,
        "created_at": seconds(plan.created),
        **_moments(plan, status, now),
        "request_counts": _counts(plan, status, now),
        "usage": _usage(record.results.usage if left else replies.Usage()),
        "metadata": None if asked.metadata is None else dict(asked.metadata),
    }


def _model(plan: Plan, status: Status) -> str | None:
    if status is Status.VALIDATING or plan.timeline.starts(Status.IN_PROGRESS) is None:
        return None
    model = plan.input.judged.model
    return None if model is None else plan.input.dialect.snapshot(model)


def _errors(plan: Plan) -> Wire:
    flaws = plan.input.dialect.flaws
    return {"object": "list", "data": [_error(entry, flaws) for entry in plan.input.judged.entries]}


def _error(entry: Entry, flaws: Mapping[Flaw, Words]) -> Wire:
    words = flaws[entry.flaw]
    return {
        "code": words.code,
        "message": words.message_for(entry.facts),
        "param": words.param_for(entry.facts),
        "line": entry.line,
    }


def _moments(plan: Plan, status: Status, now: int) -> dict[str, int | None]:
    moments: dict[str, int | None] = dict.fromkeys(MOMENTS)
    moments["expires_at"] = seconds(plan.expires)
    if status is not Status.VALIDATING:
        for mark in plan.timeline.marks[1:]:
            if mark.at <= now:
                moments[f"{mark.status.value}_at"] = seconds(mark.at)
    return moments


def _counts(plan: Plan, status: Status, now: int) -> Wire:
    counts = Counts() if status is Status.VALIDATING else plan.counts(now)
    return {"total": counts.total, "completed": counts.completed, "failed": counts.failed}


def _usage(usage: replies.Usage) -> Wire:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }

"""What a client sees: pure functions of (record, now) that give the objects of the wire."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fakebatch import replies
from fakebatch.batch.input_file import Entry
from fakebatch.batch.lifecycle import TERMINAL, Status
from fakebatch.batch.plan import Counts, Plan
from fakebatch.batch.result_files import has_errors, has_output
from fakebatch.dialects import Flaw, Words
from fakebatch.durations import SECOND
from fakebatch.scenario import ErrorEntry
from fakebatch.service.shelf import BatchRecord, FileRecord, UploadRecord
from fakebatch.service.showing import counts_of, shown

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


def file_object(record: FileRecord, now: int) -> Wire:
    """A File object, its keys in the order of the wire (observed Aug 2026)."""
    return {
        "object": "file",
        "id": record.id,
        "purpose": record.purpose,
        "filename": record.filename,
        "bytes": len(record.load()),
        "created_at": seconds(record.created),
        "expires_at": seconds(record.expires),
        "status": record.status(now),
        "status_details": None,
    }


def deleted_file(id_: str) -> Wire:
    """The answer to the deletion of a file."""
    return {"object": "file", "deleted": True, "id": id_}


def upload_object(record: UploadRecord, now: int) -> Wire:
    """An Upload object; the recorded ones have no `file` before they are completed."""
    return {
        "id": record.id,
        "object": "upload",
        "bytes": record.file.bytes,
        "created_at": seconds(record.created),
        "filename": record.file.filename,
        "purpose": record.file.purpose,
        "status": record.status(now),
        "expires_at": seconds(record.expires),
    }


def part_object(id_: str, created: int, upload_id: str) -> Wire:
    """An Upload Part object."""
    return {
        "id": id_,
        "object": "upload.part",
        "created_at": seconds(created),
        "upload_id": upload_id,
    }


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
    early = plan.input.life.early_files
    wire = {
        "id": record.id,
        "object": "batch",
        "endpoint": asked.endpoint,
        "model": _model(plan, status),
        "errors": _errors(plan) if status is Status.FAILED else None,
        "input_file_id": asked.input_file_id,
        "completion_window": asked.window,
        "status": status.value,
        "output_file_id": record.output_file_id if early or (left and has_output(plan)) else None,
        "error_file_id": record.error_file_id if early or (left and has_errors(plan)) else None,
        "created_at": seconds(plan.created),
        **_moments(plan, status, now),
        "request_counts": asdict(_counts(plan, status, now)),
        "usage": _usage(record.results.usage if left else replies.Usage()),
        "metadata": None if asked.metadata is None else dict(asked.metadata),
    }
    return shown(wire, plan, now)


def _model(plan: Plan, status: Status) -> str | None:
    if status is Status.VALIDATING or plan.timeline.starts(Status.IN_PROGRESS) is None:
        return None
    model = plan.input.judged.model
    return None if model is None else plan.input.dialect.snapshot(model)


def _errors(plan: Plan) -> Wire:
    flaws, told = plan.input.dialect.flaws, plan.input.life.fails
    entries = [_error(entry, flaws) for entry in plan.input.judged.entries]
    return {"object": "list", "data": entries or _all_told(told, plan)}


def _all_told(told: tuple[ErrorEntry, ...] | str | None, plan: Plan) -> list[Wire]:
    return [_told(entry, plan) for entry in told] if isinstance(told, tuple) else []


def _told(entry: ErrorEntry, plan: Plan) -> Wire:
    words = [one for one in plan.input.dialect.flaws.values() if one.code == entry.code]
    message = entry.message or (words[0].message_for(_facts(plan)) if words else entry.code)
    return {"code": entry.code, "message": message, "param": entry.param, "line": entry.line}


def _facts(plan: Plan) -> Mapping[str, object]:
    """What a message that the test did not write may name."""
    given = plan.input
    facts: defaultdict[str, object] = defaultdict(str)
    limit = given.dialect.limits.enqueued_tokens or 90_000
    facts.update(model=given.judged.model, id=given.asked.input_file_id, limit=limit)
    return facts


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
        for mark in plan.timeline.until(now).marks[1:]:
            moments[f"{mark.status}_at"] = seconds(mark.at)
    return moments


def _counts(plan: Plan, status: Status, now: int) -> Counts:
    return Counts() if status is Status.VALIDATING else counts_of(plan, now)


def _usage(usage: replies.Usage) -> Wire:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }

"""What a client sees: pure functions of (record, now) that give the objects of the wire."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fakebatch import replies
from fakebatch.batch.batch import Batch, Counts
from fakebatch.batch.input_file import BatchError
from fakebatch.batch.lifecycle import TERMINAL, Status
from fakebatch.batch.output_file import result_files, results
from fakebatch.dialects import Dialect, Listing, shaped
from fakebatch.durations import SECOND
from fakebatch.ids import signature
from fakebatch.rules.batches import ErrorEntry
from fakebatch.service.store import FileRecord, UploadRecord

Wire = dict[str, Any]

READY = "processed"
"""What a file record calls a file that is good."""

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


def file_status(record: FileRecord, dialect: Dialect, now: int) -> str:
    """What the file is by now, in the provider's words."""
    status = record.status(now)
    if status != READY:
        return status
    statuses = list(dialect.files.statuses.items())
    if record.purpose == dialect.results_purpose:
        return statuses[-1][0]  # a result file is at once what an upload comes to be
    age = (now - record.created) // SECOND
    return [status for status, since in statuses if since <= age][-1]


def file_object(record: FileRecord, dialect: Dialect, now: int) -> Wire:
    """A File object."""
    facts = {
        "object": "file",
        "id": record.id,
        "purpose": record.purpose,
        "filename": record.filename,
        "bytes": len(record.read()),
        "created_at": seconds(record.created),
        "expires_at": seconds(record.expires),
        "status": file_status(record, dialect, now),
        "status_details": None,
    }
    return shaped(dialect.shapes.file, facts)


def uploaded_file(file: Wire, dialect: Dialect) -> Wire:
    """The answer to an upload."""
    return shaped(dialect.shapes.upload, {**file, "file": file}) if dialect.shapes.upload else file


def deleted_file(id_: str, dialect: Dialect) -> Wire:
    """The answer to the deletion of a file."""
    return shaped(dialect.shapes.deleted, {"object": "file", "deleted": True, "id": id_})


def upload_object(record: UploadRecord, now: int) -> Wire:
    """An Upload object; the recorded ones have no `file` before they are completed."""
    return {
        "id": record.id,
        "object": "upload",
        "bytes": record.params.bytes,
        "created_at": seconds(record.created),
        "filename": record.params.filename,
        "purpose": record.params.purpose,
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


def page(data: Sequence[Wire], listing: Listing, *, has_more: bool) -> Wire:
    """A list of objects; without any, both ids are null."""
    last = data[-1]["id"] if data else None
    facts = {
        "object": "list",
        "data": list(data),
        "data_or_null": list(data) or None,
        "first_id": data[0]["id"] if data else None,
        "last_id": last,
        "has_more": has_more,
        "next": last if has_more else None,
    }
    return shaped(listing.shape, facts)


def batch_object(batch: Batch, now: int) -> Wire:
    """A Batch object at `now`, in the shape and the order of the wire; null is what is unset."""
    params, dialect = batch.params, batch.dialect
    status = batch.status(now)
    left = status in LEAVES_FILES
    usage = results(batch).usage if left and "usage" in dialect.shapes.batch else replies.Usage()
    files = {file.kind for file in result_files(batch)} if left else set[str]()
    if batch.overrides.override.early_files:
        files = {"output", "errors"}
    facts = {
        "id": batch.id,
        "object": "batch",
        "endpoint": params.endpoint,
        "endpoint_once_valid": None if status is Status.VALIDATING else params.endpoint,
        "model": _model(batch, status),
        "errors": _errors(batch, status),
        "input_file_id": params.input_file_id,
        "completion_window": params.completion_window,
        "status": dialect.statuses.get(status, status.value),
        "output_file_id": _result(batch, batch.output_file_id) if "output" in files else None,
        "error_file_id": _result(batch, batch.error_file_id) if "errors" in files else None,
        "created_at": seconds(batch.created),
        **_moments(batch, status, now),
        **_counts(batch, status, now),
        "usage": _usage(usage),
        "metadata": None if params.metadata is None else dict(params.metadata),
    }
    wire = shaped(dialect.shapes.batch, facts)
    return wire if batch.is_usual else _overridden(wire, batch, now)


def _result(batch: Batch, id_: str) -> str:
    """How a batch names a result file: by its id, or by where it is."""
    if not batch.dialect.results_url:
        return id_
    base = batch.dialect.base_urls[0]
    return batch.dialect.results_url.format(base=base, id=id_, signature=signature(id_))


def _model(batch: Batch, status: Status) -> str | None:
    if status is Status.VALIDATING or batch.timeline.starts(Status.IN_PROGRESS) is None:
        return None
    model = batch.validation.model
    return None if model is None else batch.dialect.snapshot(model)


def _errors(batch: Batch, status: Status) -> Wire | None:
    skips = status is not Status.VALIDATING and batch.skips_lines
    if not skips and status is not Status.FAILED:
        return None
    return {"object": "list", "data": errors(batch, status)}


def errors(batch: Batch, status: Status) -> list[Wire]:
    """What validation has said by the time of a status."""
    if status is Status.VALIDATING:
        return []
    entries = [_error(error, batch.dialect) for error in batch.errors]
    fail = batch.overrides.fail
    return entries or [_own_error(entry, batch) for entry in (fail.entries if fail else ())]


def _own_error(entry: ErrorEntry, batch: Batch) -> Wire:
    """An error that the test asked for; without a message, in the provider's words."""
    words = [one for one in batch.dialect.batch_errors.values() if one.code == entry.code]
    facts: defaultdict[str, object] = defaultdict(str)
    limit = batch.dialect.limits.enqueued_tokens or 90_000
    facts.update(model=batch.validation.model, id=batch.params.input_file_id, limit=limit)
    message = entry.message or (words[0].message_for(facts) if words else entry.code)
    return {"code": entry.code, "message": message, "param": entry.param, "line": entry.line}


def _error(error: BatchError, dialect: Dialect) -> Wire:
    words = dialect.batch_errors[error.code]
    facts = {
        "code": words.code,
        "message": words.message_for(error.facts),
        "param": words.param_for(error.facts),
        "line": error.line,
    }
    return shaped(dialect.shapes.entry, facts)


def _moments(batch: Batch, status: Status, now: int) -> dict[str, int | None]:
    moments: dict[str, int | None] = dict.fromkeys(MOMENTS)
    moments["expires_at"] = seconds(batch.expires)
    if status is not Status.VALIDATING:
        for mark in batch.timeline.marks[1:]:
            if mark.at <= now:
                moments[f"{mark.status.value}_at"] = seconds(mark.at)
    return moments


def _counts(batch: Batch, status: Status, now: int) -> dict[str, Wire]:
    counts = Counts() if status is Status.VALIDATING else batch.counts(now - batch.counts_lag)
    wire = {"total": counts.total, "completed": counts.completed, "failed": counts.failed}
    lost = counts.total - counts.completed if status in TERMINAL else counts.failed
    return {
        "request_counts": wire,
        "counts_once_valid": dict.fromkeys(wire) if status is Status.VALIDATING else wire,
        "counts_to_the_end": {**wire, "failed": lost},
    }


def _usage(usage: replies.Usage) -> Wire:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


# --- what the test shows otherwise than it is

_MOMENTS: dict[str, Callable[[int], Any]] = {
    "milliseconds": lambda at: at * 1_000,
    "float": lambda at: at + 0.25,
    "iso": lambda at: datetime.fromtimestamp(at, UTC).isoformat(),
    "null": lambda _: None,
}


def _overridden(wire: Wire, batch: Batch, now: int) -> Wire:
    """The object of a batch with wrong counts, other statuses, fields or moments."""
    override, fail = batch.overrides.override, batch.overrides.fail
    wire["request_counts"] = _miscounted(wire["request_counts"], batch, now)
    wire["status"] = _other_status(wire["status"], batch, now)
    if fail is not None and fail.errors == "null":
        wire["errors"] = None
    if override.moments is not None:
        form = _MOMENTS[override.moments]
        wire |= {name: form(at) for name, at in wire.items() if _is_moment(name, at)}
    wire |= {name: value for name, value in override.nulls.items() if wire.get(name) is None}
    wire |= dict(override.fields) | dict.fromkeys(override.blanks)
    return {name: value for name, value in wire.items() if name not in override.without}


def _is_moment(name: str, value: object) -> bool:
    return name.endswith("_at") and isinstance(value, int)


def _miscounted(true: Wire, batch: Batch, now: int) -> Wire | None:
    total, failed = true["total"], true["failed"]
    miscount = batch.overrides.miscount
    match None if miscount is None else miscount.how:
        case "zero":
            return dict.fromkeys(true, 0)
        case "null":
            return None
        case "all_completed" if batch.status(now) in TERMINAL:
            return {"total": total, "completed": total, "failed": 0}
        case "failed_as_completed" | "all_completed":
            return {"total": total, "completed": true["completed"] + failed, "failed": 0}
        case "decreasing":
            left = total - true["completed"] - failed
            return {"total": total, "completed": left, "failed": failed}
        case _:
            return true


def _other_status(status: str, batch: Batch, now: int) -> str:
    statuses: Mapping[Any, str | Sequence[str]] = batch.overrides.override.statuses
    shown = statuses.get(status, status)
    if isinstance(shown, str):
        return shown
    began = batch.timeline.at(now)
    later = [mark.at for mark in batch.timeline.marks if mark.at > began.at]
    if not later:
        return shown[-1]
    return shown[(now - began.at) * len(shown) // (later[0] - began.at)]

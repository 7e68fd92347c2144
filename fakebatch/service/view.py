"""What a client sees: pure functions of (record, now) that give the objects of the wire."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from fakebatch import replies
from fakebatch.batch.lifecycle import TERMINAL, Status
from fakebatch.batch.plan import Counts, Plan
from fakebatch.batch.result_files import has_errors, has_output
from fakebatch.batch.validation import Entry
from fakebatch.dialects import Dialect, Listing, shaped
from fakebatch.durations import SECOND
from fakebatch.ids import signature
from fakebatch.scenario import ErrorEntry
from fakebatch.service.shelf import BatchRecord, FileRecord, UploadRecord
from fakebatch.service.showing import counts_of, shown

Wire = dict[str, Any]

T = TypeVar("T")

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
    if record.status(now) != READY:
        return record.status(now)
    statuses = list(dialect.files.statuses.items())
    if record.purpose == dialect.results_purpose:
        return statuses[-1][0]  # a result file is at once what an upload comes to be
    age = (now - record.created) // SECOND
    return [status for status, since in statuses if since <= age][-1]


def is_ready(record: FileRecord, dialect: Dialect, now: int) -> bool:
    """Whether a batch may be created with the file."""
    return file_status(record, dialect, now) == [*dialect.files.statuses][-1]


def file_object(record: FileRecord, dialect: Dialect, now: int) -> Wire:
    """A File object."""
    facts = {
        "object": "file",
        "id": record.id,
        "purpose": record.purpose,
        "filename": record.filename,
        "bytes": len(record.load()),
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


def batch_object(record: BatchRecord, now: int) -> Wire:
    """A Batch object at `now`, in the shape and the order of the wire; null is what is unset."""
    plan = record.plan
    asked, dialect = plan.input.asked, plan.input.dialect
    status = plan.status(now)
    left = status in LEAVES_FILES
    usage = record.results.usage if left and "usage" in dialect.shapes.batch else replies.Usage()
    early = plan.input.life.early_files
    output, errors = (early or (left and has(plan)) for has in (has_output, has_errors))
    facts = {
        "id": record.id,
        "object": "batch",
        "endpoint": asked.endpoint,
        "endpoint_once_valid": None if status is Status.VALIDATING else asked.endpoint,
        "model": _model(plan, status),
        "errors": _errors(plan, status),
        "input_file_id": asked.input_file_id,
        "completion_window": asked.window,
        "status": dialect.statuses.get(status, status.value),
        "output_file_id": _result(record, record.output_file_id) if output else None,
        "error_file_id": _result(record, record.error_file_id) if errors else None,
        "created_at": seconds(plan.created),
        **_moments(plan, status, now),
        **_counts(plan, status, now),
        "usage": _usage(usage),
        "metadata": None if asked.metadata is None else dict(asked.metadata),
    }
    return shown(shaped(dialect.shapes.batch, facts), plan, now)


def made_of_batch(record: BatchRecord, now: int, make: Callable[[Wire], T]) -> T:
    """What `make` makes of a Batch object; not made anew while nothing about the object changes."""
    plan = record.plan
    if not plan.input.is_usual:
        return make(batch_object(record, now))
    known = (make, *plan.phase(now))
    last = record.last_shown
    if last[0] != known:
        last[:] = known, make(batch_object(record, now))
    made: T = last[1]
    return made


def _result(record: BatchRecord, id_: str) -> str:
    """How a batch names a result file: by its id, or by where it is."""
    dialect = record.plan.input.dialect
    if not dialect.results_url:
        return id_
    base = dialect.base_urls[0]
    return dialect.results_url.format(base=base, id=id_, signature=signature(id_))


def _model(plan: Plan, status: Status) -> str | None:
    if status is Status.VALIDATING or plan.timeline.starts(Status.IN_PROGRESS) is None:
        return None
    model = plan.input.judged.model
    return None if model is None else plan.input.dialect.snapshot(model)


def _errors(plan: Plan, status: Status) -> Wire | None:
    skips = status is not Status.VALIDATING and plan.input.judged.skipped
    if not skips and status is not Status.FAILED:
        return None
    return {"object": "list", "data": errors(plan, status)}


def errors(plan: Plan, status: Status) -> list[Wire]:
    """What validation has said by the time of a status."""
    given = plan.input
    if status is Status.VALIDATING:
        return []
    entries = [_error(entry, given.dialect) for entry in given.judged.entries]
    return entries or _all_told(given.life.fails, plan)


def _all_told(told: tuple[ErrorEntry, ...] | str | None, plan: Plan) -> list[Wire]:
    return [_told(entry, plan) for entry in told] if isinstance(told, tuple) else []


def _told(entry: ErrorEntry, plan: Plan) -> Wire:
    words = [one for one in plan.input.dialect.batch_errors.values() if one.code == entry.code]
    message = entry.message or (words[0].message_for(_facts(plan)) if words else entry.code)
    return {"code": entry.code, "message": message, "param": entry.param, "line": entry.line}


def _facts(plan: Plan) -> Mapping[str, object]:
    """What a message that the test did not write may name."""
    given = plan.input
    facts: defaultdict[str, object] = defaultdict(str)
    limit = given.dialect.limits.enqueued_tokens or 90_000
    facts.update(model=given.judged.model, id=given.asked.input_file_id, limit=limit)
    return facts


def _error(entry: Entry, dialect: Dialect) -> Wire:
    words = dialect.batch_errors[entry.flaw]
    facts = {
        "code": words.code,
        "message": words.message_for(entry.facts),
        "param": words.param_for(entry.facts),
        "line": entry.line,
    }
    return shaped(dialect.shapes.entry, facts)


def _moments(plan: Plan, status: Status, now: int) -> dict[str, int | None]:
    moments: dict[str, int | None] = dict.fromkeys(MOMENTS)
    moments["expires_at"] = seconds(plan.expires)
    if status is not Status.VALIDATING:
        for mark in plan.timeline.marks[1:]:
            if mark.at <= now:
                moments[f"{mark.status.value}_at"] = seconds(mark.at)
    return moments


def _counts(plan: Plan, status: Status, now: int) -> dict[str, Wire]:
    counts = Counts() if status is Status.VALIDATING else counts_of(plan, now)
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

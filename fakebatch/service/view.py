"""The JSON objects of the API: pure functions of a record and the time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fakebatch import replies
from fakebatch.batch.batch import Batch
from fakebatch.batch.input_file import BatchError
from fakebatch.batch.lifecycle import TERMINAL, Counts, Status
from fakebatch.batch.output_file import result_files, results
from fakebatch.dialects import Dialect, Listing, render
from fakebatch.durations import SECOND, microseconds
from fakebatch.ids import signature
from fakebatch.rules.batches import NO_OVERRIDES
from fakebatch.service.records import FileRecord, UploadRecord

Wire = dict[str, Any]
"""A JSON object of the API."""

LEAVES_FILES = TERMINAL - {Status.FAILED}


def file_object(file: FileRecord, dialect: Dialect, now: int) -> Wire:
    """A File object."""
    values = {
        "object": "file",
        "id": file.id,
        "purpose": file.purpose,
        "filename": file.filename,
        "bytes": len(file.content),
        "created_at": file.created // SECOND,
        "expires_at": None if file.expires is None else file.expires // SECOND,
        "status": file_status(file, dialect, now),
        "status_details": None,
    }
    return render(dialect.shapes.file, values)


def file_status(file: FileRecord, dialect: Dialect, now: int) -> str:
    """The status of a file at `now`, as the provider calls it."""
    if now < file.created + file.overrides.ready_after:
        return "uploaded"
    if file.overrides.broken:
        return "error"
    statuses = dialect.files.statuses
    if file.purpose == dialect.results_purpose:
        return [*statuses][-1]  # a result file needs no processing
    age = (now - file.created) // SECOND
    return [status for status, since in statuses.items() if since <= age][-1]


def uploaded_file(file: FileRecord, dialect: Dialect, now: int) -> Wire:
    """The response to `files.create`."""
    wire = file_object(file, dialect, now)
    return render(dialect.shapes.upload, {**wire, "file": wire}) if dialect.shapes.upload else wire


def deleted_file(id_: str, dialect: Dialect) -> Wire:
    """The response to `files.delete`."""
    return render(dialect.shapes.deleted, {"object": "file", "deleted": True, "id": id_})


def upload_object(upload: UploadRecord, now: int) -> Wire:
    """An Upload object; the recorded ones have no `file` before they are completed."""
    return {
        "id": upload.id,
        "object": "upload",
        "bytes": upload.params.bytes,
        "created_at": upload.created // SECOND,
        "filename": upload.params.filename,
        "purpose": upload.params.purpose,
        "status": upload.status(now),
        "expires_at": upload.expires // SECOND,
    }


def part_object(id_: str, created: int, upload_id: str) -> Wire:
    """An Upload Part object."""
    return {
        "id": id_,
        "object": "upload.part",
        "created_at": created // SECOND,
        "upload_id": upload_id,
    }


def model_object(id_: str) -> Wire:
    """A Model object."""
    return {"id": id_, "object": "model", "created": 1_700_000_000, "owned_by": "system"}


def page(data: Sequence[Wire], listing: Listing, *, has_more: bool) -> Wire:
    """A page of a listing; if it is empty, both ids are null."""
    last = data[-1]["id"] if data else None
    values = {
        "object": "list",
        "data": list(data),
        "data_or_null": list(data) or None,
        "first_id": data[0]["id"] if data else None,
        "last_id": last,
        "has_more": has_more,
        "next": last if has_more else None,
    }
    return render(listing.shape, values)


def batch_object(batch: Batch, now: int, base_url: str = "") -> Wire:
    """A Batch object at `now`, with the fields of the dialect; those that are not set are null.

    URLs of result files lead to `base_url`; if it is empty, to the address of the provider.
    """
    params, dialect = batch.params, batch.dialect
    base = base_url or dialect.base_urls[0]
    status = batch.status(now)
    validating = status is Status.VALIDATING
    left = status in LEAVES_FILES
    usage = results(batch).usage if left and "usage" in dialect.shapes.batch else replies.Usage()
    files = {file.kind for file in result_files(batch)} if left else set[str]()
    if batch.overrides.override.early_files and status is not Status.FAILED:
        files = {"output", "errors"}
    ids = {"output": batch.output_file_id, "errors": batch.error_file_id}
    shown = {kind: reference(dialect, base, ids[kind]) for kind in files}
    model = None
    if not validating and batch.timeline.starts(Status.IN_PROGRESS) is not None:
        model = batch.validation.model
    # bad lines may be left out and listed in `errors`, while the others run
    lists_errors = status is Status.FAILED or (
        not validating and bool(batch.errors) and not batch.fails
    )
    counted = Counts() if validating else batch.counts(now - batch.counts_lag)
    counts = {"total": counted.total, "completed": counted.completed, "failed": counted.failed}
    lost = counted.total - counted.completed if status in TERMINAL else counted.failed
    begun = () if validating else batch.timeline.marks[1:]
    values = {
        "id": batch.id,
        "object": "batch",
        "endpoint": params.endpoint,
        "endpoint_once_valid": None if validating else params.endpoint,
        "model": dialect.snapshots.get(model or "", model),
        "errors": {"object": "list", "data": errors(batch, status)} if lists_errors else None,
        "input_file_id": params.input_file_id,
        "completion_window": params.completion_window,
        "status": dialect.statuses.get(status, status.value),
        "output_file_id": shown.get("output"),
        "error_file_id": shown.get("errors"),
        "created_at": batch.created // SECOND,
        **dict.fromkeys(f"{each.value}_at" for each in Status),
        "expires_at": batch.expires // SECOND,
        **{f"{mark.status.value}_at": mark.at // SECOND for mark in begun if mark.at <= now},
        "request_counts": counts,
        "counts_once_valid": dict.fromkeys(counts) if validating else counts,
        "counts_to_the_end": {**counts, "failed": lost},
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_tokens},
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        },
        "metadata": None if params.metadata is None else dict(params.metadata),
    }
    wire = render(dialect.shapes.batch, values)
    return wire if batch.overrides is NO_OVERRIDES else _overridden(wire, batch, now)


def reference(dialect: Dialect, base: str, id_: str) -> str:
    """How a batch refers to a result file: by its id, or by a URL."""
    if not dialect.results_url:
        return id_
    return dialect.results_url.format(base=base, id=id_, signature=signature(id_))


def errors(batch: Batch, status: Status) -> list[Wire]:
    """The entries of `errors` at a status: those of validation, else those of a rule."""
    if status is Status.VALIDATING:
        return []
    entries = [entry(error, batch.dialect) for error in batch.errors]
    if not entries and batch.overrides.fail is not None:
        for each in batch.overrides.fail.entries:
            message = each.message or _usual_message(each.code, batch)
            entries.append(Wire(code=each.code, message=message, param=each.param, line=each.line))
    return entries


def entry(error: BatchError, dialect: Dialect) -> Wire:
    """The entry of `errors` for something that validation has found."""
    template = dialect.batch_errors[error.code]
    values = {
        "code": template.code,
        "message": template.message.format_map(error.values),
        "param": template.param and template.param.format_map(error.values),
        "line": error.line,
    }
    return render(dialect.shapes.entry, values)


def _usual_message(code: str, batch: Batch) -> str:
    """The provider's message for a code; if it has none, the code."""
    templates = [each for each in batch.dialect.batch_errors.values() if each.code == code]
    if not templates:
        return code
    values: defaultdict[str, object] = defaultdict(str)
    limit = batch.dialect.limits.enqueued_tokens or 90_000
    values.update(model=batch.validation.model, id=batch.params.input_file_id, limit=limit)
    return templates[0].message.format_map(values)


# --- what the rules of `on_batch` change

_MOMENTS: dict[str | None, Callable[[int], Any]] = {
    None: lambda at: at,
    "milliseconds": lambda at: at * 1_000,
    "float": lambda at: at + 0.25,
    "iso": lambda at: datetime.fromtimestamp(at, UTC).isoformat(),
    "null": lambda _: None,
}


def _overridden(wire: Wire, batch: Batch, now: int) -> Wire:
    """A Batch object with other counts, statuses, fields or moments."""
    override, fail = batch.overrides.override, batch.overrides.fail
    if "request_counts" in wire:
        wire["request_counts"] = _miscounted(wire["request_counts"], batch, now)
    if "status" in wire:
        wire["status"] = _other_status(wire["status"], batch, now)
    if fail is not None and fail.errors == "null":
        wire["errors"] = None
    ahead = microseconds(override.clock_ahead) - microseconds(override.clock_behind)
    convert = _MOMENTS[override.moments]
    for name, value in wire.items():
        if name.endswith("_at") and isinstance(value, int):
            wire[name] = convert(value + ahead // SECOND)
    others = override.unless_null.items()
    wire |= {name: value for name, value in others if wire.get(name) is not None}
    wire |= {name: value for name, value in override.nulls.items() if wire.get(name) is None}
    return override.applied(wire)


def _miscounted(true: Wire, batch: Batch, now: int) -> Wire | None:
    total, completed, failed = true["total"], true["completed"], true["failed"]
    miscount = batch.overrides.miscount
    match None if miscount is None else miscount.how:
        case "zero":
            return dict.fromkeys(true, 0)
        case "null":
            return None
        case "all_completed" if batch.status(now) in TERMINAL:
            return {"total": total, "completed": total, "failed": 0}
        case "failed_as_completed" | "all_completed":
            return {"total": total, "completed": completed + failed, "failed": 0}
        case "decreasing":
            return {"total": total, "completed": total - completed - failed, "failed": failed}
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

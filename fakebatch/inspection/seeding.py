"""Starting states: files and batches that a test adds without an HTTP call."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

from fakebatch.batch.batch import Batch, BatchCreateParams
from fakebatch.batch.input_file import parsed_object
from fakebatch.batch.lifecycle import TRANSITIONS, Status
from fakebatch.data_files import jsonl_problem
from fakebatch.dialects import APIError, ErrorKind
from fakebatch.dialects.dialect import BatchStatus
from fakebatch.durations import SECOND, microseconds, text
from fakebatch.errors import UsageError
from fakebatch.inspection.journal import Journal, moment_text
from fakebatch.inspection.objects import BatchView, Collection, FileView, Now, UploadView
from fakebatch.rules.batches import BatchRule, Durations, Fail
from fakebatch.service import Service
from fakebatch.service.records import INPUT_PURPOSE, FileRecord, UploadCreateParams
from fakebatch.service.view import reference
from fakebatch.vtime import moments

Requests = str | Path | bytes | Iterable[Mapping[str, Any]]
"""Request lines as dicts, the bytes or the path of a file, or the id of an existing file."""

UploadStatus = Literal["pending", "completed", "cancelled", "expired"]

REFUSED = BatchRule(fail=Fail("billing_hard_limit_reached", "Billing hard limit has been reached"))
"""Makes a batch with valid lines fail."""


class Files(Collection[FileView]):
    """The files by id, in order of creation, including result files once they exist.

    `add` adds a file to the first provider.
    """

    def __init__(self, services: Sequence[Service], now: Now, journal: Journal) -> None:
        super().__init__("files", services, now, partial(FileView, journal=journal))

    def __getitem__(self, id_: str | None) -> FileView:
        return super().__getitem__(self._id_at(id_) if id_ and "://" in id_ else id_)

    def _id_at(self, url: str) -> str:
        """The id of the result file at a URL, where batches show URLs in place of ids."""
        now = self._now()
        for service in self._services:
            dialect = service.state.dialect
            for record in service.state.files.existing(now) if dialect.results_url else ():
                # without the address, for which a server has several names
                if url.endswith(reference(dialect, "", record.id)):
                    return record.id
        return url

    def add(
        self,
        content: Requests,
        *,
        id: str | None = None,  # noqa: A002  # the field of the object
        filename: str | None = None,
        purpose: str = "batch",
        created: moments.Moment = "-0s",
        expires_after: int | None = None,
    ) -> FileView:
        """Add a file.

        Args:
            content: the bytes, the path of a file to read, or request lines as dicts.
            id: its id; by default a new one in the form of the provider.
            filename: by default that of the path, or "input.jsonl".
            purpose: as in an upload.
            created: a moment, or an age: "-5h".
            expires_after: its lifetime in seconds; by default 30 days for a batch file, else none.

        Raises:
            UsageError: the path does not exist, `created` is in the future, another file has or
                had the id, or the service would refuse the file.
        """
        service, now = self._services[0], self._now()
        file = _uploaded(
            service,
            now,
            content,
            id_=_new_id("files", id, service.state.files),
            filename=filename,
            purpose=purpose,
            created=_past(created, now),
            expires_after=expires_after,
        )
        return self[file.id]


class Batches(Collection[BatchView]):
    """The batches by id, in order of creation. `add` adds a batch to the first provider."""

    def __init__(
        self, services: Sequence[Service], now: Now, files: Files, added: Callable[[], object]
    ) -> None:
        super().__init__("batches", services, now, BatchView)
        self._files, self._added = files, added

    def add(
        self,
        requests: Requests,
        *,
        id: str | None = None,  # noqa: A002  # the field of the object
        status: BatchStatus = "completed",
        created: moments.Moment = "-1h",
        endpoint: str | None = None,
        completion_window: str = "24h",
        metadata: Mapping[str, str] | None = None,
    ) -> BatchView:
        """Add a batch that has this status now and goes on from there.

        Rules of `on_batch` apply to it as to a batch that a client creates.

        Args:
            requests: request lines as dicts, bytes or a path; or the id of a file.
            id: its id; by default a new one in the form of the provider.
            status: the status it has now.
            created: a moment, or an age: "-5h".
            endpoint: by default the url of the first line.
            completion_window: as in a create.
            metadata: as in a create.

        Raises:
            UsageError: a batch of this age with these requests cannot have this status, or another
                batch has or had the id.
        """
        service, now = self._services[0], self._now()
        scenario, dialect = service.state.scenario, service.state.dialect
        _check("status", status, status in [*Status], ", ".join(Status), "in_progress")
        at, id_ = _past(created, now), _new_id("batches", id, service.state.batches)
        files = service.state.files
        file = files.get(requests, now) if isinstance(requests, str) else None
        if file is None:
            file = _uploaded(service, now, requests, created=at, is_processed=True)
        elif file.created > at:
            raise UsageError(
                f"{file.id} is newer than the batch that reads it.",
                f"The file was created at {moment_text(file.created)}, "
                f"the batch at {moment_text(at)}.",
                "Add the file with the created=… of the batch, or an earlier one.",
            )
        first = parsed_object(bytes(file.content).partition(b"\n")[0]) or {}
        endpoint = endpoint or str(first.get("url", dialect.endpoints[0]))
        known = ", ".join(map(repr, dialect.endpoints))
        _check("endpoint", endpoint, endpoint in dialect.endpoints, known, dialect.endpoints[0])
        window, windows = completion_window, dialect.window
        _check("completion_window", window, windows.allows(window), windows.known, windows.usual)
        usual = scenario.schedule.durations()
        if usual.cancelling is None:
            usual = usual._replace(cancelling=dialect.pace.cancelling)
        life, cancelled = _life(Status(status), now - at, usual, windows.lasts(window))
        failing = (REFUSED,) if status == "failed" else ()
        try:
            batch = service.batches.draft(
                BatchCreateParams(endpoint, window, file.id, metadata),
                created=at,
                scenario=replace(
                    scenario,
                    schedule=replace(
                        scenario.schedule,
                        validating=text(life.validating),
                        in_progress=text(life.in_progress),
                        finalizing=text(life.finalizing),
                    ),
                    on_batch=(*scenario.on_batch, *failing),
                ),
                cancelled=None if cancelled is None else at + cancelled,
                id_=id_,
            )
        except APIError as refusal:
            raise _refused("batch", refusal, service) from None
        _check_life(batch, status, now)
        service.batches.keep(batch)
        self._added()
        return self[batch.id]


class Uploads(Collection[UploadView]):
    """The uploads in parts by id, in order of creation. `add` adds one to the first provider."""

    def __init__(self, services: Sequence[Service], now: Now) -> None:
        super().__init__("uploads", services, now, UploadView)

    def add(
        self,
        *,
        id: str | None = None,  # noqa: A002  # the field of the object
        status: UploadStatus = "pending",
        parts: Mapping[str, bytes] | None = None,
        filename: str = "input.jsonl",
        purpose: str = "batch",
        bytes: int | None = None,  # noqa: A002  # the field of the object
        created: moments.Moment | None = None,
    ) -> UploadView:
        """Add an upload that has this status now. Of one that is completed there is no file.

        Args:
            id: its id; by default a new one.
            status: the status it has now.
            parts: the parts that have been sent, by id.
            filename: as in `uploads.create`.
            purpose: as in `uploads.create`.
            bytes: the length that the client announced; by default that of the parts.
            created: a moment, or an age: "-30m". By default now; for one that has expired, as long
                ago as an upload lives.

        Raises:
            UsageError: an upload of this age cannot have this status, another upload has or had
                the id, or there is no such purpose.
        """
        service, now = self._services[0], self._now()
        lives = service.state.dialect.pace.keeps_uploads
        known = get_args(UploadStatus)
        _check("status", status, status in known, ", ".join(known), known[0], kind="uploads")
        at = now if created is None else _past(created, now)
        if created is None and status == "expired":
            at = now - lives
        if (at + lives <= now) != (status == "expired") and status in ("pending", "expired"):
            raise UsageError(
                f"An upload that was created {text(now - at)} ago cannot be {status}.",
                f"It is pending for {text(lives)}, then expired.",
                "Pass another status or another created=….",
            )
        length = sum(map(len, (parts or {}).values())) if bytes is None else bytes
        try:
            upload = service.uploads.create(
                UploadCreateParams(purpose, filename, length),
                at,
                id_=_new_id("uploads", id, service.state.uploads),
                parts=parts,
                ended=status if status in ("completed", "cancelled") else None,
            )
        except APIError as refusal:
            raise _refused("upload", refusal, service) from None
        return self[upload.id]


def _line(line: object) -> Mapping[str, Any]:
    if isinstance(line, Mapping):
        return line  # pyright: ignore[reportUnknownVariableType]
    raise UsageError(
        f"{line!r} is not a request line.",
        "A request line is a dict with custom_id, method, url and body.",
        f"Write [request_line('row-1', {line!r})], after `from fakebatch import request_line`.",
    )


def _new_id(kind: str, id_: str | None, store: Container[str]) -> str | None:
    """The id that a test gives a new object; None if it gives none."""
    fits = id_ not in ("", ".", "..") and "/" not in (id_ or "")
    if id_ is None or (fits and id_ not in store):
        return id_
    raise UsageError(
        f"fakebatch.{kind}.add: id={id_!r} cannot be used.",
        "An object has or had this id." if id_ in store else "It would not fit into a URL.",
        "Pass another id, or leave it out.",
    )


def _life(status: Status, age: int, usual: Durations, window: int) -> tuple[Durations, int | None]:
    """How long a batch that has this status at this age stays in each, and when it is cancelled.

    All in microseconds, the latter since its creation. Validation takes as long as usual, or half
    of the time if that is less; the present status is half over. `_check_life` checks the result.
    """
    validating, in_progress, finalizing, cancelling = usual
    work_left, cancelled = in_progress // 2 + 1, None
    worked = age  # until when it has worked
    match status:
        case Status.VALIDATING:
            return usual._replace(validating=age + validating // 2 + 1), None
        case Status.FAILED:
            return usual._replace(validating=min(validating, age)), None
        case Status.COMPLETED:
            lasts = max(validating + in_progress + finalizing, 1)
            room = min(age, window, lasts)
            return Durations(*(part * room // lasts for part in usual[:3])), None
        case Status.EXPIRED:  # half of the work is done when the window ends
            validating = min(validating, window // 2)
            in_progress = 2 * (window - validating)
            return usual._replace(validating=validating, in_progress=in_progress), None
        case Status.FINALIZING:
            since = min(finalizing, age) // 2
            worked, work_left = age - since, 0
            finalizing = since + max(finalizing // 2, SECOND)
        case Status.CANCELLING:
            worked = cancelled = age - min(cancelling or 0, age) // 2
        case Status.CANCELLED:
            worked = cancelled = min(max(age - (cancelling or 0), 0), window) // 2
        case Status.IN_PROGRESS:
            pass
    validating = min(validating, worked // 2)
    return Durations(validating, worked - validating + work_left, finalizing), cancelled


def _uploaded(
    service: Service,
    now: int,
    content: Requests,
    *,
    filename: str | None = None,
    purpose: str = INPUT_PURPOSE,
    **params: Any,
) -> FileRecord:
    """A new file of the service: `params` are other parameters of `service.files.create`."""
    name = "input.jsonl"
    if not isinstance(content, bytes | str | Path):
        content = b"".join(json.dumps(_line(line)).encode() + b"\n" for line in content)
    if not isinstance(content, bytes):
        path = Path(content)
        try:
            name, content = path.name, path.read_bytes()
        except OSError as error:
            raise UsageError(
                f"{str(path)!r} is neither the id of a file nor the path of one: {error.strerror}.",
                f"Relative paths start at {Path.cwd()}.",
                "Pass bytes or a path; for a batch also its lines as dicts or a file's id.",
            ) from error
    try:
        return service.files.create(
            now, purpose=purpose, filename=filename or name, content=content, **params
        )
    except APIError as refusal:
        problem = jsonl_problem(content) if refusal.kind is ErrorKind.NOT_JSONL else ""
        raise _refused("file", refusal, service, problem) from None


def _check_life(batch: Batch, status: str, now: int) -> None:
    marks = batch.timeline.marks
    pairs = pairwise(mark.status for mark in marks)
    if batch.status(now) == status and all(after in TRANSITIONS[before] for before, after in pairs):
        return
    codes = {str(batch.dialect.batch_errors[error.code].code) for error in batch.errors}
    steps = [
        f"{mark.status}"
        + (f" ({', '.join(sorted(codes))})" if codes and mark.status is Status.FAILED else "")
        + (f" after {text(mark.at - batch.created)}" if mark.at > batch.created else "")
        for mark in marks
    ]
    problem = jsonl_problem(batch.content) if batch.content and codes else ""
    raise UsageError(
        f"A batch that was created {text(now - batch.created)} ago cannot be {status}.",
        f"Its statuses would be {', '.join(steps)}{problem and f'; its file: {problem}'}.",
        "Pass another status, another created=…, or requests that lead to this status.",
    )


def _check(
    name: str, value: str, is_known: bool, known: str, example: str, *, kind: str = "batches"
) -> None:
    if not is_known:
        raise UsageError(
            f"fakebatch.{kind}.add: {name}={value!r} is unknown.",
            f"Known values: {known}.",
            f"Write for example {name}={example!r}.",
        )


def _past(created: moments.Moment, now: int) -> int:
    """A past moment or an age, in microseconds since 1970."""
    if isinstance(created, str) and created.startswith("-"):
        return now - microseconds(created[1:])
    at = moments.microseconds(created)
    if at > now:
        raise UsageError(
            f"created={created!r} is in the future.",
            f"The clock shows {moment_text(now)}.",
            "Pass a past moment, or an age: created='-5h'.",
        )
    return at


def _refused(kind: str, refusal: APIError, service: Service, problem: str = "") -> UsageError:
    message = service.state.dialect.errors[refusal.kind].message.format_map(refusal.values)
    return UsageError(
        f"The service would have refused this {kind}{problem and f': {problem}'}.",
        f"Its error would have been: {message}",
        f"Add a {kind} that a client could have created.",
    )

"""Starting states: files and batches that a test adds without an HTTP call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from fakebatch.batch.batch import Batch, BatchCreateParams
from fakebatch.batch.input_file import parsed_object
from fakebatch.batch.lifecycle import TRANSITIONS, Status
from fakebatch.dialects import APIError
from fakebatch.durations import SECOND, microseconds, text
from fakebatch.errors import UsageError
from fakebatch.inspection.journal import Journal, moment_text
from fakebatch.inspection.objects import BatchView, Collection, FileView, Now
from fakebatch.rules.batches import BatchRule, Durations, Fail
from fakebatch.service import Service
from fakebatch.vtime import moments

Requests = str | Path | bytes | Iterable[Mapping[str, Any]]
"""Request lines as dicts, the bytes or the path of a file, or the id of an existing file."""

REFUSED = BatchRule(fail=Fail("billing_hard_limit_reached", "Billing hard limit has been reached"))
"""Makes a batch with valid lines fail."""


class Files(Collection[FileView]):
    """The files by id, in order of creation, including result files once they exist.

    `add` adds a file to the first provider.
    """

    def __init__(self, services: Sequence[Service], now: Now, journal: Journal) -> None:
        super().__init__(
            "files", services, now, lambda id_, service: FileView(id_, service, now, journal)
        )

    def add(
        self,
        content: bytes | str | Path,
        *,
        filename: str | None = None,
        purpose: str = "batch",
        created: moments.Moment = "-0s",
        expires_after: int | None = None,
    ) -> FileView:
        """Add a file.

        Args:
            content: the bytes, or the path of a file to read.
            filename: by default that of the path, or "input.jsonl".
            purpose: as in an upload.
            created: a moment, or an age: "-5h".
            expires_after: its lifetime in seconds; by default 30 days for a batch file, else none.

        Raises:
            UsageError: the path does not exist, `created` is in the future, or the service would
                refuse the file.
        """
        name = "input.jsonl"
        if not isinstance(content, bytes):
            path = Path(content)
            try:
                name, content = path.name, path.read_bytes()
            except OSError as error:
                raise UsageError(
                    f"{str(path)!r} is neither the id of a file nor the path of one: "
                    f"{error.strerror}.",
                    f"Relative paths start at {Path.cwd()}.",
                    "Pass bytes or a path; for a batch also its lines as dicts or a file's id.",
                ) from error
        service, now = self._services[0], self._now()
        try:
            file = service.files.create(
                now,
                purpose=purpose,
                filename=filename or name,
                content=content,
                expires_after=expires_after,
                created=_past(created, now),
            )
        except APIError as refusal:
            raise _refused("file", refusal, service) from None
        return self[file.id]


class Batches(Collection[BatchView]):
    """The batches by id, in order of creation. `add` adds a batch to the first provider."""

    def __init__(self, services: Sequence[Service], now: Now, files: Files) -> None:
        super().__init__(
            "batches", services, now, lambda id_, service: BatchView(id_, service, now)
        )
        self._files = files

    def add(
        self,
        requests: Requests,
        *,
        status: str = "completed",
        created: moments.Moment = "-1h",
        endpoint: str | None = None,
        completion_window: str = "24h",
        metadata: Mapping[str, str] | None = None,
    ) -> BatchView:
        """Add a batch that has this status now and goes on from there.

        Rules of `on_batch` apply to it as to a batch that a client creates.

        Args:
            requests: request lines as dicts, bytes or a path; or the id of a file.
            status: the status it has now.
            created: a moment, or an age: "-5h".
            endpoint: by default the url of the first line.
            completion_window: as in a create.
            metadata: as in a create.

        Raises:
            UsageError: a batch of this age with these requests cannot have this status.
        """
        service, now = self._services[0], self._now()
        scenario, dialect = service.state.scenario, service.dialect
        _check("status", status, status in [*Status], ", ".join(Status), "in_progress")
        at = _past(created, now)
        files = service.state.files
        file = files.get(requests, now) if isinstance(requests, str) else None
        if file is None:
            if not isinstance(requests, str | Path | bytes):
                requests = b"".join(json.dumps(line).encode() + b"\n" for line in requests)
            uploaded = at - service.files.next_settles_after()  # it was processed in time
            added = self._files.add(requests, created=moments.as_datetime(uploaded))
            file = files.retrieve(added.id, now)
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
        failing = (REFUSED,) if status == Status.FAILED else ()
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
            )
        except APIError as refusal:
            raise _refused("batch", refusal, service) from None
        _check_life(batch, status, now)
        service.batches.keep(batch)
        return self[batch.id]


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
    raise UsageError(
        f"A batch that was created {text(now - batch.created)} ago cannot be {status}.",
        f"Its statuses would be {', '.join(steps)}.",
        "Pass another status, another created=…, or requests that lead to this status.",
    )


def _check(name: str, value: str, is_known: bool, known: str, example: str) -> None:
    if not is_known:
        raise UsageError(
            f"fakebatch.batches.add: {name}={value!r} is unknown.",
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


def _refused(kind: str, refusal: APIError, service: Service) -> UsageError:
    message = service.dialect.errors[refusal.kind].message.format_map(refusal.values)
    return UsageError(
        f"The service would have refused this {kind}.",
        f"Its error would have been: {message}",
        f"Add a {kind} that a client could have created.",
    )

"""Starting states: files and batches that are there without a call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fakebatch.batch.batch import BatchCreateParams
from fakebatch.batch.input_file import find_lines, parsed_object
from fakebatch.batch.lifecycle import Status
from fakebatch.dialects import APIError, Window
from fakebatch.durations import microseconds, text
from fakebatch.errors import UsageError
from fakebatch.journal import Journal, moment_text
from fakebatch.rules.batches import BatchRule, Durations, Fail, Schedule
from fakebatch.service import Service, known_batches, known_files
from fakebatch.testing import lives
from fakebatch.testing.looking import Batch, File, Now, Seen
from fakebatch.vtime import moments

Requests = str | Path | bytes | Iterable[Mapping[str, Any]]
"""Request lines as dicts, as the bytes of a file or its path; or the id of a file that is there."""


class Files(Seen[File]):
    """The files by id, in order of creation; result files are among them once they exist."""

    def __init__(self, services: Sequence[Service], now: Now, journal: Journal) -> None:
        super().__init__("files", lambda: known_files(services, now()), self._exists, self._file)
        self._services = services
        self._now = now
        self._journal = journal

    def _file(self, id_: str) -> File:
        now = self._now()
        service = next(
            each for each in self._services if each.state.files.get(id_, now) is not None
        )
        return File(id_, service, self._now, self._journal)

    def _exists(self, id_: str) -> bool:
        now = self._now()
        return any(service.state.files.get(id_, now) is not None for service in self._services)

    @property
    def _service(self) -> Service:
        """Where files are put: with the first provider."""
        return self._services[0]

    def add(
        self,
        content: bytes | str | Path,
        *,
        filename: str | None = None,
        purpose: str = "batch",
        created: moments.Moment = "-0s",
        expires_after: int | None = None,
    ) -> File:
        """Put a file in place: its bytes, or the path of one.

        Args:
            content: the bytes, or a path.
            filename: by default the name of the path, or "input.jsonl".
            purpose: what the upload was for.
            created: a moment, or how long ago: "-5h".
            expires_after: seconds it lives; by default a batch file 30 days, others for ever.

        Raises:
            UsageError: no such path, a moment to come, or what the service would have refused.
        """
        read = content if isinstance(content, bytes) else _read(content)
        name = "input.jsonl" if isinstance(content, bytes) else Path(content).name
        now = self._now()
        at = _moment(created, now)
        try:
            file = self._service.files.create(
                now,
                purpose=purpose,
                filename=filename or name,
                content=read,
                expires_after=expires_after,
                created=at,
            )
        except APIError as refusal:
            raise _refused(self._service, refusal) from None
        return self[file.id]


_REFUSED = Fail("billing_hard_limit_reached", "Billing hard limit has been reached")
_RULES = {Status.FAILED: (BatchRule(fail=_REFUSED),)}
"""What lets a batch in place come to a status that requests alone do not lead to."""


class Batches(Seen[Batch]):
    """The batches by id, in order of creation."""

    def __init__(self, services: Sequence[Service], now: Now, files: Files) -> None:
        super().__init__(
            "batches", lambda: known_batches(services, now()), self._exists, self._batch
        )
        self._services = services
        self._now = now
        self._files = files

    def _batch(self, id_: str) -> Batch:
        now = self._now()
        service = next(
            each for each in self._services if each.state.batches.get(id_, now) is not None
        )
        return Batch(id_, service, self._now)

    def _exists(self, id_: str) -> bool:
        now = self._now()
        return any(service.state.batches.get(id_, now) is not None for service in self._services)

    @property
    def _service(self) -> Service:
        """Where batches are put: with the first provider."""
        return self._services[0]

    def add(
        self,
        requests: Requests,
        *,
        status: str = "completed",
        created: moments.Moment = "-1h",
        endpoint: str | None = None,
        completion_window: str = "24h",
        metadata: Mapping[str, str] | None = None,
    ) -> Batch:
        """Put a batch in place that has this status now, and goes on from there.

        Rules of `on_batch` hold for it as for one that is created.

        Args:
            requests: request lines as dicts, bytes or a path; or the id of a file.
            status: what the batch is now.
            created: a moment, or how long ago: "-5h".
            endpoint: by default the url of the first line.
            completion_window: how long it may take.
            metadata: what the batch carries.

        Raises:
            UsageError: a batch of this age with these requests cannot have this status.
        """
        state, dialect = self._service.state, self._service.dialect
        wanted, now = lives.status_named(status), self._now()
        at = _moment(created, now)
        file = self._input(requests, at)
        params = BatchCreateParams(
            _one_of(dialect.endpoints, endpoint=endpoint or _endpoint(file.content)),
            _window(dialect.window, completion_window),
            file.id,
            metadata,
        )
        usual = state.scenario.schedule.durations()
        durations, cancelled = lives.life(wanted, now - at, usual, dialect, completion_window)
        batch = self._service.batches.draft(
            params,
            created=at,
            scenario=replace(
                state.scenario,
                schedule=_schedule(durations),
                on_batch=(*state.scenario.on_batch, *_RULES.get(wanted, ())),
            ),
            cancelled=None if cancelled is None else at + cancelled,
        )
        lives.check(batch, wanted, now)
        self._service.batches.keep(batch)
        return self[batch.id]

    def _input(self, requests: Requests, created: int) -> File:
        files = self._files
        if not isinstance(requests, str) or requests not in files:
            content = requests if isinstance(requests, str | Path | bytes) else _jsonl(requests)
            return files.add(content, created=moments.as_datetime(created))
        uploaded = self._service.state.files.retrieve(requests, self._now()).created
        if uploaded > created:
            raise UsageError(
                f"{requests} is younger than the batch that shall read it.",
                f"The file is of {_at(uploaded)}, the batch of {_at(created)}.",
                "Put the file in place with the created=… of the batch, or an earlier one.",
            )
        return files[requests]


def _schedule(durations: Durations) -> Schedule:
    validating, in_progress, finalizing, _ = durations
    return Schedule(
        validating=text(validating), in_progress=text(in_progress), finalizing=text(finalizing)
    )


def _moment(given: moments.Moment, now: int) -> int:
    ago = isinstance(given, str) and given.startswith("-")
    at = now - microseconds(str(given)[1:]) if ago else moments.microseconds(given)
    if at > now:
        raise UsageError(
            f"created={given!r} is still to come.",
            f"The clock shows {_at(now)}.",
            "Give a moment that is past, or how long ago: created='-5h'.",
        )
    return at


def _read(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(
            f"{str(path)!r} is neither a file of the service nor one on disk: {error.strerror}.",
            f"Relative paths count from {Path.cwd()}.",
            "Give bytes, a path, or for a batch its lines as dicts or the id of a file.",
        ) from error


def _jsonl(lines: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _endpoint(content: bytes) -> str:
    lines = find_lines(content)
    try:
        first = parsed_object(lines.raw(0)) if len(lines) else None
    except ValueError:
        first = None
    return str((first or {}).get("url"))


def _one_of(known: tuple[str, ...], **given: str) -> str:
    [(name, value)] = given.items()
    if value not in known:
        raise UsageError(
            f"fakebatch.batches.add: the {name} is {value!r}.",
            f"Known are {', '.join(map(repr, known))}.",
            f"Write for example {name}={known[0]!r}.",
        )
    return value


def _window(known: Window, given: str) -> str:
    if not known.allows(given):
        raise UsageError(
            f"fakebatch.batches.add: the completion_window is {given!r}.",
            f"Known are {known.known}.",
            f"Write for example completion_window={known.usual!r}.",
        )
    return given


def _refused(service: Service, refusal: APIError) -> UsageError:
    words = service.dialect.errors[refusal.kind]
    return UsageError(
        "The service would have refused this file.",
        f"It says: {words.message_for(refusal.facts)}",
        "Put a file in place that could have been uploaded.",
    )


def _at(moment: int) -> str:
    return moment_text(moments.as_datetime(moment))

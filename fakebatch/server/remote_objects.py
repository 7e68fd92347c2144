"""What hangs on a Remote: its clock, its journal, its batches and its files."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

from fakebatch.dialects.dialect import BatchStatus
from fakebatch.durations import Duration, text
from fakebatch.durations import microseconds as span
from fakebatch.inspection.journal import CallLog, Calls
from fakebatch.inspection.objects import Collection, ObjectView, Step
from fakebatch.inspection.seeding import Requests
from fakebatch.rules.validation import adapter
from fakebatch.server.answers import BatchState, FileState, JournalState, LineList, LineState
from fakebatch.server.plane import Plane
from fakebatch.vtime import moments


class RemoteClock:
    """The time of a world."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    @property
    def mode(self) -> str:
        """What moves it: `polls`, `manual`, `real`, or a speed such as `60x`."""
        return str(self._plane.get("clock")["mode"])

    @property
    def now(self) -> datetime:
        """The time, aware and in UTC."""
        return moments.as_datetime(moments.microseconds(self._plane.get("clock")["now"]))

    @property
    def elapsed(self) -> float:
        """Seconds since its start."""
        return float(self._plane.get("clock")["elapsed"])

    def advance(self, duration: Duration) -> None:
        """Move time forward.

        Raises:
            UsageError: the clock is real, or the duration has no meaning.
        """
        self._plane.post("clock", advance=text(span(duration)))

    def move_to(self, moment: moments.Moment) -> None:
        """Move time forward to a moment.

        Raises:
            UsageError: the clock is real, or the moment has no meaning or is past.
        """
        at = moments.as_datetime(moments.microseconds(moment))
        self._plane.post("clock", move_to=at.isoformat())


class RemoteJournal(CallLog):
    """The calls that were made, oldest first."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    def _journal(self, operation: str | None, id_: str | None, status: int | None) -> JournalState:
        answer = self._plane.get("journal", operation=operation, id=id_, status=status)
        return _parsed(JournalState, answer)

    def _calls(self, operation: str | None, id_: str | None, status: int | None) -> Calls:
        return Calls(self._journal(operation, id_, status).calls)

    def _count(self, operation: str | None, id_: str | None, status: int | None) -> int:
        return self._journal(operation, id_, status).count


class _RemoteObject(ObjectView):
    """One object of the service; the fields of its JSON are attributes, read when used."""

    kind: ClassVar[str]

    def __init__(self, id_: str, plane: Plane) -> None:
        self.id, self._plane = id_, plane
        self._now = lambda: 0  # the server has the time

    def _object(self, now: int) -> dict[str, Any]:  # noqa: ARG002
        state: dict[str, Any] = self._details()["object"]
        return state

    def _details(self, part: str = "") -> Any:
        return self._plane.get(f"{self.kind}/{quote(self.id, safe='')}{part}")


class RemoteBatch(_RemoteObject):
    """A batch as it is now: the fields of the API, and its `plan`, `history` and `lines`."""

    kind = "batches"

    @property
    def plan(self) -> tuple[Step, ...]:
        """Each status and when it begins, including future ones."""
        return _parsed(BatchState, self._details()).plan

    @property
    def history(self) -> tuple[Step, ...]:
        """The statuses up to now."""
        now = RemoteClock(self._plane).now
        return tuple(step for step in self.plan if step.at <= now)

    @property
    def lines(self) -> tuple[LineState, ...]:
        """Its request lines, in the order of the input file, and the outcome of each."""
        return _parsed(LineList, self._details("/lines")).lines


class RemoteFile(_RemoteObject):
    """A file as it is now: the fields of the API, its `content`, and its `downloads`."""

    kind = "files"

    @property
    def content(self) -> bytes:
        """The bytes that a client would download."""
        return base64.b64decode(self._details("/content")["base64"])

    @property
    def written_by(self) -> str:
        """The id of the batch that wrote it, else "files.create" (uploaded) or "files.add"."""
        return str(self._details()["written_by"])

    @property
    def downloads(self) -> tuple[datetime, ...]:
        """When its content was downloaded completely."""
        return _parsed(FileState, self._details()).downloads


ObjectT = TypeVar("ObjectT", bound=_RemoteObject)


class _RemoteObjects(Collection[ObjectT]):
    """Objects by id, in order of creation."""

    kind: type[ObjectT]

    def __init__(self, plane: Plane) -> None:
        self._kind, self._plane = self.kind.kind, plane

    def __iter__(self) -> Iterator[str]:
        return (each["object"]["id"] for each in self._plane.get(self._kind)[self._kind])

    def __reversed__(self) -> Iterator[str]:
        return reversed([*self])

    def __getitem__(self, id_: str | None) -> ObjectT:
        if id_ is None:  # of a batch without that file
            raise KeyError(id_)
        self._plane.get(f"{self._kind}/{quote(id_, safe='')}")
        return self.kind(id_, self._plane)


class RemoteBatches(_RemoteObjects[RemoteBatch]):
    """The batches by id, in order of creation. `add` adds a batch."""

    kind = RemoteBatch

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
    ) -> RemoteBatch:
        """Add a batch that has this status now and goes on from there.

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
            KeyError: there is no such file.
            OSError: the path cannot be read.
        """
        if isinstance(requests, bytes | Path):
            requests = RemoteFiles(self._plane).add(requests, created=created).id
        added = self._plane.post(
            "batches",
            requests=requests if isinstance(requests, str) else [dict(line) for line in requests],
            id=id,
            status=status,
            created=_written(created),
            endpoint=endpoint,
            completion_window=completion_window,
            metadata=None if metadata is None else dict(metadata),
        )
        return RemoteBatch(added["object"]["id"], self._plane)


class RemoteFiles(_RemoteObjects[RemoteFile]):
    """The files by id, in order of creation. `add` adds a file."""

    kind = RemoteFile

    def add(
        self,
        content: Requests,
        *,
        id: str | None = None,  # noqa: A002  # the field of the object
        filename: str | None = None,
        purpose: str = "batch",
        created: moments.Moment = "-0s",
        expires_after: int | None = None,
    ) -> RemoteFile:
        """Add a file.

        Args:
            content: the bytes, the path of a file to read, which is read here, or request lines.
            id: its id; by default a new one in the form of the provider.
            filename: by default that of the path, or "input.jsonl".
            purpose: as in an upload.
            created: a moment, or an age: "-5h".
            expires_after: its lifetime in seconds; by default 30 days for a batch file, else none.

        Raises:
            UsageError: `created` is in the future, another file has or had the id, or the service
                would refuse the file.
            OSError: the path cannot be read.
        """
        if isinstance(content, str | Path):
            path = Path(content)
            filename, content = filename or path.name, path.read_bytes()
        if isinstance(content, bytes):
            body: dict[str, Any] = {"base64": base64.b64encode(content).decode()}
        else:
            body = {"content": [dict(line) for line in content]}
        added = self._plane.post(
            "files",
            **body,
            id=id,
            filename=filename,
            purpose=purpose,
            created=_written(created),
            expires_after=expires_after,
        )
        return RemoteFile(added["object"]["id"], self._plane)


T = TypeVar("T")


def _parsed(kind: type[T], answer: Any) -> T:
    wanted: Any = kind
    parsed: T = adapter(wanted).validate_python(answer)
    return parsed


def _written(moment: moments.Moment) -> str | float:
    return moment.isoformat() if isinstance(moment, datetime) else moment

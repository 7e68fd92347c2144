"""Read-only views of files, batches and their lines, always as they are now."""

from __future__ import annotations

import builtins
from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, overload

from fakebatch.batch.batch import Batch
from fakebatch.batch.matching import Result
from fakebatch.batch.output_file import result_files
from fakebatch.dialects import APIError
from fakebatch.errors import UsageError, first_of
from fakebatch.inspection.journal import Journal
from fakebatch.request_lines import RequestLine
from fakebatch.rules.lines import Fail
from fakebatch.service import Service
from fakebatch.service.records import FileRecord
from fakebatch.service.view import Wire, batch_object, file_object, upload_object
from fakebatch.vtime.moments import as_datetime

Now = Callable[[], int]
"""The time in microseconds since 1970, once the result files due by then exist."""


T = TypeVar("T")


class ObjectView:
    """One object of the service; the fields of its JSON are attributes, computed when read."""

    def __init__(self, id_: str, service: Service, now: Now) -> None:
        self.id = id_
        self._state = service.state
        self._now = now

    @abstractmethod
    def _object(self, now: int) -> Wire: ...

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or hasattr(type(self), name):
            return self.__getattribute__(name)  # a property failed: its own error is raised again
        fields = self.json
        if name in fields:
            return fields[name]
        raise AttributeError(f"{self.id} has no field {name!r}; it has {', '.join(fields)}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__.removesuffix('View')} {self.json}>"

    @property
    def json(self) -> Wire:
        """The object that a client would get now.

        Raises:
            KeyError: it no longer exists, for example because the file was deleted or has expired.
        """
        return self._existing(self._object)

    def _existing(self, look: Callable[[int], T]) -> T:
        try:
            return look(self._now())
        except APIError:
            raise KeyError(self.id) from None


@dataclass(frozen=True, slots=True)
class Step:
    """A status of a batch, and when it begins."""

    status: str
    at: datetime


class BatchView(ObjectView):
    """A batch as it is now: the fields of the API, and its `plan`, `history` and `lines`.

    A provider that has other fields has them here too.
    """

    object: str
    endpoint: str
    model: str | None
    errors: Mapping[str, Any] | None
    input_file_id: str
    completion_window: str
    status: str  # of a Literal, one assert would make the next an error for type checkers
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: Mapping[str, int]
    usage: Mapping[str, Any] | None
    metadata: Mapping[str, str] | None

    def _batch(self, now: int) -> Batch:
        return self._state.batches.retrieve(self.id, now)

    def _object(self, now: int) -> Wire:
        return batch_object(self._batch(now), now)

    @property
    def plan(self) -> tuple[Step, ...]:
        """Each status and when it begins, including future ones."""
        marks = self._existing(self._batch).timeline.marks
        return tuple(Step(mark.status.value, as_datetime(mark.at)) for mark in marks)

    @property
    def history(self) -> tuple[Step, ...]:
        """The statuses up to now."""
        now = as_datetime(self._now())
        return tuple(step for step in self.plan if step.at <= now)

    @property
    def lines(self) -> Lines:
        """Its request lines, by index or custom_id, and the outcome of each.

        Raises:
            UsageError: the input file was large, and is no longer there.
        """
        batch = self._existing(self._batch)
        if not batch.has_lines:
            raise UsageError(
                f"The lines of {self.id} are no longer known.",
                f"{batch.params.input_file_id} was deleted; of files over 1 MiB nothing is kept.",
                "Look at the lines before the file is deleted.",
            )
        return Lines(batch)


class FileView(ObjectView):
    """A file as it is now: the fields of the API, its `content`, and its `downloads`."""

    object: str
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: str

    def __init__(self, id_: str, service: Service, now: Now, journal: Journal) -> None:
        super().__init__(id_, service, now)
        self._journal = journal

    def _file(self, now: int) -> FileRecord:
        return self._state.files.retrieve(self.id, now)

    def _object(self, now: int) -> Wire:
        return file_object(self._file(now), self._state.dialect, now)

    @property
    def content(self) -> builtins.bytes:
        """The bytes that a client would download, or has uploaded.

        Raises:
            KeyError: the file no longer exists.
        """
        return builtins.bytes(self._existing(self._file).content)

    @property
    def written_by(self) -> str:
        """The id of the batch that wrote it; else how it came to be there.

        That is "files.create", "uploads.complete", or "files.add" if the test added it.
        """
        return self._existing(self._file).written_by

    @property
    def downloads(self) -> tuple[datetime, ...]:
        """When its content was downloaded completely."""
        recorder = self._journal._recorder  # noqa: SLF001
        return tuple(map(as_datetime, recorder.downloads(self.id)))


class UploadView(ObjectView):
    """An upload in parts as it is now: the fields of the API, and its `parts`."""

    object: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: str
    expires_at: int

    def _object(self, now: int) -> Wire:
        return upload_object(self._state.uploads.retrieve(self.id, now), now)

    @property
    def parts(self) -> Mapping[str, builtins.bytes]:
        """The parts that were sent, by id, as long as it is pending."""
        return self._state.uploads.retrieve(self.id, self._now()).parts


ViewT = TypeVar("ViewT", bound=ObjectView)


class Collection(Mapping[str, ViewT]):
    """Objects by id, in order of creation.

    Args:
        kind: "files", "batches" or "uploads".
        services: the providers that have them.
        now: the current time.
        view: makes the view of an object, from its id, its service and `now`.
    """

    def __init__(
        self,
        kind: str,
        services: Sequence[Service],
        now: Now,
        view: Callable[[str, Service, Now], ViewT],
    ) -> None:
        self._kind, self._services, self._now, self._view = kind, services, now, view

    def __iter__(self) -> Iterator[str]:
        now = self._now()
        for service in self._services:
            yield from (record.id for record in getattr(service.state, self._kind).existing(now))

    def __reversed__(self) -> Iterator[str]:
        now = self._now()
        for service in reversed(self._services):
            records = getattr(service.state, self._kind).existing(now, newest_first=True)
            yield from (record.id for record in records)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, id_: str | None) -> ViewT:  # None: of a batch without that file
        now = self._now()
        for service in self._services:
            if getattr(service.state, self._kind).get(id_, now) is not None:
                return self._view(str(id_), service, self._now)
        raise KeyError(id_)

    def __repr__(self) -> str:
        return f"<{len(self)} {self._kind}: {', '.join(self)}>"

    def last(self) -> ViewT:
        """The object that was created last.

        Raises:
            UsageError: there are none.
        """
        for id_ in reversed(self):
            return self[id_]
        raise self._wrong_number("last() needs at least one", [])

    def only(self) -> ViewT:
        """The only object.

        Raises:
            UsageError: there are none, or several.
        """
        ids = [*self]
        if len(ids) != 1:
            raise self._wrong_number("only() needs exactly one", ids)
        return self[ids[0]]

    def _wrong_number(self, need: str, ids: list[str]) -> UsageError:
        return UsageError(
            f"fakebatch.{self._kind}.{need}, but there are {len(ids)}.",
            f"The {self._kind} are: {first_of(ids) or 'none'}.",
            f"Look one up by its id, fakebatch.{self._kind}[id], or fix what creates them.",
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One request line of a batch and its outcome."""

    request: RequestLine
    outcome: Result
    """The verb that applies to it when it runs: `Echo()`, `Reply(…)`, `Fail(…)` and so on."""
    finishes: datetime | None
    """When it finishes, or None if the batch ends before it runs."""
    file_id: str | None
    """The result file that will have it when the batch has ended."""

    @property
    def custom_id(self) -> str | None:
        """The custom_id of the request."""
        return self.request.custom_id


class Lines(Sequence[Line]):
    """The lines by index, in the order of the input file, or by custom_id.

    A batch that fails validation has none.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return 0 if self._batch.fails else len(self._batch.lines)

    @overload
    def __getitem__(self, at: int | str) -> Line: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Line]: ...
    def __getitem__(self, at: int | str | slice) -> Line | Sequence[Line]:
        if isinstance(at, slice):
            return [self[index] for index in range(len(self))[at]]
        index = self._index(at) if isinstance(at, str) else range(len(self))[at]
        batch, outcome = self._batch, self._batch.outcomes.by_line[index].result
        order = batch.outcomes.order
        places = batch.once("places", lambda: {each: place for place, each in enumerate(order)})
        finishes, place = None, places[index]
        if place < batch.finished(batch.end.at):
            moments = range(batch.created, batch.end.at + 1)
            finishes = as_datetime(moments[bisect_left(moments, place + 1, key=batch.finished)])
        has_errors = any(file.kind == "errors" for file in result_files(batch))
        file_id = batch.error_file_id if has_errors else None
        if finishes and (not isinstance(outcome, Fail) or outcome.file == "output"):
            file_id = batch.output_file_id
        return Line(batch.lines.request(index), outcome, finishes, file_id)

    def __repr__(self) -> str:
        return f"<{len(self)} lines: {', '.join(map(repr, self._indices))}>"

    def _index(self, custom_id: str) -> int:
        if custom_id not in self._indices:
            raise UsageError(
                f"{self._batch.id} has no line with custom_id {custom_id!r}.",
                f"The custom_ids of its lines are {first_of(map(repr, self._indices)) or 'none'}.",
                "Use one of these, or the index of a line, from 0.",
            )
        return self._indices[custom_id]

    @property
    def _indices(self) -> dict[str | None, int]:
        lines, count = self._batch.lines, len(self)
        return self._batch.once(
            "indices", lambda: {lines.request(index).custom_id: index for index in range(count)}
        )

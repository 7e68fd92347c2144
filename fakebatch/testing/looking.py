"""What a test holds to look at files and batches: read-only, always as they are now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from fakebatch.batch.batch import Batch as BatchValue
from fakebatch.dialects import APIError
from fakebatch.errors import UsageError
from fakebatch.journal import Journal
from fakebatch.service import Service, view
from fakebatch.service.records import FileRecord
from fakebatch.testing.lines import Lines
from fakebatch.vtime.moments import as_datetime

Now = Callable[[], int]
"""What time it is, once the result files that are there by now have been put in place."""


class Look:
    """One object of the service: each field of its JSON is an attribute, read at this moment."""

    def __init__(
        self, id_: str, service: Service, now: Now, read: Callable[[str, int], view.Wire]
    ) -> None:
        self.id = id_
        self._service = service
        self._now = now
        self._read = read

    def __getattr__(self, name: str) -> Any:
        fields = self.json
        if name in fields:
            return fields[name]
        known = ", ".join(fields)
        raise AttributeError(f"{self.id} has no field {name!r}; it has {known}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.json}>"

    @property
    def json(self) -> view.Wire:
        """The object a client would get now.

        Raises:
            KeyError: it is gone, as a deleted or expired file is.
        """
        try:
            return self._read(self.id, self._now())
        except APIError:
            raise KeyError(self.id) from None


class Step(NamedTuple):
    """A status of a batch, and the moment it begins."""

    status: str
    at: datetime


class Batch(Look):
    """A batch as it is now: `status`, `request_counts`, `output_file_id` and the rest."""

    def __init__(self, id_: str, service: Service, now: Now) -> None:
        batches = service.state.batches
        super().__init__(
            id_, service, now, lambda id_, now: view.batch_object(batches.retrieve(id_, now), now)
        )

    @property
    def plan(self) -> tuple[Step, ...]:
        """Each status with the moment it begins, the future ones too."""
        marks = self._service.state.batches.retrieve(self.id, self._now()).timeline.marks
        return tuple(Step(mark.status.value, as_datetime(mark.at)) for mark in marks)

    @property
    def history(self) -> tuple[Step, ...]:
        """The statuses up to now."""
        now = as_datetime(self._now())
        return tuple(step for step in self.plan if step.at <= now)

    @property
    def lines(self) -> Lines:
        """Its request lines, by place or custom_id, and what comes of each."""
        return Lines(self._service.state.batches.retrieve(self.id, self._now()))


class File(Look):
    """A file as it is now: `filename`, `purpose`, `bytes` …, and its `content`."""

    def __init__(self, id_: str, service: Service, now: Now, journal: Journal) -> None:
        files = service.state.files
        super().__init__(
            id_,
            service,
            now,
            lambda id_, now: view.file_object(files.retrieve(id_, now), service.dialect, now),
        )
        self._journal = journal

    @property
    def content(self) -> bytes:
        """The bytes a client would download."""
        return bytes(self._service.state.files.retrieve(self.id, self._now()).read())

    @property
    def written_by(self) -> str:
        """The id of the batch that wrote it; else "files.create", or "files.add" by the test."""
        for batch in self._service.state.batches.all(self._now()):
            if self.id in (batch.output_file_id, batch.error_file_id):
                return batch.id
        return "files.create" if self._journal.count("files.create", id=self.id) else "files.add"

    @property
    def downloads(self) -> tuple[datetime, ...]:
        """When its content was handed out, whole."""
        calls = self._journal.calls("files.content", id=self.id, status=200)
        return tuple(call.at for call in calls if call.injected is None)


LookT = TypeVar("LookT", bound=Look)


class Seen(Mapping[str, LookT], Generic[LookT]):
    """Objects by id, in order of creation."""

    def __init__(
        self,
        kind: str,
        found: Callable[[], Iterator[FileRecord] | Iterator[BatchValue]],
        has: Callable[[str], bool],
        look: Callable[[str], LookT],
    ) -> None:
        self._kind = kind
        self._found = found
        self._has = has
        self._look = look

    def __iter__(self) -> Iterator[str]:
        return (record.id for record in self._found())

    def __len__(self) -> int:
        return sum(1 for _ in self._found())

    def __contains__(self, id_: object) -> bool:
        return isinstance(id_, str) and self._has(id_)

    def __getitem__(self, id_: str) -> LookT:
        if id_ in self:
            return self._look(id_)
        raise KeyError(id_)

    def __repr__(self) -> str:
        return f"<{len(self)} {self._kind}: {', '.join(self)}>"

    def last(self) -> LookT:
        """The one created last.

        Raises:
            UsageError: there is none.
        """
        known = list(self)
        if not known:
            raise self._unexpected("the last of", known)
        return self._look(known[-1])

    def only(self) -> LookT:
        """The only one there is.

        Raises:
            UsageError: there is none, or more than one.
        """
        known = list(self)
        if len(known) != 1:
            raise self._unexpected("exactly one of", known)
        return self._look(known[0])

    def _unexpected(self, wanted: str, known: list[str]) -> UsageError:
        ids = ", ".join(known[:5]) + (" …" if len(known) > 5 else "")
        return UsageError(
            f"The test asked for {wanted} the {self._kind}, but there are {len(known)}.",
            f"The {self._kind} are: {ids or 'none'}.",
            f"Look at fakebatch.{self._kind}, a mapping by id, or mend what created them.",
        )

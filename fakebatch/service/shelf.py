"""What the service remembers: immutable records by id, in order of creation."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from fakebatch.batch.lifecycle import Status
from fakebatch.batch.plan import Plan
from fakebatch.batch.result_files import Content, Results, results
from fakebatch.scenario import Keeping


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file, uploaded or written by a batch. Moments in microseconds since the epoch."""

    id: str
    purpose: str
    filename: str
    created: int
    expires: int | None
    load: Callable[[], Content] = field(repr=False, compare=False)
    deleted: int | None = None
    number: int = 0
    """Decides between two of the same moment: what was asked for first comes first."""
    keeping: Keeping = Keeping()
    """How it differs from the usual."""

    def exists(self, now: int) -> bool:
        """Whether a client can see the file at `now`."""
        gone = [at for at in (self.expires, self.deleted) if at is not None]
        return self.created + (self.keeping.hidden or 0) <= now and all(now < at for at in gone)

    def status(self, now: int) -> str:
        """`processed`, unless something was said to the contrary."""
        if now < self.created + (self.keeping.pending or 0):
            return "uploaded"
        return "error" if self.keeping.broken else "processed"


@dataclass(frozen=True, slots=True)
class Announced:
    """A file that will come in parts, as its client has announced it."""

    purpose: str
    filename: str
    bytes: int
    expires_after: int | None = None
    """Seconds the file will live, where the client said so."""


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """A file on its way, part by part."""

    id: str
    file: Announced
    created: int
    expires: int
    number: int
    ended: str | None = None
    """The status it was given: completed or cancelled."""

    def status(self, now: int) -> str:
        """The status at `now`."""
        return self.ended or ("pending" if now < self.expires else "expired")

    def exists(self, now: int) -> bool:
        """Whether a client can see the upload at `now`."""
        return self.created <= now


@dataclass(frozen=True)
class BatchRecord:
    """A batch: its plan, and the ids its result files will have."""

    id: str
    plan: Plan
    output_file_id: str
    error_file_id: str
    number: int = 0

    @cached_property
    def results(self) -> Results:
        """What the batch leaves behind; rendered once, so that every download is the same."""
        return results(self.plan)

    @cached_property
    def last_shown(self) -> list[Any]:
        """How it was shown last, and what was made of that: see `view.made_of_batch`."""
        return [None, None]

    @property
    def created(self) -> int:
        """When the batch was created."""
        return self.plan.created

    def exists(self, now: int) -> bool:
        """Whether a client can see the batch at `now`."""
        vanishes = self.plan.input.life.vanishes
        return self.created <= now and (vanishes is None or not self._has_begun(vanishes, now))

    def _has_begun(self, status: str, now: int) -> bool:
        if now < self.plan.validated and status != "validating" and self.plan.cancelled is None:
            return False
        return self.plan.timeline.began(Status(status), now) is not None


class Kept(Protocol):
    """What a record must say of itself to be kept in order."""

    @property
    def id(self) -> str:
        """What it is called."""
        ...

    @property
    def created(self) -> int:
        """When it came to be, in microseconds since the epoch."""
        ...

    @property
    def number(self) -> int:
        """What decides between two of the same moment."""
        ...

    def exists(self, now: int) -> bool:
        """Whether a client can see it at `now`."""
        ...


Place = tuple[int, int, int, str]
"""Moment, number, how many came before, id: what the order of a listing goes by."""

RecordT = TypeVar("RecordT", bound=Kept)


class Shelf(Generic[RecordT]):
    """Records by id and by time. A deleted one keeps its place, so that paging goes on past it."""

    def __init__(self) -> None:
        self._records: dict[str, RecordT] = {}
        self._places: dict[str, tuple[int, int, int]] = {}
        self._order: list[Place] = []

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, id_: str) -> bool:
        return id_ in self._records

    def copy(self) -> Shelf[RecordT]:
        """Another shelf with the same records."""
        other = Shelf[RecordT]()
        other._records, other._places = self._records.copy(), self._places.copy()
        other._order = self._order.copy()
        return other

    def put(self, record: RecordT) -> None:
        """Remember a record, or its successor under the same id."""
        if record.id not in self._records:
            place = (record.created, record.number, len(self._records))
            self._places[record.id] = place
            insort(self._order, (*place, record.id))
        self._records[record.id] = record

    def get(self, id_: str, now: int) -> RecordT | None:
        """The record a client finds under this id at `now`."""
        record = self._records.get(id_)
        return record if record is not None and record.exists(now) else None

    def ever(self) -> Iterator[RecordT]:
        """Every record there ever was, oldest first, whether a client can see it or not."""
        return (self._records[id_] for *_, id_ in self._order)

    def all(self, now: int) -> Iterator[RecordT]:
        """Every record that exists at `now`, oldest first."""
        kept = (self._records[id_] for *_, id_ in self._order)
        return (record for record in kept if record.exists(now))

    def page(
        self,
        now: int,
        *,
        after: str | None,
        limit: int,
        newest_first: bool = True,
        where: Callable[[RecordT], bool] = lambda _: True,
    ) -> tuple[list[RecordT], bool]:
        """At most `limit` records that come after the one named, and whether more follow.

        Raises:
            KeyError: nothing was ever kept under the id `after`.
        """
        found: list[RecordT] = []
        for *_, id_ in self._from(after, newest_first=newest_first):
            record = self._records[id_]
            if record.exists(now) and where(record):
                if len(found) == limit:
                    return found, True
                found.append(record)
        return found, False

    def _from(self, after: str | None, *, newest_first: bool) -> Iterator[Place]:
        if newest_first:
            end = len(self._order) if after is None else self._position(after)
            return (self._order[at] for at in range(end - 1, -1, -1))
        start = 0 if after is None else self._position(after) + 1
        return (self._order[at] for at in range(start, len(self._order)))

    def _position(self, id_: str) -> int:
        return bisect_left(self._order, (*self._places[id_], id_))

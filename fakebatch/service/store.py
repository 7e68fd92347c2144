"""Records by id and by time: immutable ones, each replaced by its successor when it changes."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from fakebatch.batch.output_file import Content, ResultFile
from fakebatch.rules.files import USUAL, FileOverrides


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file, uploaded or written by a batch. Moments in microseconds since the epoch."""

    id: str
    purpose: str
    filename: str
    created: int
    expires: int | None
    content: bytes | ResultFile = field(repr=False)
    deleted: int | None = None
    number: int = 0
    """Decides between two of the same moment: what was asked for first comes first."""
    overrides: FileOverrides = USUAL
    """How it differs from the usual."""

    def read(self) -> Content:
        """Its bytes, or what makes them."""
        return self.content if isinstance(self.content, bytes) else self.content.read()

    def exists(self, now: int) -> bool:
        """Whether a client can see the file at `now`."""
        gone = [at for at in (self.expires, self.deleted) if at is not None]
        return self.created + self.overrides.found_after <= now and all(now < at for at in gone)

    def status(self, now: int) -> str:
        """`processed`, unless the test wants it otherwise."""
        if now < self.created + self.overrides.ready_after:
            return "uploaded"
        return "error" if self.overrides.broken else "processed"


@dataclass(frozen=True, slots=True)
class UploadCreateParams:
    """The parameters of the call that began an upload: the file that will come in parts."""

    purpose: str
    filename: str
    bytes: int
    expires_after: int | None = None
    """Seconds the file will live, if the call gave any."""


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """A file on its way, part by part."""

    id: str
    params: UploadCreateParams
    created: int
    expires: int
    number: int
    parts: Mapping[str, bytes] = field(default_factory=dict[str, bytes], repr=False)
    """What has come, by the ids of the parts; nothing once it is over."""
    ended: str | None = None
    """The status it was given: completed or cancelled."""

    def status(self, now: int) -> str:
        """The status at `now`."""
        return self.ended or ("pending" if now < self.expires else "expired")

    def exists(self, now: int) -> bool:
        """Whether a client can see the upload at `now`."""
        return self.created <= now


class Record(Protocol):
    """What a store keeps in order."""

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


Position = tuple[int, int, int, str]
"""Moment, number, how many came before, id: what the order of a listing goes by."""

RecordT = TypeVar("RecordT", bound=Record)


class Store(Generic[RecordT]):
    """Records in order. A deleted one keeps its place, so that paging goes on past it.

    Whoever writes holds the lock of the state. Readers hold none: whether a record exists may take
    a look at all lines of a batch.
    """

    def __init__(self) -> None:
        self._records: dict[str, RecordT] = {}
        self._positions: dict[str, Position] = {}
        self._order: list[Position] = []

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, id_: str) -> bool:
        return id_ in self._records

    def copy(self) -> Store[RecordT]:
        """Another store of the same records."""
        other = Store[RecordT]()
        other._records, other._positions = self._records.copy(), self._positions.copy()
        other._order = self._order.copy()
        return other

    def put(self, record: RecordT) -> None:
        """Keep a record, or the successor of the one that has the same id."""
        if record.id not in self._records:
            position = (record.created, record.number, len(self._records), record.id)
            self._records[record.id] = record
            self._positions[record.id] = position
            insort(self._order, position)
        self._records[record.id] = record

    def current(self, id_: str) -> RecordT | None:
        """The record of this id, whether a client can see it or not."""
        return self._records.get(id_)

    def get(self, id_: str, now: int) -> RecordT | None:
        """The record a client finds under this id at `now`."""
        record = self._records.get(id_)
        return record if record is not None and record.exists(now) else None

    def ever(self) -> Iterator[RecordT]:
        """Every record there ever was, oldest first, whether a client can see it or not."""
        return (self._records[id_] for *_, id_ in self._order.copy())

    def all(self, now: int) -> Iterator[RecordT]:
        """Every record that exists at `now`, oldest first."""
        return (record for record in self.ever() if record.exists(now))

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
        page: list[RecordT] = []
        for *_, id_ in self._from(after, newest_first=newest_first):
            record = self._records[id_]
            if record.exists(now) and where(record):
                if len(page) == limit:
                    return page, True
                page.append(record)
        return page, False

    def _from(self, after: str | None, *, newest_first: bool) -> Iterator[Position]:
        order = self._order.copy()
        position = None if after is None else bisect_left(order, self._positions[after])
        if newest_first:
            end = len(order) if position is None else position
            return (order[at] for at in range(end - 1, -1, -1))
        start = 0 if position is None else position + 1
        return (order[at] for at in range(start, len(order)))

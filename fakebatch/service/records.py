"""The values a state is made of. None of them changes: it is replaced by its successor.

Moments are in microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from fakebatch.batch.output_file import Content, ResultFile
from fakebatch.dialects import Dialect
from fakebatch.durations import SECOND
from fakebatch.rules.files import USUAL, FileOverrides

INPUT_PURPOSE = "batch"
"""The purpose of a file that a batch can read."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file, uploaded or written by a batch."""

    id: str
    purpose: str
    filename: str
    created: int
    expires: int | None
    content: bytes | ResultFile = field(repr=False)
    deleted: int | None = None
    number: int = 0
    """Orders files of the same moment: by when the client asked for them."""
    overrides: FileOverrides = USUAL
    """What the rules of the test change about it."""

    def read(self) -> Content:
        """Its bytes, or what makes them."""
        return self.content if isinstance(self.content, bytes) else self.content.read()

    def exists(self, now: int) -> bool:
        """Whether a client can see the file at `now`."""
        gone = [at for at in (self.expires, self.deleted) if at is not None]
        return self.created + self.overrides.found_after <= now and all(now < at for at in gone)

    def status(self, dialect: Dialect, now: int) -> str:
        """The status at `now`, as the provider calls it."""
        if now < self.created + self.overrides.ready_after:
            return "uploaded"
        if self.overrides.broken:
            return "error"
        statuses = dialect.files.statuses
        if self.purpose == dialect.results_purpose:
            return [*statuses][-1]  # a result file needs no processing
        age = (now - self.created) // SECOND
        return [status for status, since in statuses.items() if since <= age][-1]

    def settles(self, dialect: Dialect) -> int:
        """When it can be found and has its last status."""
        is_result = self.purpose == dialect.results_purpose
        processed = 0 if is_result else max(dialect.files.statuses.values()) * SECOND
        changes = self.overrides
        return self.created + max(changes.found_after, changes.ready_after, processed)


@dataclass(frozen=True, slots=True)
class UploadCreateParams:
    """The parameters of `uploads.create`: the file that will come in parts."""

    purpose: str
    filename: str
    bytes: int
    expires_after: int | None = None
    """Seconds for which the file is kept, if the call says so."""


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """A file that comes part by part."""

    id: str
    params: UploadCreateParams
    created: int
    expires: int
    number: int
    parts: Mapping[str, bytes] = field(default_factory=dict[str, bytes], repr=False)
    """The parts received so far, by id; empty once the upload is over."""
    ended: str | None = None
    """`completed` or `cancelled`, once a call has ended it."""

    def status(self, now: int) -> str:
        """The status at `now`."""
        return self.ended or ("pending" if now < self.expires else "expired")

    def exists(self, now: int) -> bool:
        """Whether a client can see the upload at `now`."""
        return self.created <= now


class TokenShare(NamedTuple):
    """The tokens that one batch takes of the quota of its model."""

    batch_id: str
    model: str
    tokens: int


class Event(NamedTuple):
    """The content of a webhook: a batch has ended."""

    webhook_id: str
    """The same in every copy and every attempt, so that a receiver can drop duplicates."""
    type: str
    """`batch.completed`, `batch.failed`, `batch.expired` or `batch.cancelled`."""
    batch_id: str
    body: bytes


class Kind(Enum):
    """Whether a webhook is what it claims to be."""

    GENUINE = auto()
    FORGED = auto()
    STALE = auto()


@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """One attempt to deliver one copy of an event."""

    at: int
    number: int
    event: Event = field(compare=False)
    kind: Kind = field(compare=False)
    first: int = field(compare=False)
    """When the first attempt was."""
    retries: int = field(default=0, compare=False)

"""The values in a state. None of them changes: a change puts another value in its place.

Moments are in microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import NEVER
from fakebatch.batch.output_file import ResultFile, result_files
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
    """Orders files that were created at the same moment."""
    overrides: FileOverrides = USUAL
    """What rules of `on_file` change about it."""
    written_by: str = "files.create"
    """The id of the batch, or the call, that wrote it."""

    def exists(self, now: int) -> bool:
        """Whether a client can see the file at `now`."""
        ends = (at for at in (self.expires, self.deleted) if at is not None)
        return not self.is_hidden(now) and now < min(ends, default=NEVER)

    def is_hidden(self, now: int) -> bool:
        """Whether a rule hides the file still at `now`."""
        return now < self.created + self.overrides.found_after

    @property
    def is_freed(self) -> bool:
        """Whether its content need not be kept: a call has deleted it.

        What time takes away keeps its content, so that looking later changes nothing: a file that
        expires, or that the provider deletes at the end of its batch.
        """
        return self.deleted is not None and not (isinstance(self.content, bytes) and self.content)

    def earlier(self, duration: int) -> FileRecord:
        """The same file, created and expiring earlier by a duration in microseconds."""
        expires = None if self.expires is None else self.expires - duration
        return replace(self, created=self.created - duration, expires=expires)


def result_records(batch: Batch) -> list[FileRecord]:
    """The result files of a batch that has ended."""
    lives, end = batch.files_life, batch.end.at
    return [
        FileRecord(
            id=batch.output_file_id if content.kind == "output" else batch.error_file_id,
            purpose=batch.dialect.results_purpose,
            filename=f"{batch.id}_{'output' if content.kind == 'output' else 'error'}.jsonl",
            created=end,
            expires=None if lives is None else end + lives,
            content=content,
            written_by=batch.id,
            number=batch.number,
            overrides=FileOverrides(
                found_after=batch.files_lag, listed=batch.overrides.result_files.listed
            ),
        )
        for content in result_files(batch)
    ]


@dataclass(frozen=True, slots=True)
class UploadCreateParams:
    """The parameters of `uploads.create`."""

    purpose: str
    filename: str
    bytes: int
    expires_after: int | None = None
    """In seconds, if the call has this parameter."""


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """An Upload: a file that is sent in parts."""

    id: str
    params: UploadCreateParams
    created: int
    expires: int
    number: int
    parts: Mapping[str, bytes] = field(default_factory=dict[str, bytes], repr=False)
    """The parts received so far, by id; empty once the upload is over."""
    ended: str | None = None
    """`completed` or `cancelled`, after the call that did so."""

    def status(self, now: int) -> str:
        """The status at `now`."""
        return self.ended or ("pending" if now < self.expires else "expired")

    def exists(self, now: int) -> bool:
        """Whether a client can see the upload at `now`."""
        return self.created <= now


class TokenShare(NamedTuple):
    """The part of the token quota of a model that one batch uses."""

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


Kind = Literal["genuine", "forged", "stale"]
"""Of a copy of a webhook. A receiver has to refuse those that are not genuine."""


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

"""What the control plane answers, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fakebatch.emulator import UnusedRules
from fakebatch.inspection.checks import Finding
from fakebatch.inspection.journal import Call
from fakebatch.inspection.objects import Step


@dataclass(frozen=True, slots=True)
class Ready:
    """The server answers, and has the world."""

    ready: bool
    version: str


@dataclass(frozen=True, slots=True)
class ClockState:
    """The time of a world."""

    mode: str
    now: str
    """ISO 8601."""
    unix: float
    elapsed: float
    """In seconds since its start."""


@dataclass(frozen=True, slots=True)
class WorldState:
    """A world."""

    name: str
    """Empty: it is the default one."""
    path: str
    """Of its base URL: `/w/mine/v1`."""
    dialects: tuple[str, ...]
    environment: tuple[str, ...]
    """The variables from which clients read their key."""
    key: str
    """A key that is accepted."""
    unused_rules: UnusedRules
    """What a rule that was never used is at the end of a test."""
    clock: ClockState
    calls: int
    refusals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorldList:
    """All worlds."""

    worlds: tuple[WorldState, ...]


@dataclass(frozen=True, slots=True)
class Deleted:
    """A world that is gone."""

    name: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class RuleState:
    """A rule, by its place in the scenario, and how often it was used."""

    family: str
    index: int
    rule: str
    hits: int


@dataclass(frozen=True, slots=True)
class RuleList:
    """Rules."""

    rules: tuple[RuleState, ...]


@dataclass(frozen=True, slots=True)
class JournalState:
    """The calls that were made."""

    count: int
    """How many, including those that are no longer kept."""
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened, in at most 40 lines."""

    timeline: str


@dataclass(frozen=True, slots=True)
class BatchState:
    """A batch, and its whole future."""

    object: dict[str, Any]
    """As a client would get it."""
    plan: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class BatchList:
    """All batches, in order of creation."""

    batches: tuple[BatchState, ...]


@dataclass(frozen=True, slots=True)
class LineState:
    """A request line of a batch."""

    index: int
    custom_id: str | None
    outcome: str
    """The verb that applies to it: `Echo()`, `Fail(429)`."""
    finishes: datetime | None
    """When it finishes, or None if the batch ends before it runs."""
    file_id: str | None
    """The result file that will have it when the batch has ended."""


@dataclass(frozen=True, slots=True)
class LineList:
    """The request lines of a batch."""

    lines: tuple[LineState, ...]


@dataclass(frozen=True, slots=True)
class FileState:
    """A file, who wrote it, and when it was downloaded completely."""

    object: dict[str, Any]
    """As a client would get it."""
    written_by: str
    downloads: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class FileList:
    """All files, in order of creation."""

    files: tuple[FileState, ...]


@dataclass(frozen=True, slots=True)
class FileContent:
    """The content of a file."""

    base64: str


@dataclass(frozen=True, slots=True)
class FindingList:
    """What the checks object to; empty: nothing."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class CaseState:
    """A case of the gauntlet, in a world of its own."""

    id: str
    """Of the incident."""
    world: str
    path: str
    """Of its base URL: `/w/gauntlet.results.shuffled-order/v1`."""
    key: str
    """A key that is accepted."""
    environment: tuple[str, ...]
    """The variables from which clients read their key."""
    kill: tuple[str, ...]
    """The operations after which calls fail, until the client is started again: `restart`."""
    requests: tuple[dict[str, Any], ...]
    """With null in place of NaN, which JSON does not have."""
    jsonl: str
    """The same as the lines of a file, with NaN where a client would write it."""


@dataclass(frozen=True, slots=True)
class CaseList:
    """Cases, in the order of the catalogue."""

    cases: tuple[CaseState, ...]


@dataclass(frozen=True, slots=True)
class ErrorState:
    """Why a request was not carried out."""

    message: str
    """Three lines: what came, what was known, what to do."""
    type: str
    code: str


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error."""

    error: ErrorState

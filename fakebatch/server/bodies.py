"""The bodies of the control plane, as frozen values: what it takes, and what it answers."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from fakebatch.dialects import DialectName
from fakebatch.dialects.dialect import BatchStatus
from fakebatch.emulator import UnusedRules
from fakebatch.gauntlet.verdicts import Outcome
from fakebatch.inspection.checks import CheckName
from fakebatch.inspection.journal import Call
from fakebatch.inspection.objects import Step
from fakebatch.rules.rule import CONFIG, Count, Span


class Body:
    """What a request may contain: no other names, no wrong types."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = CONFIG
    example: ClassVar[str]


# --- what it takes


@dataclass(frozen=True, slots=True)
class Wait(Body):
    """A query: wait for a world."""

    example = "/_fakebatch/ready?world=mine&wait=30"

    world: str = ""
    """The name of the world; empty: the default one."""
    wait: float = 0
    """For how many seconds at most."""


@dataclass(frozen=True, slots=True)
class NewWorld(Body):
    """A world to make. What is left out is as the server was started."""

    example = '{"name": "mine", "clock": "manual"}'

    name: str
    _: KW_ONLY
    clock: str | None = None
    """`polls`, `manual`, `real`, or a speed such as `60x`."""
    start: str | float | None = None
    seed: int | str | None = None
    dialect: DialectName | None = None
    incident: str | tuple[str, ...] | None = None
    """Names of incidents."""
    schedule: (
        dict[Literal["validating", "in_progress", "finalizing", "cancelling"], Span] | None
    ) = None
    max_idle: Span | None = None
    api_keys: list[str] | None = None
    organizations: dict[str, str] | None = None
    models: list[str] | None = None
    limits: dict[str, int] | None = None
    strict_bodies: bool | None = None
    unused_rules: UnusedRules | None = None


@dataclass(frozen=True, slots=True)
class Incident(Body):
    """A known incident with values for its parameters, or a scenario. It need not happen."""

    example = '{"name": "download-truncated", "parameters": {"fraction": 0.5}}'

    _: KW_ONLY
    name: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    scenario: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Move(Body):
    """A move of the clock: by a duration, or to a moment."""

    example = '{"advance": "2h"}'

    _: KW_ONLY
    advance: Span | None = None
    move_to: str | float | None = None


@dataclass(frozen=True, slots=True)
class Calls(Body):
    """A query: the calls of an operation, about an id, with an HTTP status."""

    example = "/_fakebatch/journal?operation=batches.retrieve&status=200"

    operation: str | None = None
    id: str | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class NewFile(Body):
    """A file that exists already: its content as text or request lines, or in base64."""

    example = '{"content": "{…}\\n", "created": "-5h"}'

    _: KW_ONLY
    content: str | list[dict[str, Any]] | None = None
    base64: str | None = None
    id: str | None = None
    """By default a new one in the form of the provider."""
    filename: str | None = None
    purpose: str = "batch"
    created: str | float = "-0s"
    """A moment, or an age: `-5h`."""
    expires_after: int | None = None
    """In seconds."""


@dataclass(frozen=True, slots=True)
class NewBatch(Body):
    """A batch that exists already: its request lines, or the id of their file."""

    example = '{"requests": [{…}], "status": "in_progress"}'

    requests: list[dict[str, Any]] | str
    _: KW_ONLY
    id: str | None = None
    """By default a new one in the form of the provider."""
    status: BatchStatus = "completed"
    created: str | float = "-1h"
    """A moment, or an age: `-5h`."""
    endpoint: str | None = None
    completion_window: str = "24h"
    metadata: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Saved(Body):
    """The number of a snapshot."""

    example = '{"snapshot": 1}'

    snapshot: Count


@dataclass(frozen=True, slots=True)
class WantedCases(Body):
    """The incidents to make worlds for: ids, names, groups or globs; by default all."""

    example = '{"only": ["results/*"]}'

    _: KW_ONLY
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result(Body):
    """What a client got for a request: an answer (a text or a response body), or an error."""

    example = '{"custom_id": "row-1", "answer": "Ottawa"}'

    custom_id: str
    _: KW_ONLY
    answer: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Results(Body):
    """What a client got in a case, and the error with which it gave up, if it did."""

    example = '{"results": [{"custom_id": "row-1", "answer": "Ottawa"}]}'

    _: KW_ONLY
    results: tuple[Result, ...] = ()
    raised: str | None = None
    leftovers: bool = False
    """Whether files that it left behind are unclean."""


AnyCheck = CheckName | Literal["used_rules", "refusals"]


@dataclass(frozen=True, slots=True)
class WantedChecks(Body):
    """The checks to make: those of the assertions, `used_rules` and `refusals`."""

    example = '{"checks": ["all_downloaded", "refusals"]}'

    checks: tuple[AnyCheck, ...]
    min_interval: Span = 0
    """Of `min_poll_interval`."""


# --- what it answers


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
class FindingState:
    """What a check objects to."""

    check: str
    objects: tuple[str, ...]
    since: str
    message: tuple[str, ...]
    """What happened, what was known, what to do."""


@dataclass(frozen=True, slots=True)
class FindingList:
    """What the checks object to; empty: nothing."""

    findings: tuple[FindingState, ...]


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
class VerdictState:
    """The verdict on a client in one case."""

    id: str
    outcome: Outcome
    findings: tuple[FindingState, ...]
    """What it objects to; the first is where the client went wrong first."""
    reason: str
    unmet: str
    """Why the incident did not happen to the client; empty: it did."""
    elapsed: float
    """In virtual seconds."""
    batches: int
    lines: int
    polls: int
    calls: int


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

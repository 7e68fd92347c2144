"""The bodies and queries that the control plane takes, as frozen values."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from fakebatch.dialects import DialectName
from fakebatch.dialects.dialect import BatchStatus
from fakebatch.emulator import UnusedRules
from fakebatch.errors import UsageError
from fakebatch.inspection.checks import CheckName
from fakebatch.rules import loading
from fakebatch.rules.rule import CONFIG, Count, Span
from fakebatch.rules.scenario import Scenario


class Body:
    """What a request may contain: no other names, no wrong types."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = CONFIG
    example: ClassVar[str]


def scenario_of(data: Any, path: str) -> Scenario:
    """A scenario of a request. It must not make the server read a file."""
    if isinstance(data, dict):
        scenario = dict[str, Any](data)  # pyright: ignore[reportUnknownArgumentType]  # of JSON
        rules: Any = scenario.get("on")
        rules = [scenario.get("otherwise"), *(rules if isinstance(rules, list) else ())]
        if any(isinstance(rule, dict) and "replay" in rule for rule in rules):
            raise UsageError(
                f"{path}: a recording to replay is a file of the server.",
                "No request makes the server read a file.",
                "Start it with --scenario FILE, or reply with bodies.",
            )
        return loading.read(scenario, path)
    raise UsageError(
        f"{path}: a scenario is an object.",
        "It has the names of a scenario file: on, on_batch, on_file, on_call, schedule …",
        'Send for example {"on_call": [{"operation": "batches.*", "fail": {"status": 503}}]}.',
    )


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

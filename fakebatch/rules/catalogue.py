"""The catalogue of incidents: what went wrong with batch jobs in practice, as scenarios by name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, reduce
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le, MinLen
from pydantic import AfterValidator, ConfigDict, StringConstraints

from fakebatch.dialects import DialectName
from fakebatch.errors import UsageError
from fakebatch.request_lines import json_type
from fakebatch.rules.loading import load, read
from fakebatch.rules.rule import CONFIG, Count, Names
from fakebatch.rules.scenario import Scenario
from fakebatch.rules.validation import validated

Incident = str | Path | Scenario | tuple["Incident", ...]
"""The name of an incident, a `.toml` or `.json` file, a Scenario, or a tuple of these."""

VerdictName = Literal["no loss", "no lie", "no double spend", "terminates", "clean"]
"""What a client can get right or wrong, as the gauntlet judges it."""

GROUPS = {
    "upload": "The upload of the input file.",
    "create": "The creation of a batch, and its validation.",
    "wait": "The wait for the end of a batch.",
    "results": "The result files and their lines.",
    "expiry": "The end of the completion window.",
    "cancel": "Cancelled batches.",
    "limits": "Quotas, rate limits and billing.",
    "time": "Times and clocks.",
    "resume": "A client that is killed and started again.",
    "webhook": "Webhooks.",
}
"""The groups of incidents, in the order of a batch's life: the folders of `fakebatch/incidents`."""

FOLDER = Path(__file__).parents[1] / "incidents"

Sentence = Annotated[str, StringConstraints(pattern=r"\.$")]
Rank = Annotated[int, Ge(1), Le(5)]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value of an incident that a test can change."""

    __pydantic_config__: ClassVar[ConfigDict] = CONFIG

    default: Any
    what: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What an incident needs of the client that is run through it by the gauntlet."""

    __pydantic_config__: ClassVar[ConfigDict] = CONFIG

    prompts: Names = ()
    """The prompts of the requests, where the incident lies in them."""
    requests: Annotated[Sequence[Mapping[str, Any]], AfterValidator(tuple)] = ()
    """The request lines, where the incident lies in them."""
    kill: Names = ()
    """The operations after which the client is killed, and started again."""
    in_real_time: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Values of parameters for clients that sleep in real time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownIncident:
    """An incident of `fakebatch/incidents`."""

    __pydantic_config__: ClassVar[ConfigDict] = CONFIG

    id: str
    """The folder and the name of its file: `results/download-truncated`."""
    what: Sentence
    """What happens on the wire."""
    breaks: Sentence
    """Which clients it breaks."""
    client: Sentence
    """What a robust client does."""
    frequency: Rank
    """How often it hits an average client, from 1 to 5."""
    severity: Rank
    """5 is wrong or lost data, or twice the cost, unnoticed; 3 is a run that fails loudly."""
    grade: Annotated[str, StringConstraints(pattern=r"^[ABDEF](\+[ABDEF])*$")]
    """The evidence: see GRADES."""
    evidence: Annotated[Names, MinLen(1)]
    """Addresses; for what was measured or inferred, how."""
    api: Literal["any", "openai"] = "any"
    """Whether the copies of the API do it too, or only the provider's own."""
    dialects: Annotated[Sequence[DialectName], AfterValidator(tuple)] = ()
    """The dialects that show it; empty: all. The gauntlet uses the first."""
    recoverable: bool = True
    """Whether a client can get all answers; if not, an honest report is the best outcome."""
    max_batches: Annotated[int, Ge(0)] = 1
    """How many batches it makes necessary."""
    max_lines: Annotated[int, Ge(0)] = 10
    """How many lines it makes necessary to submit, of 10 requests or those of `gauntlet`."""
    max_polls: Count = 200
    verdicts: Annotated[Sequence[VerdictName], AfterValidator(tuple), MinLen(1)] = (
        "no loss",
        "no lie",
    )
    """The verdicts that it puts to the test."""
    inferred: str = ""
    """Which part of it is inferred, or cannot be produced faithfully, and why."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict[str, Parameter])
    gauntlet: Conditions = field(default_factory=Conditions)
    toml: str
    """Its scenario as written; `$name` stands for a parameter."""

    @property
    def group(self) -> str:
        """The part of a batch's life that it belongs to."""
        return self.id.partition("/")[0]

    @property
    def name(self) -> str:
        """Its name without the group, which is enough to find it."""
        return self.id.partition("/")[2]

    def with_parameters(self, parameters: Mapping[str, Any]) -> Scenario:
        """The scenario with these parameters, and default values for the others.

        Raises:
            UsageError: there is no such parameter, or its value is invalid.
        """
        defaults = {name: parameter.default for name, parameter in self.parameters.items()}
        unknown = [name for name in parameters if name not in defaults]
        if unknown:
            raise UsageError(
                f"Incident {self.id!r} has no parameter {', '.join(map(repr, unknown))}.",
                f"It has {', '.join(f'{k}={v!r}' for k, v in defaults.items()) or 'none'}.",
                f"`fakebatch incidents {self.id}` describes them.",
            )
        values = {**defaults, **parameters}
        return read(_filled(tomllib.loads(self.toml), values), f"Incident {self.id}")


GRADES = {
    "A": "reports with details of the wire",
    "B": "reports with fewer details, or of the same mechanism elsewhere",
    "D": "documentation or source",
    "E": "measurements",
    "F": "inference: no report was found",
}
"""The grades of evidence."""


def known() -> Mapping[str, KnownIncident]:
    """All incidents by id, in the order of GROUPS and `of_group`."""
    return {incident.id: incident for group in GROUPS for incident in of_group(group)}


@cache
def of_group(group: str) -> tuple[KnownIncident, ...]:
    """The incidents of a group, the most frequent and severe first."""
    incidents = [_read(path) for path in _paths().values() if path.parent.name == group]
    return tuple(sorted(incidents, key=lambda each: (-each.frequency, -each.severity, each.id)))


def named(name: object) -> KnownIncident:
    """The incident of this name, with or without its group.

    Raises:
        UsageError: there is none.
    """
    paths = _paths()
    text = name if isinstance(name, str) else ""
    path = paths.get(text.rpartition("/")[2])
    if path is None or text not in (path.stem, _id(path)):
        near = ", ".join(_near(text))
        raise UsageError(
            f"There is no incident {name!r}.",
            f"Similar names: {near}." if near else f"The groups are {', '.join(GROUPS)}.",
            "`fakebatch incidents` lists all; a scenario file is a path that ends in .toml or "
            ".json.",
        )
    return _read(path)


def by_name(name: object, /, **parameters: Any) -> Scenario:
    """The scenario of an incident of the catalogue. It never reads another file.

    Raises:
        UsageError: there is no such incident or parameter, or it has no rules.
    """
    incident = named(name)
    if not incident.toml:
        conditions = incident.gauntlet
        raise UsageError(
            f"Incident {incident.id!r} has no rules, so nothing would happen.",
            "Its cause is what the client sends."
            if conditions.requests or conditions.prompts
            else "Its cause is the death of the client."
            if conditions.kill
            else f"It is how {' and '.join(incident.dialects)} differ from OpenAI.",
            f"`fakebatch incidents {incident.id}` shows how to make it happen.",
        )
    return incident.with_parameters(parameters)


def scenario(incident: Incident, **parameters: Any) -> Scenario:
    """The scenario of an incident.

    Raises:
        UsageError: there is no such incident, file or parameter, or two rules contradict each
            other.
    """
    if isinstance(incident, str) and not incident.endswith((".toml", ".json")):
        return by_name(incident, **parameters)
    if parameters:
        values = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
        raise UsageError(
            f"{values} cannot be set here.",
            "Only incidents by name have parameters.",
            "Write for example fakebatch.incident('download-truncated', fraction=0.5).",
        )
    match incident:
        case Scenario():
            return incident
        case str() | Path():
            return load(incident)
        case tuple():
            return reduce(Scenario.__or__, map(scenario, incident), Scenario())
        case _:
            return by_name(incident)


# --- files

_RULES = re.compile(r"^(?=\[{1,2}(?!\[|parameters|gauntlet))", re.MULTILINE)
"""Where the scenario begins in an incident file: the first table that is one of a scenario."""


@cache
def _paths() -> Mapping[str, Path]:
    """The incident files by name without the group."""
    return {path.stem: path for path in sorted(FOLDER.glob("*/*.toml"))}


def _id(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@cache
def _read(path: Path) -> KnownIncident:
    about, *rules = _RULES.split(path.read_text("utf-8"), maxsplit=1)
    data = {**tomllib.loads(about), "id": _id(path), "toml": "".join(rules)}
    incident: KnownIncident = validated(KnownIncident, data, f"Incident {_id(path)}")
    return incident


def _near(text: str) -> Iterable[str]:
    """Ids of incidents that may have been meant, the nearest first."""
    paths = _paths()
    if text in GROUPS:
        return [_id(path) for path in paths.values() if path.parent.name == text]
    close = get_close_matches(text.rpartition("/")[2], paths, n=3)
    holding = [] if len(text) < 3 else [name for name, path in paths.items() if text in _id(path)]
    return dict.fromkeys(_id(paths[name]) for name in (*close, *holding))


def _filled(data: Any, values: Mapping[str, Any]) -> Any:
    """The same data with `$name` replaced by its value."""
    match json_type(data):
        case "a string" if data.startswith("$") and data[1:] in values:
            return values[data[1:]]
        case "an object":
            return {name: _filled(value, values) for name, value in data.items()}
        case "an array":
            return [_filled(value, values) for value in data]
        case _:
            return data

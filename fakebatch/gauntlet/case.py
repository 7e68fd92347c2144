"""A case of the gauntlet: an incident, the requests of the client, and where the client dies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from fakebatch.batch.input_file import request_line
from fakebatch.dialects import DIALECTS, OPENAI, Dialect
from fakebatch.errors import UsageError
from fakebatch.rules import catalogue
from fakebatch.rules.catalogue import KnownIncident

PROMPTS = (
    "Describe the harbour of Århus.",
    "Where is São Tomé?",
    "Spell naïve without its dots.",
    "What does Größe mean?",
    "Name a dish with jalapeños.",
    "Who wrote Les Misérables?",
    "Translate 你好.",
    "Convert 25 °C to Fahrenheit.",
    "What costs 12 €?",
    "Add ½ and ¼.",
)
"""The usual prompts. None is part of another, and none survives a wrong encoding."""

_OPERATIONS = {"upload": "files.create", "content": "files.content"}
"""The operations that an incident names otherwise; all others are of batches."""


@dataclass(frozen=True, slots=True)
class Case:
    """One incident, as a client meets it."""

    incident: KnownIncident
    requests: tuple[Mapping[str, Any], ...]
    """The request lines that the client gets."""

    @property
    def id(self) -> str:
        """The id of the incident."""
        return self.incident.id

    @property
    def jsonl(self) -> str:
        """The requests as the lines of a file. JSON has no NaN, and a client may write one."""
        return "".join(json.dumps(request) + "\n" for request in self.requests)

    @property
    def kills(self) -> tuple[str, ...]:
        """The operations after which the client is killed, as `batches.create`, in this order."""
        return tuple(
            name if "." in name else _OPERATIONS.get(name, f"batches.{name}")
            for name in self.incident.gauntlet.kill
        )

    def options(self, *, real_time: bool = False) -> dict[str, Any]:
        """The arguments of its Emulator, for a client that sleeps in virtual or in real time."""
        parameters = self.incident.gauntlet.in_real_time if real_time else dict[str, Any]()
        return {
            "dialect": self.dialect.name,
            "incident": self.incident.with_parameters(parameters),
            "unused_rules": "ignore",
        }

    @property
    def dialect(self) -> Dialect:
        """The provider that shows the incident."""
        return _dialect(self.incident)


def _dialect(incident: KnownIncident) -> Dialect:
    return DIALECTS[incident.dialects[0]] if incident.dialects else OPENAI


def case_of(incident: KnownIncident) -> Case:
    """The case of an incident."""
    own = incident.gauntlet
    if own.requests:
        return Case(incident, tuple(own.requests))
    dialect = _dialect(incident)
    url, model = dialect.endpoints[0], (*dialect.batch_models, None)[0]
    lines = (
        request_line(f"row-{number}", prompt, url=url, model=model)
        for number, prompt in enumerate(own.prompts or PROMPTS, 1)
    )
    return Case(incident, tuple(lines))


def cases(only: str | Sequence[str] = (), shard: tuple[int, int] = (1, 1)) -> list[Case]:
    """The cases of incidents in the order of the catalogue.

    Args:
        only: ids, names, groups or globs: `results/*`; empty: all.
        shard: which part of how many, from 1: (1, 4).

    Raises:
        UsageError: a pattern selects nothing, or there is no such part.
    """
    number, count = shard
    if not 1 <= number <= count:
        raise UsageError(
            f"shard={shard!r} is no part of the incidents.",
            "It is the number of the part, from 1, and how many there are.",
            "Write for example shard=(1, 4).",
        )
    patterns = (only,) if isinstance(only, str) else tuple(only)
    for pattern in patterns:
        if not any(selects(pattern, incident.id) for incident in catalogue.known().values()):
            raise UsageError(
                f"{pattern!r} selects no incident.",
                "It is an id, a name, a group, or a glob of ids: results/*.",
                "`fakebatch incidents` lists all.",
            )
    chosen = [
        incident
        for incident in catalogue.known().values()
        if not patterns or any(selects(pattern, incident.id) for pattern in patterns)
    ]
    return [case_of(incident) for incident in chosen[number - 1 :: count]]


def selects(pattern: str, id_: str) -> bool:
    """Whether a pattern selects an incident: by its id, its name, its group, or a glob of ids."""
    return pattern in id_.split("/") or fnmatchcase(id_, pattern)

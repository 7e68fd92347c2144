"""Known incidents, by name: each is a file in `fakebatch/incidents`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache, reduce
from pathlib import Path
from typing import Any, NamedTuple

from fakebatch.errors import UsageError
from fakebatch.request_line import json_type
from fakebatch.rules.loading import load, read
from fakebatch.rules.scenario import Scenario

_ABOUT = ("what", "breaks", "evidence", "parameters")
"""What the file of an incident has beside its scenario."""

_RULES = re.compile(r"^(?=\[+(?!parameters))", re.MULTILINE)
"""Where the scenario begins in the file of an incident."""

Incident = str | Path | Scenario | tuple["Incident", ...]
"""A name, a `.toml` or `.json` file, a scenario; or several of them, from left to right."""


class Known(NamedTuple):
    """An incident that happened to somebody."""

    name: str
    what: str
    """What comes over the wire."""
    breaks: str
    """Which clients it breaks."""
    evidence: tuple[str, ...]
    parameters: Mapping[str, Any]
    """Names and usual values."""
    scenario: Mapping[str, Any]
    """As a mapping, with `$name` where a parameter goes."""
    toml: str
    """The same as its file has it."""

    def with_parameters(self, given: Mapping[str, Any]) -> Scenario:
        """What happens.

        Raises:
            UsageError: there is no such parameter, or it cannot have this value.
        """
        unknown = [name for name in given if name not in self.parameters]
        if unknown:
            raise UsageError(
                f"Incident {self.name!r} has no parameter {', '.join(map(repr, unknown))}.",
                f"It has {', '.join(f'{k}={v!r}' for k, v in self.parameters.items()) or 'none'}.",
                f"`fakebatch incidents {self.name}` tells about them.",
            )
        return read(_filled(self.scenario, {**self.parameters, **given}), f"Incident {self.name}")


@cache
def known() -> Mapping[str, Known]:
    """All incidents by name, in the order of the alphabet."""
    data = sorted((Path(__file__).parents[1] / "incidents").glob("*.toml"))
    return {path.stem: _known(path.stem, path.read_text("utf-8")) for path in data}


def scenario(which: Incident, **parameters: Any) -> Scenario:
    """What an incident makes happen.

    Raises:
        UsageError: there is none of this name, it lacks a parameter, or the parts contradict.
    """
    if isinstance(which, str) and not which.endswith((".toml", ".json")):
        return named(which).with_parameters(parameters)
    if parameters:
        raise UsageError(
            f"{', '.join(f'{k}={v!r}' for k, v in parameters.items())} is nobody's parameter.",
            "Parameters are those of one incident by name; a file and a Scenario have none.",
            "Write for example fakebatch.incident('download-truncated', fraction=0.5).",
        )
    match which:
        case Scenario():
            return which
        case str() | Path():
            return load(which)
        case tuple():
            return reduce(lambda one, other: one | other, map(scenario, which), Scenario())
        case _:
            return named(which).with_parameters({})


def named(name: object) -> Known:
    """The incident of this name.

    Raises:
        UsageError: there is none.
    """
    if not isinstance(name, str) or name not in known():
        raise UsageError(
            f"There is no incident {name!r}.",
            f"Known are {', '.join(known())}.",
            "Name one of these, or give a Scenario, or the path of a .toml or .json file.",
        )
    return known()[name]


def _known(name: str, text: str) -> Known:
    data = tomllib.loads(text)
    return Known(
        name,
        what=data["what"],
        breaks=data["breaks"],
        evidence=tuple(data["evidence"]),
        parameters=data.get("parameters", {}),
        scenario={key: value for key, value in data.items() if key not in _ABOUT},
        toml=_RULES.split(text, maxsplit=1)[1],
    )


def _filled(data: Any, values: Mapping[str, Any]) -> Any:
    match json_type(data):
        case "a string" if data.startswith("$") and data[1:] in values:
            return values[data[1:]]
        case "an object":
            return {name: _filled(value, values) for name, value in data.items()}
        case "an array":
            return [_filled(value, values) for value in data]
        case _:
            return data

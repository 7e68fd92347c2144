"""Reads and writes scenarios: TOML and JSON files, incidents by name, plain data."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache, reduce
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import PydanticSerializationError

from fakebatch.data_files import decoded, parsed_json
from fakebatch.errors import UsageError
from fakebatch.request_lines import json_type
from fakebatch.rules.rule import AS_DATA, Rule, adapter, callables, validated
from fakebatch.rules.scenario import AnyRule, Scenario

Incident = str | Path | Scenario | tuple["Incident", ...]
"""The name of an incident, a `.toml` or `.json` file, a Scenario, or a tuple of these."""


def scenario(incident: Incident, **parameters: Any) -> Scenario:
    """The scenario of an incident.

    Raises:
        UsageError: there is no such incident, file or parameter, or two rules contradict each
            other.
    """
    if isinstance(incident, str) and not incident.endswith((".toml", ".json")):
        return named(incident).with_parameters(parameters)
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
            return named(incident).with_parameters({})


# --- plain data


def read(data: Mapping[str, Any], source: str = "The scenario") -> Scenario:
    """The scenario in a mapping.

    Raises:
        UsageError: an unknown name, or an invalid value.
    """
    try:
        result: Scenario = validated(Scenario, dict(data), source)
    except UsageError as error:
        what, known, advice = error.args
        if what.startswith(source):
            raise
        raise UsageError(f"{source}: {what}", known, advice) from None
    return result


def dump(value: Scenario | AnyRule) -> dict[str, Any]:
    """A scenario, or a rule, as JSON data without defaults: `read(dump(scenario)) == scenario`.

    Raises:
        UsageError: it has a callable, which cannot be written.
    """
    kind: Any = type(value)
    try:
        data: dict[str, Any] = adapter(kind).dump_python(value, mode="json", exclude_defaults=True)
    except PydanticSerializationError as error:
        names = ", ".join(dict.fromkeys(callables(value)))
        raise UsageError(
            f"{value if isinstance(value, Rule) else 'This scenario'} cannot be written: "
            f"it holds {names or error}.",
            "A callable of the test is not data.",
            AS_DATA,
        ) from error
    return data


def schema() -> dict[str, Any]:
    """The JSON schema of a scenario file."""
    return adapter(Scenario).json_schema()


# --- files

_PARSERS: dict[str, Callable[[str], Any]] = {".toml": tomllib.loads, ".json": parsed_json}


def load(path: str | Path) -> Scenario:
    """The scenario of a `.toml` or `.json` file.

    Raises:
        UsageError: there is no such file, it cannot be parsed, or it is not a scenario.
    """
    file = Path(path)
    why = "The name of a scenario file must end in .toml or .json."
    data: Any = None
    if file.suffix in _PARSERS:
        try:
            data = _PARSERS[file.suffix](decoded(file.read_bytes()))
            why = f"It is {json_type(data)}; a scenario is an object."
        except OSError as error:
            why = f"{error.strerror}; relative paths start at {Path.cwd()}."
        except (ValueError, RecursionError) as error:
            why = f"It cannot be parsed: {error}."
    if isinstance(data, dict):
        return read(data, str(file))  # pyright: ignore[reportUnknownArgumentType]  # read checks it
    raise UsageError(
        f"{str(file)!r} cannot be read as a scenario.",
        why,
        "Give the path of a scenario file, or the name of an incident.",
    )


# --- known incidents

_RULES = re.compile(r"^(?=\[+(?!parameters))", re.MULTILINE)
"""Where the scenario begins in an incident file: the first table but [parameters]."""


class KnownIncident(NamedTuple):
    """An incident of `fakebatch/incidents`."""

    name: str
    what: str
    """What a client gets to see."""
    breaks: str
    """Which clients it breaks."""
    evidence: tuple[str, ...]
    parameters: Mapping[str, Any]
    """Default values by name."""
    toml: str
    """Its scenario; `$name` stands for a parameter."""

    def with_parameters(self, parameters: Mapping[str, Any]) -> Scenario:
        """The scenario with these parameters, and default values for the others.

        Raises:
            UsageError: there is no such parameter, or its value is invalid.
        """
        unknown = [name for name in parameters if name not in self.parameters]
        if unknown:
            raise UsageError(
                f"Incident {self.name!r} has no parameter {', '.join(map(repr, unknown))}.",
                f"It has {', '.join(f'{k}={v!r}' for k, v in self.parameters.items()) or 'none'}.",
                f"`fakebatch incidents {self.name}` describes them.",
            )
        values = {**self.parameters, **parameters}
        return read(_filled(tomllib.loads(self.toml), values), f"Incident {self.name}")


@cache
def known() -> Mapping[str, KnownIncident]:
    """All incidents by name, sorted."""
    incidents: dict[str, KnownIncident] = {}
    for path in sorted((Path(__file__).parents[1] / "incidents").glob("*.toml")):
        text = path.read_text("utf-8")
        data, toml = tomllib.loads(text), _RULES.split(text, maxsplit=1)[1]
        about = data["what"], data["breaks"], tuple(data["evidence"]), data.get("parameters", {})
        incidents[path.stem] = KnownIncident(path.stem, *about, toml)
    return incidents


def named(name: object) -> KnownIncident:
    """The incident of this name.

    Raises:
        UsageError: there is none.
    """
    if not isinstance(name, str) or name not in known():
        raise UsageError(
            f"There is no incident {name!r}.",
            f"Known incidents: {', '.join(known())}.",
            "Use one of these, or the path of a .toml or .json file.",
        )
    return known()[name]


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

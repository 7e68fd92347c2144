"""Reads and writes scenarios: TOML and JSON files, plain data."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError

from fakebatch.data_files import decoded, parsed_json
from fakebatch.errors import UsageError
from fakebatch.request_lines import json_type
from fakebatch.rules.rule import NOT_DATA, Rule, callables
from fakebatch.rules.scenario import AnyRule, Scenario
from fakebatch.rules.validation import adapter, validated

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
            *NOT_DATA,
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

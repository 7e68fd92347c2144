"""A scenario as TOML or JSON, and back: in the words of the fluent calls."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError

from fakebatch.errors import UsageError
from fakebatch.request_line import json_type
from fakebatch.rules.rule import Rule, adapter, usage_errors
from fakebatch.rules.scenario import AnyRule, Scenario

_PARSERS: dict[str, Callable[[str], Any]] = {".toml": tomllib.loads, ".json": json.loads}

_OLD_FORM = {
    "rules": "[[on]]",
    "batches": "[[on_batch]]",
    "files": "[[on_file]]",
    "calls": "[[on_call]]",
    "arrivals": "[[on_webhook]]",
    "scenario": "the tables [[on]], [[on_batch]], [[on_file]], [[on_call]] themselves",
}
"""Keys that scenarios had before 0.1.0, and what takes their place."""


def read(data: Mapping[str, Any], source: str = "The scenario") -> Scenario:
    """The scenario that a mapping describes.

    Raises:
        UsageError: an unknown name, or a value of another kind; the first of them is named.
    """
    old = next((name for name in data if name in _OLD_FORM), None)
    if old is not None:
        raise UsageError(
            f"{source} has {old!r}, which is the old form.",
            f"It is written as {_OLD_FORM[old]} now, in the words of the fluent calls.",
            "Write for example [[on_call]] with operation and fail = { status = 503 }.",
        )
    try:
        with usage_errors(source, Scenario):
            scenario: Scenario = adapter(Scenario).validate_python(dict(data))
    except UsageError as error:
        what, known, advice = error.args
        raise UsageError(
            what if what.startswith(source) else f"{source}: {what}", known, advice
        ) from None
    return scenario


def load(path: str | Path) -> Scenario:
    """The scenario of a `.toml` or `.json` file.

    Raises:
        UsageError: no such file, neither of these kinds, or no scenario.
    """
    file = Path(path)
    parse = _PARSERS.get(file.suffix)
    if parse is None:
        raise _no_scenario(file, "A scenario is read from a file that ends in .toml or .json.")
    try:
        data = parse(file.read_text(encoding="utf-8"))
    except OSError as error:
        why = f"{error.strerror}; relative paths count from {Path.cwd()}."
        raise _no_scenario(file, why) from error
    except ValueError as error:
        raise _no_scenario(file, f"It cannot be parsed: {error}.") from error
    if not isinstance(data, dict):
        raise _no_scenario(file, f"It holds {json_type(data)}, and a scenario is an object.")
    return read(data, str(file))  # pyright: ignore[reportUnknownArgumentType]  # read judges it


def dump(value: Scenario | AnyRule) -> dict[str, Any]:
    """A scenario, or a rule, as plain JSON without defaults: `read(dump(scenario)) == scenario`.

    Raises:
        UsageError: it holds a callable, which no file can hold.
    """
    try:
        data: dict[str, Any] = adapter(type(value)).dump_python(
            value, mode="json", exclude_defaults=True
        )
    except PydanticSerializationError as error:
        raise UsageError(
            f"{value if isinstance(value, Rule) else 'This scenario'} cannot be written: {error}",
            "It has a predicate, or a callable that replies.",
            "Select lines by custom_id, index, model, endpoint, contains or fraction instead.",
        ) from error
    return data


def schema() -> dict[str, Any]:
    """The JSON schema of a scenario file."""
    return adapter(Scenario).json_schema()


def _no_scenario(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{str(path)!r} is no scenario.",
        why,
        "Give the path of a scenario, the name of an incident, or a Scenario.",
    )

"""A scenario as JSON or TOML, and back: durations as text, nothing that is as usual."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from fakebatch.errors import Misuse
from fakebatch.scenario import Scenario, arrivals, batches, calls, files, lines


def read(said: Mapping[str, Any], source: str = "The scenario") -> Scenario:
    """The scenario that a mapping describes.

    Raises:
        Misuse: it has an unknown name, or a value of another kind; the first of them is told.
    """
    try:
        return _adapter().validate_python(dict(said))
    except ValidationError as error:
        raise _unreadable(source, error) from error


def load(path: str | Path) -> Scenario:
    """The scenario of a `.toml` or `.json` file.

    Raises:
        Misuse: no such file, neither of these kinds, or no scenario.
    """
    place = Path(path)
    parse = {".toml": tomllib.loads, ".json": json.loads}.get(place.suffix)
    if parse is None:
        raise _no_file(place, "A scenario is read from a file that ends in .toml or .json.")
    try:
        return read(parse(place.read_text(encoding="utf-8")), str(place))
    except (OSError, ValueError) as error:
        raise _no_file(place, f"{type(error).__name__}: {error}") from error


def dump(scenario: Scenario) -> dict[str, Any]:
    """A scenario as plain JSON: `read(dump(scenario)) == scenario`.

    Raises:
        Misuse: it holds a callable of the test, which no file can hold.
    """
    try:
        said: dict[str, Any] = _adapter().dump_python(scenario, mode="json", exclude_defaults=True)
    except PydanticSerializationError as error:
        raise Misuse(
            f"This scenario cannot be written: {error}",
            "It has a predicate, or a callable that replies.",
            "Select lines by custom_id, index, model, endpoint, contains or fraction instead.",
        ) from error
    return said


@cache
def _adapter() -> TypeAdapter[Scenario]:
    for kind in [
        Scenario,
        *(one for room in (lines, batches, files, calls, arrivals) for one in _kinds(room)),
    ]:
        # pydantic has no other way to be strict about the keys of a standard dataclass
        setattr(kind, "__pydantic_config__", ConfigDict(extra="forbid"))  # noqa: B010  # not declared
    return TypeAdapter(Scenario)


def _kinds(room: ModuleType) -> list[Any]:
    return [one for one in vars(room).values() if isinstance(one, type) and is_dataclass(one)]


def _unreadable(source: str, error: ValidationError) -> Misuse:
    # of the kinds a value could be of, tell about the one it comes nearest to
    wrong = Counter(one["loc"][:-1] for one in error.errors())
    first = min(error.errors(), key=lambda one: wrong[one["loc"][:-1]])
    place = ".".join(str(part) for part in first["loc"])
    known = ", ".join(field.name for field in fields(Scenario))
    return Misuse(
        f"{source} cannot be read at {place or 'its beginning'}: {first['msg']}.",
        f"It was given {str(first['input'])[:80]!r}; a scenario has {known}.",
        "docs/scenarios.md shows each part.",
    )


def _no_file(path: Path, why: str) -> Misuse:
    return Misuse(
        f"{str(path)!r} is no scenario.",
        why,
        "Give the path of a scenario, the name of an incident, or a Scenario.",
    )

"""A scenario as JSON or TOML, and back: durations as text, nothing that is as usual."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError

from fakebatch.errors import UsageError as Misuse
from fakebatch.request_line import json_type
from fakebatch.scenario import Scenario, arrivals, batches, calls, files, lines

Place = tuple[int | str, ...]
"""Where something is in a scenario; pydantic names the kinds of value it tried along the way."""

_PARSERS: dict[str, Callable[[str], Any]] = {".toml": tomllib.loads, ".json": json.loads}


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
    parse = _PARSERS.get(place.suffix)
    if parse is None:
        raise _no_file(place, "A scenario is read from a file that ends in .toml or .json.")
    try:
        said = parse(place.read_text(encoding="utf-8"))
    except OSError as error:
        why = f"{error.strerror}; relative paths count from {Path.cwd()}."
        raise _no_file(place, why) from error
    except ValueError as error:
        raise _no_file(place, f"It cannot be parsed: {error}.") from error
    if not isinstance(said, dict):
        raise _no_file(place, f"It holds {json_type(said)}, and a scenario is an object.")
    return read(said, str(place))  # pyright: ignore[reportUnknownArgumentType]  # read judges it


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
    for kind in _kinds().values():
        # pydantic has no other way to be strict about the keys of a standard dataclass
        setattr(kind, "__pydantic_config__", ConfigDict(extra="forbid"))  # noqa: B010  # not declared
    return TypeAdapter(Scenario)


@cache
def _kinds() -> dict[str, Any]:
    """The dataclasses a scenario is made of, by name."""
    rooms = (lines, batches, files, calls, arrivals)
    found = [one for room in rooms for one in vars(room).values() if isinstance(one, type)]
    return {one.__name__: one for one in (Scenario, *found) if is_dataclass(one)}


def _unreadable(source: str, error: ValidationError) -> Misuse:
    """What is wrong, told of the kinds of value that what was given comes nearest to."""
    wrong: dict[Place, dict[int | str, ErrorDetails]] = {}
    for one in error.errors():
        part, name = _split(one["loc"])
        wrong.setdefault(part, {}).setdefault(name, one)
    far = {part: sum(map(_weight, ones.values())) for part, ones in wrong.items()}
    part, ones = min(wrong.items(), key=lambda item: far[item[0]])
    near = [other for other in wrong if far[other] == far[part] and _plain(other) == _plain(part)]
    (name, first), *_ = ones.items()
    known = dict.fromkeys(field.name for other in near for field in fields(_kind_at(other)))
    return Misuse(
        f"{source} cannot be read at {_plain((*part, name))}: {first['msg']}.",
        f"It has {str(first['input'])[:80]!r} there. Known in this part are {', '.join(known)}.",
        "docs/scenarios.md shows each part.",
    )


def _split(place: Place) -> tuple[Place, int | str]:
    """The part of a scenario, down to which kind of value it was taken for, and a name in it."""
    kinds = [at for at, part in enumerate(place) if part in _kinds()]
    end = min(kinds[-1] + 1 if kinds else len(place), len(place) - 1)
    return place[:end], place[end]


def _plain(place: Place) -> str:
    return ".".join(str(part) for part in place if part not in _kinds())


def _weight(error: ErrorDetails) -> int:
    return 2 if error["type"] in ("missing", "unexpected_keyword_argument") else 1


def _kind_at(place: Place) -> Any:
    kind: Any = Scenario
    for part in place:
        kind = next(_parts(_kinds().get(str(part)) or get_type_hints(kind).get(str(part))), kind)
    return kind


def _parts(hint: Any) -> Iterator[Any]:
    """The dataclasses in a type."""
    if is_dataclass(hint):
        yield hint
    for part in get_args(hint):
        yield from _parts(part)


def _no_file(path: Path, why: str) -> Misuse:
    return Misuse(
        f"{str(path)!r} is no scenario.",
        why,
        "Give the path of a scenario, the name of an incident, or a Scenario.",
    )

"""How a provider is written down: OpenAI, and the facts that differ, each with its evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple, TypeGuard, TypeVar


class Evidence(StrEnum):
    """How sure a fact is."""

    DOCUMENTED = "documented"
    """The vendor says so: documentation, OpenAPI document, SDK."""
    OBSERVED = "observed"
    """Somebody recorded it, or it stands in the server's own source."""
    INFERRED = "inferred"
    """Concluded from the rest; nobody has shown it."""


class Fact(NamedTuple):
    """Knobs that differ from OpenAI's for one reason."""

    evidence: Evidence
    source: str
    knobs: Mapping[str, Any]

    def each(self) -> Iterator[tuple[str, Any]]:
        """Every value it sets by the name of its knob; in a group `limits.batch_lines`."""
        for name, value in self.knobs.items():
            if _is_table(name, value):
                yield from ((f"{name}.{part}", item) for part, item in value.items())
            else:
                yield name, value


def documented(source: str, /, **knobs: Any) -> Fact:
    """What the vendor says of itself."""
    return Fact(Evidence.DOCUMENTED, source, knobs)


def observed(source: str, /, **knobs: Any) -> Fact:
    """What was seen to come back."""
    return Fact(Evidence.OBSERVED, source, knobs)


def inferred(source: str, /, **knobs: Any) -> Fact:
    """What follows from the rest."""
    return Fact(Evidence.INFERRED, source, knobs)


_WHOLE = frozenset({"answers", "auth", "unsupported", "headers", "snapshots", "statuses"})
"""Mappings that are one value. All others are groups or tables, changed entry by entry."""

ValueT = TypeVar("ValueT")


def amended(value: ValueT, knobs: Mapping[str, Any]) -> ValueT:
    """A frozen value with some fields set; groups and tables inside it entry by entry.

    Raises:
        KeyError: it has no such field; with its name, and the fields there are.
    """
    known = {one.name for one in fields(value)}  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    for name in knobs:
        if name not in known:
            raise KeyError(name, ", ".join(one.name for one in fields(value)))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    changed = {name: _merged(name, getattr(value, name), item) for name, item in knobs.items()}
    return replace(value, **changed)  # type: ignore[type-var] # pyright: ignore[reportArgumentType]


def _merged(name: str, old: Any, new: Any) -> Any:
    if not _is_table(name, new):
        return new
    return amended(old, new) if is_dataclass(old) else {**old, **new}


def _is_table(name: str, value: Any) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping) and name not in _WHOLE

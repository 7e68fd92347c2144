"""How two parts of a scenario become one: field by field, the later wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ValueT = TypeVar("ValueT", bound="DataclassInstance")


def overlaid(one: ValueT, other: ValueT) -> ValueT:
    """One value, and what another of its kind says otherwise than usual; mappings are united."""
    usual: Any = type(one)()
    said = {f.name: getattr(other, f.name) for f in fields(other)}
    changed = {name: value for name, value in said.items() if value != getattr(usual, name)}
    for name, value in changed.items():
        if isinstance(value, Mapping):
            changed[name] = {**getattr(one, name), **value}
    return replace(one, **changed)


def merged(usual: ValueT, several: Iterable[ValueT]) -> ValueT:
    """One value of several: the usual one, and what each of them says in turn."""
    whole = usual
    for one in several:
        whole = overlaid(whole, one)
    return whole

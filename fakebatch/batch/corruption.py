"""Corruption of result lines after they were made: lost, doubled, broken, renamed."""

from __future__ import annotations

from typing import Any

from fakebatch.scenario import Damage, Renaming


def reshaped(wire: dict[str, Any], damage: Damage, index: int) -> dict[str, Any]:
    """The object of a result line, its custom_id and its parts as the damage has them."""
    match damage.corrupt:
        case "no_custom_id":
            return {name: value for name, value in wire.items() if name != "custom_id"}
        case "no_response":
            return wire | {"response": None}
        case "no_body" if wire["response"] is not None:
            return wire | {"response": wire["response"] | {"body": None}}
        case _:
            return _renamed(wire, damage.custom_id, index)


def _renamed(wire: dict[str, Any], how: Renaming | None, index: int) -> dict[str, Any]:
    custom_id = wire.get("custom_id")
    if how is None or not isinstance(custom_id, str):
        return wire
    forms: dict[Renaming, str | int | None] = {
        "int": int(custom_id) if custom_id.isascii() and custom_id.isdigit() else index,
        "trim": custom_id.strip(),
        "upper": custom_id.upper(),
        "lower": custom_id.lower(),
        "null": None,
    }
    return wire | {"custom_id": forms[how]}


def copies_of(line: bytes, damage: Damage) -> list[bytes]:
    """A result line, without its line end, as often and as broken as the damage has it."""
    corrupted = {
        "cut": line[: len(line) // 2],
        "array": b"[" + line + b"]",
        "garbage": b"\xff\x00<not json>",
        "null": b"null",
        "blank": b"",
    }
    return [corrupted.get(damage.corrupt or "", line)] * damage.copies

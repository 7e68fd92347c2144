"""Corruption of result lines after they were made: lost, doubled, broken, renamed."""

from __future__ import annotations

from typing import Any

from fakebatch.rules.lines import ChangeCustomId, Corrupt, Corruption, Drop, Duplicate


def reshaped(wire: dict[str, Any], corruption: Corruption, index: int) -> dict[str, Any]:
    """The object of a result line with another custom_id, or without a part of it."""
    match corruption:
        case Corrupt("no_custom_id"):
            return {name: value for name, value in wire.items() if name != "custom_id"}
        case Corrupt("no_response"):
            return wire | {"response": None}
        case Corrupt("no_body") if wire["response"] is not None:
            return wire | {"response": wire["response"] | {"body": None}}
        case ChangeCustomId() if isinstance(wire.get("custom_id"), str):
            return wire | {"custom_id": _changed(wire["custom_id"], corruption, index)}
        case _:
            return wire


def _changed(custom_id: str, change: ChangeCustomId, index: int) -> str | int | None:
    match change.how:
        case "int":
            return int(custom_id) if custom_id.isascii() and custom_id.isdigit() else index
        case "trim":
            return custom_id.strip()
        case "upper":
            return custom_id.upper()
        case "lower":
            return custom_id.lower()
        case "null":
            return None


def copies_of(line: bytes, corruption: Corruption) -> list[bytes]:
    """A result line, without its line end, as often as it is written, or what it is broken to."""
    match corruption:
        case Drop():
            return []
        case Duplicate(copies, conflict=None):
            return [line] * copies
        case Corrupt(how):
            broken = {
                "cut": line[: len(line) // 2],
                "array": b"[" + line + b"]",
                "garbage": b"\xff\x00<not json>",
                "null": b"null",
                "blank": b"",
            }
            return [broken.get(how, line)]
        case _:
            return [line]

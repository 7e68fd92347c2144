"""What becomes of result lines and files after they were made: lost, doubled, broken, reordered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fakebatch.scenario import Damage, Life, Renaming

_NEWLINES = {None: b"\n", "lf": b"\n", "crlf": b"\r\n"}


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


def copied(line: bytes, damage: Damage) -> list[bytes]:
    """A result line, without its line end, as often and as broken as the damage has it."""
    corrupted = {
        "cut": line[: len(line) // 2],
        "array": b"[" + line + b"]",
        "garbage": b"\xff\x00<not json>",
        "null": b"null",
        "blank": b"",
    }
    return [corrupted.get(damage.corrupt or "", line)] * damage.copies


def joined(order: list[int], lines: Mapping[int, list[bytes]], life: Life) -> bytes:
    """A result file of the lines that are there, in the order in which they finished."""
    if life.empty:
        return b""
    if life.order in ("input", "reversed"):
        order = sorted(order, reverse=life.order == "reversed")
    end = _NEWLINES[life.newline]
    content = b"".join(line + end for index in order for line in lines.get(index, ()))
    return b"\xef\xbb\xbf" * life.bom + content + end * life.trailing

"""What the fields of a call may hold; what they may not is refused in the provider's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fakebatch.batch.input_file import parsed_object
from fakebatch.batch.plan import Asked
from fakebatch.dialects import Dialect, Limits, Reason, Refusal
from fakebatch.request_line import json_type
from fakebatch.service.shelf import Announced

_INTEGER = re.compile(r"-?[0-9]{1,18}")  # int() refuses "--5", and more than 4,300 digits


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in the body of a call."""
    try:
        said = parsed_object(body)
    except ValueError:
        said = None
    if said is None:
        raise Refusal(Reason.NOT_JSON)
    return said


def batch_request(said: Mapping[str, Any], dialect: Dialect) -> Asked:
    """The body of `batches.create`."""
    return Asked(
        input_file_id=text(said, "input_file_id"),
        endpoint=one_of(text(said, "endpoint"), "endpoint", dialect.endpoints),
        window=one_of(text(said, "completion_window"), "completion_window", dialect.windows),
        metadata=metadata(said.get("metadata"), dialect.limits),
        output_expires_after=expiry(
            said.get("output_expires_after"), "output_expires_after", dialect.limits
        ),
    )


def announced(said: Mapping[str, Any], limits: Limits) -> Announced:
    """The body of `uploads.create`. What a `mime_type` may be is not known."""
    text(said, "mime_type")
    return Announced(
        purpose=text(said, "purpose"),
        filename=text(said, "filename"),
        bytes=number(said, "bytes", 1, limits.upload_bytes),
        expires_after=expiry(said.get("expires_after"), "expires_after", limits),
    )


def text(said: Mapping[str, Any], name: str) -> str:
    """A required string."""
    value = said.get(name)
    if value is None:
        raise Refusal(Reason.MISSING, name=name)
    return _string(value, name)


def texts(said: Mapping[str, Any], name: str) -> list[str]:
    """A required list of strings."""
    value = said.get(name)
    if value is None:
        raise Refusal(Reason.MISSING, name=name)
    if json_type(value) != "an array":
        raise Refusal(Reason.BAD_TYPE, name=name, wanted="an array", got=json_type(value))
    return [_string(item, f"{name}[{index}]") for index, item in enumerate(value)]


def number(said: Mapping[str, Any], name: str, least: int, most: int) -> int:
    """A required whole number between two bounds, both allowed."""
    if said.get(name) is None:
        raise Refusal(Reason.MISSING, name=name)
    return within(said[name], name, least, most)


def one_of(value: str, name: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    """A string out of a list."""
    if value not in known:
        raise Refusal(Reason.BAD_VALUE, name=name, value=value, known=_listed(tuple(known)))
    return value


def metadata(value: object, limits: Limits) -> dict[str, str] | None:
    """Up to 16 pairs of short strings, or null."""
    if value is None:
        return None
    pairs = _object(value, "metadata")
    if len(pairs) > limits.metadata_pairs:
        facts = {"name": "metadata", "most": limits.metadata_pairs, "got": len(pairs)}
        raise Refusal(Reason.TOO_MANY_PROPERTIES, **facts)
    for key, item in pairs.items():
        if len(key) > limits.metadata_key:
            facts = {"name": "metadata", "most": limits.metadata_key, "got": len(key)}
            raise Refusal(Reason.KEY_TOO_LONG, **facts)
        name = f"metadata.{key}"
        if len(_string(item, name)) > limits.metadata_value:
            facts = {"name": name, "most": limits.metadata_value, "got": len(item)}
            raise Refusal(Reason.STRING_TOO_LONG, **facts)
    return pairs


def expiry(value: object, name: str, limits: Limits) -> int | None:
    """`{"anchor": "created_at", "seconds": n}` or null: the seconds."""
    if value is None:
        return None
    said = _object(value, name)
    anchor = text({f"{name}.anchor": said.get("anchor")}, f"{name}.anchor")
    one_of(anchor, f"{name}.anchor", ("created_at",))
    given = {f"{name}.seconds": said.get("seconds")}
    return number(given, f"{name}.seconds", limits.expiry_least, limits.expiry_most)


def form_expiry(said: Mapping[str, str], name: str, limits: Limits) -> int | None:
    """The same as fields of a form: `expires_after[anchor]`, `expires_after[seconds]`."""
    prefix = f"{name}["
    given = {key[len(prefix) : -1]: value for key, value in said.items() if key.startswith(prefix)}
    digits = given.get("seconds", "")
    seconds = int(digits) if _INTEGER.fullmatch(digits) else digits or None
    return expiry({**given, "seconds": seconds} if given else None, name, limits)


def count(value: str | None, name: str, *, default: int, most: int) -> int:
    """A whole number from 1 in a query, or the default."""
    if value is None:
        return default
    return within(int(value) if _INTEGER.fullmatch(value) else value, name, 1, most)


def within(value: object, name: str, least: int, most: int) -> int:
    """A whole number between two bounds, both allowed."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal(Reason.BAD_TYPE, name=name, wanted="an integer", got=json_type(value))
    if value < least:
        raise Refusal(Reason.TOO_LOW, name=name, least=least, got=value)
    if value > most:
        raise Refusal(Reason.TOO_HIGH, name=name, most=most, got=value)
    return value


def _string(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise Refusal(Reason.BAD_TYPE, name=name, wanted="a string", got=json_type(value))
    return value


def _object(value: Any, name: str) -> dict[str, Any]:
    if json_type(value) != "an object":
        raise Refusal(Reason.BAD_TYPE, name=name, wanted="an object", got=json_type(value))
    return dict[str, Any](value)


def _listed(known: tuple[str, ...]) -> str:
    quoted = [f"'{value}'" for value in known]
    if len(quoted) < 3:
        return " and ".join(quoted)
    return ", ".join(quoted[:-1]) + f", and {quoted[-1]}"

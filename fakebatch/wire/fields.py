"""What the fields of a call may hold; what they may not is refused in the provider's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fakebatch.batch.batch import BatchCreateParams
from fakebatch.batch.input_file import parsed
from fakebatch.dialects import APIError, Dialect, ErrorKind, Limits, Listing, Window
from fakebatch.errors import UsageError
from fakebatch.request_line import json_type
from fakebatch.service.store import UploadCreateParams

_INTEGER = re.compile(r"-?[0-9]{1,18}")  # int() refuses "--5", and more than 4,300 digits


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in the body of a call."""
    try:
        params: Any = parsed(body)
    except ValueError:
        params = None
    if not isinstance(params, dict):
        raise APIError(ErrorKind.NOT_JSON)
    return dict[str, Any](params)  # pyright: ignore[reportUnknownArgumentType]  # of JSON


def batch_params(params: Mapping[str, Any], dialect: Dialect) -> BatchCreateParams:
    """The body of `batches.create`.

    Raises:
        UsageError: it holds a field that nobody emulates.
    """
    _within(params, dialect)
    usual = {"endpoint": dialect.endpoints[0], "completion_window": dialect.window.usual}
    left_out = [name for name in usual if name not in dialect.required and params.get(name) is None]
    params = {**params, **{name: usual[name] for name in left_out}}
    return BatchCreateParams(
        input_file_id=text(params, "input_file_id"),
        endpoint=one_of(text(params, "endpoint"), "endpoint", dialect.endpoints),
        completion_window=_window(text(params, "completion_window"), dialect.window),
        metadata=metadata(params.get("metadata"), dialect.limits),
        output_expires_after=expiry(
            params.get("output_expires_after"), "output_expires_after", dialect.limits
        ),
        model=_member(params, dialect.model_field),
        deletes_input=_deletes(params, dialect.deleting_field),
    )


def upload_params(params: Mapping[str, Any], limits: Limits) -> UploadCreateParams:
    """The body of `uploads.create`. What a `mime_type` may be is not known."""
    text(params, "mime_type")
    return UploadCreateParams(
        purpose=text(params, "purpose"),
        filename=text(params, "filename"),
        bytes=number(params, "bytes", 1, limits.upload_bytes),
        expires_after=expiry(params.get("expires_after"), "expires_after", limits),
    )


def _deletes(params: Mapping[str, Any], name: str) -> bool:
    return name != "" and params.get(name) is not False


def _member(params: Mapping[str, Any], path: str) -> str:
    """A text inside of a call, or nothing where it is not there."""
    value: Any = params
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return value if isinstance(value, str) else ""


def _within(params: Mapping[str, Any], dialect: Dialect) -> None:
    for name, reason in dialect.unsupported.items():
        if name in params:
            raise UsageError(
                f"A batch was asked for with {name!r}.",
                f"fakebatch does not emulate it: {reason}",
                "Upload the input file, and name it as input_file_id.",
            )


def _window(value: str, window: Window) -> str:
    if window.refused and not window.allows(value):
        raise APIError(
            ErrorKind.BAD_VALUE, name="completion_window", value=value, known=window.known
        )
    return value


def text(params: Mapping[str, Any], name: str) -> str:
    """A required string."""
    value = params.get(name)
    if value is None:
        raise APIError(ErrorKind.MISSING, name=name)
    return _string(value, name)


def texts(params: Mapping[str, Any], name: str) -> list[str]:
    """A required list of strings."""
    value = params.get(name)
    if value is None:
        raise APIError(ErrorKind.MISSING, name=name)
    if json_type(value) != "an array":
        raise APIError(ErrorKind.BAD_TYPE, name=name, wanted="an array", got=json_type(value))
    return [_string(item, f"{name}[{index}]") for index, item in enumerate(value)]


def number(params: Mapping[str, Any], name: str, least: int, most: int) -> int:
    """A required whole number between two bounds, both allowed."""
    if params.get(name) is None:
        raise APIError(ErrorKind.MISSING, name=name)
    return within(params[name], name, least, most)


def one_of(value: str, name: str, known: tuple[str, ...]) -> str:
    """A string out of a list."""
    if value not in known:
        raise APIError(ErrorKind.BAD_VALUE, name=name, value=value, known=_listed(known))
    return value


def metadata(value: object, limits: Limits) -> dict[str, str] | None:
    """Up to 16 pairs of short strings, or null."""
    if value is None:
        return None
    pairs = _object(value, "metadata")
    if len(pairs) > limits.metadata_pairs:
        facts = {"name": "metadata", "most": limits.metadata_pairs, "got": len(pairs)}
        raise APIError(ErrorKind.TOO_MANY_PROPERTIES, **facts)
    for key, item in pairs.items():
        if len(key) > limits.metadata_key:
            facts = {"name": "metadata", "most": limits.metadata_key, "got": len(key)}
            raise APIError(ErrorKind.KEY_TOO_LONG, **facts)
        name = f"metadata.{key}"
        if len(_string(item, name)) > limits.metadata_value:
            facts = {"name": name, "most": limits.metadata_value, "got": len(item)}
            raise APIError(ErrorKind.STRING_TOO_LONG, **facts)
    return pairs


def expiry(value: object, name: str, limits: Limits) -> int | None:
    """`{"anchor": "created_at", "seconds": n}` or null: the seconds."""
    if value is None:
        return None
    params = _object(value, name)
    anchor = text({f"{name}.anchor": params.get("anchor")}, f"{name}.anchor")
    one_of(anchor, f"{name}.anchor", ("created_at",))
    seconds = {f"{name}.seconds": params.get("seconds")}
    return number(seconds, f"{name}.seconds", limits.expiry_least, limits.expiry_most)


def form_expiry(params: Mapping[str, str], name: str, limits: Limits) -> int | None:
    """The same as fields of a form: `expires_after[anchor]`, or with dots (both are in use)."""
    given = {
        part: params[key]
        for part in ("anchor", "seconds")
        for key in (f"{name}[{part}]", f"{name}.{part}")
        if key in params
    }
    digits = given.get("seconds", "")
    seconds = int(digits) if _INTEGER.fullmatch(digits) else digits or None
    return expiry({**given, "seconds": seconds} if given else None, name, limits)


def page(query: Mapping[str, str], listing: Listing) -> tuple[int, str | None]:
    """How much of a list was asked for, and what it comes after."""
    if not listing.cursor:
        return listing.most, None
    limit = count(query.get("limit"), "limit", default=listing.usual, most=listing.most)
    return limit, query.get(listing.cursor)


def count(value: str | None, name: str, *, default: int, most: int) -> int:
    """A whole number from 1 in a query, or the default."""
    if value is None:
        return default
    return within(int(value) if _INTEGER.fullmatch(value) else value, name, 1, most)


def within(value: object, name: str, least: int, most: int) -> int:
    """A whole number between two bounds, both allowed."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise APIError(ErrorKind.BAD_TYPE, name=name, wanted="an integer", got=json_type(value))
    if value < least:
        raise APIError(ErrorKind.TOO_LOW, name=name, least=least, got=value)
    if value > most:
        raise APIError(ErrorKind.TOO_HIGH, name=name, most=most, got=value)
    return value


def _string(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise APIError(ErrorKind.BAD_TYPE, name=name, wanted="a string", got=json_type(value))
    return value


def _object(value: Any, name: str) -> dict[str, Any]:
    if json_type(value) != "an object":
        raise APIError(ErrorKind.BAD_TYPE, name=name, wanted="an object", got=json_type(value))
    return dict[str, Any](value)


def _listed(known: tuple[str, ...]) -> str:
    quoted = [f"'{value}'" for value in known]
    if len(quoted) < 3:
        return " and ".join(quoted)
    return ", ".join(quoted[:-1]) + f", and {quoted[-1]}"

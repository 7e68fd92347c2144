"""Reads the parameters of a call from JSON, a query or the fields of a form, and validates them.

A wrong parameter raises an APIError; the dialect has the provider's message for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fakebatch.batch.batch import BatchCreateParams
from fakebatch.batch.input_file import parsed
from fakebatch.bodies.schema import listed
from fakebatch.dialects import APIError, Dialect, ErrorKind, Limits, Listing
from fakebatch.errors import UsageError
from fakebatch.replies.request import at_path
from fakebatch.request_lines import JSON_TYPES
from fakebatch.service.records import UploadCreateParams
from fakebatch.wire.messages import Request

_INTEGER = re.compile(r"-?[0-9]{1,18}")  # int() refuses "--5", and more than 4,300 digits

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


# --- all parameters of a call


def batch_params(body: Mapping[str, Any], dialect: Dialect) -> BatchCreateParams:
    """The parameters of `batches.create`.

    Raises:
        UsageError: the provider has one of them, but fakebatch does not emulate it.
    """
    for name, reason in dialect.unsupported.items():
        if name in body:
            raise UsageError(
                f"batches.create was called with {name!r}.",
                f"fakebatch does not emulate it: {reason}",
                "Upload the input file, and name it as input_file_id.",
            )
    window, limits = dialect.window, dialect.limits
    params = {**body}
    for name, usual in (("endpoint", dialect.endpoints[0]), ("completion_window", window.usual)):
        if name not in dialect.required and params.get(name) is None:
            params[name] = usual
    input_file_id = text(params, "input_file_id")
    endpoint = one_of(text(params, "endpoint"), "endpoint", dialect.endpoints)
    completion_window = text(params, "completion_window")
    if window.refused and not window.allows(completion_window):
        values = {"value": completion_window, "known": window.known}
        raise APIError(ErrorKind.BAD_VALUE, name="completion_window", **values)
    output_expiry = "output_expires_after"
    model = at_path(params, dialect.model_field)
    deleting = dialect.deleting_field
    return BatchCreateParams(
        input_file_id=input_file_id,
        endpoint=endpoint,
        completion_window=completion_window,
        metadata=metadata(params.get("metadata"), limits),
        output_expires_after=expiry(params.get(output_expiry), output_expiry, limits),
        model=model if isinstance(model, str) else "",
        deletes_input=bool(deleting) and params.get(deleting) is not False,
    )


def upload_params(body: Mapping[str, Any], limits: Limits) -> UploadCreateParams:
    """The parameters of `uploads.create`. Which values of `mime_type` are valid is not known."""
    text(body, "mime_type")
    return UploadCreateParams(
        purpose=text(body, "purpose"),
        filename=text(body, "filename"),
        bytes=within(required(body, "bytes"), "bytes", 0, limits.upload_bytes),
        expires_after=expiry(body.get("expires_after"), "expires_after", limits),
    )


def page(query: Mapping[str, str], listing: Listing) -> tuple[int, str | None]:
    """`limit` and `after` of a listing."""
    if not listing.cursor:
        return listing.most, None
    limit = count(query.get("limit"), "limit", default=listing.usual, most=listing.most)
    return limit, query.get(listing.cursor)


# --- a single parameter


def json_object(request: Request) -> dict[str, Any]:
    """The JSON object in the body of a call."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in ("", "application/json"):
        raise APIError(ErrorKind.NOT_JSON_TYPE, value=media_type)
    try:
        params: Any = parsed(request.body)
    except ValueError:
        params = None
    if not isinstance(params, dict):
        raise APIError(ErrorKind.NOT_JSON)
    return dict[str, Any](params)  # pyright: ignore[reportUnknownArgumentType]  # of JSON


def required(params: Mapping[str, Any], name: str) -> Any:
    """A required parameter, which must not be null."""
    value = params.get(name)
    if value is None:
        raise APIError(ErrorKind.MISSING, name=name)
    return value


def typed(value: Any, name: str, wanted: str) -> Any:
    """The value, if it is of a JSON type such as `an object`."""
    got = JSON_TYPES[type(value)]
    if got != wanted:
        raise APIError(ErrorKind.BAD_TYPE, name=name, wanted=wanted, got=got)
    return value


def text(params: Mapping[str, Any], name: str) -> str:
    """A required string."""
    return str(typed(required(params, name), name, "a string"))


def texts(params: Mapping[str, Any], name: str) -> list[str]:
    """A required list of strings."""
    items: list[Any] = typed(required(params, name), name, "an array")
    return [typed(item, f"{name}[{index}]", "a string") for index, item in enumerate(items)]


def one_of(value: str, name: str, known: tuple[str, ...]) -> str:
    """The string, if it is in a list."""
    if value not in known:
        raise APIError(ErrorKind.BAD_VALUE, name=name, value=value, known=listed(known))
    return value


def metadata(value: object, limits: Limits) -> dict[str, str] | None:
    """A few pairs of short strings, or null."""
    if value is None:
        return None
    pairs: dict[str, str] = typed(value, "metadata", "an object")
    if len(pairs) > limits.metadata_pairs:
        values = {"name": "metadata", "most": limits.metadata_pairs, "got": len(pairs)}
        raise APIError(ErrorKind.TOO_MANY_PROPERTIES, **values)
    for key, item in pairs.items():
        if len(key) > limits.metadata_key:
            values = {"name": "metadata", "most": limits.metadata_key, "got": len(key)}
            raise APIError(ErrorKind.KEY_TOO_LONG, **values)
        name = f"metadata.{key}"
        if len(typed(item, name, "a string")) > limits.metadata_value:
            values = {"name": name, "most": limits.metadata_value, "got": len(item)}
            raise APIError(ErrorKind.STRING_TOO_LONG, **values)
    return pairs


def expiry(value: object, name: str, limits: Limits) -> int | None:
    """The seconds of `{"anchor": "created_at", "seconds": n}`, or null."""
    if value is None:
        return None
    params = {f"{name}.{key}": item for key, item in typed(value, name, "an object").items()}
    one_of(text(params, f"{name}.anchor"), f"{name}.anchor", ("created_at",))
    seconds = required(params, f"{name}.seconds")
    return within(seconds, f"{name}.seconds", limits.expiry_least, limits.expiry_most)


def form_expiry(form: Mapping[str, str], name: str, limits: Limits) -> int | None:
    """The same from fields of a form: `expires_after[anchor]`, with dots, or JSON in one field."""
    params: dict[str, Any] = {
        part: form[key]
        for part in ("anchor", "seconds")
        for key in (f"{name}[{part}]", f"{name}.{part}")
        if key in form
    }
    if not params:
        try:
            return expiry(parsed(form[name].encode()) if name in form else None, name, limits)
        except ValueError:
            return expiry(form[name], name, limits)
    digits = params.get("seconds", "")
    params["seconds"] = int(digits) if _INTEGER.fullmatch(digits) else digits or None
    return expiry(params, name, limits)


def count(value: str | None, name: str, *, default: int, most: int) -> int:
    """A number of objects in a query, or the default. 0 is valid (observed)."""
    if value is None:
        return default
    return within(int(value) if _INTEGER.fullmatch(value) else value, name, 0, most)


def byte_range(value: str, size: int) -> range | None:
    """The bytes of a `Range` header; None: it has no meaning, and all of them are sent (RFC 9110).

    It is empty if there are no such bytes. Several ranges in one header are not emulated.
    """
    match = _RANGE.fullmatch(value.replace(" ", ""))
    if match is None or value.count("-") != 1:
        return None
    first, last = match.groups()
    if not first:  # the last bytes
        return range(max(size - int(last), 0), size) if last else None
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)


def within(value: object, name: str, least: int, most: int) -> int:
    """The value, if it is an integer from `least` to `most`."""
    number: int = typed(value, name, "an integer")
    if number < least:
        raise APIError(ErrorKind.TOO_LOW, name=name, least=least, got=number)
    if number > most:
        raise APIError(ErrorKind.TOO_HIGH, name=name, most=most, got=number)
    return number

"""Reads the parameters of a call: JSON, a query or a form. The wrong ones are refused.

What is refused is an APIError, which the dialect puts in the provider's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from itertools import chain, takewhile
from typing import Any, NamedTuple

from fakebatch.batch.batch import BatchCreateParams
from fakebatch.batch.input_file import parsed
from fakebatch.dialects import APIError, Dialect, ErrorKind, Limits, Listing
from fakebatch.errors import UsageError
from fakebatch.request_line import JSON_TYPES
from fakebatch.service.records import UploadCreateParams

_INTEGER = re.compile(r"-?[0-9]{1,18}")  # int() refuses "--5", and more than 4,300 digits


# --- the calls that take several


def batch_params(body: Mapping[str, Any], dialect: Dialect) -> BatchCreateParams:
    """The parameters of `batches.create`.

    Raises:
        UsageError: one of them is a parameter of the provider that fakebatch does not emulate.
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
        facts = {"value": completion_window, "known": window.known}
        raise APIError(ErrorKind.BAD_VALUE, name="completion_window", **facts)
    output_expiry = "output_expires_after"
    model: Any = params
    for key in dialect.model_field.split("."):
        model = model.get(key) if isinstance(model, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
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
    """The parameters of `uploads.create`. What a `mime_type` may be is not known."""
    text(body, "mime_type")
    return UploadCreateParams(
        purpose=text(body, "purpose"),
        filename=text(body, "filename"),
        bytes=within(required(body, "bytes"), "bytes", 1, limits.upload_bytes),
        expires_after=expiry(body.get("expires_after"), "expires_after", limits),
    )


def page(query: Mapping[str, str], listing: Listing) -> tuple[int, str | None]:
    """How much of a list a query asks for, and what it comes after."""
    if not listing.cursor:
        return listing.most, None
    limit = count(query.get("limit"), "limit", default=listing.usual, most=listing.most)
    return limit, query.get(listing.cursor)


# --- one parameter each


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in the body of a call."""
    try:
        params: Any = parsed(body)
    except ValueError:
        params = None
    if not isinstance(params, dict):
        raise APIError(ErrorKind.NOT_JSON)
    return dict[str, Any](params)  # pyright: ignore[reportUnknownArgumentType]  # of JSON


def required(params: Mapping[str, Any], name: str) -> Any:
    """A parameter that has to be there; null is not."""
    value = params.get(name)
    if value is None:
        raise APIError(ErrorKind.MISSING, name=name)
    return value


def typed(value: Any, name: str, wanted: str) -> Any:
    """A value of a JSON type, such as `an object`."""
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
    """A string out of a list."""
    if value not in known:
        *others, last = [f"'{each}'" for each in known]
        listed = f"{', '.join(others)}{',' * (len(others) > 1)} and {last}" if others else last
        raise APIError(ErrorKind.BAD_VALUE, name=name, value=value, known=listed)
    return value


def metadata(value: object, limits: Limits) -> dict[str, str] | None:
    """Up to 16 pairs of short strings, or null."""
    if value is None:
        return None
    pairs: dict[str, str] = typed(value, "metadata", "an object")
    if len(pairs) > limits.metadata_pairs:
        facts = {"name": "metadata", "most": limits.metadata_pairs, "got": len(pairs)}
        raise APIError(ErrorKind.TOO_MANY_PROPERTIES, **facts)
    for key, item in pairs.items():
        if len(key) > limits.metadata_key:
            facts = {"name": "metadata", "most": limits.metadata_key, "got": len(key)}
            raise APIError(ErrorKind.KEY_TOO_LONG, **facts)
        name = f"metadata.{key}"
        if len(typed(item, name, "a string")) > limits.metadata_value:
            facts = {"name": name, "most": limits.metadata_value, "got": len(item)}
            raise APIError(ErrorKind.STRING_TOO_LONG, **facts)
    return pairs


def expiry(value: object, name: str, limits: Limits) -> int | None:
    """`{"anchor": "created_at", "seconds": n}` or null: the seconds."""
    if value is None:
        return None
    params = {f"{name}.{key}": item for key, item in typed(value, name, "an object").items()}
    one_of(text(params, f"{name}.anchor"), f"{name}.anchor", ("created_at",))
    seconds = required(params, f"{name}.seconds")
    return within(seconds, f"{name}.seconds", limits.expiry_least, limits.expiry_most)


def form_expiry(form: Mapping[str, str], name: str, limits: Limits) -> int | None:
    """The same as fields of a form: `expires_after[anchor]`, or with dots (both are in use)."""
    params: dict[str, Any] = {
        part: form[key]
        for part in ("anchor", "seconds")
        for key in (f"{name}[{part}]", f"{name}.{part}")
        if key in form
    }
    if not params:
        return None
    digits = params.get("seconds", "")
    params["seconds"] = int(digits) if _INTEGER.fullmatch(digits) else digits or None
    return expiry(params, name, limits)


def count(value: str | None, name: str, *, default: int, most: int) -> int:
    """A whole number from 1 in a query, or the default."""
    if value is None:
        return default
    return within(int(value) if _INTEGER.fullmatch(value) else value, name, 1, most)


def within(value: object, name: str, least: int, most: int) -> int:
    """A whole number between two bounds, both allowed."""
    number: int = typed(value, name, "an integer")
    if number < least:
        raise APIError(ErrorKind.TOO_LOW, name=name, least=least, got=number)
    if number > most:
        raise APIError(ErrorKind.TOO_HIGH, name=name, most=most, got=number)
    return number


# --- forms: read without copying a body twice, or in pieces without joining it

_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)
_PARAMETER = re.compile(rb'(\w+\*?)="((?:[^"\\]|\\.)*)"')


class Part(NamedTuple):
    """One field of a form: its name, the file name if it is a file, its content."""

    name: str
    filename: str | None
    content: bytes


def parts(body: bytes | Iterable[bytes], content_type: str) -> dict[str, Part]:
    """The fields of a form by name; of fields with one name the last. Empty if it is no form.

    A body that is not in one piece must come in those of httpx's own stream: for each field the
    delimiter, the head, the content (a file given as bytes whole, a read one in blocks), a line
    end. Then a file in one block is the caller's own object, and another is copied once.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None or not content_type.lower().startswith("multipart/form-data"):
        return {}
    delimiter = b"--" + boundary[1].encode()
    read = _read(body, delimiter) if isinstance(body, bytes) else _gathered(body, delimiter)
    return {part.name: part for part in read}


def _read(body: bytes, delimiter: bytes) -> Iterator[Part]:
    start = body.find(delimiter)
    while start >= 0:
        start += len(delimiter) + 2
        head_end = body.find(b"\r\n\r\n", start)
        end = body.find(b"\r\n" + delimiter, max(head_end, 0))
        if head_end < 0 or end < 0:
            return
        yield _part(body[start:head_end], body[head_end + 4 : end])
        start = end + 2


def _gathered(pieces: Iterable[bytes], delimiter: bytes) -> Iterator[Part]:
    rest = iter(pieces)
    next(rest, b"")  # the first delimiter
    for head in rest:
        yield _part(head[:-4], _content(rest, (delimiter + b"\r\n", delimiter + b"--\r\n")))


def _content(pieces: Iterator[bytes], delimiters: tuple[bytes, bytes]) -> bytes:
    """The pieces up to the next delimiter, less the line end before it."""
    taken = takewhile(lambda piece: piece not in delimiters, pieces)
    first, second, third = next(taken, b""), next(taken, b""), next(taken, b"")
    if not third:
        return first if second else b""  # what is empty may have no piece but the line end
    gathered = BytesIO()
    for piece in chain((first, second, third), taken):
        gathered.write(piece)
    gathered.truncate(gathered.tell() - 2)
    return gathered.getvalue()


def _part(head: bytes, content: bytes) -> Part:
    disposition = next(
        (line for line in head.split(b"\r\n") if line.lower().startswith(b"content-disposition")),
        b"",
    )
    names = {key.decode(): _unquoted(value) for key, value in _PARAMETER.findall(disposition)}
    return Part(names.get("name", ""), names.get("filename"), content)


def _unquoted(value: bytes) -> str:
    # httpx percent-encodes quotes and line ends in names, as browsers do (HTML5 form data).
    text = value.decode("utf-8", "replace").replace("\\\\", "\\").replace('\\"', '"')
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")

"""Reads a `multipart/form-data` body without copying it twice, or in pieces without joining it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import chain, takewhile
from typing import NamedTuple

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

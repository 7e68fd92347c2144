"""Reads a `multipart/form-data` body by searching for its boundary, without copying it twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)
_PARAMETER = re.compile(rb'(\w+\*?)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form: its name, the file name if it is a file, its content."""

    name: str
    filename: str | None
    content: bytes


def parts(body: bytes, content_type: str) -> dict[str, Part]:
    """The fields of a form by name; of fields with one name the last. Empty if it is no form."""
    found = _BOUNDARY.search(content_type)
    if found is None or not content_type.lower().startswith("multipart/form-data"):
        return {}
    return {part.name: part for part in _read(body, b"--" + found[1].encode())}


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


def _part(head: bytes, content: bytes) -> Part:
    disposition = next(
        (line for line in head.split(b"\r\n") if line.lower().startswith(b"content-disposition")),
        b"",
    )
    said = {key.decode(): _unquoted(value) for key, value in _PARAMETER.findall(disposition)}
    return Part(said.get("name", ""), said.get("filename"), content)


def _unquoted(value: bytes) -> str:
    # httpx percent-encodes quotes and line ends in names, as browsers do (HTML5 form data).
    text = value.decode("utf-8", "replace").replace("\\\\", "\\").replace('\\"', '"')
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")

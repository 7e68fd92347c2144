"""Reads forms (multipart/form-data), whole or as their pieces arrive. Each file is held once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import NamedTuple
from urllib.parse import unquote

from fakebatch.dialects import APIError, ErrorKind
from fakebatch.wire.messages import Request

LONGEST = 64 * 1024
"""The most bytes before the first delimiter, and of the head of a field."""
_LINE = 1_024
"""The most bytes of a line with a delimiter: RFC 2046 lets blanks follow it."""

_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]+)"|([^\s;,]+))', re.IGNORECASE)
_DISPOSITION = re.compile(
    rb"^content-disposition[ \t]*:((?:.*\r?\n[ \t])*.*)", re.IGNORECASE | re.MULTILINE
)
_PARAMETER = re.compile(rb';\s*([\w-]+)(\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\r\n]*))')


class Part(NamedTuple):
    """A field of a form: its name, its content, and the file name if it is a file."""

    name: str
    filename: str | None
    content: bytes


def form(request: Request) -> dict[str, Part]:
    """The fields of a form by name; of fields with the same name the last.

    A body in pieces may be cut anywhere; each file is held once (see `fields`).

    Raises:
        APIError: the body is no form, has no boundary, or ends before the closing delimiter.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise APIError(ErrorKind.NOT_MULTIPART, value=content_type)
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise APIError(ErrorKind.BAD_MULTIPART)
    delimiter = b"--" + (boundary[1] or boundary[2]).encode("latin-1", "replace")
    pieces = (request.body,) if request.pieces is None else request.pieces
    try:
        parts = [_part(head, content) for head, content in fields(pieces, delimiter)]
    except ValueError:
        raise APIError(ErrorKind.BAD_MULTIPART) from None
    return {part.name: part for part in parts}


def _part(head: bytes, content: bytes) -> Part:
    disposition = _DISPOSITION.search(head)
    plain, extended = dict[str, str](), dict[str, str]()
    for key, star, quoted, token in _PARAMETER.findall(disposition[1] if disposition else b""):
        value: bytes = quoted or token.strip().strip(b'"')  # urllib3 writes "C:\\" for C:\
        name: str = key.decode().lower()
        if star:  # RFC 5987: charset'language'percent-encoded
            charset, _, rest = value.decode("latin-1").partition("'")
            encoding = "latin-1" if charset.lower() == "iso-8859-1" else "utf-8"
            extended[name] = unquote(rest.partition("'")[2], encoding, "replace")
        else:
            # Only quotes and backslashes are escaped: others are those of a Windows path. Browsers,
            # undici and httpx percent-encode quotes and line ends (HTML5 form data).
            text = re.sub(rb'\\(["\\])', rb"\1", value).decode("utf-8", "replace")
            plain[name] = text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
    names = plain | extended  # `filename*` wins (observed: openai-dotnet's recorded uploads)
    return Part(names.get("name", ""), names.get("filename"), content)


def fields(pieces: Iterable[bytes], delimiter: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The head and the content of each field.

    The pieces may be cut anywhere. Content that is a whole piece is that very object, as where
    httpx streams bytes of the caller; other content is copied once. The delimiter is two dashes
    and the boundary.

    Raises:
        ValueError: the body ends before its last delimiter, or is no form.
    """
    stream = _Stream(pieces)
    # a line end; Go's and Werkzeug's parsers also take forms with bare newlines
    end = stream.first_line(delimiter)
    is_last = False
    while not is_last:
        head = stream.head(end)
        content, is_last = stream.content(delimiter, end)
        yield head, content


class _Stream:
    """A body that is read piece by piece."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._piece = b""
        self._at = 0
        """Up to where the piece has been read."""

    def _more(self, keep: int) -> bool:
        """Read the next piece, and keep bytes of this one. False: there is none."""
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._piece = self._piece[keep:] + piece if keep < len(self._piece) else piece
        self._at = 0
        return True

    def _search(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        """The first match of a pattern, which must not be far away."""
        while (match := pattern.search(self._piece, self._at)) is None:
            if len(self._piece) - self._at > LONGEST or not self._more(self._at):
                raise ValueError("the body is not a form, or is incomplete")
        return match

    def first_line(self, delimiter: bytes) -> bytes:
        """Skip to the end of the first delimiter. Returns its line end, which is still to read."""
        line = re.compile(rb"^" + re.escape(delimiter) + rb"[ \t]*(\r?\n)", re.MULTILINE)
        match = self._search(line)
        self._at = match.start(1)
        return match[1]

    def head(self, end: bytes) -> bytes:
        """The head of a field, up to its empty line."""
        match = self._search(re.compile(end * 2))
        head = self._piece[self._at : match.start()]
        self._at = match.end()
        return head.removeprefix(end)

    def content(self, delimiter: bytes, end: bytes) -> tuple[bytes, bool]:
        """The content of a field up to the next delimiter, and whether that is the last."""
        content = _Content()
        # of a field without content the delimiter may follow at once
        mark = delimiter if self._begins_with(delimiter) else end + delimiter
        line = re.compile(re.escape(mark) + rb"(--)?[ \t]*(" + end + rb"|\Z)")
        while True:
            piece, start = self._piece, self._piece.find(mark, self._at)
            match = None if start < 0 else line.match(piece, start)
            is_whole = match is not None and bool(match[2])
            if not is_whole and start >= 0 and match is None:
                text = piece[start + len(mark) : start + _LINE]
                if b"\n" in text or len(text) == _LINE - len(mark):
                    # a line of the content that only begins like a delimiter
                    content.add(memoryview(piece)[self._at : start + 1])
                    self._at = start + 1
                    continue
            if start < 0:
                start = _beginning(mark, piece, self._at)
            content.add(memoryview(piece)[self._at : start])
            self._at = start
            if not is_whole and self._more(start):
                continue
            if match is None:
                raise ValueError("the body is incomplete")
            self._at = match.end() - len(match[2])
            return content.value(), match[1] is not None

    def _begins_with(self, text: bytes) -> bool:
        """Whether the bytes to come begin with a text."""
        while len(self._piece) - self._at < len(text) and text.startswith(self._piece[self._at :]):
            if not self._more(self._at):
                return False
        return self._piece.startswith(text, self._at)


def _beginning(mark: bytes, piece: bytes, at: int) -> int:
    """Where a mark may begin that goes on in the next piece; the end of the piece, if nowhere."""
    start = max(len(piece) - len(mark) + 1, at)
    while (start := piece.find(mark[:1], start)) >= 0:
        if mark.startswith(piece[start:]):
            return start
        start += 1
    return len(piece)


class _Content:
    """The content of a field, gathered from pieces."""

    def __init__(self) -> None:
        self._only = memoryview(b"")
        """The first part, as long as there is no other."""
        self._gathered = BytesIO()

    def add(self, part: memoryview) -> None:
        """Add a part of a piece."""
        if part and (self._only or self._gathered.tell()):
            self._gathered.write(self._only)
            self._gathered.write(part)
            self._only = memoryview(b"")
        elif part:
            self._only = part

    def value(self) -> bytes:
        """All of it. `getvalue` of a BytesIO copies nothing."""
        if not self._only:
            return self._gathered.getvalue()
        piece = self._only.obj
        if isinstance(piece, bytes) and len(piece) == len(self._only):
            return piece
        return bytes(self._only)

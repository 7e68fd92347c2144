"""The one seam: a Request comes in, a Reply goes out; whatever carries them only converts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to an emulated service."""

    method: str
    path: str
    """Below the base URL: `/files/file-1/content`."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    pieces: Iterable[bytes] | None = None
    """A long form as httpx streams it (see `multipart.parts`); then the body is empty."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    pieces: Iterable[bytes] | None = None
    """A body too large to hold, written while it is read; then the other is empty."""

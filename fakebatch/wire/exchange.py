"""The one seam: a Request comes in, a Reply goes out; whatever carries them only converts."""

from __future__ import annotations

from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

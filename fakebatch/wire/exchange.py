"""The one seam: a Request comes in, a Reply goes out; whatever carries them only converts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fakebatch.scenario import Breaks, Cuts, Slows


class Request(NamedTuple):
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

    @property
    def key(self) -> str:
        """The API key it carries, if any."""
        key = self.headers.get("authorization", "").partition(" ")[2].strip()
        return key or self.headers.get("api-key", "")


class Reply(NamedTuple):
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    pieces: Iterable[bytes] | None = None
    """A body too large to hold, written while it is read; then the other is empty."""
    trouble: Breaks | Cuts | Slows | None = None
    """What happens to it on the way; whoever carries it makes that happen to the client."""


def json_reply(
    status: int, body: Mapping[str, Any], *, end: str = "", indent: int | None = 2
) -> Reply:
    """A reply of JSON.

    Args:
        status: of the reply.
        body: what it says.
        end: a newline on files routes and in refusals.
        indent: two spaces on most routes, as observed in Aug 2026.

    Raises:
        TypeError, ValueError: the body is no JSON.
    """
    text = json.dumps(body, indent=indent, allow_nan=False) + end
    return Reply(status, {"content-type": "application/json"}, text.encode())

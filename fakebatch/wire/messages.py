"""The seam: a Request comes in, a Reply goes out. A transport converts the one, plays the other.

Whatever a rule does to a call on its way is a script of steps, the same for every transport. A
transport in the client plays it as exceptions and pauses, a socket as bytes and silence.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

Framing = Literal["content-length", "chunked", "close"]
"""How a client learns where a body ends: its length, an end mark, or the end of the connection."""

BrokenKind = Literal[
    "read_timeout",  # the service is silent until the client gives up
    "connect_timeout",  # so is the network, before there is a connection
    "refused",
    "dns",
    "tls",
    "reset",
    "disconnected",  # closed before the head
    "incomplete",  # closed within the body; nothing a client could know of where it ends by closing
]
"""How a connection can end before a reply is there."""


class Pause(NamedTuple):
    """Nothing arrives for this long; a client with a shorter read timeout gives up."""

    microseconds: int


class Broken(NamedTuple):
    """The connection ends here; no step follows."""

    kind: BrokenKind


Step = Pause | bytes | Broken
"""One thing that a client sees: silence, a piece of the body, or the end of the connection."""


class Script(NamedTuple):
    """What a transport plays if the reply does not arrive at once and whole."""

    before: tuple[Pause | Broken, ...] = ()
    """Before the head."""
    body: tuple[Step, ...] | None = None
    """After it; None: the body of the reply as it is."""
    framing: Framing = "content-length"


class Request(NamedTuple):
    """One HTTP request."""

    method: str
    path: str
    """The whole path, decoded; to an app the part below its base URL: `/files/file-1/content`."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""
    pieces: Iterable[bytes] | None = None
    """A long form as httpx streams it (see `params.parts`); then the body is empty."""
    scheme: str = "https"
    host: str = ""
    port: int | None = None
    """None: the usual one of the scheme."""

    @property
    def key(self) -> str:
        """The API key it carries, if any."""
        key = self.headers.get("authorization", "").partition(" ")[2].strip()
        return key or self.headers.get("api-key", "")


class Reply(NamedTuple):
    """One HTTP response, and how it arrives."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    """All of it, also where a script lets only a part arrive."""
    pieces: Iterable[bytes] | None = None
    """A body too large to hold, written while it is read; then the other is empty."""
    script: Script | None = None
    """What a fault lets the client see; None: all of it, at once."""

    @property
    def arrives(self) -> bool:
        """Whether the client gets its head, if it waits for long enough."""
        script = self.script
        return script is None or not any(isinstance(step, Broken) for step in script.before)

    @property
    def framing(self) -> Framing:
        """How the client learns where the body ends."""
        if self.script is not None:
            return self.script.framing
        return "content-length" if self.pieces is None else "chunked"

    @property
    def framed_headers(self) -> dict[str, str]:
        """The headers to send, with the one that tells where the body ends."""
        headers, framing = dict(self.headers), self.framing
        if framing == "content-length":
            headers["content-length"] = str(len(self.body))
        elif framing == "chunked":
            headers["transfer-encoding"] = "chunked"
        else:
            headers["connection"] = "close"
        return headers

    def scripted(self, script: Script) -> Reply:
        """The same reply with a script; a body in pieces is joined, so that its length is known."""
        body = self.body if self.pieces is None else b"".join(self.pieces)
        return Reply(self.status, self.headers, body, None, script)


NO_REPLY = Reply(0, {}, b"")
"""The true reply to a request that the service never carried out."""


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

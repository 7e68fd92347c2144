"""The seam between a transport and the emulator: a Request goes in, a Reply comes out.

What a rule does to a reply is a script of steps, the same for every transport. A transport in the
client plays it as exceptions and pauses, a server as bytes and silence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote

Framing = Literal["content-length", "chunked", "close"]
"""How a client learns where a body ends: its length, an end mark, or the end of the connection."""

BrokenKind = Literal[
    "read_timeout",  # the service is silent until the client gives up
    "connect_timeout",  # so is the network: there is no connection yet
    "refused",
    "dns",
    "tls",
    "reset",
    "disconnected",  # closed before the head
    "incomplete",  # closed within the body; with the framing "close" a client cannot notice it
]
"""How a connection can end before the whole reply has arrived."""


class Pause(NamedTuple):
    """Nothing arrives for this long; a client with a shorter read timeout gives up."""

    microseconds: int


class Broken(NamedTuple):
    """The connection ends here; no step follows."""

    kind: BrokenKind


Step = Pause | bytes | Broken
"""One thing that a client sees: silence, a piece of the body, or the end of the connection."""


class Script(NamedTuple):
    """What a transport plays where the reply does not arrive at once and whole."""

    before: tuple[Pause | Broken, ...] = ()
    """The steps before the head."""
    body: tuple[Step, ...] | None = None
    """The steps after the head; None: the body of the reply as it is."""
    framing: Framing = "content-length"

    @property
    def sends_head(self) -> bool:
        """Whether a client that waits for long enough gets the status and the headers."""
        return not any(isinstance(step, Broken) for step in self.before)


class Request(NamedTuple):
    """One HTTP request."""

    method: str
    path: str
    """The whole path, decoded but for `%2F`, a slash inside an id, and `%25`. An app gets the part
    below its base URL: `/files/file-1/content`."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""
    pieces: Iterable[bytes] | None = None
    """A long form in pieces, as they arrive; `body` is empty then."""
    scheme: str = "https"
    host: str = ""
    port: int | None = None
    """None: the default port of the scheme."""
    base_url: str = ""
    """Where the client has reached the provider; an app gets it, if that is not its own address."""

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>"  # without keys, for reports of tests

    @property
    def key(self) -> str:
        """The API key that it carries; empty: none."""
        key = self.headers.get("authorization", "").partition(" ")[2].strip()
        return key or self.headers.get("api-key", "")


def decoded_path(path: str) -> str:
    """A path as it was sent, as a Request has it: a slash or percent sign in a segment stays."""
    if "%" not in path:
        return path
    segments = map(unquote, path.split("/"))
    return "/".join(each.replace("%", "%25").replace("/", "%2F") for each in segments)


class Reply(NamedTuple):
    """One HTTP response, and how it arrives."""

    status: int
    headers: Mapping[str, str]
    """All that are sent; `content-length`, `transfer-encoding` or `connection` is among them."""
    body: bytes
    """The whole body, also where a script lets only a part of it arrive."""
    pieces: Iterable[bytes] | None = None
    """A body too large for memory, made while it is read; `body` is empty then."""
    script: Script | None = None
    """What a fault lets the client see; None: the whole reply, at once."""
    size: int | None = None
    """The size of a body in pieces; None: it is not known before its end."""
    left: Callable[[], object] | None = None
    """What a transport calls if the client leaves before it has the whole body."""

    def scripted(self, script: Script) -> Reply:
        """The reply with a script; a body in pieces is joined, so that its length is known."""
        body = self.body if self.pieces is None else b"".join(self.pieces)
        return Reply(self.status, self.headers, body, None, script)


NO_REPLY = Reply(0, {}, b"")
"""Stands for the reply to a request that the service did not carry out."""


def json_reply(status: int, body: Mapping[str, Any], *, end: str = "") -> Reply:
    """A reply with a JSON body, and `end` after it: a newline in errors (observed in Aug 2026).

    Raises:
        TypeError, ValueError: the body cannot be written as JSON.
    """
    text = json.dumps(body, indent=2, allow_nan=False) + end
    return Reply(status, {"content-type": "application/json"}, text.encode())


def text_reply(status: int, text: str) -> Reply:
    """A reply with text, such as the HTML page of a gateway; without a type if it is empty."""
    kind = "text/html" if text.startswith("<") else "text/plain"
    headers = {"content-type": f"{kind}; charset=utf-8"} if text else {}
    return Reply(status, headers, text.encode())

"""Between an HTTP stack and the seam: a client's request in, a native response out.

Both doors come through here: respx's, which speaks httpx whatever the client is, and our own
transports, which speak the client's own library. `stack` is that library: httpx or httpx2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any

from fakebatch.interception.breaking import Body, Timeouts, headers, native
from fakebatch.wire.exchange import Reply, Request


def request_from(path: str, request: Any, pieces: Iterable[bytes] | None = None) -> Request:
    """The request of a client, which has been read unless it is handed on in pieces."""
    # from the raw ones: the mapping of httpx finds out their encoding first, at twice the price
    raw: list[tuple[bytes, bytes]] = request.headers.raw
    return Request(
        method=request.method,
        path=path,
        query=dict(request.url.params) if request.url.query else {},
        headers={name.lower().decode(): value.decode("latin-1") for name, value in raw},
        body=request.content if pieces is None else b"",
        pieces=pieces,
    )


JOINED = 64 * 1024
"""Up to this length a form is read at once, as every other body is."""


def long_form(request: Any) -> Iterable[bytes] | None:
    """The pieces of a long form that nobody has read; either kind of client may iterate them."""
    # by name: both libraries hide the class, and one that is another's is no MultipartStream
    if type(request.stream).__name__ != "MultipartStream":
        return None
    long = int(request.headers.get("content-length", JOINED + 1)) > JOINED
    stream: Iterable[bytes] | None = request.stream if long else None
    return stream


def timeouts(request: Any) -> Timeouts:
    """How long a client waits for what."""
    given: Timeouts = request.extensions.get("timeout", {})
    return given


def response_for(reply: Reply, request: Any, stack: ModuleType) -> Any:
    """What the client's library makes of a reply to its request."""
    if reply.trouble is not None or "content-encoding" in reply.headers:
        # given as content, httpx would decode it here and not where the client reads it
        whole = reply if reply.pieces is None else replace(reply, body=b"".join(reply.pieces))
        stream = _carried(Body(whole, timeouts(request)), stack)
        return stack.Response(reply.status, headers=headers(whole), stream=stream)
    raw = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    if reply.pieces is not None:
        return stack.Response(reply.status, headers=raw, stream=_carried(reply.pieces, stack))
    raw.append((b"content-length", b"%d" % len(reply.body)))
    return stack.Response(reply.status, headers=raw, stream=stack.ByteStream(reply.body))


def _carried(stream: Iterable[bytes], stack: ModuleType) -> Any:
    """A stream as one of the client's library, that fails as this library does."""
    return _stream_class(stack)(stream, stack.__name__)


class _Stream:
    def __init__(self, stream: Any, stack: str) -> None:
        self._stream = stream
        self._stack = stack

    def __iter__(self) -> Iterator[bytes]:
        with native(self._stack):
            yield from self._stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with native(self._stack):
            if not hasattr(self._stream, "__aiter__"):
                for piece in self._stream:
                    yield piece
                return
            async for piece in self._stream:
                yield piece


@cache
def _stream_class(stack: ModuleType) -> Any:
    # the client insists on streams of its own library's classes
    return type("Stream", (_Stream, stack.SyncByteStream, stack.AsyncByteStream), {})

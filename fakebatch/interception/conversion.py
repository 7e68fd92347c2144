"""Between an HTTP stack and the seam: a client's request in, a native response out.

Both ways to a client come through here: respx's, which speaks httpx whatever the client is, and our
own transports, which speak the client's own library. `stack` is that library: httpx or httpx2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from functools import cache
from types import ModuleType
from typing import Any

import httpx

from fakebatch.interception.network_errors import Timeouts, as_native_errors, transfer
from fakebatch.wire.messages import Reply, Request


def request_from(request: Any) -> Request:
    """The request of a client, still without its body."""
    url = request.url
    return Request(
        request.method,
        url.path,
        dict(url.params) if url.query else {},
        {name.lower().decode(): value.decode("latin-1") for name, value in request.headers.raw},
        scheme=url.scheme,
        host=url.host,
        port=url.port,
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
    limits: Timeouts = request.extensions.get("timeout", {})
    return limits


def as_httpx(request: Any) -> httpx.Request:
    """A request of any library, which has been read, as respx knows them."""
    if isinstance(request, httpx.Request):
        return request
    headers: list[tuple[bytes, bytes]] = [*request.headers.raw]
    return httpx.Request(request.method, str(request.url), headers=headers, content=request.content)


def response_for(reply: Reply, request: Any, stack: ModuleType, name: str) -> Any:
    """What the client's library makes of a reply to its request.

    Args:
        reply: whose body may arrive in a way of its own.
        request: of the client.
        stack: its library.
        name: of the stack whose errors the body raises.
    """
    if reply.script is not None or "content-encoding" in reply.headers:
        # given as content, httpx would decode it here and not where the client reads it
        stream = carried(reply.pieces or Body(reply, timeouts(request)), stack, name)
    elif reply.pieces is not None:
        stream = carried(reply.pieces, stack, name)
    else:
        stream = stack.ByteStream(reply.body)
    raw = [(name.encode(), value.encode()) for name, value in reply.framed_headers.items()]
    return stack.Response(reply.status, headers=raw, stream=stream)


def native_response(response: httpx.Response, stack: ModuleType, name: str) -> Any:
    """What the test itself answered, in respx's words, for a client of either library.

    Args:
        response: of httpx.
        stack: of the client.
        name: of the stack whose errors a stream raises.
    """
    stream: Any = response.stream
    is_whole = isinstance(stream, httpx.ByteStream)
    return stack.Response(
        response.status_code,
        headers=response.headers.raw,
        stream=stack.ByteStream(b"".join(stream)) if is_whole else carried(stream, stack, name),
        extensions=response.extensions,
    )


class Body:
    """The body of a reply as it arrives, for a client of either kind."""

    def __init__(self, reply: Reply, timeouts: Timeouts) -> None:
        self._reply = reply
        self._timeouts = timeouts

    def __iter__(self) -> Iterator[bytes]:
        for step in transfer(self._reply, self._timeouts):
            if isinstance(step, bytes):
                yield step
            else:
                step.on_thread()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for step in transfer(self._reply, self._timeouts):
            if isinstance(step, bytes):
                yield step
            else:
                await step.on_loop()


def carried(stream: Any, stack: ModuleType, name: str) -> Any:
    """Any stream as one of `stack`'s classes, that fails as the stack of this name does."""
    return _stream_class(stack)(stream, name)


class _Stream:
    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name

    def __iter__(self) -> Iterator[bytes]:
        with as_native_errors(self._name):
            yield from self._stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with as_native_errors(self._name):
            if not hasattr(self._stream, "__aiter__"):
                for piece in self._stream:
                    yield piece
                return
            async for piece in self._stream:
                yield piece

    def close(self) -> None:
        if hasattr(self._stream, "close"):
            self._stream.close()

    async def aclose(self) -> None:
        if hasattr(self._stream, "aclose"):
            await self._stream.aclose()


@cache
def _stream_class(stack: ModuleType) -> Any:
    # the client insists on streams of its own library's classes
    return type("Stream", (_Stream, stack.SyncByteStream, stack.AsyncByteStream), {})

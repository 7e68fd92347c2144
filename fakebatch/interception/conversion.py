"""Between an HTTP stack and the seam: a client's request in, a native response out.

Both doors come through here: respx's, which speaks httpx whatever the client is, and our own
transports, which speak the client's own library. `stack` is that library: httpx or httpx2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from fakebatch.interception.breaking import Body, Timeouts, headers, native
from fakebatch.wire.exchange import Reply, Request


def request_from(path: str, request: Any, pieces: Iterable[bytes] | None = None) -> Request:
    """The request of a client, which has been read unless it is handed on in pieces."""
    url = request.url
    return Request(
        request.method,
        path,
        dict(url.params) if url.query else {},
        Headers(request.headers.raw),
        request.content if pieces is None else b"",
        pieces,
    )


class Headers(Mapping[str, str]):
    """The headers of a request, of which one or two are looked at; names in lower case.

    The mapping of httpx finds out their encoding first, which takes longer than the whole look.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        wanted = name.encode()
        for given, value in reversed(self._raw):
            if given.lower() == wanted:
                return value.decode("latin-1")
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter({name.lower().decode(): None for name, _ in self._raw})

    def __len__(self) -> int:
        return sum(1 for _ in self)


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
        whole = reply if reply.pieces is None else reply._replace(body=b"".join(reply.pieces))
        stream = carried(Body(whole, timeouts(request)), stack, stack.__name__)
        return stack.Response(reply.status, headers=headers(whole), stream=stream)
    raw = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    if reply.pieces is not None:
        stream = carried(reply.pieces, stack, stack.__name__)
        return stack.Response(reply.status, headers=raw, stream=stream)
    raw.append((b"content-length", b"%d" % len(reply.body)))
    return stack.Response(reply.status, headers=raw, stream=stack.ByteStream(reply.body))


def carried(stream: Any, stack: ModuleType, name: str) -> Any:
    """Any stream as one of `stack`'s classes, that fails as the stack of this name does."""
    return _stream_class(stack)(stream, name)


class _Stream:
    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name

    def __iter__(self) -> Iterator[bytes]:
        with native(self._name):
            yield from self._stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with native(self._name):
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

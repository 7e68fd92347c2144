"""Between an HTTP stack and the seam: a client's request in, a native response out.

Both doors come through here: respx's, which speaks httpx whatever the client is, and our own
transports, which speak the client's own library. `stack` is that library: httpx or httpx2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from functools import cache
from types import ModuleType
from typing import Any

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


def response_for(reply: Reply, stack: ModuleType) -> Any:
    """What the client's library makes of a reply."""
    headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    stream: Any
    if reply.pieces is None:
        headers.append((b"content-length", b"%d" % len(reply.body)))
        stream = stack.ByteStream(reply.body)
    else:
        stream = _stream_class(stack)(reply.pieces)
    return stack.Response(reply.status, headers=headers, stream=stream)


class _Pieces:
    """A body that is written while it is read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


@cache
def _stream_class(stack: ModuleType) -> Any:
    # the client insists on streams of its own library's classes
    return type("Pieces", (_Pieces, stack.SyncByteStream, stack.AsyncByteStream), {})

"""A call between an HTTP stack and the seam: its request, its response, and what respx shows of it.

Both ways to a client come through here: respx's, which speaks httpx whatever the client is, and our
own transports, which speak the client's own library. `library` is that one: httpx or httpx2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple, SupportsIndex

import httpx
from respx.models import Call, CallList

from fakebatch.interception.driver import Step, native_error
from fakebatch.interception.network_errors import play
from fakebatch.wire.messages import Reply, Request

KEPT_BYTES = 64 * 1024
"""Longer bodies are not recorded. Forms up to this length are read at once, as other bodies are."""


def long_form(request: Any) -> Any:
    """The stream of a long form that nobody has read, else None; it may be iterated either way."""
    # by name: both libraries hide the class, and one that is another's is no MultipartStream
    if type(request.stream).__name__ != "MultipartStream":
        return None
    length = int(request.headers.get("content-length", KEPT_BYTES + 1))
    return request.stream if length > KEPT_BYTES else None


def request_from(request: Any) -> Request:
    """The request of a client at the seam. It has been read, or is a long form."""
    url, pieces = request.url, long_form(request)
    return Request(
        request.method,
        url.path,
        dict(url.params) if url.query else {},
        {name.lower().decode(): value.decode("latin-1") for name, value in request.headers.raw},
        request.content if pieces is None else b"",
        pieces,
        url.scheme,
        url.host,
        url.port,
    )


def as_httpx(request: Any) -> httpx.Request:
    """A request of either library, which has been read, as respx's routes take it."""
    if isinstance(request, httpx.Request):
        return request
    headers: list[tuple[bytes, bytes]] = [*request.headers.raw]
    return httpx.Request(request.method, str(request.url), headers=headers, content=request.content)


def response_for(reply: Reply, request: Any, library: ModuleType, stack: str) -> Any:
    """The response of the client's library to its request.

    Args:
        reply: whose body may arrive piece by piece.
        request: of the client.
        library: of the client.
        stack: the name of the stack whose exceptions the body raises.
    """
    if reply.pieces is not None:
        stream = _stream_class(library)(reply.pieces, stack)
    elif reply.script is None and "content-encoding" not in reply.headers:
        stream = library.ByteStream(reply.body)
    else:  # httpx would decode a ByteStream here, and not where the client reads it
        pieces = play(reply.script.body if reply.script else None, reply, request)
        stream = _stream_class(library)(pieces, stack)
    headers = [(name.encode(), value.encode()) for name, value in reply.framed_headers.items()]
    return library.Response(reply.status, headers=headers, stream=stream)


def native_response(response: Any, library: ModuleType, stack: str) -> Any:
    """The response of a respx route, for a client of either library.

    Args:
        response: of the test, not yet read if it has a stream of its own.
        library: of the client.
        stack: the name of the stack whose exceptions the body raises.
    """
    stream: Any = response.stream
    if not isinstance(stream, httpx.ByteStream):
        stream = _stream_class(library)(stream, stack)
    elif library is httpx:
        return response
    else:
        stream = library.ByteStream(b"".join(stream))
    return library.Response(
        response.status_code,
        headers=response.headers.raw,
        stream=stream,
        extensions=response.extensions,
    )


class _Stream:
    """A body as it arrives: bytes, and between them steps for the driver of the client."""

    def __init__(self, pieces: Any, stack: str) -> None:
        self._pieces = pieces
        self._stack = stack

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in self._pieces:
                if isinstance(piece, Step):
                    piece.on_thread()
                else:
                    yield piece
        except Exception as error:  # noqa: BLE001
            raise native_error(error, self._stack)  # noqa: B904

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            if hasattr(self._pieces, "__aiter__"):
                async for piece in self._pieces:
                    yield piece
                return
            for piece in self._pieces:
                if isinstance(piece, Step):
                    await piece.on_loop()
                else:
                    yield piece
        except Exception as error:  # noqa: BLE001
            raise native_error(error, self._stack)  # noqa: B904

    def close(self) -> None:
        if hasattr(self._pieces, "close"):
            self._pieces.close()

    async def aclose(self) -> None:
        if hasattr(self._pieces, "aclose"):
            await self._pieces.aclose()


@cache
def _stream_class(library: ModuleType) -> Any:
    # the client insists on streams of its own library's classes
    return type("Stream", (_Stream, library.SyncByteStream, library.AsyncByteStream), {})


KEPT_CALLS = 100

_SECRET_HEADERS = ("authorization", "api-key")
_LEFT_OUT = {"x-fakebatch-body": "[left out: over 64 kB]"}


class RecordedCall(NamedTuple):
    """A call as it is recorded: respx's objects are made of it only if somebody looks.

    They cost more than the whole answer, and most calls are never looked at. What is shown holds
    no key.
    """

    method: str
    url: Any
    headers: Any
    body: bytes | None
    """None: it was too long to keep."""
    response: Reply | httpx.Response | None
    """The emulator's reply, the response of a route the test has mocked, or None: it failed."""

    def __repr__(self) -> str:
        return repr(self.call())

    def call(self) -> Call:
        """The call in respx's objects."""
        headers = httpx.Headers(self.headers.raw)
        headers.update({name: "[redacted]" for name in _SECRET_HEADERS if name in headers})
        if self.body is None:
            headers.pop("content-length", None)
            headers.update(_LEFT_OUT)
        request = httpx.Request(self.method, str(self.url), headers=headers, content=self.body)
        response = self.response
        if isinstance(response, Reply):
            response = response_for(response._replace(script=None), request, httpx, "httpx")
            with suppress(httpx.DecodingError):  # a fault may have mislabelled it
                response.read()
        return Call(request, response)


def recorded(
    request: Any, message: Request, response: Reply | httpx.Response | None
) -> RecordedCall:
    """A call without large bodies.

    Args:
        request: of httpx or httpx2.
        message: the same at the seam.
        response: None: there was none.
    """
    body = message.body if message.pieces is None and len(message.body) <= KEPT_BYTES else None
    if isinstance(response, Reply):
        if response.pieces is not None or len(response.body) > KEPT_BYTES:
            response = Reply(response.status, {**response.headers, **_LEFT_OUT}, b"")
    elif response is not None and isinstance(response.stream, httpx.ByteStream):
        response.read()  # as respx does; a stream of the test's own is left for the client
    return RecordedCall(request.method, request.url, request.headers, body, response)


class BoundedCalls(CallList):  # pyright: ignore[reportMissingTypeArgument]
    """The last 100 calls; `called` and `call_count` count all of them."""

    def __init__(self, *args: Any, name: Any = "fakebatch") -> None:
        super().__init__(*args, name=name)
        self._counted = [len(self)]  # in a list: a mock takes its time over its attributes

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        call = super().__getitem__(index)  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
        if isinstance(call, RecordedCall):
            call = self[index] = call.call()  # so that it stays one object
        return call  # pyright: ignore[reportUnknownVariableType]

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    @property
    def called(self) -> bool:  # type: ignore[override]
        """Whether there was any call."""
        return self._counted[0] > 0

    @property
    def call_count(self) -> int:  # type: ignore[override]
        """How many calls there were."""
        return self._counted[0]

    def append(self, call: Any) -> None:
        """Count a call, keep it, and forget the oldest."""
        self._counted[0] += 1
        list.append(self, call)  # pyright: ignore[reportUnknownMemberType]
        if len(self) > KEPT_CALLS:
            del self[0]

    def clear(self) -> None:
        """Forget all calls."""
        self._counted[0] = 0
        super().clear()

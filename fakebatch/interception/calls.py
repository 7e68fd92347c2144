"""Converts requests and replies between HTTP libraries and the seam, and records calls for respx.

`library` is the module whose classes are used, httpx or httpx2: with respx it is always httpx, with
our own transports that of the client.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple, SupportsIndex

import httpx
from respx.models import Call, CallList

from fakebatch.interception.driver import Step, native_error
from fakebatch.interception.network_errors import play
from fakebatch.wire.messages import Reply, Request, decoded_path

KEPT_BYTES = 64 * 1024
"""The limit for bodies that are recorded, and for forms that are read at once."""


def long_form(request: Any) -> Any:
    """The stream of a form that is too long to be read at once, else None."""
    # by name, as both libraries hide the class; wrappers of other libraries have another name
    if type(request.stream).__name__ != "MultipartStream":
        return None
    length = int(request.headers.get("content-length", KEPT_BYTES + 1))
    return request.stream if length > KEPT_BYTES else None


def request_from(request: Any) -> Request:
    """The request for the seam. The client's has been read, or is a long form."""
    url, pieces = request.url, long_form(request)
    path = url.path
    if b"%2" in url.raw_path:  # an encoded slash or percent sign, which stays so
        path = decoded_path(url.raw_path.partition(b"?")[0].decode("ascii"))
    return Request(
        request.method,
        path,
        dict(url.params) if url.query else {},
        {name.lower().decode(): value.decode("latin-1") for name, value in request.headers.raw},
        request.content if pieces is None else b"",
        pieces,
        url.scheme,
        url.host,
        url.port,
    )


def as_request(request: Any, library: ModuleType) -> Any:
    """A request of either library, which has been read, as one of `library`."""
    if isinstance(request, library.Request):
        return request
    headers: list[tuple[bytes, bytes]] = [*request.headers.raw]
    url, content = str(request.url), request.content
    return library.Request(request.method, url, headers=headers, content=content)


def response_for(reply: Reply, request: Any, library: ModuleType, stack: str) -> Any:
    """A reply as a response of `library`.

    Args:
        reply: the reply.
        request: the request of the client.
        library: httpx or httpx2.
        stack: the name of the stack whose exceptions the body raises.
    """
    is_plain = reply.script is None and "content-encoding" not in reply.headers
    if reply.pieces is not None:
        stream = _stream_class(library)(reply.pieces, stack, reply.left)
    elif is_plain and reply.left is None:
        stream = library.ByteStream(reply.body)
    else:  # httpx would decode a ByteStream now, not when the client reads it
        pieces = play(reply.script.body if reply.script else None, reply, request)
        stream = _stream_class(library)(pieces, stack, reply.left)
    headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    return library.Response(reply.status, headers=headers, stream=stream)


def native_response(response: Any, library: ModuleType, stack: str) -> Any:
    """The response of a respx route as a response of `library`.

    Args:
        response: one of either library, not yet read if the test gave it a stream.
        library: httpx or httpx2.
        stack: the name of the stack whose exceptions the body raises.
    """
    stream: Any = response.stream
    if type(stream).__name__ != "ByteStream":  # both libraries have one
        stream = _stream_class(library)(stream, stack)
    elif isinstance(response, library.Response):
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
    """A body as it arrives: runs the steps between its pieces."""

    def __init__(self, pieces: Any, stack: str, left: Callable[[], object] | None = None) -> None:
        self._pieces = pieces
        self._stack = stack
        self._left = left

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in self._pieces:
                if isinstance(piece, Step):
                    piece.on_thread()
                else:
                    yield piece
            self._left = None  # it has everything
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
            self._left = None
        except Exception as error:  # noqa: BLE001
            raise native_error(error, self._stack)  # noqa: B904

    def _end(self) -> None:
        left, self._left = self._left, None
        if left is not None:
            left()

    def close(self) -> None:
        self._end()
        if hasattr(self._pieces, "close"):
            self._pieces.close()

    async def aclose(self) -> None:
        self._end()
        if hasattr(self._pieces, "aclose"):
            await self._pieces.aclose()


@cache
def _stream_class(library: ModuleType) -> Any:
    # clients accept only streams of their own library's classes
    return type("Stream", (_Stream, library.SyncByteStream, library.AsyncByteStream), {})


KEPT_CALLS = 100

_SECRET = re.compile(
    r"auth|cookie|password|secret|signature|token|(?<!idempotency-)key|^(code|sig)$"
)
"""The names of headers and parameters that may hold a key, in lower case: `x-goog-api-key`,
`ocp-apim-subscription-key`, `?code=` of serverless functions."""

_LEFT_OUT = {"x-fakebatch-body": "[left out: over 64 kB]"}


def _without_keys(method: str, url: Any, headers: Any, body: bytes | None) -> httpx.Request:
    """A request of either library as one of httpx, without what may be a key.

    Args:
        method: the HTTP method.
        url: the URL.
        headers: the headers.
        body: None: it is too long to be kept.
    """
    shown = httpx.Headers(headers.raw)
    shown.update({name: "[redacted]" for name in shown if _SECRET.search(name)})
    if body is None:
        shown.pop("content-length", None)
        shown.update(_LEFT_OUT)
    params: list[tuple[str, str]] = url.params.multi_items()
    public = [(n, "[redacted]" if _SECRET.search(n.lower()) else value) for n, value in params]
    url = url if public == params else url.copy_with(params=public)
    url = url.copy_with(userinfo=b"") if url.userinfo else url
    return httpx.Request(method, str(url), headers=shown, content=body)


class RecordedCall(NamedTuple):
    """A recorded call. respx's objects are made from it when the test looks at them.

    Making them takes longer than the whole exchange, and most are never looked at. API keys are
    left out.
    """

    method: str
    url: Any
    headers: Any
    body: bytes | None
    """None: it is too long."""
    response: Reply | httpx.Response | None
    """The emulator's reply, or the response of a mocked route; None: the exchange failed."""

    def __repr__(self) -> str:
        return repr(self.call())

    def call(self) -> Call:
        """The call as respx's object."""
        request = _without_keys(self.method, self.url, self.headers, self.body)
        response = self.response
        if isinstance(response, Reply):
            response = response_for(response._replace(script=None), request, httpx, "httpx")
            with suppress(httpx.DecodingError):  # a rule may have set a wrong content-encoding
                response.read()
        return Call(request, response)


def recorded(
    request: Any, message: Request, response: Reply | httpx.Response | None
) -> RecordedCall:
    """The record of a call, without large bodies.

    Args:
        request: the request of httpx or httpx2.
        message: the same request for the seam.
        response: None: the exchange failed.
    """
    body = message.body if message.pieces is None and len(message.body) <= KEPT_BYTES else None
    if isinstance(response, Reply):
        if response.pieces is not None or len(response.body) > KEPT_BYTES:
            headers = {**response.headers, **_LEFT_OUT}
            headers.pop("content-length", None)
            response = Reply(response.status, headers, b"")
    elif response is not None and isinstance(response.stream, httpx.ByteStream):
        response.read()  # as respx does; a stream that the test gave is left for the client
    return RecordedCall(request.method, request.url, request.headers, body, response)


class BoundedCalls(CallList):  # pyright: ignore[reportMissingTypeArgument]
    """The last 100 calls; `called` and `call_count` count all of them."""

    def __init__(self, *args: Any, name: Any = "fakebatch") -> None:
        super().__init__(*args, name=name)
        self._counted = [len(self)]  # in a list: CallList is a Mock, whose attributes are slow

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        call = super().__getitem__(index)  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
        if isinstance(call, RecordedCall):
            call = self[index] = call.call()  # kept, so that it is the same object next time
        return call  # pyright: ignore[reportUnknownVariableType]

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    @property
    def called(self) -> bool:  # type: ignore[override]
        """Whether there was a call."""
        return self._counted[0] > 0

    @property
    def call_count(self) -> int:  # type: ignore[override]
        """How many calls there were."""
        return self._counted[0]

    def append(self, call: Any) -> None:
        """Count and keep a call; drop the oldest if there are too many."""
        self._counted[0] += 1
        if isinstance(call, Call):  # of a route that the test has added
            request = call.request
            shown = _without_keys(request.method, request.url, request.headers, request.content)
            call = Call(shown, call.optional_response)
        list.append(self, call)  # pyright: ignore[reportUnknownMemberType]
        if len(self) > KEPT_CALLS:
            del self[0]

    def clear(self) -> None:
        """Drop all calls."""
        self._counted[0] = 0
        super().clear()

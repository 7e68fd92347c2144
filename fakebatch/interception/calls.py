"""The calls of respx's `router.calls` and `route.calls`: all are counted, the last hundred kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple, SupportsIndex

import httpx
import respx
from respx.models import Call, CallList

from fakebatch.interception.conversion import response_for
from fakebatch.wire.messages import Reply
from fakebatch.wire.operations import Operation

KEPT_CALLS = 100
KEPT_BYTES = 64 * 1024

_SECRET_HEADERS = (b"authorization", b"api-key")
_LEFT_OUT = (b"x-fakebatch-body", b"[left out: over 64 kB]")

RawHeaders = list[tuple[bytes, bytes]]


class RecordedCall(NamedTuple):
    """A call as it is noted: respx's objects are made of it only if somebody looks.

    They cost more than the whole answer, and most calls are never looked at. What is shown holds
    no key.
    """

    method: str
    url: Any
    headers: Any
    body: bytes | None
    """None where it was too long to keep."""
    response: Reply | httpx.Response | None
    """What the emulator said, what the test itself answered, or nothing: the call failed."""

    def __repr__(self) -> str:
        return repr(self.call())

    def call(self) -> Call:
        """What respx keeps of a call."""
        headers = [*map(_redacted, self.headers.raw)]
        if self.body is None:
            headers = _without_body(headers)
        request = httpx.Request(self.method, str(self.url), headers=headers, content=self.body)
        response = self.response
        if isinstance(response, Reply):
            response = _as_sent(response, request)
        return Call(request, response)


class BoundedCalls(CallList):  # pyright: ignore[reportMissingTypeArgument]
    """The last 100 calls; `called` and `call_count` count all of them."""

    def __init__(self, *args: Any, name: Any = "fakebatch") -> None:
        super().__init__(*args, name=name)
        self._seen = [len(self)]  # in a list: a mock takes its time over its attributes

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        shown = _shown(super().__getitem__(index))  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]
        self[index] = shown  # so that a call stays one object, however often it is looked at
        return shown

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    @property
    def called(self) -> bool:  # type: ignore[override]
        """Whether there was any call."""
        return self._seen[0] > 0

    @property
    def call_count(self) -> int:  # type: ignore[override]
        """How many calls there were."""
        return self._seen[0]

    def append(self, call: Any) -> None:
        """Count a call, keep it, and forget the oldest."""
        self._seen[0] += 1
        list.append(self, call)  # pyright: ignore[reportUnknownMemberType]
        if len(self) > KEPT_CALLS:
            del self[0]

    def clear(self) -> None:
        """Forget all calls."""
        self._seen[0] = 0
        super().clear()


class OperationRoute(respx.Route):
    """What respx shows of an operation. Mock it, and the mock answers in place of the emulator."""

    def __init__(self, operation: Operation) -> None:
        super().__init__()
        self._name = operation.name
        self.operation = operation
        self.calls = BoundedCalls(name=self)

    @property
    def is_mocked(self) -> bool:
        """Whether the test has given this route an answer of its own."""
        return bool(self.side_effect or self.return_value)

    def _next_side_effect(self) -> Any:
        # respx gives a message to classes of httpx alone; those of httpx2 need one as well
        effect = super()._next_side_effect()  # pyright: ignore[reportUnknownMemberType]
        if isinstance(effect, type) and effect.__module__.startswith("httpx2"):
            return effect("Mock Error")
        return effect


def recorded(
    request: Any, body: bytes | None, response: Reply | httpx.Response | None
) -> RecordedCall:
    """A record of a request of httpx or httpx2 and what came of it, without large bodies."""
    kept = body if body is not None and len(body) <= KEPT_BYTES else None
    return RecordedCall(request.method, request.url, request.headers, kept, _bounded(response))


def _bounded(response: Reply | httpx.Response | None) -> Reply | httpx.Response | None:
    if isinstance(response, Reply):
        if response.pieces is None and len(response.body) <= KEPT_BYTES:
            return response
        marked = {**response.headers, _LEFT_OUT[0].decode(): _LEFT_OUT[1].decode()}
        return Reply(response.status, marked, b"")
    if response is None or not isinstance(response.stream, httpx.ByteStream):
        return response  # a stream of the test's own is left for the client to read
    if len(response.read()) <= KEPT_BYTES:
        return response
    headers = _without_body(response.headers.raw)
    return httpx.Response(response.status_code, headers=headers)


def _as_sent(reply: Reply, request: httpx.Request) -> httpx.Response:
    """A reply as it was sent, whatever happened to it on the way."""
    response: httpx.Response = response_for(reply._replace(script=None), request, httpx, "httpx")
    with suppress(httpx.DecodingError):  # a fault may have mislabelled it
        response.read()
    return response


def _redacted(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    return (header[0], b"[redacted]") if header[0].lower() in _SECRET_HEADERS else header


def _without_body(headers: RawHeaders) -> RawHeaders:
    return [*((name, v) for name, v in headers if name.lower() != b"content-length"), _LEFT_OUT]


def _shown(noted: Any) -> Call:
    return noted.call() if isinstance(noted, RecordedCall) else noted

"""The respx router of the emulator: one named route an operation, found by one look-up."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from inspect import isawaitable
from threading import Lock
from typing import Any

import httpx
import respx
from respx.models import AllMockedAssertionError, Call, CallList, SideEffectError

from fakebatch.interception.breaking import Body, Timeouts, arrive, arrive_async, headers
from fakebatch.interception.names import is_among
from fakebatch.wire.app import OPERATIONS, App, Operation, route
from fakebatch.wire.exchange import Reply, Request

KEPT_CALLS = 100
KEPT_BYTES = 64 * 1024

_SECRET_HEADERS = ("authorization", "api-key")
_KEPT_ELSEWHERE = "[left out: over 64 kB]"


class BoundedCalls(CallList):  # pyright: ignore[reportMissingTypeArgument]
    """The last 100 calls; `called` and `call_count` count all of them."""

    def __init__(self, *args: Any, name: Any = "fakebatch") -> None:
        super().__init__(*args, name=name)
        self.seen = len(self)

    @property
    def called(self) -> bool:  # type: ignore[override]
        """Whether there was any call."""
        return self.seen > 0

    @property
    def call_count(self) -> int:  # type: ignore[override]
        """How many calls there were."""
        return self.seen

    def append(self, call: Any) -> None:
        """Count a call, keep it, and forget the oldest."""
        self.seen += 1
        super().append(call)  # pyright: ignore[reportUnknownMemberType]
        if len(self) > KEPT_CALLS:
            del self[0]

    def clear(self) -> None:
        """Forget all calls."""
        self.seen = 0
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


class EmulatedRouter(respx.Router):
    """Answers what goes to an emulated base URL; knows the routes a test adds to it as well."""

    def __init__(self, apps: Mapping[str, App]) -> None:
        super().__init__(assert_all_called=False)
        self.calls = BoundedCalls()
        self.base_urls = tuple(apps)
        self.hosts = {httpx.URL(base).host for base in apps}
        self._apps = [(httpx.URL(base), app) for base, app in apps.items()]
        self._operations = {operation.name: operation for operation in OPERATIONS}
        self._known: dict[str, OperationRoute] = {}
        self._recording = Lock()

    def __getitem__(self, name: str) -> respx.Route:
        """The route of an operation (`batches.retrieve`), or one the test has added by name."""
        return self._route(name) if name in self._operations else super().__getitem__(name)

    def _route(self, name: str) -> OperationRoute:
        if name not in self._known:
            # a respx route costs 0.15 ms to build: only those that are used or looked at are
            with self._recording:
                self._known.setdefault(name, OperationRoute(self._operations[name]))
        return self._known[name]

    def handler(self, request: httpx.Request) -> httpx.Response:
        """The answer of a route the test has added, else the emulator's.

        Raises:
            AllMockedAssertionError: neither has one; respx's word for it.
        """
        if self.routes:
            with suppress(AllMockedAssertionError):
                return super().handler(request)
        app, path, record = self._emulated(request)
        given = self._given(record, request)
        if isinstance(given, httpx.Response):
            return self._recorded(record, request, given)
        reply = app.handle(_request(path, request))
        with self._lost(record, request):
            arrive(reply, _timeouts(request))
        return self._recorded(record, request, _response(reply, request))

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        """The same, where side effects of the test may be coroutine functions."""
        if self.routes:
            with suppress(AllMockedAssertionError):
                return await super().async_handler(request)
        app, path, record = self._emulated(request)
        given = self._given(record, request)
        if isawaitable(given):
            given = await given
        if isinstance(given, httpx.Response):
            return self._recorded(record, request, given)
        reply = app.handle(_request(path, request))
        with self._lost(record, request):
            await arrive_async(reply, _timeouts(request))
        return self._recorded(record, request, _response(reply, request))

    def reset(self) -> None:
        """Forget all calls."""
        super().reset()
        for record in self._known.values():
            record.reset()

    def _given(self, record: OperationRoute | None, request: httpx.Request) -> object:
        """What the test itself answers for an operation, if it does."""
        if record is None or not record.is_mocked:
            return None
        try:
            return record.resolve(request)
        except SideEffectError as error:
            self._record(record, request, None)
            raise error.origin from error

    def _emulated(self, request: httpx.Request) -> tuple[App, str, OperationRoute | None]:
        for base, app in self._apps:
            path = _below(base, request.url)
            if path is not None:
                operation, _ = route(request.method, path)
                return app, path, None if operation is None else self._route(operation.name)
        raise AllMockedAssertionError(f"fakebatch does not emulate {request.url}")

    @contextmanager
    def _lost(self, record: OperationRoute | None, request: httpx.Request) -> Generator[None]:
        """Record a call whose reply never arrives."""
        try:
            yield
        except Exception:
            self._record(record, request, None)
            raise

    def _recorded(
        self, record: OperationRoute | None, request: httpx.Request, response: httpx.Response
    ) -> httpx.Response:
        self._record(record, request, _kept_response(response))
        return response

    def _record(
        self, record: OperationRoute | None, request: httpx.Request, kept: httpx.Response | None
    ) -> None:
        if record is None:
            return
        call = Call(_kept_request(request), kept)
        with self._recording:
            self.calls.append(call)
            record.calls.append(call)  # pyright: ignore[reportUnknownMemberType]


def _below(base: httpx.URL, url: httpx.URL) -> str | None:
    if url.scheme != base.scheme or url.port != base.port or not is_among(url.host, (base.host,)):
        return None
    if base.query and not all(name in url.params for name in base.params):
        return None
    prefix, path = base.path.rstrip("/"), url.path
    return path[len(prefix) :] if path.startswith(prefix + "/") else None


def _request(path: str, request: httpx.Request) -> Request:
    return Request(
        method=request.method,
        path=path,
        query=dict(request.url.params) if request.url.query else {},
        headers=request.headers,
        body=request.content,
    )


def _timeouts(request: httpx.Request) -> Timeouts:
    timeouts: Timeouts = request.extensions.get("timeout", {})
    return timeouts


def _response(reply: Reply, request: httpx.Request) -> httpx.Response:
    if reply.trouble is not None or "content-encoding" in reply.headers:
        # given as content, httpx would decode it here and not where the client reads it
        stream = Body(reply, _timeouts(request))
        return httpx.Response(reply.status, headers=headers(reply), stream=stream, request=request)
    return httpx.Response(
        reply.status, headers=dict(reply.headers), content=reply.body, request=request
    )


def _kept_request(request: httpx.Request) -> httpx.Request:
    for name in _SECRET_HEADERS:
        if name in request.headers:
            request.headers[name] = "[redacted]"
    if len(request.content) <= KEPT_BYTES:
        return request
    return httpx.Request(request.method, request.url, headers=_without_length(request.headers))


def _kept_response(response: httpx.Response) -> httpx.Response:
    if not isinstance(response.stream, httpx.ByteStream):
        return response  # a stream of the test's own is left for the client to read
    if len(response.read()) <= KEPT_BYTES:
        return response
    return httpx.Response(response.status_code, headers=_without_length(response.headers))


def _without_length(headers: httpx.Headers) -> dict[str, str]:
    kept = {name: value for name, value in headers.items() if name != "content-length"}
    return {**kept, "x-fakebatch-body": _KEPT_ELSEWHERE}

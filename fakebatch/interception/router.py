"""The respx router of the emulator: one named route an operation, found by one look-up."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from inspect import isawaitable
from threading import RLock
from typing import Any, NamedTuple

import httpx
import respx
from respx.models import AllMockedAssertionError, SideEffectError

from fakebatch.errors import RefusedRequest
from fakebatch.interception.breaking import arrive, arrive_async
from fakebatch.interception.conversion import long_form, request_from, response_for, timeouts
from fakebatch.interception.names import is_among
from fakebatch.interception.recording import BoundedCalls, OperationRoute, sighting
from fakebatch.wire.app import App
from fakebatch.wire.exchange import Reply
from fakebatch.wire.operations import OPERATIONS, route


class Place(NamedTuple):
    """Where a request goes to: an emulated service, a path there, the route of the operation."""

    app: App
    path: str
    route: OperationRoute | None
    """None: no operation has this method and path."""


class EmulatedRouter(respx.Router):
    """Answers what goes to an emulated base URL; knows the routes a test adds to it as well."""

    def __init__(self, apps: Mapping[str, App]) -> None:
        super().__init__(assert_all_called=False)
        self.calls = BoundedCalls()
        self.base_urls = tuple(apps)
        self.hosts = {httpx.URL(base).host for base in apps}
        self._apps = [(_address(httpx.URL(base)), app) for base, app in apps.items()]
        self._operations = {operation.name: operation for operation in OPERATIONS}
        self._known: dict[str, OperationRoute] = {}
        self._recording = RLock()  # reentrant: a finalizer may call while its thread is in here
        self._process: int | None = None

    def belong_to_this_process(self) -> None:
        """Answer in this process, and refuse in those that are forked from it."""
        self._process = os.getpid()

    @property
    def _is_copy(self) -> bool:
        """Whether this process was forked from the one that the router answers in."""
        if self._process is None:  # never entered: the first call decides
            self.belong_to_this_process()
        return self._process != os.getpid()

    def __getitem__(self, name: str) -> respx.Route:
        """The route of an operation (`batches.retrieve`), or one the test has added by name."""
        return self._route(name) if name in self._operations else super().__getitem__(name)

    def _route(self, name: str) -> OperationRoute:
        known = self._known.get(name)
        if known is None:
            # a respx route costs 0.15 ms to build: only those that are used or looked at are
            with self._recording:
                known = self._known.setdefault(name, OperationRoute(self._operations[name]))
        return known

    def handler(self, request: httpx.Request) -> httpx.Response:
        """The answer of a route the test has added, else the emulator's.

        Raises:
            AllMockedAssertionError: neither has one; respx's word for it.
        """
        pieces = self.pieces(request)
        if pieces is None:
            request.read()
        if self.routes and not self._is_copy:
            with suppress(AllMockedAssertionError):
                return super().handler(request)
        place = self._emulated(request)
        given = self._given(place.route, request)
        if isinstance(given, httpx.Response):
            return self._answered(place, request, given)
        reply = self.reply(place, request, pieces)
        response: httpx.Response = response_for(reply, request, httpx)
        return response

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        """The same, where side effects of the test may be coroutine functions."""
        pieces = self.pieces(request)
        if pieces is None:
            await request.aread()
        if self.routes and not self._is_copy:
            with suppress(AllMockedAssertionError):
                return await super().async_handler(request)
        place = self._emulated(request)
        given = self._given(place.route, request)
        if isawaitable(given):
            given = await given
        if isinstance(given, httpx.Response):
            return self._answered(place, request, given)
        reply = await self.reply_async(place, request, pieces)
        response: httpx.Response = response_for(reply, request, httpx)
        return response

    def reset(self) -> None:
        """Forget all calls."""
        super().reset()
        for record in self._known.values():
            record.reset()

    def emulated(self, request: Any) -> Place | None:
        """Where a request of httpx or httpx2 goes to, if the emulator alone answers it.

        None where the test has a word in it, or nobody emulates the address: ask `handler`.
        """
        if self.routes or self._is_copy:
            return None
        place = self._place(request)
        return None if place is None or _is_mocked(place.route) else place

    def pieces(self, request: Any) -> Iterable[bytes] | None:
        """The pieces of a long form that the emulator alone is to read; else None.

        So it is never joined, and a file given as bytes stays the caller's own object.
        """
        pieces = long_form(request)
        return None if pieces is None or self.emulated(request) is None else pieces

    def reply(self, place: Place, request: Any, pieces: Iterable[bytes] | None = None) -> Reply:
        """What the emulator says, once it has arrived, and a note of it.

        A long form may be handed on in pieces.
        """
        asked = request_from(place.path, request, pieces)
        reply, body = place.app.handle(asked), asked.body if pieces is None else None
        if reply.trouble is not None:
            with self._lost(place, request, body):
                arrive(reply, timeouts(request))
        self._record(place.route, request, body, reply)
        return reply

    async def reply_async(
        self, place: Place, request: Any, pieces: Iterable[bytes] | None = None
    ) -> Reply:
        """The same on an event loop."""
        asked = request_from(place.path, request, pieces)
        reply, body = place.app.handle(asked), asked.body if pieces is None else None
        if reply.trouble is not None:
            with self._lost(place, request, body):
                await arrive_async(reply, timeouts(request))
        self._record(place.route, request, body, reply)
        return reply

    def refusal(self, request: Any) -> RefusedRequest:
        """What to say of a request that nobody answers."""
        if self._is_copy:
            return RefusedRequest(
                f"{request.method} {request.url.copy_with(query=None)} was refused: process "
                f"{os.getpid()} was forked from {self._process}, in which this FakeBatch lives.",
                "Whatever it did here, it would do to a copy that the test never sees.",
                "Use threads in this test, or enter a FakeBatch in the forked process.",
            )
        return RefusedRequest(
            f"{request.method} {request.url.copy_with(query=None)} was refused: nothing leaves "
            "this machine.",
            f"Emulated are: {', '.join(self.base_urls)}; no respx router of yours answered.",
            "Mock it with respx, or give the client an emulated base_url.",
        )

    def _given(self, record: OperationRoute | None, request: httpx.Request) -> object:
        """What the test itself answers for an operation, if it does."""
        if record is None or not record.is_mocked:
            return None
        try:
            return record.resolve(request)
        except SideEffectError as error:
            self._record(record, request, request.content, None)
            raise error.origin from error

    def _emulated(self, request: httpx.Request) -> Place:
        place = self._place(request)
        if place is None:
            raise AllMockedAssertionError(f"fakebatch does not emulate {request.url}")
        if self._is_copy:
            raise self.refusal(request)
        return place

    def _place(self, request: Any) -> Place | None:
        for base, app in self._apps:
            path = _below(base, request.url)
            if path is not None:
                operation, _ = route(request.method, path)
                return Place(app, path, None if operation is None else self._route(operation.name))
        return None

    def _answered(
        self, place: Place, request: httpx.Request, given: httpx.Response
    ) -> httpx.Response:
        self._record(place.route, request, request.content, given)
        return given

    @contextmanager
    def _lost(self, place: Place, request: Any, body: bytes | None) -> Generator[None]:
        """Record a call whose reply never arrives."""
        try:
            yield
        except Exception:
            self._record(place.route, request, body, None)
            raise

    def _record(
        self,
        record: OperationRoute | None,
        request: Any,
        body: bytes | None,
        response: Reply | httpx.Response | None,
    ) -> None:
        if record is None:
            return
        call = sighting(request, body, response)
        with self._recording:
            self.calls.append(call)
            record.calls.append(call)  # pyright: ignore[reportUnknownMemberType]


def _is_mocked(record: OperationRoute | None) -> bool:
    return record is not None and record.is_mocked


class _Address(NamedTuple):
    """A base URL taken apart once."""

    host: str
    scheme: str
    port: int | None
    prefix: str
    query: tuple[str, ...]
    """Names of parameters that a request has to carry."""


def _address(base: httpx.URL) -> _Address:
    prefix, query = base.path.rstrip("/"), tuple(base.params)
    return _Address(base.host, base.scheme, base.port, prefix, query)


def _below(base: _Address, url: Any) -> str | None:
    if url.scheme != base.scheme or url.port != base.port or not is_among(url.host, (base.host,)):
        return None
    if base.query and not all(name in url.params for name in base.query):
        return None
    path: str = url.path
    return path[len(base.prefix) :] if path.startswith(base.prefix + "/") else None

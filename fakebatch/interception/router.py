"""The respx router of the emulator: one named route an operation, found by one look-up."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from inspect import isawaitable
from threading import RLock
from types import ModuleType
from typing import Any

import httpx
import respx
from respx.models import AllMockedAssertionError, SideEffectError

from fakebatch.errors import RefusedRequest
from fakebatch.interception.calls import BoundedCalls, OperationRoute, recorded
from fakebatch.interception.conversion import (
    as_httpx,
    long_form,
    native_response,
    request_from,
    response_for,
    timeouts,
)
from fakebatch.interception.driver import Step, Steps, run, run_on_loop
from fakebatch.interception.network_errors import arrival
from fakebatch.wire.app import Sites, Target
from fakebatch.wire.messages import Reply, Request
from fakebatch.wire.operations import OPERATIONS


class EmulatedRouter(respx.Router):
    """Answers what goes to an emulated base URL; knows the routes a test adds to it as well."""

    def __init__(self, sites: Sites) -> None:
        super().__init__(assert_all_called=False)
        self.calls = BoundedCalls()
        self._sites = sites
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
        """The response of a route the test has added, else the emulator's.

        Raises:
            AllMockedAssertionError: neither has one; respx's word for it.
        """
        response: httpx.Response = run(self.exchange(request, httpx, "httpx"))
        return response

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        """The same, where side effects of the test may be coroutine functions."""
        response: httpx.Response = await run_on_loop(self.exchange(request, httpx, "httpx"))
        return response

    def reset(self) -> None:
        """Forget all calls."""
        super().reset()
        for route in self._known.values():
            route.reset()

    def exchange(self, request: Any, stack: ModuleType, name: str) -> Steps[Any]:
        """From a request of httpx or httpx2 to the response of the test itself, or the emulator's.

        Args:
            request: whose body may be unread.
            stack: the library of the client.
            name: of the stack whose errors a stream raises.

        Raises:
            AllMockedAssertionError: neither has one.
        """
        message = request_from(request)
        target = self._sites.find(message)
        route = None
        if target is not None and target.operation is not None:
            route = self._route(target.operation.name)
        is_mocked = route is not None and route.is_mocked
        pieces = None
        if target is not None and not self.routes and not is_mocked:
            pieces = long_form(request)  # that the emulator alone is to read
        if pieces is None:
            yield Step(request.read, request.aread)
        if self.routes and not self._is_copy:
            own = as_httpx(request)
            with suppress(AllMockedAssertionError):
                response = yield Step(
                    partial(super().handler, own), partial(super().async_handler, own)
                )
                return native_response(response, stack, name)
        if target is None:
            raise AllMockedAssertionError(f"fakebatch does not emulate {request.url}")
        if self._is_copy:
            raise self.refusal(request)
        if route is not None and is_mocked:
            response = self._mock_response(route, as_httpx(request))
            if isawaitable(response):
                response = yield Step(partial(_itself, response), partial(_awaited, response))
            if isinstance(response, httpx.Response):
                self._record(route, request, request.content, response)
                return native_response(response, stack, name)
        reply = yield from self._reply(message, target, route, request, pieces)
        return response_for(reply, request, stack, name)

    def _mock_response(self, route: OperationRoute, request: httpx.Request) -> Any:
        """What the test itself answers for an operation."""
        try:
            return route.resolve(request)
        except SideEffectError as error:
            self._record(route, request, request.content, None)
            raise error.origin from error

    def _reply(
        self,
        message: Request,
        target: Target,
        route: OperationRoute | None,
        request: Any,
        pieces: Iterable[bytes] | None,
    ) -> Steps[Reply]:
        """The emulator's reply, once it has arrived, and a record of it."""
        body = None
        if pieces is not None:
            message = message._replace(pieces=pieces)
        else:
            body = request.content
            if body:
                message = message._replace(body=body)
        reply = target.handle(message)
        if reply.script is not None:
            try:
                yield from arrival(reply, timeouts(request))
            except Exception:
                self._record(route, request, body, None)
                raise
        self._record(route, request, body, reply)
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
            f"Emulated are: {', '.join(self._sites.base_urls)}; no respx router of yours answered.",
            "Mock it with respx, or give the client an emulated base_url.",
        )

    def _record(
        self,
        route: OperationRoute | None,
        request: Any,
        body: bytes | None,
        response: Reply | httpx.Response | None,
    ) -> None:
        if route is None:
            return
        call = recorded(request, body, response)
        with self._recording:
            self.calls.append(call)
            route.calls.append(call)  # pyright: ignore[reportUnknownMemberType]


def _itself(value: Any) -> Any:
    return value


async def _awaited(value: Any) -> Any:
    return await value

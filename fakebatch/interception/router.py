"""The respx router of the emulator, with a named route for each operation."""

from __future__ import annotations

import asyncio
import os
from contextlib import nullcontext, suppress
from functools import partial
from inspect import isawaitable
from threading import RLock
from types import ModuleType
from typing import Any, cast

import httpx
import respx
from respx.models import AllMockedAssertionError, PassThrough, SideEffectError

from fakebatch.dialects import at_host
from fakebatch.errors import RefusedRequest
from fakebatch.interception.calls import (
    BoundedCalls,
    RecordedCall,
    as_request,
    native_response,
    recorded,
    request_from,
    response_for,
)
from fakebatch.interception.dns import is_loopback
from fakebatch.interception.driver import Step, Steps
from fakebatch.interception.mockers import (
    RESPX,
    MockerHook,
    OperationRoutes,
    first_response,
    refuse_unstarted,
    routers_of_the_test,
)
from fakebatch.interception.network_errors import play
from fakebatch.wire.app import Sites, Target
from fakebatch.wire.messages import Reply
from fakebatch.wire.operations import OPERATIONS

_NAMES = frozenset(operation.name for operation in OPERATIONS)


class EmulatedRouter(respx.Router):
    """Answers requests to emulated base URLs. Routes that the test adds to it come first."""

    def __init__(self, sites: Sites) -> None:
        super().__init__(assert_all_called=False)
        self.calls = BoundedCalls()
        self._sites = sites
        self._operations = OperationRoutes()
        self._lock = RLock()  # reentrant: a finalizer may make a call while its thread holds it
        self._process: int | None = None
        self.beside: list[list[Any]] = []
        """While it is active, the routers of each mocker: our hooks and, in few tests, others."""
        self.routes_before: list[respx.Route] = []
        """The routes that `respx.mock` had before."""

    def belong_to_this_process(self) -> None:
        """Answer requests of this process, and refuse those of processes forked from it."""
        self._process = os.getpid()

    def __getitem__(self, name: str) -> respx.Route:
        """The route of an operation (`batches.retrieve`), or a named route of the test."""
        return self._operations[name] if name in _NAMES else super().__getitem__(name)

    def reset(self) -> None:
        """Drop all recorded calls."""
        super().reset()
        for route in self._operations.values():
            route.reset()

    def exchange(self, request: Any, library: ModuleType, stack: str) -> Steps:
        """The exchange for a request: the response of a route of the test, or of the emulator.

        Where a provider has the address, routes of the test's other routers count as well as those
        of this one. An emulated operation is the emulator's, unless a route is for it and does not
        pass it through.

        Args:
            request: one of httpx or httpx2, which has been read or is a long form.
            library: httpx or httpx2, for the response.
            stack: the name of the stack whose exceptions the response raises.

        Raises:
            AllMockedAssertionError: no route matches, and no provider has the address.
            UsageError: a route matches that has no effect.
        """
        message = request_from(request)
        target = self._sites.find(message)
        if self.is_copy():
            raise AllMockedAssertionError(request.url) if target is None else self.refusal(request)
        operation = None if target is None else target.operation
        route = None if operation is None else self._operations[operation.name]
        mocked = route if route and (route.side_effect or route.return_value) else None
        routers = self._routers(stack, target)
        if message.pieces is not None and (routers or mocked):
            yield Step(request.read, request.aread)
            message = request_from(request)
        if message.pieces is None and (routers or respx.mock.routes):
            which = (request, library, stack, operation is not None)
            response = yield from self._response_of_the_test(routers, *which)
            if response is not None:
                return response
        if target is None:
            raise AllMockedAssertionError(request.url)
        answer: Any = None
        try:
            if mocked:
                answer = yield from _mock_response(mocked, request)
            if answer is None:
                reply = target.handle(message)
                if reply.script is not None:
                    yield from play(reply.script.before, reply, request)
                answer = reply
        finally:
            self._record(route, recorded(request, message, answer))
        if isinstance(answer, Reply):
            return response_for(answer, request, library, stack)
        return native_response(answer, library, stack)

    def _routers(self, stack: str, target: Target | None) -> list[tuple[ModuleType, Any]]:
        """The routers of which a route may answer a request to a target."""
        routers: list[tuple[ModuleType, Any]] = [(RESPX, self)]
        if target is None:
            return routers
        if target.operation is None:
            return [*routers, *routers_of_the_test(stack)]
        if any(not isinstance(each, MockerHook) for beside in self.beside for each in beside):
            others = routers_of_the_test(stack)
            routers += [each for each in others if not isinstance(each[1], EmulatedRouter)]
        return [each for each in routers if each[1].routes]

    def _response_of_the_test(
        self,
        routers: list[tuple[ModuleType, Any]],
        request: Any,
        library: ModuleType,
        stack: str,
        is_emulated: bool,
    ) -> Steps:
        """The response of a route of the test; None: there is none."""
        if self.beside:
            refuse_unstarted(request, self.routes_before)
        with suppress(PassThrough) if is_emulated else nullcontext():
            which = (routers, request, library, stack)
            return (yield from first_response(*which, only_for_it=is_emulated))

    def _record(self, route: respx.Route | None, call: RecordedCall) -> None:
        if route is not None:
            with self._lock:
                self.calls.append(call)
                route.calls.append(call)  # pyright: ignore[reportUnknownMemberType]

    def is_copy(self) -> bool:
        """Whether this process was forked from the one in which the router answers."""
        if self._process is None:  # never entered: the process of the first call
            self.belong_to_this_process()
        return self._process != os.getpid()

    def refusal(self, request: Any) -> RefusedRequest:
        """The error for a request that is not answered."""
        url = request.url.copy_with(query=None, userinfo=b"")
        if self.is_copy():
            return RefusedRequest(
                f"{request.method} {url} was refused: process {os.getpid()} was forked from "
                f"{self._process}, in which this FakeBatch is active.",
                "A call from here would change only a copy, which the test does not see.",
                "Use threads in this test, or enter a FakeBatch in the forked process.",
            )
        host, proxy = request.headers.get("host", ""), url.netloc.decode()
        if url.path == "/" and host not in ("", proxy) and is_loopback(host.partition(":")[0]):
            return RefusedRequest(
                f"{request.method} {host} was refused: the proxy {proxy} is not on this machine.",
                "It is the client's own, or that of HTTP_PROXY, HTTPS_PROXY or ALL_PROXY.",
                "Set NO_PROXY=localhost,127.0.0.1 for servers on this machine.",
            )
        advice, dialect = "Mock it with respx, or give the client an emulated base_url.", None
        if self._sites.hosts.isdisjoint((url.host, f"*.{url.host.partition('.')[2]}")):
            dialect = at_host(url.host)
        if dialect is not None:
            advice = f"Emulate this provider: @pytest.mark.fakebatch(dialect={dialect!r})."
        return RefusedRequest(
            f"{request.method} {url} was refused: nothing leaves this machine.",
            f"fakebatch emulates {', '.join(self._sites.base_urls)}; no route of yours matched.",
            advice,
        )


def _mock_response(route: respx.Route, request: Any) -> Steps:
    """The response of a route that the test has mocked; None: the emulator answers."""
    response: Any
    try:
        response = route.resolve(as_request(request, httpx))
    except SideEffectError as error:
        raise error.origin from error
    if isawaitable(response):
        response = yield Step(partial(asyncio.run, cast("Any", response)), lambda: response)
    return response if isinstance(response, httpx.Response) else None

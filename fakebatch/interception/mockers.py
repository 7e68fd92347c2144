"""The one file that knows respx's insides: what mockers patch, whom they ask, how routes resolve.

Tried with respx 0.22 and 0.23, with and without pytest-httpx2 1.0.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import httpx
import respx
from respx.mocks import HTTPCoreMocker, Mocker
from respx.models import AllMockedAssertionError, PassThrough

from fakebatch.interception.calls import BoundedCalls, native_response
from fakebatch.interception.dns import is_loopback
from fakebatch.interception.driver import Interceptor, Step, Steps
from fakebatch.interception.lost_errors import LostErrors

if TYPE_CHECKING:
    from fakebatch.interception.router import EmulatedRouter

with suppress(ModuleNotFoundError):
    # Where it is installed its mocker is the one: names are unique, and a later import would fail.
    import pytest_httpx2  # noqa: F401  # pyright: ignore[reportUnusedImport]

if "httpcore2" not in Mocker.registry:

    class HTTPCore2Mocker(HTTPCoreMocker):
        """The same classes of the other library. To be a subclass registers it, by its name."""

        name = "httpcore2"
        targets = [name.replace("httpcore", "httpcore2") for name in HTTPCoreMocker.targets]  # noqa: RUF012


PATCHED = tuple(stack for stack in ("httpcore", "httpcore2") if find_spec(stack))
"""Mockers that we start. Others (`httpx`) only get a hook, should the test start them."""


class MockerHook(Interceptor):
    """Stands first among the routers of one of respx's mockers, and asks the others itself.

    respx asks routers in the order of their registration. So that it does not matter which
    fixture came first: emulated base URLs, then the test's own routers, then loopback passes.
    """

    def __init__(
        self, mocker: type[Mocker], router: EmulatedRouter, lost_errors: LostErrors
    ) -> None:
        super().__init__(mocker.name, lost_errors)
        self.mocker = mocker
        self.routers: list[Any] = mocker.routers  # a hook is no respx.Router, only asked like one
        self._router = router

    def exchange(self, request: httpx.Request) -> Steps:
        """From a request that respx has read to the first response that anybody has for it."""
        with suppress(AllMockedAssertionError):
            return (yield from self._router.exchange(request, httpx, self.stack))
        for router in self.routers[self.routers.index(self) + 1 :]:
            with suppress(AllMockedAssertionError):
                response = yield Step(
                    partial(router.handler, request), partial(router.async_handler, request)
                )
                return native_response(response, httpx, self.stack)
        if is_loopback(request.url.host) or self.stack not in PATCHED:
            # A mocker nearer to the client lets go what is not its own: an in-process transport
            # may answer, and what goes on to a network comes to a hook below.
            # respx only shows the origin; a route made for that would cost more than the request.
            raise PassThrough("stays on this machine", request=request, origin=None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        raise self._router.refusal(request)


@contextmanager
def installed(router: EmulatedRouter, lost_errors: LostErrors) -> Generator[None]:
    """Hook into every mocker, start those of both HTTP stacks, and undo all of it."""
    hooks = [MockerHook(mocker, router, lost_errors) for mocker in Mocker.registry.values()]
    try:
        for hook in hooks:
            hook.routers.insert(0, hook)
            if hook.stack in PATCHED:
                hook.mocker.start()
        yield
    finally:
        for hook in hooks:
            hook.routers.remove(hook)
            hook.mocker.stop()  # where no router is left


class OperationRoutes(dict[str, respx.Route]):
    """The route of each operation, made when it is first wanted: that takes 0.15 ms."""

    def __missing__(self, name: str) -> respx.Route:
        return self.setdefault(name, OperationRoute(name))


class OperationRoute(respx.Route):
    """What respx shows of an operation. Mock it, and the mock answers in place of the emulator."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.calls = BoundedCalls(name=self)

    def _next_side_effect(self) -> Any:
        # respx gives a message to classes of httpx alone; those of httpx2 need one as well
        effect = super()._next_side_effect()  # pyright: ignore[reportUnknownMemberType]
        if isinstance(effect, type) and effect.__module__.startswith("httpx2"):
            return effect("Mock Error")
        return effect

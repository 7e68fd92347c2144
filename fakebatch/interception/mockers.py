"""Hooks into respx's mockers. Only this file uses private parts of respx.

Tested with respx 0.22 and 0.23, with and without pytest-httpx2 1.0.
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
    # If it is installed, use its mocker: names are unique, and a later import of it would fail.
    import pytest_httpx2  # noqa: F401  # pyright: ignore[reportUnusedImport]

if "httpcore2" not in Mocker.registry:

    class HTTPCore2Mocker(HTTPCoreMocker):
        """The same for httpcore2. respx registers subclasses by `name`."""

        name = "httpcore2"
        targets = [name.replace("httpcore", "httpcore2") for name in HTTPCoreMocker.targets]  # noqa: RUF012


PATCHED = tuple(stack for stack in ("httpcore", "httpcore2") if find_spec(stack))
"""The mockers that we start. Others (`httpx`) get a hook, in case the test starts them."""


class MockerHook(Interceptor):
    """The first router of a respx mocker, which calls the others itself.

    respx calls routers in the order of their registration. With the hook the order of fixtures does
    not matter: emulated base URLs come first, then the routers of the test, then loopback hosts.
    """

    def __init__(
        self, mocker: type[Mocker], router: EmulatedRouter, lost_errors: LostErrors
    ) -> None:
        super().__init__(mocker.name, lost_errors)
        self.mocker = mocker
        self.routers: list[Any] = mocker.routers  # a hook only has the methods of a respx.Router
        self._router = router

    def exchange(self, request: httpx.Request) -> Steps:
        """The exchange for a request, which respx has read: the first response of a router."""
        with suppress(AllMockedAssertionError):
            return (yield from self._router.exchange(request, httpx, self.stack))
        for router in self.routers[self.routers.index(self) + 1 :]:
            with suppress(AllMockedAssertionError):
                response = yield Step(
                    partial(router.handler, request), partial(router.async_handler, request)
                )
                return native_response(response, httpx, self.stack)
        if is_loopback(request.url.host) or self.stack not in PATCHED:
            # The mocker of httpx passes what it does not know: an in-process transport may answer,
            # and a request to the network reaches the hook of httpcore.
            # `origin` is only for display; making a route takes longer than the request.
            raise PassThrough("stays on this machine", request=request, origin=None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        raise self._router.refusal(request)


@contextmanager
def installed(router: EmulatedRouter, lost_errors: LostErrors) -> Generator[None]:
    """Hook into every mocker and start those in PATCHED; undo both at the end."""
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
            hook.mocker.stop()  # which has an effect if no router is left


class OperationRoutes(dict[str, respx.Route]):
    """The route of each operation, made when it is first needed: that takes 0.15 ms."""

    def __missing__(self, name: str) -> respx.Route:
        return self.setdefault(name, OperationRoute(name))


class OperationRoute(respx.Route):
    """The route of an operation. If the test mocks it, the mock answers instead of the emulator."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.calls = BoundedCalls(name=self)

    def _next_side_effect(self) -> Any:
        # respx instantiates classes of httpx with a message; those of httpx2 need one as well
        effect = super()._next_side_effect()  # pyright: ignore[reportUnknownMemberType]
        if isinstance(effect, type) and effect.__module__.startswith("httpx2"):
            return effect("Mock Error")
        return effect

"""Hooks in respx's mockers: who answers a request that is about to leave, and who does not.

The one place that touches respx's mockers: what they patch, who is among their routers. Tried with
respx 0.22 and 0.23, with and without pytest-httpx2 1.0.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import httpx
from respx.mocks import HTTPCoreMocker, Mocker
from respx.models import AllMockedAssertionError, PassThrough

from fakebatch.errors import FakeBatchError
from fakebatch.interception.conversion import native_response
from fakebatch.interception.driver import Step, Steps, run, run_on_loop
from fakebatch.interception.lost_errors import LostErrors
from fakebatch.interception.network_errors import native_error
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


@dataclass(frozen=True, eq=False, slots=True)
class MockerHook:
    """Stands first among the routers of one of respx's mockers, and asks the others itself.

    respx asks routers in the order of their registration. So that it does not matter which
    fixture came first: emulated base URLs, then the test's own routers, then loopback passes.
    """

    mocker: type[Mocker]
    router: EmulatedRouter
    lost_errors: LostErrors

    def install(self) -> None:
        """Stand first, and start patching one of the HTTP stacks if this is its mocker."""
        self._routers.insert(0, self)
        if self.mocker.name in PATCHED:
            self.mocker.start()

    def remove(self) -> None:
        """Step aside; respx stops patching when no router is left."""
        self._routers.remove(self)
        self.mocker.stop()

    @property
    def _routers(self) -> list[Any]:
        # a hook is no respx.Router, only asked like one
        return self.mocker.routers

    def handler(self, request: httpx.Request) -> httpx.Response:
        """What respx's mocker calls for a request of a synchronous client."""
        return run(self._exchange(request))

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        """The same for an asynchronous client."""
        return await run_on_loop(self._exchange(request))

    def _exchange(self, request: httpx.Request) -> Steps[httpx.Response]:
        try:
            response = yield from self._response(request)
        except FakeBatchError as error:
            self.lost_errors.note(error)
            raise
        except Exception as error:
            own = native_error(error, self.mocker.name)
            if own is error:
                raise
            raise own from None
        return response

    def _response(self, request: httpx.Request) -> Steps[httpx.Response]:
        with suppress(AllMockedAssertionError):
            answer: httpx.Response = yield from self.router.exchange(
                request, httpx, self.mocker.name
            )
            return answer
        for router in self._routers[self._routers.index(self) + 1 :]:
            with suppress(AllMockedAssertionError):
                response: httpx.Response = yield Step(
                    partial(router.handler, request), partial(router.async_handler, request)
                )
                if isinstance(response.stream, httpx.ByteStream):
                    return response
                own: httpx.Response = native_response(response, httpx, self.mocker.name)
                return own
        raise self._nobody(request)

    def _nobody(self, request: httpx.Request) -> BaseException:
        if is_loopback(request.url.host) or self.mocker.name not in PATCHED:
            # A mocker nearer to the client lets go what is not its own: an in-process transport
            # may answer, and what goes on to a network comes to a hook below.
            # respx only shows the origin; a route made for that would cost more than the request.
            return PassThrough("stays on this machine", request=request, origin=None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        return self.router.refusal(request)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


@contextmanager
def installed(router: EmulatedRouter, lost_errors: LostErrors) -> Generator[None]:
    """Hook into every mocker, start those of both HTTP stacks, and undo all of it."""
    hooks = [MockerHook(mocker, router, lost_errors) for mocker in Mocker.registry.values()]
    try:
        for hook in hooks:
            hook.install()
        yield
    finally:
        for hook in hooks:
            hook.remove()

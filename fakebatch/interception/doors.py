"""One door a HTTP stack: who answers a request that is about to leave, and who does not.

The one place that touches respx's mockers: who is among their routers, and what body they join.
Tried with respx 0.22 and 0.23, pytest-httpx2 1.0.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import httpx
import pytest_httpx2  # noqa: F401  # pyright: ignore[reportUnusedImport]  # registers respx's mocker for httpcore2
from respx.mocks import AbstractRequestMocker, Mocker
from respx.models import AllMockedAssertionError, PassThrough

from fakebatch.interception.breaking import native
from fakebatch.interception.conversion import carried
from fakebatch.interception.router import EmulatedRouter
from fakebatch.loud import Witness

PATCHED = tuple(stack for stack in ("httpcore", "httpcore2") if find_spec(stack))
"""Mockers that we start. Others (`httpx`) only get a door, should the test start them."""


@dataclass(frozen=True, eq=False, slots=True)
class Door:
    """Stands first among the routers of one mocker, and asks the others itself.

    respx asks routers in the order of their registration. So that it does not matter which
    fixture came first: emulated base URLs, then the test's own routers, then loopback passes.
    """

    mocker: type[Mocker]
    router: EmulatedRouter
    witness: Witness

    def open(self) -> None:
        """Stand first, and start patching one of the HTTP stacks if this is its mocker."""
        self._routers.insert(0, self)
        _let_bodies_be_read_by(_OURS)
        if self.mocker.name in PATCHED:
            self.mocker.start()

    def close(self) -> None:
        """Step aside; respx stops patching when no router is left."""
        self._routers.remove(self)
        self.mocker.stop()
        routers = (router for mocker in Mocker.registry.values() for router in mocker.routers)
        if not any(isinstance(router, Door) for router in routers):
            _let_bodies_be_read_by(_RESPXS)

    @property
    def _routers(self) -> list[Any]:
        # a Door is no respx.Router, only asked like one
        return self.mocker.routers

    def handler(self, request: httpx.Request) -> httpx.Response:
        """What respx's mocker calls for a request of a synchronous client."""
        with self.witness, native(self.mocker.name):
            for router in self._asked:
                try:
                    return self._native(router.handler(request))
                except AllMockedAssertionError:
                    continue
            raise self._nobody(request)

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        """The same for an asynchronous client."""
        with self.witness, native(self.mocker.name):
            for router in self._asked:
                try:
                    return self._native(await router.async_handler(request))
                except AllMockedAssertionError:
                    continue
            raise self._nobody(request)

    def _native(self, response: httpx.Response) -> httpx.Response:
        if not isinstance(response.stream, httpx.ByteStream):
            response.stream = carried(response.stream, httpx, self.mocker.name)
        return response

    @property
    def _asked(self) -> list[Any]:
        return [self.router, *self._routers[self._routers.index(self) + 1 :]]

    def _nobody(self, request: httpx.Request) -> BaseException:
        if is_loopback(request.url.host) or self.mocker.name not in PATCHED:
            # A mocker nearer to the client lets go what is not its own: an in-process transport
            # may answer, and what goes on to a network comes to a door below.
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


def _leaves_unread(mocker: type[Mocker], request: httpx.Request) -> bool:
    # respx joins every body before it asks its routers: a long form for us may stay in pieces
    door = next(iter(mocker.routers), None)
    return isinstance(door, Door) and door.router.pieces(request) is not None


def _read(mocker: type[Mocker], /, httpx_request: httpx.Request, **kwargs: Any) -> Any:
    if not _leaves_unread(mocker, httpx_request):
        httpx_request.read()
    return httpx_request, kwargs


async def _read_async(mocker: type[Mocker], /, httpx_request: httpx.Request, **kwargs: Any) -> Any:
    if not _leaves_unread(mocker, httpx_request):
        await httpx_request.aread()
    return httpx_request, kwargs


_OURS = {
    "prepare_sync_request": classmethod(_read),
    "prepare_async_request": classmethod(_read_async),
}
_RESPXS = {name: vars(AbstractRequestMocker)[name] for name in _OURS}


def _let_bodies_be_read_by(readers: Mapping[str, Any]) -> None:
    for name, reader in readers.items():
        setattr(AbstractRequestMocker, name, reader)


@contextmanager
def doors(router: EmulatedRouter, witness: Witness) -> Generator[None]:
    """Put a door into every mocker, start those of both HTTP stacks, and undo all of it."""
    opened = [Door(mocker, router, witness) for mocker in Mocker.registry.values()]
    try:
        for door in opened:
            door.open()
        yield
    finally:
        for door in opened:
            door.close()

"""Our own transports: a client that is given one needs neither respx nor a TLS context.

They hand on an upload in the pieces the client streams, so that it is never joined: a file given
as bytes stays the caller's own object.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from types import ModuleType
from typing import Any

import httpx
from respx.models import AllMockedAssertionError

from fakebatch.interception.breaking import native
from fakebatch.interception.conversion import long_form, response_for
from fakebatch.interception.router import EmulatedRouter
from fakebatch.loud import Witness
from fakebatch.wire.exchange import Reply

_NO_TIME = timedelta(0)


def transport(stack: ModuleType, router: EmulatedRouter, witness: Witness) -> Any:
    """A transport for clients of `stack` (httpx or httpx2), synchronous and asynchronous ones."""
    return _transport_class(stack)(stack, router, witness)


class _Transport:
    def __init__(self, stack: ModuleType, router: EmulatedRouter, witness: Witness) -> None:
        self._stack = stack
        self._router = router
        self._witness = witness

    def handle_request(self, request: Any) -> Any:
        """Called by a synchronous client."""
        with self._witness, native(self._stack.__name__):
            place = self._router.emulated(request)
            pieces = None if place is None else long_form(request)
            if pieces is None:
                request.read()
            if place is not None:
                return self._response(self._router.reply(place, request, pieces), request)
            try:
                return self._native(self._router.handler(_as_httpx(request)))
            except AllMockedAssertionError:
                raise self._router.refusal(request) from None

    async def handle_async_request(self, request: Any) -> Any:
        """Called by an asynchronous client."""
        with self._witness, native(self._stack.__name__):
            place = self._router.emulated(request)
            pieces = None if place is None else long_form(request)
            if pieces is None:
                await request.aread()
            if place is not None:
                reply = await self._router.reply_async(place, request, pieces)
                return self._response(reply, request)
            try:
                response = await self._router.async_handler(_as_httpx(request))
            except AllMockedAssertionError:
                raise self._router.refusal(request) from None
            if isinstance(response.stream, httpx.AsyncByteStream):
                await response.aread()
            return self._native(response)

    def _response(self, reply: Reply, request: Any) -> Any:
        response = response_for(reply, request, self._stack)
        if isinstance(response.stream, self._stack.ByteStream):
            response.read()
            response.elapsed = _NO_TIME  # else the client, which has nothing to read, knows none
        return response

    def _native(self, response: httpx.Response) -> Any:
        """What the test itself answered, in respx's words, for a client of either library."""
        return self._stack.Response(
            response.status_code,
            headers=response.headers.raw,
            content=response.read(),
            extensions=response.extensions,
        )


@cache
def _transport_class(stack: ModuleType) -> Any:
    # libraries that wrap transports look for these bases
    return type("Transport", (_Transport, stack.BaseTransport, stack.AsyncBaseTransport), {})


def _as_httpx(request: Any) -> httpx.Request:
    headers: Iterable[tuple[bytes, bytes]] = request.headers.raw
    return httpx.Request(
        request.method, str(request.url), headers=[*headers], content=request.content
    )

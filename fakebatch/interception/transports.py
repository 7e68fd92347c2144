"""Our own transports: a client that is given one needs neither respx nor a TLS context.

They hand on an upload in the pieces the client streams, so that it is never joined: a file given
as bytes stays the caller's own object.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from types import ModuleType
from typing import Any

from respx.models import AllMockedAssertionError

from fakebatch.interception.driver import Steps, run, run_on_loop
from fakebatch.interception.lost_errors import LostErrors
from fakebatch.interception.network_errors import as_native_errors
from fakebatch.interception.router import EmulatedRouter

_NO_TIME = timedelta(0)


def transport(stack: ModuleType, router: EmulatedRouter, lost_errors: LostErrors) -> Any:
    """A transport for clients of `stack` (httpx or httpx2), synchronous and asynchronous ones."""
    return _transport_class(stack)(stack, router, lost_errors)


class _Transport:
    def __init__(self, stack: ModuleType, router: EmulatedRouter, lost_errors: LostErrors) -> None:
        self._stack = stack
        self._router = router
        self._lost_errors = lost_errors

    def handle_request(self, request: Any) -> Any:
        """Called by a synchronous client."""
        return run(self._exchange(request))

    async def handle_async_request(self, request: Any) -> Any:
        """Called by an asynchronous client."""
        return await run_on_loop(self._exchange(request))

    def _exchange(self, request: Any) -> Steps[Any]:
        stack = self._stack
        with self._lost_errors, as_native_errors(stack.__name__):
            try:
                response = yield from self._router.exchange(request, stack, stack.__name__)
            except AllMockedAssertionError:
                raise self._router.refusal(request) from None
            if isinstance(response.stream, stack.ByteStream):
                response.read()
                response.elapsed = _NO_TIME  # else a client that has nothing to read knows none
            return response


@cache
def _transport_class(stack: ModuleType) -> Any:
    # libraries that wrap transports look for these bases
    return type("Transport", (_Transport, stack.BaseTransport, stack.AsyncBaseTransport), {})

"""Transports of our own, and ready clients of the openai SDK on them.

A client with such a transport needs neither respx nor a TLS context, which takes 24 ms to make. An
upload comes in the pieces the client streams, so that it is never joined: a file given as bytes
stays the caller's own object.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from importlib import import_module
from inspect import signature
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from respx.models import AllMockedAssertionError

from fakebatch.interception.calls import long_form
from fakebatch.interception.driver import Interceptor, Step, Steps
from fakebatch.interception.environment import WEBHOOKS
from fakebatch.interception.lost_errors import LostErrors
from fakebatch.interception.router import EmulatedRouter

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

_LIBRARIES = {"httpx", "httpx2"}
"""What the SDK may be built on: httpx2 since 3.0."""

_FROM_ENVIRONMENT = frozenset({"admin_api_key", "organization", "project"})
"""What clients take from the environment if they are told nothing, and can do without."""


class _Transport(Interceptor):
    library: ModuleType

    def __init__(self, router: EmulatedRouter, lost_errors: LostErrors) -> None:
        super().__init__(self.library.__name__, lost_errors)
        self._router = router

    handle_request = Interceptor.handler
    handle_async_request = Interceptor.async_handler

    def exchange(self, request: Any) -> Steps:
        """From a request of the library to its response."""
        if long_form(request) is None:
            yield Step(request.read, request.aread)
        try:
            response = yield from self._router.exchange(request, self.library, self.stack)
        except AllMockedAssertionError:
            raise self._router.refusal(request) from None
        if isinstance(response.stream, self.library.ByteStream):
            response.read()
            response.elapsed = timedelta(0)  # else a client that has nothing to read knows none
        return response


@cache
def _transport_class(library: ModuleType) -> Any:
    # libraries that wrap transports look for these bases
    bases = (_Transport, library.BaseTransport, library.AsyncBaseTransport)
    return type("Transport", bases, {"library": library})


class Clients:
    """The part of FakeBatch that gives clients away."""

    router: EmulatedRouter
    base_url: str
    _lost_errors: LostErrors
    _ready_key: str
    _environment: Mapping[str, str]

    def openai(self, **options: Any) -> OpenAI:
        """A client of the openai SDK that ends here: no respx in between, no TLS context.

        It works without `with` too: then nothing is patched, and time is the one of `time.time()`.

        Args:
            options: what else to give `openai.OpenAI`: `api_key`, `max_retries` and so on.
        """
        return cast("OpenAI", self._ready("OpenAI", "DefaultHttpxClient", options))

    def async_openai(self, **options: Any) -> AsyncOpenAI:
        """The same for `openai.AsyncOpenAI`."""
        return cast("AsyncOpenAI", self._ready("AsyncOpenAI", "DefaultAsyncHttpxClient", options))

    def transport(self, stack: ModuleType) -> Any:
        """A transport that ends here: `httpx2.Client(transport=fakebatch.transport(httpx2))`.

        Args:
            stack: the library of the client, httpx or httpx2; for its AsyncClient as well.
        """
        return _transport_class(stack)(self.router, self._lost_errors)

    def _ready(self, kind: str, http_kind: str, options: dict[str, Any]) -> Any:
        """A client with the SDK's own timeouts and limits, and nothing of the environment."""
        sdk = import_module("openai")  # not at the top: half a second, and not all have it
        http_client: type[Any] = getattr(sdk, http_kind)
        bases = {base.__module__.partition(".")[0] for base in http_client.__mro__}
        [library] = bases & _LIBRARIES
        defaults = {
            "api_key": self._ready_key,
            "base_url": self.base_url,
            "webhook_secret": self._environment[WEBHOOKS],
        }
        # to the SDK None means: see the environment
        explicit = {name: v for name, v in options.items() if v is not None or name not in defaults}
        client = http_client(transport=self.transport(import_module(library)))
        return _ready_class(getattr(sdk, kind))(http_client=client, **defaults | explicit)


@cache
def _ready_class(sdk_class: Any) -> Any:
    """A class of the SDK whose clients, and copies of them, take nothing from the environment."""
    names = _FROM_ENVIRONMENT & signature(sdk_class).parameters.keys()

    def init(self: Any, **options: Any) -> None:
        absent = {name: "" for name in names if options.get(name) is None}
        sdk_class.__init__(self, **options | absent)
        for name in absent:
            setattr(self, name, None)
        # the SDK reads OPENAI_CUSTOM_HEADERS in any case
        self._custom_headers = dict(options.get("default_headers") or {})
        self._ambient_authorizations = frozenset()

    return type(sdk_class.__name__, (sdk_class,), {"__init__": init})

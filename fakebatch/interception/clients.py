"""Transports of our own, and clients of the openai SDK that use them.

Such a client needs neither respx nor a TLS context, which takes 24 ms to make. An upload arrives in
the pieces that the client streams and is never joined: a file given as bytes is not copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from functools import cache
from importlib import import_module
from inspect import signature
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from respx.models import AllMockedAssertionError, PassThrough

from fakebatch.interception.calls import long_form
from fakebatch.interception.driver import Interceptor, Step, Steps
from fakebatch.interception.environment import WEBHOOKS
from fakebatch.interception.lost_errors import LostErrors
from fakebatch.interception.mockers import first_response, routers_of_the_test
from fakebatch.interception.router import EmulatedRouter

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

_LIBRARIES = {"httpx", "httpx2"}
"""The libraries on which the SDK may be built: httpx2 since 3.0."""

_FROM_ENVIRONMENT = frozenset({"admin_api_key", "organization", "project"})
"""Options that clients read from the environment if they are absent, and do not need."""


class _Transport(Interceptor):
    http_library: ModuleType

    def __init__(self, router: EmulatedRouter, lost_errors: LostErrors) -> None:
        super().__init__(self.http_library.__name__, lost_errors)
        self._router = router

    handle_request = Interceptor.handler
    handle_async_request = Interceptor.async_handler

    def exchange(self, request: Any) -> Steps:
        if long_form(request) is None:
            yield Step(request.read, request.aread)
        where, response = (self.http_library, self.stack), None
        with suppress(PassThrough):
            with suppress(AllMockedAssertionError):
                response = yield from self._router.exchange(request, *where)
            if response is None:
                routers = routers_of_the_test(self.stack)
                response = yield from first_response(routers, request, *where)
        if response is None:
            raise self._router.refusal(request)
        if isinstance(response.stream, self.http_library.ByteStream):
            response.read()
            response.elapsed = timedelta(0)  # the client sets it only when it reads the body
        return response


@cache
def _transport_class(library: ModuleType) -> Any:
    # libraries that wrap transports check for these base classes
    bases = (_Transport, library.BaseTransport, library.AsyncBaseTransport)
    return type("Transport", bases, {"http_library": library})


class Clients:
    """The methods of FakeBatch that make clients and transports."""

    router: EmulatedRouter
    base_url: str
    _lost_errors: LostErrors
    _ready_key: str
    _environment: Mapping[str, str]

    def openai(self, **options: Any) -> OpenAI:
        """A client of the openai SDK that is connected to the emulator, without respx or TLS.

        It also works outside of `with`: then nothing is patched, and the time is `time.time()`.

        Args:
            options: other options of `openai.OpenAI`: `api_key`, `max_retries` and so on.
        """
        return cast("OpenAI", self._ready("OpenAI", "DefaultHttpxClient", options))

    def async_openai(self, **options: Any) -> AsyncOpenAI:
        """The same for `openai.AsyncOpenAI`."""
        return cast("AsyncOpenAI", self._ready("AsyncOpenAI", "DefaultAsyncHttpxClient", options))

    def transport(self, stack: ModuleType) -> Any:
        """A transport to the emulator: `httpx2.Client(transport=fakebatch.transport(httpx2))`.

        Args:
            stack: the library of the client, httpx or httpx2. It fits an AsyncClient as well.
        """
        return _transport_class(stack)(self.router, self._lost_errors)

    def _ready(self, kind: str, http_kind: str, options: dict[str, Any]) -> Any:
        """A client with the SDK's own timeouts and limits, and nothing from the environment."""
        sdk = import_module("openai")  # not at the top: takes half a second, and is optional
        http_client: type[Any] = getattr(sdk, http_kind)
        bases = {base.__module__.partition(".")[0] for base in http_client.__mro__}
        [library] = bases & _LIBRARIES
        defaults = {
            "api_key": self._ready_key,
            "base_url": self.base_url,
            "webhook_secret": self._environment[WEBHOOKS],
        }
        # for the SDK None means: read the environment
        explicit = {name: v for name, v in options.items() if v is not None or name not in defaults}
        client = http_client(transport=self.transport(import_module(library)))
        return _ready_class(getattr(sdk, kind))(http_client=client, **defaults | explicit)


@cache
def _ready_class(sdk_class: Any) -> Any:
    """A subclass of an SDK client that reads nothing from the environment, nor do its copies."""
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

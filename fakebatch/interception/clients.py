"""Ready clients of the openai SDK on our own transport: no TLS context, which takes 24 ms."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fakebatch.interception.environment import dummy_environment
from fakebatch.interception.router import EmulatedRouter
from fakebatch.interception.transports import transport
from fakebatch.loud import Witness

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

STACKS = ("httpx2", "httpx")
"""What the SDK may be built on: httpx2 since 3.0."""


class Clients:
    """The part of FakeBatch that gives clients away."""

    router: EmulatedRouter
    base_url: str
    _witness: Witness
    _ready_key: str
    _environment: Mapping[str, str]

    def openai(self, **options: Any) -> OpenAI:
        """A client of the openai SDK that ends here: no respx in between, no TLS context.

        It works without `with` too: then nothing is patched, and time is the one of `time.time()`.

        Args:
            options: what else `openai.OpenAI` shall be told: `api_key`, `max_retries` and so on.
        """
        client: OpenAI = self._ready("OpenAI", "DefaultHttpxClient", options)
        return client

    def async_openai(self, **options: Any) -> AsyncOpenAI:
        """The same for `openai.AsyncOpenAI`."""
        client: AsyncOpenAI = self._ready("AsyncOpenAI", "DefaultAsyncHttpxClient", options)
        return client

    def transport(self, stack: ModuleType) -> Any:
        """A transport that ends here: `httpx2.Client(transport=fakebatch.transport(httpx2))`.

        Args:
            stack: the library of the client, httpx or httpx2; for its AsyncClient as well.
        """
        return transport(stack, self.router, self._witness)

    def _ready(self, kind: str, http_kind: str, options: dict[str, Any]) -> Any:
        """A client with the SDK's own timeouts and limits, that reads no real key."""
        sdk = import_module("openai")  # not at the top: half a second, and not all have it
        http_client: type[Any] = getattr(sdk, http_kind)
        stack = next(module for module in map(import_module, STACKS) if _is_of(http_client, module))
        usual = {"api_key": self._ready_key, "base_url": self.base_url}
        with dummy_environment(self._environment):
            client = http_client(transport=self.transport(stack))
            return getattr(sdk, kind)(http_client=client, **usual | options)


def _is_of(http_client: type[Any], stack: ModuleType) -> bool:
    return issubclass(http_client, (stack.Client, stack.AsyncClient))

"""Ready clients of the openai SDK on our own transport: no TLS context, which takes 24 ms."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from fakebatch.interception.environment import dummy_environment

STACKS = ("httpx2", "httpx")
"""What the SDK may be built on: httpx2 since 3.0."""


def ready_client(
    kind: str,
    http_kind: str,
    transport: Callable[[ModuleType], Any],
    options: dict[str, Any],
    webhook_secret: str,
) -> Any:
    """A client of the SDK, with the SDK's own timeouts and limits, that reads no real key."""
    sdk = import_module("openai")  # not at the top: it takes half a second, and not all have it
    http_client: type[Any] = getattr(sdk, http_kind)
    stack = next(module for module in map(import_module, STACKS) if _is_of(http_client, module))
    with dummy_environment(webhook_secret):
        return getattr(sdk, kind)(http_client=http_client(transport=transport(stack)), **options)


def _is_of(http_client: type[Any], stack: ModuleType) -> bool:
    return issubclass(http_client, (stack.Client, stack.AsyncClient))

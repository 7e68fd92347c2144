"""Where webhooks go: a URL that is posted to, or a callable of the test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any

import httpx

from fakebatch.errors import UsageError
from fakebatch.webhooks.delivery import Delivery

Handler = Callable[[bytes, Mapping[str, str]], object]
Target = Callable[[Delivery], bool]
"""Takes a delivery; whether it was answered with a status of 200 to 299."""


def target_of(given: str | Handler) -> Target:
    """What sends a delivery to a URL or hands it to a callable.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(given, str) and given.startswith(("http://", "https://")):
        return lambda delivery: _posted(given, delivery)
    if callable(given):
        return lambda delivery: _handled(given, delivery)
    raise UsageError(
        f"Webhooks cannot be delivered to {given!r}.",
        "They go to a URL, or to a callable that takes the body and the headers.",
        "Write for example deliver_to('http://localhost:8000/hook') or deliver_to(handler).",
    )


def _posted(url: str, delivery: Delivery) -> bool:
    # Nobody checks a certificate: what is not mocked, and not this machine, is refused.
    try:
        answer = httpx.post(
            url,
            content=delivery.body,
            headers=delivery.headers,
            trust_env=False,
            verify=False,  # noqa: S501
        )
    except httpx.HTTPError:
        return False
    return answer.is_success


def _handled(handler: Handler, delivery: Delivery) -> bool:
    answer = handler(delivery.body, delivery.headers)
    if isawaitable(answer):
        answer = asyncio.run(_awaited(answer))
    status = getattr(answer, "status_code", answer)
    return type(status) is not int or 200 <= status < 300


async def _awaited(answer: Awaitable[Any]) -> object:
    return await answer

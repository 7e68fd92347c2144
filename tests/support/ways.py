"""The ways on which a client of the SDK reaches the emulator."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from importlib import import_module
from typing import Any
from urllib.parse import unquote

import openai

from fakebatch import FakeBatch
from fakebatch.durations import SECOND
from fakebatch.wire import Broken, Reply, Request

[LIBRARY] = {base.__module__.partition(".")[0] for base in openai.DefaultHttpxClient.__mro__} & {
    *("httpx", "httpx2")
}
http: Any = import_module(LIBRARY)
"""What the installed SDK is built on: httpx, or httpx2 since 3.0."""

ERRORS = {
    "read_timeout": http.ReadTimeout,
    "connect_timeout": http.ConnectTimeout,
    "reset": http.ReadError,
    "refused": http.ConnectError,
    "dns": http.ConnectError,
    "tls": http.ConnectError,
    "disconnected": http.RemoteProtocolError,
    "incomplete": http.RemoteProtocolError,
}


class Transport(http.BaseTransport, http.AsyncBaseTransport):  # type: ignore[misc]
    """A transport that has nothing in common with those of fakebatch but `Emulator.handle`."""

    def __init__(self, fake: FakeBatch) -> None:
        self.fake = fake

    def handle_request(self, request: Any) -> Any:
        request.read()
        before, response = self.exchange(request)
        assert list(before) == []
        return response

    async def handle_async_request(self, request: Any) -> Any:
        await request.aread()
        before, response = self.exchange(request)
        assert [piece async for piece in before] == []
        return response

    def exchange(self, request: Any) -> tuple[Body, Any]:
        """What comes before the head, and the response."""
        url = request.url
        reply = self.fake.handle(
            Request(
                request.method,
                path_of(url),
                dict(url.params),
                {name.lower(): value for name, value in request.headers.items()},
                request.content,
                scheme=url.scheme,
                host=url.host,
                port=url.port,
            )
        )
        timeouts = request.extensions["timeout"]
        script = reply.script
        body = reply.pieces or (reply.body,)
        if script is not None and script.body is not None:
            body = steps(script.body, reply, timeouts)
        before = steps(script.before if script else (), reply, timeouts)
        headers = dict(reply.headers)
        return Body(before), http.Response(reply.status, headers=headers, stream=Body(body))


def path_of(url: Any) -> str:
    """The path of a URL, decoded but for slashes and percent signs inside a segment."""
    path = url.raw_path.partition(b"?")[0].decode("ascii")
    return re.sub(r"(?:%[0-9a-f]{2})+", _decoded, path, flags=re.IGNORECASE)


def _decoded(escapes: re.Match[str]) -> str:
    return unquote(escapes[0]).replace("%", "%25").replace("/", "%2F")


def steps(script: Iterable[Any], reply: Reply, timeouts: dict[str, float]) -> Iterator[Any]:
    """Pieces of a body, pauses in seconds, and the error that ends it."""
    for step in script:
        if isinstance(step, bytes):
            yield step
            continue
        kind = step.kind if isinstance(step, Broken) else ""
        if not kind and step.microseconds <= timeouts["read"] * SECOND:
            yield step.microseconds / SECOND
            continue
        kind = kind or "read_timeout"
        if kind.endswith("_timeout"):
            yield timeouts[kind.removesuffix("_timeout")]
        if kind != "incomplete" or (reply.script and reply.script.framing != "close"):
            yield ERRORS[kind]("")
        return


class Body(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc]
    """Steps as a client meets them."""

    def __init__(self, content: Iterable[Any]) -> None:
        self.content = content

    def __iter__(self) -> Iterator[bytes]:
        for step in self.content:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, bytes):
                yield step
            else:
                time.sleep(step)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for step in self.content:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, bytes):
                yield step
            else:
                await asyncio.sleep(step)


def _by_transport(fake: FakeBatch, kind: str, http_kind: str) -> Any:
    http_client = getattr(openai, http_kind)(transport=Transport(fake))
    return getattr(openai, kind)(base_url=fake.base_url, http_client=http_client)


WAYS: dict[str, Callable[[FakeBatch], Any]] = {
    "respx, sync": lambda fake: openai.OpenAI(base_url=fake.base_url),
    "respx, async": lambda fake: openai.AsyncOpenAI(base_url=fake.base_url),
    "ready, sync": lambda fake: fake.openai(),
    "ready, async": lambda fake: fake.async_openai(),
    "handle, sync": lambda fake: _by_transport(fake, "OpenAI", "DefaultHttpxClient"),
    "handle, async": lambda fake: _by_transport(fake, "AsyncOpenAI", "DefaultAsyncHttpxClient"),
}
"""Clients that reach a fake, by how they do."""

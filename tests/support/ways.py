"""The ways on which a client of the SDK reaches the emulator."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import openai

from fakebatch import FakeBatch
from fakebatch.durations import SECOND
from fakebatch.server.server import Server
from fakebatch.server.worlds import World
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


Connect = Callable[[FakeBatch], AbstractContextManager[Callable[[], Any]]]


class Way(NamedTuple):
    """A way to a fake."""

    connect: Connect
    """Makes clients, while it is open. It is opened before the fake becomes active."""
    as_at_socket: bool = False
    """Whether sequences leave out what differs at a socket, or takes real time there."""


def _in_process(make: Callable[[FakeBatch], Any]) -> Connect:
    return lambda fake: nullcontext(lambda: make(fake))


def _by_transport(kind: str, http_kind: str) -> Connect:
    def make(fake: FakeBatch) -> Any:
        http_client = getattr(openai, http_kind)(transport=Transport(fake))
        return getattr(openai, kind)(base_url=fake.base_url, http_client=http_client)

    return _in_process(make)


@contextmanager
def _by_socket(fake: FakeBatch) -> Generator[Callable[[], Any]]:
    """A server in real time, of which the only world answers as the fake does.

    The client is synchronous: an event loop in virtual time does not know how many bytes of a long
    answer are still to come (docs/vtime.md), so its timeouts might not wait for them.
    """
    world, base = World(clock="manual"), urlsplit(fake.base_url)
    world.emulator = fake

    def answer(request: Request) -> Reply:
        return world.handle(request._replace(scheme=base.scheme, host=base.netloc, port=None))

    with Server(answer) as server:
        yield lambda: openai.OpenAI(base_url=server.url + base.path)


_RESPX = _in_process(lambda fake: openai.OpenAI(base_url=fake.base_url))

WAYS: dict[str, Way] = {
    "respx, sync": Way(_RESPX),
    "respx, async": Way(_in_process(lambda fake: openai.AsyncOpenAI(base_url=fake.base_url))),
    "ready, sync": Way(_in_process(lambda fake: fake.openai())),
    "ready, async": Way(_in_process(lambda fake: fake.async_openai())),
    "handle, sync": Way(_by_transport("OpenAI", "DefaultHttpxClient")),
    "handle, async": Way(_by_transport("AsyncOpenAI", "DefaultAsyncHttpxClient")),
    "respx as at a socket, sync": Way(_RESPX, as_at_socket=True),
    "socket, sync": Way(_by_socket, as_at_socket=True),
}
"""Clients that reach a fake, by how they do."""

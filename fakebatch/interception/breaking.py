"""What trouble on the way of a Reply looks like to a client: pauses, cuts, its own exceptions.

Trouble is first told in httpcore's exceptions. `native` makes them those of the stack that
carries the request; the client maps these to its own and sets their `request`, as it would for
a real socket. Messages are those that httpcore 1.0 and httpcore2 2.16 have on Linux.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from importlib import import_module
from typing import NamedTuple

import anyio
import httpcore
import httpx

from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchError
from fakebatch.scenario import Breaks, Cuts, Slows
from fakebatch.vtime import scheduler
from fakebatch.wire.exchange import Reply


class Failure(NamedTuple):
    """An exception of httpcore, and what it says."""

    kind: type[Exception]
    said: str
    said_async: str = ""
    """anyio's errors say nothing, so most of httpcore's do not either."""


Step = bytes | float | Failure
"""A piece of the body, a pause in seconds, or the end by an exception."""

Timeouts = Mapping[str, float | None]
"""What a client waits for at most, in seconds: `request.extensions["timeout"]`."""

STACKS = {"httpcore": ("httpcore", "httpx"), "httpcore2": ("httpcore2", "httpx2")}
"""The packages whose exceptions a stack raises or lets pass; the first has those to raise."""

_FAMILIES = frozenset(package for stack in STACKS.values() for package in stack)

_FAILURES = {
    "read_timeout": Failure(httpcore.ReadTimeout, "The read operation timed out"),
    "connect_timeout": Failure(httpcore.ConnectTimeout, "timed out"),
    "reset": Failure(httpcore.ReadError, "[Errno 104] Connection reset by peer"),
    "refused": Failure(
        httpcore.ConnectError, "[Errno 111] Connection refused", "All connection attempts failed"
    ),
    "dns": Failure(httpcore.ConnectError, *["[Errno -3] Temporary failure in name resolution"] * 2),
    "tls": Failure(
        httpcore.ConnectError,
        "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1006)",
    ),
    "disconnected": Failure(
        httpcore.RemoteProtocolError, *["Server disconnected without sending a response."] * 2
    ),
}


def arrive(reply: Reply, timeouts: Timeouts) -> None:
    """Wait until a reply begins, or raise why it never does."""
    for _ in _played(_arrival(reply, timeouts)):
        pass


async def arrive_async(reply: Reply, timeouts: Timeouts) -> None:
    """The same on an event loop."""
    async for _ in _played_async(_arrival(reply, timeouts)):
        pass


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a reply as it arrives, for a client of either kind."""

    def __init__(self, reply: Reply, timeouts: Timeouts) -> None:
        self._reply = reply
        self._timeouts = timeouts

    def __iter__(self) -> Iterator[bytes]:
        return _played(_transfer(self._reply, self._timeouts))

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _played_async(_transfer(self._reply, self._timeouts))


def headers(reply: Reply) -> dict[str, str]:
    """The headers of a reply, with what they say of the length of its body."""
    match reply.trouble:
        case Cuts(framing="chunked"):
            framing = {"transfer-encoding": "chunked"}
        case Cuts(framing="silent"):
            framing = {"connection": "close"}
        case _:
            framing = {"content-length": str(len(reply.body))}
    return {**reply.headers, **framing}


class native:  # noqa: N801  # used as `with native(...)`
    """Raise the exceptions of other HTTP stacks as those of `stack`, by their names."""

    __slots__ = ("_stack",)

    def __init__(self, stack: str) -> None:
        self._stack = stack

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Exception):
            own = _kind(error, STACKS.get(self._stack, (self._stack,)))
            if own is not None:
                raise own(str(error)) from None


def _kind(error: Exception, stack: tuple[str, ...]) -> type[Exception] | None:
    package = type(error).__module__.partition(".")[0]
    if package not in _FAMILIES or package in stack:
        return None
    own = import_module(stack[0])
    known = (getattr(own, kind.__name__, None) for kind in type(error).__mro__)
    return next((kind for kind in known if isinstance(kind, type)), None)


def _arrival(reply: Reply, timeouts: Timeouts) -> Iterator[Step]:
    match reply.trouble:
        case Breaks("read_timeout"):
            yield from _silence("read", timeouts)
        case Breaks("connect_timeout"):
            yield from _silence("connect", timeouts)
        case Breaks(how):
            yield _FAILURES[how]
        case Slows(first_byte=wait):
            yield from _gap(wait, timeouts)
        case Cuts() | None:
            pass


def _transfer(reply: Reply, timeouts: Timeouts) -> Iterator[Step]:
    match reply.trouble:
        case Cuts():
            yield from _cut(reply.body, reply.trouble)
        case Slows():
            yield from _slow(reply.body, reply.trouble, timeouts)
        case _:
            yield reply.body


def _cut(body: bytes, cut: Cuts) -> Iterator[Step]:
    arrived = body[: int(len(body) * cut.fraction)]
    yield arrived
    if cut.framing != "silent":
        missing = (
            "incomplete chunked read"
            if cut.framing == "chunked"
            else f"received {len(arrived)} bytes, expected {len(body)}"
        )
        said = f"peer closed connection without sending complete message body ({missing})"
        yield Failure(httpcore.RemoteProtocolError, said, said)


def _slow(body: bytes, slow: Slows, timeouts: Timeouts) -> Iterator[Step]:
    size = -(-len(body) // slow.pieces) or 1
    for start in range(0, len(body), size):
        if start:
            yield from _gap(slow.gap, timeouts)
        yield body[start : start + size]


def _gap(gap: int, timeouts: Timeouts) -> Iterator[Step]:
    patience = timeouts.get("read")
    if patience is not None and gap > patience * SECOND:
        yield from _silence("read", timeouts)
    yield gap / SECOND


def _silence(waiting_to: str, timeouts: Timeouts) -> Iterator[Step]:
    patience = timeouts.get(waiting_to)
    if patience is None:
        raise FakeBatchError(
            f"a call of a client without a {waiting_to} timeout never returns.",
            "A fault lets it wait for the service, and only a timeout of the client would end it.",
            "Give the client one, for example openai.OpenAI(timeout=60).",
        )
    yield patience
    yield _FAILURES[f"{waiting_to}_timeout"]


def _played(steps: Iterable[Step]) -> Iterator[bytes]:
    for step in steps:
        if isinstance(step, bytes):
            yield step
        elif isinstance(step, Failure):
            raise step.kind(step.said)
        elif scheduler.for_this_thread() is not None:  # in real time nobody wants to wait
            time.sleep(step)


async def _played_async(steps: Iterable[Step]) -> AsyncIterator[bytes]:
    for step in steps:
        if isinstance(step, bytes):
            yield step
        elif isinstance(step, Failure):
            raise step.kind(step.said_async)
        elif scheduler.for_this_thread() is not None:
            await anyio.sleep(step)

"""What the script of a Reply looks like to a client: pauses, and exceptions of its own HTTP stack.

What breaks is first told in httpcore's exceptions. `as_native_errors` makes them those of the stack
that carries the request; the client maps these to its own and sets their `request`, as it would for
a real socket. Messages are those that httpcore 1.0 and httpcore2 2.16 have on Linux.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

import httpcore

from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchError
from fakebatch.interception import driver
from fakebatch.wire.messages import Broken, Pause, Reply, Step

Timeouts = Mapping[str, float | None]
"""What a client waits for at most, in seconds: `request.extensions["timeout"]`."""

STACKS = {"httpcore": ("httpcore", "httpx"), "httpcore2": ("httpcore2", "httpx2")}
"""The packages whose exceptions a stack raises or lets pass; the first has those to raise."""

_FAMILIES = frozenset(package for stack in STACKS.values() for package in stack)


class NetworkError(NamedTuple):
    """An exception of httpcore, and its message."""

    kind: type[Exception]
    message: str
    message_on_loop: str = ""
    """anyio's errors say nothing, so most of httpcore's do not either."""

    @property
    def step(self) -> driver.Step:
        """Raises it."""
        on_loop: Callable[[], Awaitable[Any]] = partial(_raise_on_loop, self)
        return driver.Step(partial(_raise, self), on_loop)


def _raise(error: NetworkError) -> NoReturn:
    raise error.kind(error.message)


async def _raise_on_loop(error: NetworkError) -> NoReturn:
    raise error.kind(error.message_on_loop)


_ERRORS = {
    "read_timeout": NetworkError(httpcore.ReadTimeout, "The read operation timed out"),
    "connect_timeout": NetworkError(httpcore.ConnectTimeout, "timed out"),
    "reset": NetworkError(httpcore.ReadError, "[Errno 104] Connection reset by peer"),
    "refused": NetworkError(
        httpcore.ConnectError, "[Errno 111] Connection refused", "All connection attempts failed"
    ),
    "dns": NetworkError(
        httpcore.ConnectError, *["[Errno -3] Temporary failure in name resolution"] * 2
    ),
    "tls": NetworkError(
        httpcore.ConnectError,
        "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1006)",
    ),
    "disconnected": NetworkError(
        httpcore.RemoteProtocolError, *["Server disconnected without sending a response."] * 2
    ),
}


def arrival(reply: Reply, timeouts: Timeouts) -> driver.Steps[None]:
    """What happens before a reply begins; raises why it never does."""
    if reply.script is not None:
        for step in _played(reply.script.before, reply, timeouts):
            if not isinstance(step, bytes):
                yield step


def transfer(reply: Reply, timeouts: Timeouts) -> Iterator[bytes | driver.Step]:
    """The body of a reply as it arrives."""
    script = reply.script
    if script is None or script.body is None:
        yield reply.body
    else:
        yield from _played(script.body, reply, timeouts)


def _played(
    script: Iterable[Step], reply: Reply, timeouts: Timeouts
) -> Iterator[bytes | driver.Step]:
    received = 0
    for step in script:
        match step:
            case bytes():
                received += len(step)
                yield step
            case Pause(microseconds):
                timeout = timeouts.get("read")
                if timeout is not None and microseconds > timeout * SECOND:
                    yield from _silence("read", timeouts)
                yield driver.wait(microseconds / SECOND)
            case Broken("read_timeout"):
                yield from _silence("read", timeouts)
            case Broken("connect_timeout"):
                yield from _silence("connect", timeouts)
            case Broken("incomplete"):
                if reply.framing != "close":  # else the client cannot know that more should come
                    yield _incomplete(reply, received).step
            case Broken(kind):
                yield _ERRORS[kind].step


def _incomplete(reply: Reply, received: int) -> NetworkError:
    missing = (
        "incomplete chunked read"
        if reply.framing == "chunked"
        else f"received {received} bytes, expected {len(reply.body)}"
    )
    message = f"peer closed connection without sending complete message body ({missing})"
    return NetworkError(httpcore.RemoteProtocolError, message, message)


def _silence(waiting_to: str, timeouts: Timeouts) -> Iterator[driver.Step]:
    timeout = timeouts.get(waiting_to)
    if timeout is None:
        raise FakeBatchError(
            f"a call of a client without a {waiting_to} timeout never returns.",
            "A fault lets it wait for the service, and only a timeout of the client would end it.",
            "Give the client one, for example openai.OpenAI(timeout=60).",
        )
    yield driver.wait(timeout)
    yield _ERRORS[f"{waiting_to}_timeout"].step


class as_native_errors:  # noqa: N801  # used as `with as_native_errors(...)`
    """Raise the exceptions of other HTTP stacks as those of `stack`, by their names."""

    __slots__ = ("_stack",)

    def __init__(self, stack: str) -> None:
        self._stack = stack

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Exception):
            own = native_error(error, self._stack)
            if own is not error:
                raise own from None


def native_error(error: Exception, stack: str) -> Exception:
    """The exception of a stack that has the name of another stack's; any other as it is."""
    package = type(error).__module__.partition(".")[0]
    packages = STACKS.get(stack, (stack,))
    if package not in _FAMILIES or package in packages:
        return error
    own = import_module(packages[0])
    known = (getattr(own, kind.__name__, None) for kind in type(error).__mro__)
    counterpart = next((kind for kind in known if isinstance(kind, type)), None)
    return error if counterpart is None else counterpart(str(error))

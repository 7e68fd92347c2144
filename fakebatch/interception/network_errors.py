"""Plays the script of a Reply for a client: pauses, and exceptions of httpcore.

The messages are those of httpcore 1.0 and httpcore2 2.16 on Linux. The driver turns the exceptions
into those of the client's stack, which the client handles as if they came from a real socket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import httpcore

from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchError
from fakebatch.interception import driver
from fakebatch.wire.messages import Broken, Pause, Reply, Step


def _raising(kind: type[Exception], message: str, message_on_loop: str = "") -> driver.Step:
    # anyio's errors have no message, so most of httpcore's have none on an event loop
    def on_thread() -> NoReturn:
        raise kind(message)

    async def on_loop() -> NoReturn:
        raise kind(message_on_loop)

    return driver.Step(on_thread, on_loop)


_ERRORS = {
    "read_timeout": _raising(httpcore.ReadTimeout, "The read operation timed out"),
    "connect_timeout": _raising(httpcore.ConnectTimeout, "timed out"),
    "reset": _raising(httpcore.ReadError, "[Errno 104] Connection reset by peer"),
    "refused": _raising(
        httpcore.ConnectError, "[Errno 111] Connection refused", "All connection attempts failed"
    ),
    "dns": _raising(
        httpcore.ConnectError, *["[Errno -3] Temporary failure in name resolution"] * 2
    ),
    "tls": _raising(
        httpcore.ConnectError,
        "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1006)",
    ),
    "disconnected": _raising(
        httpcore.RemoteProtocolError, *["Server disconnected without sending a response."] * 2
    ),
}

_INCOMPLETE = "peer closed connection without sending complete message body ({})"


def play(script: Iterable[Step] | None, reply: Reply, request: Any) -> Iterator[Any]:
    """The steps of one part of a script: pieces of the body, and steps for the driver.

    Args:
        script: the part before or after the head; None: the body of the reply as it is.
        reply: the reply with this script.
        request: one of httpx or httpx2, which has the timeouts of the client.
    """
    timeouts = request.extensions.get("timeout", {})
    received = 0
    for step in (reply.body,) if script is None else script:
        match step:
            case bytes():
                received += len(step)
                yield step
            case Pause(microseconds):
                timeout = timeouts.get("read")
                if timeout is not None and microseconds > timeout * SECOND:
                    yield from _silence("read", timeout)
                yield driver.wait(microseconds / SECOND)
            case Broken("read_timeout" | "connect_timeout" as kind):
                phase = kind.removesuffix("_timeout")
                yield from _silence(phase, timeouts.get(phase))
            case Broken("incomplete"):
                missing = f"received {received} bytes, expected {len(reply.body)}"
                framing = None if reply.script is None else reply.script.framing
                if framing == "chunked":
                    missing = "incomplete chunked read"
                if framing != "close":  # else the client cannot notice that more is missing
                    message = _INCOMPLETE.format(missing)
                    yield _raising(httpcore.RemoteProtocolError, message, message)
            case Broken(kind):
                yield _ERRORS[kind]


def _silence(phase: str, timeout: float | None) -> Iterator[driver.Step]:
    if timeout is None:
        raise FakeBatchError(
            f"this call would never return: its client has no {phase} timeout.",
            "A rule keeps it waiting, and only a timeout of the client could end the wait.",
            "Give the client one, for example openai.OpenAI(timeout=60).",
        )
    yield driver.wait(timeout)
    yield _ERRORS[f"{phase}_timeout"]

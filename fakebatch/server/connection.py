"""One HTTP/1.1 connection: reads requests from a socket, and plays the replies on it.

A connection has a thread of its own, in which h11 parses and frames. So a reply may take its time,
an upload is read as it is parsed, and a script can do to the socket whatever a real network does.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import responses
from urllib.parse import parse_qsl, unquote

import h11

from fakebatch.durations import SECOND
from fakebatch.wire.messages import Broken, Pause, Reply, Request, Step

BLOCK = 64 * 1024
"""How many bytes are read at once."""
WHOLE = 1024 * 1024
"""Larger bodies, and those of unknown length, are handed on in pieces."""
_ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER for `close`: discard what was not sent, and reset the connection."""

Answer = Callable[[Request], Reply]
"""Answers a request; it may read the body in pieces, and raises nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection allows."""

    head_bytes: int = 64 * 1024
    """The size of the request line and the headers."""
    body_bytes: int = 1024**3
    idle_seconds: float = 120
    """How long a client may be silent within a request, or between two."""
    silence_seconds: float = 3_600
    """How long a timeout that a rule causes lasts, if the client does not give up."""
    time_scale: float = 1
    """The real seconds of one second in a script of a rule."""


DEFAULT_LIMITS = Limits()


class Connection:
    """One client's connection.

    Args:
        sock: its socket.
        answer: answers a request.
        limits: what is allowed.
    """

    def __init__(self, sock: socket.socket, answer: Answer, limits: Limits = DEFAULT_LIMITS) -> None:
        self._socket, self._answer, self._limits = sock, answer, limits
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_bytes)
        self.is_idle = True
        """Whether it waits for the next request: then it can be closed without loss."""

    def serve(self) -> None:
        """Answer requests until the client or a reply ends the connection."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(self._limits.idle_seconds)
        with suppress(OSError), self._socket:
            try:
                while self._serve_one():
                    self._http.start_next_cycle()
            except h11.RemoteProtocolError as error:
                self._refuse(error)

    def _serve_one(self) -> bool:
        """Answer one request. Returns whether another may follow."""
        self.is_idle = True
        event = self._next_event()
        if not isinstance(event, h11.Request):
            return False
        self.is_idle = False
        reply = self._answer(self._request(event))
        is_drained = self._drain()
        script = reply.script
        for step in script.before if script else ():
            if not self._play(step):
                return False
        headers = [(name, value) for name, value in reply.headers.items()]
        if not is_drained:
            headers.append(("connection", "close"))
        reason = responses.get(reply.status, "")
        self._send(h11.Response(status_code=reply.status, headers=headers, reason=reason))
        body: Iterator[Step] = iter(reply.pieces or (reply.body,))
        if script is not None and script.body is not None:
            body = iter(script.body)
        for step in body:
            if event.method == b"HEAD":
                break
            if not self._play(step):
                return False
        self._send(h11.EndOfMessage())
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    # --- reading

    def _next_event(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(self._socket.recv(BLOCK))
        return event  # type: ignore[return-value]

    def _request(self, event: h11.Request) -> Request:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        path, _, query = event.target.decode("latin-1").partition("?")
        host, _, port = headers.get("host", "").rpartition(":")
        if not port.isdigit():  # no port: all of it is the name
            host, port = headers.get("host", ""), ""
        length = int(headers.get("content-length", -1 if "transfer-encoding" in headers else 0))
        if length > self._limits.body_bytes:
            raise h11.RemoteProtocolError("body too large", error_status_hint=413)
        is_whole = 0 <= length <= WHOLE
        return Request(
            event.method.decode(),
            unquote(path),
            dict(parse_qsl(query, keep_blank_values=True)),
            headers,
            b"".join(self._body()) if is_whole else b"",
            None if is_whole else self._body(),
            "http",
            host,
            int(port) if port else None,
        )

    def _body(self) -> Iterator[bytes]:
        """The body in pieces, as they arrive."""
        size = 0
        while isinstance(event := self._next_event(), h11.Data):
            size += len(event.data)
            if size > self._limits.body_bytes:
                raise h11.RemoteProtocolError("body too large", error_status_hint=413)
            yield bytes(event.data)

    def _drain(self) -> bool:
        """Read what the answer has not read: else the kernel may reset the connection.

        Returns whether the request is complete.
        """
        if self._http.they_are_waiting_for_100_continue:
            return False
        while self._http.their_state is h11.SEND_BODY:
            self._next_event()
        return self._http.their_state is h11.DONE

    # --- writing

    def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._socket.sendall(data)

    def _play(self, step: Step) -> bool:
        """Play a step of a script. Returns whether the connection is still there."""
        match step:
            case Pause(microseconds):
                return not self._client_leaves(microseconds / SECOND * self._limits.time_scale)
            case Broken("read_timeout" | "connect_timeout"):
                self._client_leaves(self._limits.silence_seconds)
            case Broken("disconnected" | "incomplete"):
                self._socket.shutdown(socket.SHUT_WR)
            case Broken():
                # a connection that exists cannot be refused any more, so it is reset
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            case bytes() | memoryview():
                self._send(h11.Data(data=step))
                return True
        return False

    def _client_leaves(self, seconds: float) -> bool:
        """Wait, but no longer than the client does. Returns whether it closed the connection."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(BLOCK)
            except TimeoutError:
                break
            if not data:
                return True
            self._http.receive_data(data)  # the next request, sent ahead
        self._socket.settimeout(self._limits.idle_seconds)
        return False

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        """Answer a request that is not HTTP, if an answer is still possible."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        body = f"{error}\n".encode()
        headers = [("content-type", "text/plain"), ("connection", "close")]
        headers.append(("content-length", str(len(body))))
        self._send(h11.Response(status_code=error.error_status_hint, headers=headers))
        self._send(h11.Data(data=body))
        self._send(h11.EndOfMessage())

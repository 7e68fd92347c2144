"""One HTTP/1.1 connection: reads requests from a socket, and plays the replies on it.

A connection has a thread of its own, in which h11 parses and frames. So a reply may take its time,
an upload is read as it is parsed, and a script can do to the socket whatever a real network does.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import responses
from urllib.parse import parse_qs, urlsplit

import h11

from fakebatch.durations import SECOND
from fakebatch.wire.messages import Broken, Pause, Reply, Request, Step, decoded_path

BLOCK = 64 * 1024
"""How many bytes are read at once; smaller pieces of a reply are joined up to this size."""
SLICE = 256 * 1024
"""How many bytes are sent at once: the timeout of a slow client begins anew with each."""
WHOLE = 1024 * 1024
"""Forms that are larger, or of unknown length, are handed on in pieces."""
LINGER = 2.0
"""For how many seconds the end of a client is awaited after the end of a reply."""

_ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER for `close`: discard what was not sent, and reset the connection."""

Answer = Callable[[Request], Reply]
"""Answers a request; it may read the body in pieces. It raises only what a body raises."""


class BadRequest(ConnectionError):
    """What arrives is not a request, or is too large."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


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

    def __init__(
        self, sock: socket.socket, answer: Answer, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._socket, self._answer, self._limits = sock, answer, limits
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_bytes)
        self._left: Callable[[], object] | None = None
        """What to call if the client leaves before it has read all of the last reply."""

    def serve(self) -> None:
        """Answer requests until the client or a reply ends the connection."""
        with suppress(OSError), self._socket:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.settimeout(self._limits.idle_seconds)
            try:
                while self._serve_one():
                    self._http.start_next_cycle()
            except BadRequest as error:
                self._refuse(error)
            except OSError as error:
                # a reset after the reply, too: so ends a socket that is closed with unread bytes
                is_cut = isinstance(error, ConnectionError) or self._http.our_state is h11.SEND_BODY
                if self._left is not None and is_cut:
                    self._left()

    def _serve_one(self) -> bool:
        """Answer one request. Returns whether another may follow."""
        event = self._next_event()
        self._left = None
        if not isinstance(event, h11.Request):
            return False
        reply = self._answer(self._request(event))
        is_drained = self._drain()
        self._left = reply.left
        if not self._reply(reply, is_head=event.method == b"HEAD", closes=not is_drained):
            return False
        if (self._http.our_state, self._http.their_state) == (h11.DONE, h11.DONE):
            return True
        self._linger()
        return False

    # --- reading

    def _next_event(self) -> h11.Event | type[h11.PAUSED]:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    self._send(h11.InformationalResponse(status_code=100, headers=[]))
                self._http.receive_data(self._socket.recv(BLOCK))
        except h11.RemoteProtocolError as error:
            raise BadRequest(str(error), error.error_status_hint) from error
        return event  # type: ignore[return-value]  # it is none of the other constants

    def _request(self, event: h11.Request) -> Request:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        target = event.target.decode("latin-1")
        if target.startswith("http://"):  # as to a proxy
            _, _, path, query, _ = urlsplit(target)
        else:
            path, _, query = target.partition("?")
        host, _, port = headers.get("host", "").rpartition(":")
        if not port.isdigit():  # no port: all of it is the name
            host, port = headers.get("host", ""), ""
        length = int(headers.get("content-length", -1 if "transfer-encoding" in headers else 0))
        if length > self._limits.body_bytes:
            raise BadRequest(f"The body has more than {self._limits.body_bytes} bytes.", 413)
        is_form = headers.get("content-type", "").lower().startswith("multipart/form-data")
        is_whole = 0 <= length <= WHOLE or not is_form
        return Request(
            event.method.decode(),
            decoded_path(path),
            {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()},
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
                raise BadRequest(f"The body has more than {self._limits.body_bytes} bytes.", 413)
            yield bytes(event.data)

    def _drain(self) -> bool:
        """Read what the answer has not read: else the kernel may reset the connection.

        Returns whether the request is complete.
        """
        if self._http.they_are_waiting_for_100_continue:
            return False
        if self._http.their_state is h11.SEND_BODY:
            for _ in self._body():
                pass
        return self._http.their_state is not h11.SEND_BODY

    # --- writing

    def _reply(self, reply: Reply, *, is_head: bool, closes: bool) -> bool:
        """Play a reply. Returns whether it is complete."""
        script = reply.script
        for step in script.before if script else ():
            if not self._play(step):
                return False
        if script is not None and script.framing == "close":
            # h11 would send chunks, after which a client notices that the end is missing
            self._http.their_http_version = b"1.0"
        data = self._head(reply, closes=closes)
        has_body = not is_head and reply.status not in (204, 304)
        if not has_body or (script is None and reply.pieces is None and len(reply.body) < SLICE):
            body = reply.body if has_body else b""
            end = self._http.send(h11.EndOfMessage()) if not body else None
            if end is None:
                data += self._http.send(h11.Data(data=body)) or b""
                end = self._http.send(h11.EndOfMessage())
            self._socket.sendall(data + (end or b""))
            return True
        self._socket.sendall(data)
        steps: Iterable[Step] = (reply.body,) if reply.pieces is None else _blocks(reply.pieces)
        if script is not None and script.body is not None:
            steps = script.body
        if not all(self._play(step) for step in steps):
            return False
        self._send(h11.EndOfMessage())
        return True

    def _head(self, reply: Reply, *, closes: bool) -> bytes:
        headers = [
            (name.encode("latin-1", "replace"), value.encode("utf-8"))
            for name, value in reply.headers.items()
        ]
        if closes:
            headers.append((b"connection", b"close"))
        reason = responses.get(reply.status, "").encode()
        try:
            response = h11.Response(status_code=reply.status, headers=headers, reason=reason)
        except h11.LocalProtocolError as error:  # a header of a rule
            raise BadRequest(f"The reply cannot be sent: {error}", 500) from error
        return self._http.send(response) or b""

    def _send(self, event: h11.Event) -> None:
        data = memoryview(self._http.send(event) or b"")
        for start in range(0, len(data), SLICE):
            self._socket.sendall(data[start : start + SLICE])

    def _play(self, step: Step) -> bool:
        """Play a step of a script. Returns whether the connection is still there."""
        match step:
            case Pause(microseconds):
                return not self._client_leaves(microseconds / SECOND * self._limits.time_scale)
            case Broken("read_timeout" | "connect_timeout"):
                self._client_leaves(self._limits.silence_seconds)
            case Broken("disconnected" | "incomplete"):
                self._linger()
            case Broken():
                # a connection that exists cannot be refused any more, so it is reset
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            case _:
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

    def _linger(self) -> None:
        """End our side, and discard what still arrives: unread, it would make the end a reset."""
        self._socket.shutdown(socket.SHUT_WR)
        until = time.monotonic() + LINGER
        while (left := until - time.monotonic()) > 0:
            self._socket.settimeout(left)
            if not self._socket.recv(BLOCK):
                break

    def _refuse(self, error: BadRequest) -> None:
        """Answer what is not a request, if an answer is still possible."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        body = f"{error}\n".encode()
        headers = {"content-type": "text/plain", "content-length": str(len(body))}
        self._reply(Reply(error.status, headers, body), is_head=False, closes=True)
        self._linger()


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks: a packet for each line would be slow. An empty piece ends one."""
    block = bytearray()
    for piece in pieces:
        block += piece
        if not piece or len(block) >= BLOCK:
            yield bytes(block)
            block.clear()
    yield bytes(block)

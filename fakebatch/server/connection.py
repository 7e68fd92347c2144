"""One HTTP/1.1 connection: reads requests from a socket, and plays the replies on it.

Within `serve` it may wait and send as long as it takes: the reactor goes on without this thread. So
an upload is read as it is parsed, and a script can do to the socket whatever a real network does.
h11 parses the requests; replies are framed here, as a script may break any rule of HTTP.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import responses
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h11

from fakebatch.durations import SECOND
from fakebatch.server.reactor import real_seconds
from fakebatch.wire.messages import Broken, Pause, Reply, Request, Step, decoded_path

BLOCK = 64 * 1024
"""How many bytes are read at once; smaller pieces of a reply are joined up to this size."""
SLICE = 256 * 1024
"""How many bytes are sent at once: the timeout of a slow client begins anew with each."""
WHOLE = 1024 * 1024
"""Forms that are larger, or of unknown length, are handed on in pieces."""
LINGER = 2.0
"""For how many seconds the end of a client is awaited after the end of a reply."""

_HEADERS = re.compile(r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\0\r\n]*\r\n)*")
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
        hand_over: is called before what takes long in any case: a pause, or a large body.
    """

    def __init__(
        self, sock: socket.socket, answer: Answer, limits: Limits, hand_over: Callable[[], object]
    ) -> None:
        sock.setblocking(False)
        with suppress(OSError):  # macOS, if the client has gone
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock
        """The socket; it does not block, except within `serve`."""
        self.deadline = real_seconds() + limits.idle_seconds
        """When the client has been silent for too long."""
        self._answer, self._limits, self._hand_over = answer, limits, hand_over
        self._http = self._parser()
        self._has_ended = False
        """Whether our side has ended; what still arrives is discarded."""
        self._is_sending = False
        """Whether a reply was begun, and its end was not sent."""
        self._left: Callable[[], object] | None = None
        """What to call if the client leaves before it has read all of the last reply."""

    def serve(self) -> bool:
        """Answer what has arrived. Returns whether the connection stays open."""
        try:
            data = self.socket.recv(BLOCK)
            if self._has_ended:
                return bool(data)
            self._http.receive_data(data)
            while (event := self._event()) is not h11.NEED_DATA:
                if not isinstance(event, h11.Request) or not self._exchange(event):
                    return self._has_ended
                ahead, _ = self._http.trailing_data
                self._http = self._parser()
                if not ahead:
                    break
                self._http.receive_data(ahead)
        except BlockingIOError:  # nothing has arrived after all
            return True
        except BadRequest as error:
            return self._refuse(error)
        except OSError as error:
            # a reset after the reply, too: so ends a socket that is closed with unread bytes
            if self._left is not None and (isinstance(error, ConnectionError) or self._is_sending):
                self._left()
            return False
        if self.socket.gettimeout():
            self.socket.setblocking(False)
        self.deadline = real_seconds() + self._limits.idle_seconds
        return True

    def _exchange(self, event: h11.Request) -> bool:
        """Answer a request. Returns whether another may follow."""
        self._left = None
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in event.headers.raw_items()
        }
        length = -1 if "transfer-encoding" in headers else int(headers.get("content-length", 0))
        is_old = event.http_version < b"1.1"
        reply = self._answer(self._request(event, headers, length))
        is_read = not length or self._drain()
        closes = is_old or not is_read or _closes(headers) or _closes(reply.headers)
        self._left = reply.left
        if not self._reply(reply, is_head=event.method == b"HEAD", is_old=is_old, closes=closes):
            return False
        if closes:
            self._end()
        return not closes

    # --- reading

    def _parser(self) -> h11.Connection:
        return h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.head_bytes)

    def _event(self) -> Any:
        """What h11 finds next in what has arrived."""
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise BadRequest(str(error), error.error_status_hint) from error

    def _request(self, event: h11.Request, headers: Mapping[str, str], length: int) -> Request:
        target = event.target.decode("latin-1")
        if target.startswith("http://"):  # as to a proxy
            _, _, path, query, _ = urlsplit(target)
        else:
            path, _, query = target.partition("?")
        host, _, port = headers.get("host", "").rpartition(":")
        if not port.isdigit():  # no port: all of it is the name
            host, port = headers.get("host", ""), ""
        if length > self._limits.body_bytes:
            raise BadRequest(f"The body has more than {self._limits.body_bytes} bytes.", 413)
        is_form = headers.get("content-type", "").lower().startswith("multipart/form-data")
        is_whole = 0 <= length <= WHOLE or not is_form
        if not is_whole:
            self._hand_over()
        values = parse_qs(query, keep_blank_values=True) if query else dict[str, list[str]]()
        return Request(
            event.method.decode(),
            decoded_path(path),
            {name: each[0] for name, each in values.items()},
            headers,
            b"".join(self._body()) if is_whole and length else b"",
            None if is_whole else self._body(),
            "http",
            host,
            int(port) if port else None,
        )

    def _body(self) -> Iterator[bytes]:
        """The body in pieces, as they arrive."""
        size, most = 0, self._limits.body_bytes
        while not isinstance(event := self._event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                size += len(event.data)
                if size > most:
                    raise BadRequest(f"The body has more than {most} bytes.", 413)
                yield bytes(event.data)
                continue
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self._send(self._http.send(go_on) or b"")
            try:
                data = self.socket.recv(BLOCK)
            except BlockingIOError:
                self.socket.settimeout(self._limits.idle_seconds)
                data = self.socket.recv(BLOCK)
            self._http.receive_data(data)

    def _drain(self) -> bool:
        """Read what the answer has not read: else the kernel may reset the connection.

        Returns whether the request is complete.
        """
        if self._http.they_are_waiting_for_100_continue:
            return False
        if self._http.their_state is h11.SEND_BODY:
            for _ in self._body():
                pass
        return True

    # --- writing

    def _reply(self, reply: Reply, *, is_head: bool, is_old: bool, closes: bool) -> bool:
        """Play a reply. Returns whether it is complete."""
        script, body, pieces = reply.script, reply.body, reply.pieces
        has_body = not is_head and reply.status not in (204, 304)
        is_chunked = "transfer-encoding" in reply.headers and not is_old
        is_short = script is None and pieces is None and len(body) < SLICE and not is_chunked
        if not is_short:
            self._hand_over()
        if script is not None and not all(map(self._play, script.before)):
            return False
        head = _head(reply, is_old=is_old, closes=closes)
        if is_short or not has_body:
            self._send(head + body if has_body else head)
            return True
        self._is_sending = True
        self._send(head)
        steps: Iterable[Step] = (body,) if pieces is None else _blocks(pieces)
        if script is not None and script.body is not None:
            steps = script.body
        for step in steps:
            if isinstance(step, bytes):
                is_chunk = is_chunked and step
                self._send(b"%x\r\n%b\r\n" % (len(step), step) if is_chunk else step)
            elif not self._play(step):
                return False
        self._send(b"0\r\n\r\n" if is_chunked else b"")
        self._is_sending = False
        return True

    def _send(self, data: bytes) -> None:
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.socket.settimeout(self._limits.idle_seconds)
            rest = memoryview(data)
            for start in range(sent, len(data), SLICE):
                self.socket.sendall(rest[start : start + SLICE])

    def _play(self, step: Pause | Broken) -> bool:
        """Play a step of a script. Returns whether the connection is still there."""
        match step:
            case Pause(microseconds):
                return not self._client_leaves(microseconds / SECOND * self._limits.time_scale)
            case Broken("read_timeout" | "connect_timeout"):
                self._client_leaves(self._limits.silence_seconds)
            case Broken("disconnected" | "incomplete"):
                self._end()
            case Broken():
                # a connection that exists cannot be refused any more, so it is reset
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        return False

    def _client_leaves(self, seconds: float) -> bool:
        """Wait, but no longer than the client does. Returns whether it closed the connection."""
        until = real_seconds() + seconds
        while (left := until - real_seconds()) > 0:
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(BLOCK)
            except TimeoutError:
                break
            if not data:
                return True
            self._http.receive_data(data)  # the next request, sent ahead
        self.socket.settimeout(self._limits.idle_seconds)
        return False

    def _end(self) -> None:
        """End our side, and discard what still arrives: unread, it would make the end a reset."""
        self.socket.shutdown(socket.SHUT_WR)
        self._has_ended, self.deadline = True, real_seconds() + LINGER

    def _refuse(self, error: BadRequest) -> bool:
        """Answer what is not a request, if an answer is still possible."""
        if self._is_sending:
            return False
        body = f"{error}\n".encode()
        headers = {"content-type": "text/plain", "content-length": str(len(body))}
        with suppress(OSError):
            self._reply(
                Reply(error.status, headers, body), is_head=False, is_old=False, closes=True
            )
            self._end()
        return self._has_ended


def _closes(headers: Mapping[str, str]) -> bool:
    """Whether one side says that the connection ends after this exchange."""
    value = headers.get("connection")
    return value is not None and "close" in value.lower().replace(" ", "").split(",")


def _head(reply: Reply, *, is_old: bool, closes: bool) -> bytes:
    """The status line and the headers of a reply.

    Raises:
        BadRequest: one of them cannot be sent.
    """
    headers = reply.headers
    if closes:
        replaced = ("connection", "transfer-encoding") if is_old else ("connection",)
        headers = {name: value for name, value in headers.items() if name not in replaced}
        headers["connection"] = "close"
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if _HEADERS.fullmatch(text) is None or text.count("\n") > len(headers):  # of a rule
        raise BadRequest(f"The reply cannot be sent: its headers are {headers}.", 500)
    status = f"HTTP/1.1 {reply.status} {responses.get(reply.status, '')}\r\n"
    return f"{status}{text}\r\n".encode()


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks: a packet for each line would be slow. An empty piece ends one."""
    block = bytearray()
    for piece in pieces:
        block += piece
        if not piece or len(block) >= BLOCK:
            yield bytes(block)
            block.clear()
    yield bytes(block)

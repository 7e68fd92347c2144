"""The server: listens on an address, and has a thread for each connection."""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import suppress
from typing import Self

from fakebatch.server.connection import DEFAULT_LIMITS, Answer, Connection, Limits

BACKLOG = 1024
MAX_CONNECTIONS = 1_000
"""Further clients wait until one of these connections ends."""
SWITCH_INTERVAL = 0.0005
"""While one thread writes results, others that answer polls must not wait for 5 ms each time."""
CLOSING = 5.0
"""For how many seconds the end of open connections is awaited."""


class Server:
    """Answers HTTP requests on an address. It runs within `with`.

    Args:
        answer: answers a request, in the thread of its connection.
        host: the address to listen on.
        port: the port; 0 is any that is free.
        limits: what a connection allows.

    Raises:
        OSError: it cannot listen on this address.
    """

    def __init__(
        self,
        answer: Answer,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        """The port it listens on."""
        self._answer, self._limits = answer, limits
        self._open: dict[threading.Thread, socket.socket] = {}
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._accepting = threading.Thread(
            target=self._accept, name="fakebatch server", daemon=True
        )
        self._is_closing = threading.Event()

    @property
    def url(self) -> str:
        """Its address: `http://127.0.0.1:1234`. Of all interfaces the loopback one."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def __enter__(self) -> Self:
        self._switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._listener.settimeout(0.5)  # macOS does not wake `accept` when the socket is closed
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, and end every connection, also one in the middle of a reply."""
        self._is_closing.set()
        _shut(self._listener)
        self._accepting.join()
        self._listener.close()
        connections = self._open.copy()
        for sock in connections.values():
            _shut(sock)
        until = time.monotonic() + CLOSING
        for thread in connections:
            thread.join(max(until - time.monotonic(), 0))
        sys.setswitchinterval(self._switch_interval)

    def _accept(self) -> None:
        while not self._is_closing.is_set():
            if not self._slots.acquire(timeout=0.5):
                continue
            try:
                sock, _ = self._listener.accept()
            except OSError as error:  # nobody came, it was closed, or there are no descriptors left
                self._slots.release()
                if not isinstance(error, TimeoutError):
                    self._is_closing.wait(0.05)
                continue
            thread = threading.Thread(
                target=self._serve, args=(sock,), name="fakebatch connection", daemon=True
            )
            self._open[thread] = sock
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            Connection(sock, self._answer, self._limits).serve()
        finally:
            del self._open[threading.current_thread()]
            self._slots.release()


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):  # it has ended meanwhile
        sock.shutdown(socket.SHUT_RDWR)

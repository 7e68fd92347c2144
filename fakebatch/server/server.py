"""The server: listens on an address, and has a thread for each connection."""

from __future__ import annotations

import socket
import sys
import threading
from types import TracebackType
from typing import Self

from fakebatch.server.connection import DEFAULT_LIMITS, Answer, Connection, Limits

BACKLOG = 1024
MAX_CONNECTIONS = 1_000
"""Further clients wait until one of these connections ends."""
SWITCH_INTERVAL = 0.0005
"""While one thread writes results, others that answer polls must not wait for 5 ms each time."""


class Server:
    """Answers HTTP requests on an address. It runs within `with`.

    Args:
        answer: answers a request, in the thread of its connection.
        host: the address to listen on.
        port: the port; 0 is any that is free.
        limits: what a connection allows.

    Raises:
        OSError: the address cannot be had.
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
        self.port: int = self._listener.getsockname()[1]
        """The port it listens on."""
        self._answer, self._limits = answer, limits
        self._open: dict[Connection, socket.socket] = {}
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._accepting = threading.Thread(target=self._accept, name="fakebatch server", daemon=True)
        self._is_closing = False

    def __enter__(self) -> Self:
        self._switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._accepting.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Stop listening, and end every connection, also one in the middle of a reply."""
        self._is_closing = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for sock in [*self._open.values()]:
            _shut(sock)
        sys.setswitchinterval(self._switch_interval)

    def _accept(self) -> None:
        while not self._is_closing:
            self._slots.acquire()
            try:
                sock, _ = self._listener.accept()
            except OSError:  # closed, or out of descriptors
                self._slots.release()
                continue
            connection = Connection(sock, self._answer, self._limits)
            self._open[connection] = sock
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve()
        finally:
            del self._open[connection]
            self._slots.release()


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has ended meanwhile
        pass

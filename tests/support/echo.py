"""A real server, and a client that blocks, for tests of virtual time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress


class Server:
    """Answers each byte with a byte, after so many real milliseconds, in threads of real time."""

    def __init__(self, wrap: Callable[[socket.socket], socket.socket] = lambda it: it) -> None:
        self._wrap = wrap
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._wait = threading.Event().wait  # bound before the clock: it waits in real time
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, accepted: socket.socket) -> None:
        with accepted, suppress(ConnectionError), self._wrap(accepted) as connection:
            while milliseconds := connection.recv(1):
                self._wait(milliseconds[0] * 2 / 1000)
                connection.sendall(b"!")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def late(milliseconds: int) -> bytes:
    """What to send for an answer after so many milliseconds."""
    return bytes([milliseconds // 2])


def blocking(server: Server, question: bytes, within: float) -> None:
    with socket.create_connection(server.address) as sock:
        for _ in range(2):
            sock.sendall(question)
            sock.recv(1)

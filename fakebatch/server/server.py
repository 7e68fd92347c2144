"""The server: listens on an address, and gives every client that comes a connection."""

from __future__ import annotations

import math
import socket
import sys
from typing import Self

from fakebatch.server.connection import DEFAULT_LIMITS, Answer, Connection, Limits
from fakebatch.server.turns import Turns

BACKLOG = 1024
MAX_CONNECTIONS = 1_000
"""Further clients wait until one of these connections ends."""
SWITCH_INTERVAL = 0.0005
"""While one thread writes results, others that answer polls must not wait for 5 ms each time."""
FULL = 0.05
"""How often, in seconds, a server that is full looks for room."""


class Server:
    """Answers HTTP requests on an address. It runs within `with`.

    Args:
        answer: answers a request; it may be called in several threads at once.
        host: the address to listen on.
        port: the port; 0 is any that is free.
        limits: what a connection allows.

    Raises:
        OSError: it cannot listen on this address.
    """

    deadline = math.inf  # it listens until the end

    def __init__(
        self,
        answer: Answer,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.create_server((host, port), family=family, backlog=BACKLOG)
        """The socket on which it listens."""
        self.socket.setblocking(False)
        self.host = host
        self.port: int = self.socket.getsockname()[1]
        """The port it listens on."""
        self._answer, self._limits = answer, limits
        self._turns = Turns()

    @property
    def url(self) -> str:
        """Its address: `http://127.0.0.1:1234`. Of all interfaces the loopback one."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def __enter__(self) -> Self:
        self._switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._turns.__enter__()
        self._turns.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, and end every connection, also one in the middle of a reply."""
        self._turns.__exit__()
        sys.setswitchinterval(self._switch_interval)

    def serve(self) -> bool:
        """Let a client in, as a turn of the socket that listens."""
        while len(self._turns) > MAX_CONNECTIONS and not self._turns.is_closing.wait(FULL):
            pass
        try:
            sock, _ = self.socket.accept()
        except BlockingIOError:  # the client has gone
            return True
        except OSError:  # closed, or there are no descriptors left
            return not self._turns.is_closing.wait(FULL)
        self._turns.add(Connection(sock, self._answer, self._limits, self._turns.hand_over))
        return True

"""The server: listens on an address, and gives each client a connection."""

from __future__ import annotations

import math
import socket
import sys
from typing import Self

from fakebatch.server.connection import DEFAULT_LIMITS, Answer, Connection, Limits
from fakebatch.server.reactor import Reactor

BACKLOG = 1024
MAX_CONNECTIONS = 500 if sys.platform == "win32" else 1_000
"""Further clients wait until one of these ends. `select` of Windows takes 512 sockets."""
FULL = 0.05
"""A server that has so many, or no descriptors, tries again after so many seconds."""
SWITCH_INTERVAL = 0.0005
"""While one thread writes results, others that answer polls must not wait for 5 ms each time."""


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

    def __init__(
        self,
        answer: Answer,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self.host = host
        self.port: int = sock.getsockname()[1]
        """The port it listens on."""
        self._reactor = Reactor()
        self._listener = _Listener(sock, self._reactor, answer, limits)

    @property
    def url(self) -> str:
        """Its address: `http://127.0.0.1:1234`. Of all interfaces the loopback one."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def __enter__(self) -> Self:
        self._switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._reactor.__enter__()
        self._reactor.add(self._listener)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, and end every connection, also one in the middle of a reply."""
        self._reactor.__exit__()
        sys.setswitchinterval(self._switch_interval)


class _Listener:
    """The socket that listens: a connection is made of each client that arrives there."""

    deadline = math.inf

    def __init__(
        self, sock: socket.socket, reactor: Reactor, answer: Answer, limits: Limits
    ) -> None:
        sock.setblocking(False)
        self.socket = sock
        self._reactor, self._answer, self._limits = reactor, answer, limits

    def serve(self) -> bool:
        is_closing = self._reactor.is_closing
        while len(self._reactor) > MAX_CONNECTIONS and not is_closing.wait(FULL):
            pass
        try:
            sock, _ = self.socket.accept()
        except BlockingIOError:  # the client has gone
            return True
        except OSError:  # closed, or there are no descriptors left
            return not is_closing.wait(FULL)
        self._reactor.add(Connection(sock, self._answer, self._limits, self._reactor.hand_over))
        return True

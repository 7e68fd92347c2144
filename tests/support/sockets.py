"""Raw sockets: what a client sees of a server, byte by byte."""

from __future__ import annotations

import socket
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from fakebatch.server.connection import Answer, Limits
from fakebatch.server.server import Server
from fakebatch.wire.messages import Reply, Request

PATIENCE = 20.0
"""For how many seconds a test waits for what shall happen at once."""


@contextmanager
def serving(answer: Answer, **limits: Any) -> Generator[Server]:
    """A server with this answer, on a free port."""
    with Server(answer, limits=Limits(**limits)) as server:
        yield server


@contextmanager
def client(server: Server) -> Generator[socket.socket]:
    """A connection to a server."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        yield sock


def rest(sock: socket.socket) -> bytes:
    """Everything until the server ends the connection; an `ECONNRESET` is raised."""
    data = b""
    while piece := sock.recv(65_536):
        data += piece
    return data


def exchange(server: Server, *requests: bytes) -> bytes:
    """What a server answers to these bytes, sent one after the other, until it closes."""
    with client(server) as sock:
        for each in requests:
            sock.sendall(each)
        return rest(sock)


def get(path: str = "/", *headers: str, close: bool = True) -> bytes:
    """A GET request."""
    lines = [f"GET {path} HTTP/1.1", "Host: x", *headers, *(["Connection: close"] if close else [])]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(body: bytes, *headers: str, close: bool = True) -> bytes:
    """A POST request with a body of known length."""
    lines = ["POST / HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    lines += ["Connection: close"] if close else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def plain(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A reply of known length."""
    return Reply(status, {"content-length": str(len(body)), **(headers or {})}, body)


def echo(request: Request) -> Reply:
    """A reply that repeats the method, the path and the body of a request."""
    body = request.body if request.pieces is None else b"".join(request.pieces)
    return plain(f"{request.method} {request.path} ".encode() + body)


def has_two_threads(server: Server) -> bool:
    """Whether a server has two threads, as one in which nothing is slow; after some requests."""
    threads, until = server._reactor._threads, time.monotonic() + PATIENCE
    while len(threads) != 2 and time.monotonic() < until:
        exchange(server, get("/poll"))
    return len(threads) == 2

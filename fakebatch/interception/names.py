"""No emulated host resolves: a client that asks for its address cannot be intercepted."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from fakebatch.errors import RefusedRequest
from fakebatch.loud import Witness

_BETWEEN = frozenset({"asyncio", "concurrent", "fakebatch", "selectors", "socket", "threading"})
_STDLIB_CLIENTS = frozenset({"http.client"})


@contextmanager
def unresolvable(hosts: frozenset[str], witness: Witness) -> Generator[None]:
    """Refuse to resolve `hosts`, for threads and for event loops; restore at exit."""
    patched: list[tuple[Any, Any]] = [
        (owner, owner.getaddrinfo) for owner in (socket, asyncio.BaseEventLoop)
    ]
    try:
        for owner, original in patched:
            owner.getaddrinfo = _refusing(original, hosts, witness)
        yield
    finally:
        for owner, original in patched:
            owner.getaddrinfo = original


def _refusing(
    original: Callable[..., Any], hosts: frozenset[str], witness: Witness
) -> Callable[..., Any]:
    # on the loop's class it is a method: the host is then the second argument
    position = 0 if original is socket.getaddrinfo else 1

    def getaddrinfo(*args: Any, **kwargs: Any) -> Any:
        host = kwargs.get("host", args[position] if len(args) > position else None)
        if _text(host) in hosts:
            with witness:
                raise _refusal(_text(host))
        return original(*args, **kwargs)

    return getaddrinfo


def _refusal(host: str) -> RefusedRequest:
    return RefusedRequest(
        f"{_client(sys._getframe(2))} looked up {host}, so it was about to leave this machine.",  # noqa: SLF001
        "fakebatch intercepts httpx and httpx2, by transports that end in httpcore or httpcore2.",
        "Use one of these clients in this test, or another base_url for this one.",
    )


def _client(frame: FrameType | None) -> str:
    """The package whose code asked, and the installed package that called it."""
    callers: list[str] = []
    while frame is not None and len(callers) < 2:
        module = str(frame.f_globals.get("__name__", ""))
        package = module if module in _STDLIB_CLIENTS else module.partition(".")[0]
        if package not in _BETWEEN and package not in callers:
            if callers and "site-packages" not in frame.f_code.co_filename:
                break
            callers.append(package)
        frame = frame.f_back
    return ", called by ".join(callers) or "a client"


def _text(host: object) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)

"""No emulated host resolves: a client that asks for its address cannot be intercepted."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Container, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from fakebatch.errors import RefusedRequest
from fakebatch.interception.lost_errors import LostErrors

_BETWEEN = frozenset({"asyncio", "concurrent", "fakebatch", "selectors", "socket", "threading"})
_STDLIB_CLIENTS = frozenset({"http.client"})


_LOOKUPS: tuple[tuple[Any, str, int], ...] = (
    (socket, "getaddrinfo", 0),
    (socket, "gethostbyname", 0),
    (socket, "gethostbyname_ex", 0),
    (asyncio.BaseEventLoop, "getaddrinfo", 1),
)
"""Who resolves names, and which argument is the host."""


@dataclass(frozen=True, eq=False, slots=True)
class Guard:
    """The hosts one fake emulates, and who is told when a client looks one up."""

    hosts: frozenset[str]
    lost_errors: LostErrors


def is_among(host: str, known: Container[str]) -> bool:
    """Whether a host is one of these, or of a domain among them that begins with `*.`."""
    return host in known or f"*.{host.partition('.')[2]}" in known


_guards: list[Guard] = []
_originals: list[Callable[..., Any]] = []


@contextmanager
def unresolvable(hosts: frozenset[str], lost_errors: LostErrors) -> Generator[None]:
    """Refuse to resolve `hosts`, for threads and for event loops; the last to leave restores."""
    guard = Guard(hosts, lost_errors)
    if not _guards:
        _originals[:] = [getattr(owner, name) for owner, name, _ in _LOOKUPS]
        for (owner, name, position), original in zip(_LOOKUPS, _originals, strict=True):
            setattr(owner, name, _refusing(original, position))
    _guards.append(guard)
    try:
        yield
    finally:
        _guards.remove(guard)
        if not _guards:
            for (owner, name, _), original in zip(_LOOKUPS, _originals, strict=True):
                setattr(owner, name, original)


def _refusing(original: Callable[..., Any], position: int) -> Callable[..., Any]:
    def look_up(*args: Any, **kwargs: Any) -> Any:
        host = _text(kwargs.get("host", args[position] if len(args) > position else None))
        for guard in _guards:
            if is_among(host, guard.hosts):
                with guard.lost_errors:
                    raise _refusal(host)
        return original(*args, **kwargs)

    return look_up


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
    # names know no case, and one may end with the dot of the root
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    return name.lower().rstrip(".")

"""Refuses to resolve emulated hosts: a client that does so has not been intercepted."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager, suppress
from traceback import walk_stack
from typing import Any
from unittest.mock import patch

from fakebatch.errors import RefusedRequest
from fakebatch.interception.lost_errors import LostErrors
from fakebatch.vtime.callsite import HARNESS

_BETWEEN = frozenset({"asyncio", "concurrent", "fakebatch", "selectors", "socket", "threading"})

_RUNNERS = HARNESS | {"pytest_asyncio", "anyio", "trio"}
"""What runs a task of the test: who started the task cannot be seen."""

_LOOKUPS: tuple[tuple[Any, str, int], ...] = (
    (socket, "getaddrinfo", 0),
    (socket, "gethostbyname", 0),
    (socket, "gethostbyname_ex", 0),
    (asyncio.BaseEventLoop, "getaddrinfo", 1),
)
"""The functions that resolve names, and the position of the host in their arguments."""


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


_guards: list[tuple[frozenset[str], LostErrors]] = []
"""The hosts of each active fake, some of which may begin with `*.`, and its record of errors."""

_patches = ExitStack()


@contextmanager
def unresolvable(hosts: Iterable[str], lost_errors: LostErrors) -> Generator[None]:
    """Refuse to resolve `hosts`, except loopback. The last block to end removes the patches."""
    guard = (frozenset(host for host in hosts if not is_loopback(host)), lost_errors)
    if not _guards:
        for owner, name, position in _LOOKUPS:
            refusing = _refusing(getattr(owner, name), position)
            _patches.enter_context(patch.object(owner, name, refusing))
    _guards.append(guard)
    try:
        yield
    finally:
        _guards.remove(guard)
        if not _guards:
            _patches.close()


def _refusing(original: Callable[..., Any], position: int) -> Callable[..., Any]:
    def look_up(*args: Any, **kwargs: Any) -> Any:
        host = kwargs.get("host", args[position] if len(args) > position else None)
        # names are case-insensitive, and may end with a dot
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
        name = name.lower().rstrip(".")
        for hosts, lost_errors in _guards:
            if not hosts.isdisjoint((name, f"*.{name.partition('.')[2]}")):
                error = RefusedRequest(
                    f"{_callers()} looked up {name}: its request was about to leave this machine.",
                    "fakebatch only intercepts httpx and httpx2, down to httpcore and httpcore2.",
                    "Use one of these clients in this test, or give this one another base_url.",
                )
                lost_errors.note(error)
                raise error
        return original(*args, **kwargs)

    return look_up


def _callers() -> str:
    """The package whose code looks up a name, and the package that called it, for a message."""
    callers: list[str] = []
    for frame, _ in walk_stack(sys._getframe(2)):  # noqa: SLF001  # the documented way to a frame
        module = str(frame.f_globals.get("__name__", ""))
        package = module if module == "http.client" else module.partition(".")[0]
        if package in _RUNNERS:
            break
        if package not in _BETWEEN and package not in callers:
            if callers and "site-packages" not in frame.f_code.co_filename:
                break
            callers.append(package)
    return (
        f"{callers[0]}, called by {callers[1]}," if callers[1:] else "".join(callers) or "a client"
    )

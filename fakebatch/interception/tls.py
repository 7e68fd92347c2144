"""One TLS context for all clients while a fake is active: to make one takes 20 ms.

Nothing leaves the machine then, and most clients never use theirs. A client that wants anything
but the default (`verify=`, `cert=`, a context of its own) gets what it wants, as ever.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import wraps
from ssl import SSLContext
from typing import Any

MAKERS = (
    ("httpx._transports.default", "create_ssl_context"),  # httpx 0.27 and 0.28
    ("httpx2._transports.default", "create_ssl_context"),
    ("httpcore2", "default_ssl_context"),  # which httpx2 looks up when it makes one
)
"""What the transports of the HTTP stacks call for a context. One that is gone is not shared."""

_SETTINGS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
"""What Python and the stacks read of the environment when they make one."""

Make = Callable[..., SSLContext]

_contexts: dict[tuple[object, ...], SSLContext] = {}
_originals: dict[tuple[str, str], Make] = {}
_blocks: list[None] = []


@contextmanager
def one_tls_context() -> Generator[None]:
    """Let clients that are made inside share a context; the last block to end restores."""
    if not _blocks:
        for module, name in MAKERS:
            make = getattr(sys.modules.get(module), name, None)
            if make is not None:
                _originals[module, name] = make
                setattr(sys.modules[module], name, _shared(make))
    _blocks.append(None)
    try:
        yield
    finally:
        _blocks.pop()
        if not _blocks:
            for (module, name), make in _originals.items():
                setattr(sys.modules[module], name, make)
            _originals.clear()


def _shared(make: Make) -> Make:
    @wraps(make)
    def shared(*args: Any, **kwargs: Any) -> SSLContext:
        if args or kwargs.get("verify", True) is not True or kwargs.get("cert"):
            return make(*args, **kwargs)
        settings = (_setting(name) for name in _SETTINGS)
        key = (make, *sorted(kwargs.items()), *settings)
        context = _contexts.get(key)
        if context is None:  # of threads that are the first at once each may make one
            context = _contexts.setdefault(key, make(**kwargs))
        return context

    return shared


def _setting(name: str) -> object:
    """The value of a setting, and what tells that the file it names was written anew."""
    value = os.environ.get(name)
    with suppress(OSError):
        if value:
            status = os.stat(value)  # noqa: PTH116  # a Path takes five times as long
            return value, status.st_mtime_ns, status.st_size
    return value

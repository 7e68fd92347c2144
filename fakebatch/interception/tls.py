"""One TLS context for all clients while a fake is active: to make one takes 20 ms.

Nothing leaves the machine then, and most clients never use theirs. A client that wants anything
but the default (`verify=`, `cert=`, a context of its own) gets what it wants, as ever.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from ssl import SSLContext
from types import ModuleType
from typing import Any

MAKERS = (
    ("httpx._transports.default", "create_ssl_context"),  # httpx 0.27 and 0.28
    ("httpx2._transports.default", "create_ssl_context"),  # httpx2 2.16
)
"""What the transports of the HTTP stacks call for a context; not what a test may call for its own.

Where a name is gone, contexts are not shared.
"""

_SETTINGS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
"""What Python and the stacks read of the environment when they make one."""

Make = Callable[..., SSLContext]

_contexts: dict[tuple[object, ...], SSLContext] = {}
_originals: list[tuple[ModuleType, str, Make]] = []
_blocks: list[None] = []


@contextmanager
def shared_tls_context() -> Generator[None]:
    """Let clients that are made inside share a context; the last block to end restores."""
    if not _blocks:
        _originals[:] = _makers()
        for module, name, make in _originals:
            setattr(module, name, _shared(make))
    _blocks.append(None)
    try:
        yield
    finally:
        _blocks.pop()
        if not _blocks:
            for module, name, make in _originals:
                setattr(module, name, make)


def _makers() -> Generator[tuple[ModuleType, str, Make]]:
    for path, name in MAKERS:
        if find_spec(path.partition(".")[0]):
            with suppress(ImportError):
                module = import_module(path)
                if hasattr(module, name):
                    yield module, name, getattr(module, name)


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

"""What a client finds that is made while a fake is active: a dummy key, and a shared TLS context.

It finds no pointer to another service. A TLS context takes 20 ms to make, and while nothing leaves
the machine most clients never use theirs. A client that wants anything but the default (`verify=`,
`cert=`, a context of its own) gets what it wants, as ever.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import wraps
from importlib import import_module
from ssl import SSLContext
from typing import Any
from unittest.mock import patch

DUMMY_KEY = "sk-fakebatch-this-is-not-a-real-key"
WEBHOOKS = "OPENAI_WEBHOOK_SECRET"
UNSET = (
    "OPENAI_ADMIN_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_CUSTOM_HEADERS",  # may hold an Authorization
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
)

_saved: list[dict[str, str | None]] = []
"""What the variables were when each fake that is active was entered."""


@contextmanager
def dummy_environment(variables: Mapping[str, str]) -> Generator[None]:
    """A client made inside finds these variables and the dummy key, and no other address."""
    made = {"OPENAI_API_KEY": DUMMY_KEY, **variables}
    previous = {name: os.environ.pop(name, None) for name in (*made, *UNSET)}
    os.environ.update(made)
    _saved.append(previous)
    try:
        yield
    finally:
        place = next(place for place, saved in enumerate(_saved) if saved is previous)
        del _saved[place]
        if place < len(_saved):  # one entered later is still active: it will restore these
            _saved[place].update(previous)
        else:
            for name, value in previous.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


MAKERS = (
    ("httpx._transports.default", "create_ssl_context"),  # httpx 0.27 and 0.28
    ("httpx2._transports.default", "create_ssl_context"),  # httpx2 2.16
)
"""What the transports of the HTTP stacks call for a context; not what a test may call for its own.

Where a name is gone, contexts are not shared.
"""

_SETTINGS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
"""What Python and the stacks read of the environment when they make one."""

_contexts: dict[tuple[object, ...], SSLContext] = {}
_blocks: list[None] = []
_patches = ExitStack()


@contextmanager
def shared_tls_context() -> Generator[None]:
    """Let clients that are made inside share a context; the last block to end restores."""
    if not _blocks:
        for path, name in MAKERS:
            with suppress(ImportError, AttributeError):
                module = import_module(path)
                shared = _shared(getattr(module, name))
                _patches.enter_context(patch.object(module, name, shared))
    _blocks.append(None)
    try:
        yield
    finally:
        _blocks.pop()
        if not _blocks:
            _patches.close()


def _shared(make: Callable[..., SSLContext]) -> Callable[..., SSLContext]:
    @wraps(make)
    def shared(*args: Any, **kwargs: Any) -> SSLContext:
        if args or kwargs.get("verify", True) is not True or kwargs.get("cert"):
            return make(*args, **kwargs)
        key = (make, *sorted(kwargs.items()), *map(_setting, _SETTINGS))
        context = _contexts.get(key)
        if context is None:  # of threads that are the first at once each may make one
            context = _contexts.setdefault(key, make(**kwargs))
        return context

    return shared


def _setting(name: str) -> object:
    """The value of a setting, and what changes when the file it names is written anew."""
    value = os.environ.get(name)
    with suppress(OSError):
        if value:
            status = os.stat(value)  # noqa: PTH116  # a Path takes five times as long
            return value, status.st_mtime_ns, status.st_size
    return value

"""The environment of clients that are made while a fake is active: a dummy key, one TLS context.

Variables that lead to another service are unset. A TLS context takes 20 ms to make, and most
clients never use theirs while nothing leaves the machine. A client that does not want the default
(`verify=`, `cert=`, a context of its own) gets its own as usual.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
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
"""The values of the variables before each active fake was entered."""


_ours: dict[str, tuple[str, str | None]] = {}
"""The values that the last fakes had given variables, and those that were there before."""


def put_back() -> None:
    """Take back the values of ours that somebody has restored after the end of all fakes.

    A monkeypatch that was set up before the fake is undone after it, and puts back what it saw.
    """
    for name, (made, before) in _ours.items():
        if not _saved and os.environ.get(name) == made:
            _set(name, before)


def _set(name: str, value: str | None) -> None:
    os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value


@contextmanager
def dummy_environment(variables: Mapping[str, str]) -> Generator[None]:
    """Set these variables and a dummy key, and unset those in UNSET, until the block ends."""
    made = {"OPENAI_API_KEY": DUMMY_KEY, **variables}
    previous = {name: os.environ.pop(name, None) for name in (*made, *UNSET)}
    os.environ.update(made)
    _saved.append(previous)
    try:
        yield
    finally:
        place = next(place for place, saved in enumerate(_saved) if saved is previous)
        del _saved[place]
        if place < len(_saved):  # one that was entered later is still active, and restores these
            _saved[place].update(previous)
        else:
            for name, value in previous.items():
                _set(name, value)
            _ours.clear()
            _ours.update({name: (made[name], previous[name]) for name in made})


MAKERS = (
    ("httpx._transports.default", "create_ssl_context"),  # httpx 0.27 and 0.28
    ("httpx2._transports.default", "create_ssl_context"),  # httpx2 2.16
)
"""The functions by which transports make a context. A name that is missing is skipped."""

_SETTINGS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
"""The variables that affect a context."""

_contexts: dict[tuple[object, ...], SSLContext] = {}
_blocks: list[None] = []
_patches = ExitStack()


@contextmanager
def shared_tls_context() -> Generator[None]:
    """Let clients share a TLS context. The last block to end removes the patches."""
    if not _blocks:
        for path, name in MAKERS:
            with suppress(ImportError, AttributeError):
                module = import_module(path)
                shared = partial(_shared, getattr(module, name))
                _patches.enter_context(patch.object(module, name, shared))
    _blocks.append(None)
    try:
        yield
    finally:
        _blocks.pop()
        if not _blocks:
            _patches.close()


def _shared(make: Callable[..., SSLContext], *args: Any, **kwargs: Any) -> SSLContext:
    if args or kwargs.get("verify", True) is not True or kwargs.get("cert"):
        return make(*args, **kwargs)
    key = (make, *sorted(kwargs.items()), *map(_setting, _SETTINGS))
    context = _contexts.get(key)
    if context is None:  # two threads may each make one at the same time
        context = _contexts.setdefault(key, make(**kwargs))
    return context


def _setting(name: str) -> object:
    """The value of a setting, with the time and size of the file that it names."""
    value = os.environ.get(name)
    with suppress(OSError):
        if value:
            status = os.stat(value)  # noqa: PTH116  # a Path takes five times as long
            return value, status.st_mtime_ns, status.st_size
    return value

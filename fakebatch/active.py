"""Who may enter a fake: one thread of one process at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager

from fakebatch.errors import UsageError

_lock = threading.RLock()  # reentrant: a finalizer may leave a fake
_entered_in: list[threading.Thread] = []
"""The thread of each fake that is active."""


@contextmanager
def in_this_thread() -> Generator[None]:
    """Keep other threads from entering a fake.

    Raises:
        UsageError: a fake is active that another thread has entered.
    """
    here = threading.current_thread()
    with _lock:
        # what a thread has left active at its end keeps nobody out
        other = next((t for t in _entered_in if t is not here and t.is_alive()), None)
        if other is not None:
            raise UsageError(
                f"A FakeBatch was entered in thread {here.name!r}, while one is active that was "
                f"entered in thread {other.name!r}.",
                "A process has one clock and one set of patched HTTP stacks; the FakeBatch that is "
                "active answers every thread.",
                "Enter one and use it from all threads, or run tests side by side in processes: "
                "pytest -n 2, of pytest-xdist.",
            )
        _entered_in.append(here)
    try:
        yield
    finally:
        with _lock:
            _entered_in.remove(here)


def anywhere() -> bool:
    """Whether a fake is active."""
    return bool(_entered_in)


if hasattr(os, "register_at_fork"):  # not on Windows
    # a lock that another thread holds would be held for ever in the child
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )

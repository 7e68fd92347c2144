"""What is private in threading, and in the pools and queues built on it."""
# ruff: noqa: SLF001 - this is where private names live

from __future__ import annotations

import queue
import sys
import threading
from types import FrameType
from typing import Any

from fakebatch.vtime import callsite

_private: Any = threading
_POOL_WORKERS = {
    ("concurrent.futures.thread", "_worker"),
    ("anyio._backends._asyncio", "run"),
    ("trio._core._thread_cache", "_work"),
}
_USED: dict[Any, str] = {
    threading: "_active _limbo _time",
    threading.Condition: "_is_owned _release_save _acquire_restore",
    threading.Thread: "_bootstrap_inner",
    queue: "_PySimpleQueue time",
}

_run: Any = vars(threading.Thread).get("_bootstrap_inner")
simple_queue: Any = vars(queue).get("_PySimpleQueue")
"""queue.SimpleQueue in Python: whoever waits in it waits in a Condition."""


def missing() -> list[str]:
    """The names that are no longer there."""
    return [
        f"{owner.__name__}.{name}"
        for owner, names in _USED.items()
        for name in names.split()
        if name not in vars(owner)
    ]


def run_thread(thread: Any, *, quietly: type[BaseException]) -> None:
    """Run the body of a thread, which may end with an exception of one kind unseen."""
    report = thread._invoke_excepthook

    def report_others(thread: Any) -> None:
        if not isinstance(sys.exception(), quietly):
            report(thread)

    thread._invoke_excepthook = report_others
    _run(thread)


def frames() -> dict[int, FrameType]:
    """The frame each living thread is in, by thread ident."""
    return sys._current_frames()


def thread_of(ident: int) -> threading.Thread | None:
    """The Thread object of an ident; None for a thread started below `threading`."""
    thread: threading.Thread | None = _private._active.get(ident)
    return thread


def being_born() -> set[threading.Thread]:
    """The threads that have been started and do not run their own code yet."""
    return set(_private._limbo)


def works_in_a_pool(frame: FrameType) -> bool:
    """Whether a stack belongs to a worker of a thread pool, idle or not."""
    return any(
        (f.f_globals.get("__name__"), f.f_code.co_name) in _POOL_WORKERS
        for f in callsite.outwards(frame)
    )


def enlist(condition: Any, lock: threading.Lock) -> object:
    """Queue a locked lock for `notify`, let the condition's own lock go; its state to restore."""
    if not condition._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    condition._waiters.append(lock)
    return condition._release_save()


def enlisted(condition: Any, lock: threading.Lock) -> bool:
    """Whether nobody has notified a waiting lock yet."""
    return lock in condition._waiters


def delist(condition: Any, lock: threading.Lock, state: object) -> None:
    """Take the condition's own lock back and leave the queue, if still in it."""
    condition._acquire_restore(state)
    if lock in condition._waiters:
        condition._waiters.remove(lock)

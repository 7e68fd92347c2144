"""Errors that the code under test has swallowed: the first is raised again at the end."""

from __future__ import annotations

import asyncio
import sys
import threading
from types import FrameType
from typing import Any, NamedTuple

from fakebatch.errors import FakeBatchError


class RaisedError(NamedTuple):
    """An error, and where it was raised."""

    error: FakeBatchError
    elsewhere: bool
    """In another thread than the one that activated the fake."""
    frames: frozenset[FrameType]
    task: asyncio.Task[Any] | None

    @property
    def is_lost(self) -> bool:
        """Whether nothing outside of the thread or task that raised it has seen it."""
        if self.task is not None:
            # the flag asyncio itself goes by when it logs "exception was never retrieved"
            return self.task.done() and bool(getattr(self.task, "_log_traceback", False))
        reached = self.error.__traceback__
        return self.elsewhere and reached is not None and reached.tb_frame in self.frames


class LostErrors:
    """Notes every error of ours that passes out of its `with` block; any thread may enter it."""

    def __init__(self) -> None:
        self._home = threading.get_ident()
        self._raised: list[RaisedError] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, FakeBatchError):
            self.note(error)

    def note(self, error: FakeBatchError) -> None:
        """Remember where an error was raised."""
        if all(raised.error is not error for raised in self._raised):
            elsewhere = threading.get_ident() != self._home
            self._raised.append(RaisedError(error, elsewhere, _stack(), _task()))
        _let_pools_report()

    def lost(self) -> FakeBatchError | None:
        """The first error that nobody has seen. Each is returned once."""
        raised, self._raised = self._raised, []
        _leave_pools_alone()
        return next((one.error for one in raised if one.is_lost), None)


_POOLS = "multiprocessing.pool"


def _let_pools_report() -> None:
    """Let a pool of multiprocessing, of threads or processes, hand an error on to its caller.

    Its workers hand on what is an `Exception` to them. Of another error they die, and `map` waits
    for their result for ever.
    """
    pool = sys.modules.get(_POOLS)
    if pool is not None:
        pool.__dict__["Exception"] = (Exception, FakeBatchError)


def _leave_pools_alone() -> None:
    pool = sys.modules.get(_POOLS)
    if pool is not None:
        pool.__dict__.pop("Exception", None)


def _task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _stack() -> frozenset[FrameType]:
    frames: set[FrameType] = set()
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # the documented way to a frame
    while frame is not None:
        frames.add(frame)
        frame = frame.f_back
    return frozenset(frames)

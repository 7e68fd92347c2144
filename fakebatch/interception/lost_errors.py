"""Errors of ours that the code under test swallowed: the first is raised at the end of the test."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import suppress
from traceback import walk_stack
from types import FrameType
from typing import Any, NamedTuple

from fakebatch.errors import FakeBatchError

_POOLS = "multiprocessing.pool"


class RaisedError(NamedTuple):
    """An error, and where it was raised."""

    error: FakeBatchError
    elsewhere: bool
    """In another thread than the one that activated the fake."""
    frames: frozenset[FrameType]
    task: asyncio.Task[Any] | None

    @property
    def is_lost(self) -> bool:
        """Whether it has not left the thread or the task in which it was raised."""
        if self.task is not None:
            # asyncio's own flag for its log line "exception was never retrieved"
            return self.task.done() and bool(getattr(self.task, "_log_traceback", False))
        reached = self.error.__traceback__
        return self.elsewhere and reached is not None and reached.tb_frame in self.frames


class LostErrors:
    """Records where each error of ours was raised. Thread-safe."""

    def __init__(self) -> None:
        self._home = threading.get_ident()
        self._raised: list[RaisedError] = []

    def note(self, error: FakeBatchError) -> None:
        """Record an error that the calling thread is about to raise.

        Also make the pools of multiprocessing pass such errors on to their callers. A worker passes
        on what is an `Exception`; any other error kills it, and `map` waits for ever.
        """
        if all(raised.error is not error for raised in self._raised):
            elsewhere = threading.get_ident() != self._home
            task = None
            with suppress(RuntimeError):  # no event loop runs here
                task = asyncio.current_task()
            frames = frozenset(frame for frame, _ in walk_stack(sys._getframe()))  # noqa: SLF001
            self._raised.append(RaisedError(error, elsewhere, frames, task))
        pool = sys.modules.get(_POOLS)
        if pool is not None:
            vars(pool)["Exception"] = (Exception, FakeBatchError)

    def take(self) -> list[FakeBatchError]:
        """The errors that were lost, in the order they were raised; each is returned once."""
        raised, self._raised = self._raised, []
        pool = sys.modules.get(_POOLS)
        if pool is not None:
            vars(pool).pop("Exception", None)
        return [each.error for each in raised if each.is_lost]

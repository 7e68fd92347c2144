"""Errors that the code under test has swallowed: the first is raised again at the end."""

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
        """Whether nothing outside of the thread or task that raised it has seen it."""
        if self.task is not None:
            # the flag asyncio itself goes by when it logs "exception was never retrieved"
            return self.task.done() and bool(getattr(self.task, "_log_traceback", False))
        reached = self.error.__traceback__
        return self.elsewhere and reached is not None and reached.tb_frame in self.frames


class LostErrors:
    """Remembers where each error of ours was raised; any thread may note one."""

    def __init__(self) -> None:
        self._home = threading.get_ident()
        self._raised: list[RaisedError] = []

    def note(self, error: FakeBatchError) -> None:
        """Remember an error that is being raised here.

        A pool of multiprocessing, of threads or processes, is made to hand such errors on to its
        caller. Its workers hand on what is an `Exception` to them. Of another error they die, and
        `map` waits for their result for ever.
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

    def lost(self) -> FakeBatchError | None:
        """The first error that nobody has seen. Each is returned once."""
        raised, self._raised = self._raised, []
        pool = sys.modules.get(_POOLS)
        if pool is not None:
            vars(pool).pop("Exception", None)
        return next((each.error for each in raised if each.is_lost), None)

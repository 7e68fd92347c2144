"""The watchman: a real thread that looks after what blocks, ends or goes on without telling."""

from __future__ import annotations

import _thread
import time
from contextlib import suppress
from typing import Protocol

from fakebatch.vtime.quarantine.of_freezegun import real_monotonic

_BRISK, _CALM, _CALM_AFTER = 0.0002, 0.002, 0.02
"""Real seconds: between two looks soon after something moved, between two later, and how soon."""


class Watched(Protocol):
    """What the watchman looks after."""

    @property
    def moves(self) -> int:
        """How often something has moved."""
        ...

    @property
    def idle(self) -> bool:
        """Whether there is nothing to look after."""
        ...

    def appoint(self, watchman: int) -> None:
        """Learn the ident of the watchman's thread."""

    def watch(self, waited: float, worked: float) -> None:
        """Look, after so many real seconds and seconds of work without a move."""


class Watchman:
    """Asleep while no thread waits; it is not even there for a test with one thread."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        # A lock nobody releases: time.sleep may be anybody's.
        self._pillow = _thread.allocate_lock()
        self._pillow.acquire()
        self._bell = _thread.allocate_lock()
        self._ended: _thread.LockType | None = None
        self._dismissed = False

    def rise(self) -> None:
        """Begin to watch, if not at it."""
        if self._ended is None:
            self._ended = _thread.allocate_lock()
            self._ended.acquire()
            # Below `threading`: a test that counts its threads shall not find this one.
            _thread.start_new_thread(self._watch, (self._ended,))
        self._ring()

    def dismiss(self) -> None:
        """End the thread and wait until it has gone."""
        self._dismissed = True
        if self._ended is not None:
            self._ring()
            self._ended.acquire()

    def _ring(self) -> None:
        if self._bell.locked():
            with suppress(RuntimeError):  # somebody else was faster
                self._bell.release()

    def _watch(self, ended: _thread.LockType) -> None:
        self._watched.appoint(_thread.get_ident())
        moves, since, work = -1, 0.0, 0.0
        while not self._dismissed:
            if self._watched.idle:
                self._bell.acquire()
            if moves != self._watched.moves:
                moves, since, work = self._watched.moves, real_monotonic(), _work_of_others()
            quiet = real_monotonic() - since
            self._pillow.acquire(timeout=_BRISK if quiet < _CALM_AFTER else _CALM)
            self._watched.watch(real_monotonic() - since, _work_of_others() - work)
        ended.release()


def _work_of_others() -> float:
    return time.process_time() - time.thread_time()

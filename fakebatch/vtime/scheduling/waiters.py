"""Waiters: one for each thread that is blocked where the virtual clock can see it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


class ClockStopped(SystemExit):
    """Ends a thread that would go on sleeping in real time, for hours."""


@dataclass(slots=True, eq=False)
class Waiter:
    """A blocked thread: when time shall wake it, and in what order among equals."""

    deadline: int | None
    """On the line of time, in microseconds; None if only another thread can wake it."""
    order: int = 0
    moves_time: bool = True
    """False for those whom a manual clock leaves standing."""
    due: bool = False
    error: BaseException | None = None
    """What the thread shall raise as soon as it runs."""

    def blocked(self) -> bool:
        """Whether nothing has woken the thread yet; exact at any moment, for any observer."""
        return not self.due

    def hopeless(self) -> bool:
        """Whether only another thread of the scope, or time, could ever wake it."""
        return True

    def wake(self) -> None:
        """Let the thread go on: its time has come, or it has an error to raise."""
        self.due = True

    def dismiss(self) -> None:
        """The clock stops: what is left goes on in real time."""
        self.wake()


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class Turn(Waiter):
    """A thread that waits on a lock of its own until all others are blocked."""

    lock: threading.Lock = field(default_factory=_locked)

    def wake(self) -> None:
        """Release the lock."""
        self.due = True
        if self.lock.locked():
            self.lock.release()


@dataclass(slots=True, eq=False)
class Sleeper(Turn):
    """A thread that waits for time to pass."""

    def dismiss(self) -> None:
        """End the thread."""
        self.error = ClockStopped()
        self.wake()

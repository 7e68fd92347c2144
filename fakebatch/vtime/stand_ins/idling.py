"""What an event loop does while it has nothing to do: time moves."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from fakebatch.vtime.clock import Sleep
from fakebatch.vtime.scheduling.scheduler import Scheduler
from fakebatch.vtime.scheduling.waiters import Waiter

_REAL_FILES = 0.005
"""Real seconds given to files other than the wake-up pipe before time moves past them."""


class Engine(Protocol):
    """An event loop, of whatever library."""

    def has_work(self) -> bool:
        """Whether a callback or task can run, also such as other threads have just sent."""
        ...

    def has_foreign_files(self) -> bool:
        """Whether it watches more than its own wake-up pipe."""
        ...

    def has_ready_files(self) -> bool:
        """Whether a file is ready, as far as another thread can tell without taking the event."""
        ...

    def poll(self, timeout: float | None) -> None:
        """Look at the files for at most so many real seconds."""

    def wake(self) -> None:
        """End a poll, from another thread."""

    def __getitem__(self, index: Literal[0], /) -> Hashable:
        """The loop or run itself."""
        ...

    def timers(self) -> int:
        """How many timers run."""
        ...

    def site(self) -> str:
        """The file:line of whoever waits for the earliest timer."""
        ...


@dataclass(slots=True, eq=False)
class _Idle(Waiter):
    """A loop that waits for its earliest timer, a file or a callback from another thread."""

    engine: Engine = field(kw_only=True)

    def blocked(self) -> bool:
        """Whether nothing has come."""
        return not (self.due or self.engine.has_work() or self.engine.has_ready_files())

    def hopeless(self) -> bool:
        """Whether no file could wake it."""
        return not self.engine.has_foreign_files()

    def wake(self) -> None:
        """End the real poll of the loop."""
        self.due = True
        self.engine.wake()


def idle(engine: Engine, scheduler: Scheduler, timer: float | None) -> None:
    """Wait for a loop's earliest timer, a file or a callback.

    Args:
        engine: the loop, which has no work.
        scheduler: the clock its thread lives by.
        timer: when the timer is due, by the monotonic clock; None if there is none.

    Raises:
        FakeBatchError: the wait would never end.
    """
    deadline = None if timer is None else scheduler.line_at(timer)
    now = deadline == scheduler.line or not engine.has_foreign_files()
    engine.poll(0 if now else _REAL_FILES)
    if not engine.has_work():
        _wait(engine, scheduler, deadline)


def _wait(engine: Engine, scheduler: Scheduler, deadline: int | None) -> None:
    duration = 0 if deadline is None else deadline - scheduler.line
    if deadline is not None and duration > 0:
        scheduler.permit(Sleep(deadline, engine.site, engine[0], engine.timers()))
    if deadline is not None and scheduler.may_jump():
        scheduler.jump(deadline)
    elif not _block(engine, scheduler, deadline):
        return
    if duration > 0:
        scheduler.tell(duration)


def _block(engine: Engine, scheduler: Scheduler, deadline: int | None) -> bool:
    """Whether time has woken the loop, and not work or a file."""
    waiter = _Idle(deadline, moves_time=not scheduler.manual, engine=engine)
    with scheduler.parked(waiter):
        while waiter.blocked():
            engine.poll(None)
    if not waiter.due:
        scheduler.take_turn(waiter.order)
    return waiter.due

"""What an event loop does while it has nothing to do: time moves."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from fakebatch.vtime.clock import Sleep
from fakebatch.vtime.scheduler import Scheduler, Waiter
from fakebatch.vtime.watchdog import Debt


class Engine(Protocol):
    """An event loop, of whatever library."""

    def poll(self, timeout: float | None) -> bool:
        """Look at the files for at most so many real seconds; whether there is work now."""
        ...

    def has_work(self) -> bool:
        """Whether there is work, as far as another thread can tell without taking it."""
        ...

    def wake(self) -> None:
        """End a poll, from another thread."""

    def debts(self) -> Iterable[Debt]:
        """The answers that its files are owed."""
        ...

    def watches_files(self) -> bool:
        """Whether it watches more than its own wake-up pipe."""
        ...

    def sleepers(self) -> int:
        """How many timers it has."""
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
        return not (self.due or self.engine.has_work())

    def hopeless(self) -> bool:
        """Whether no file could wake it."""
        return not self.engine.watches_files()

    def debts(self) -> Iterable[Debt]:
        """The answers that its files are owed."""
        return self.engine.debts()

    def wake(self) -> None:
        """End the real poll of the loop."""
        self.due = True
        self.engine.wake()


def idle(engine: Engine, scheduler: Scheduler, loop: Hashable, deadline: int | None) -> None:
    """Wait for a loop's earliest timer, a file or a callback.

    Args:
        engine: the loop, which has no work.
        scheduler: the clock its thread lives by.
        loop: what the loop is known by.
        deadline: the point on the line at which the timer is due; None if there is none.

    Raises:
        FakeBatchError: the wait would never end.
    """
    if engine.poll(0):
        return
    duration = 0 if deadline is None else deadline - scheduler.line
    if deadline is not None and duration > 0:
        scheduler.permit(Sleep(deadline, engine.site, loop, engine.sleepers()))
    owed = scheduler.holds_time(engine.debts())
    if deadline is not None and not owed and scheduler.may_jump():
        scheduler.jump(deadline)
    else:
        waiter = _Idle(deadline, moves_time=not scheduler.manual, engine=engine)
        with scheduler.blocked(waiter):
            while waiter.blocked():
                engine.poll(None)
        if not waiter.due:
            if not owed:
                scheduler.take_turn(waiter.order)
            return
    if duration > 0:
        scheduler.slept(duration)

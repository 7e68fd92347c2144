"""Calls that a test plans for a moment: `fakebatch.at("20m", do)`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from inspect import iscoroutine
from threading import Lock

from fakebatch.durations import Duration, microseconds, text
from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.vtime import moments

When = Duration | datetime
"""A duration since the start, or a moment as a datetime."""


@dataclass(eq=False, slots=True)
class PlannedCall:
    """A callable of the test, and when to call it."""

    when: When
    do: Callable[[], object]

    def __str__(self) -> str:
        return f"at({self.when!r}, {getattr(self.do, '__qualname__', repr(self.do))})"

    def moment(self, began: int) -> int:
        """When it is due, in microseconds since 1970; `began` is the start."""
        if isinstance(self.when, datetime):
            return moments.microseconds(self.when)
        return began + microseconds(self.when)

    def run(self, elapsed: int) -> None:
        """Call it.

        Raises:
            FakeBatchError: it raised an error.
        """
        try:
            result = self.do()
            if iscoroutine(result):
                asyncio.run(result)
        except (FakeBatchError, SystemExit):  # SystemExit: the clock has stopped
            raise
        except BaseException as error:  # pytest.fail raises one
            raise FakeBatchError(
                f"{self} raised {error!r}.",
                f"It was called {text(elapsed)} after the start.",
                "Correct the callable; its traceback is above.",
            ) from error


class PlannedCalls:
    """The planned calls that have not been made. Thread-safe.

    Args:
        began: returns the start, in microseconds since 1970.
    """

    def __init__(self, began: Callable[[], int]) -> None:
        self._began = began
        self._lock = Lock()
        self.pending: list[PlannedCall] = []
        """In the order in which they were planned."""

    def add(self, when: When, do: Callable[[], object], now: int) -> PlannedCall:
        """Plan a call.

        Raises:
            UsageError: `do` is not callable, or `when` is past or means nothing.
        """
        call = PlannedCall(when, do)
        if not callable(do):
            raise UsageError(
                f"at({when!r}, {do!r}) has nothing to call.",
                "The second argument is a callable without parameters.",
                f"Write for example at({when!r}, lambda: client.batches.cancel(batch.id)).",
            )
        moment = call.moment(self._began())
        if moment < now and not isinstance(when, datetime):  # before the start no clock shows it
            raise UsageError(
                f"{call} is in the past.",
                f"The clock shows {moments.as_datetime(now).isoformat()}, "
                f"{text(now - self._began())} after the start.",
                "Plan the call earlier, or for a later moment.",
            )
        with self._lock:
            self.pending.append(call)
        return call

    def last(self) -> int:
        """The moment of the last one, in microseconds since 1970; 0: there is none."""
        return max((call.moment(self._began()) for call in [*self.pending]), default=0)

    def run_due(self, now: int) -> None:
        """Make the calls that are due, in the order of their moments.

        Raises:
            FakeBatchError: one of them raised an error.
        """
        began = self._began()
        while self.pending:
            with self._lock:
                call = min(self.pending, key=lambda call: call.moment(began), default=None)
                if call is None or call.moment(began) > now:
                    return
                self.pending.remove(call)
            call.run(now - began)

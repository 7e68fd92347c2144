"""Selecting things by the order in which they come."""

from __future__ import annotations

from dataclasses import dataclass

from fakebatch.errors import UsageError as Misuse
from fakebatch.scenario.checking import counts


@dataclass(frozen=True, slots=True)
class Turns:
    """The nth, and those that follow.

    Raises:
        Misuse: numbers that select nothing.
    """

    nth: int = 1
    times: int | None = None
    """How many of them; None: all that follow."""

    def __post_init__(self) -> None:
        for value in (self.nth, 1 if self.times is None else self.times):
            if not counts(value):
                raise Misuse(
                    f"nth={self.nth!r}, times={self.times!r} selects nothing.",
                    "Batches and files are counted from 1, in the order in which they come.",
                    "Write for example on_batch(nth=2, times=1).",
                )

    def has(self, number: int) -> bool:
        """Whether it is the turn of the `number`th."""
        return self.nth <= number and (self.times is None or number < self.nth + self.times)

"""When a wait has gone on for too long: the verdict of the emulator, and the backstops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchError

Site = Callable[[], str]
"""Finds the file:line of a sleep; slow, so called for errors only."""
Verdict = Callable[[Site], FakeBatchError | None]


@dataclass(slots=True)
class Limits:
    """How much sleeping one clock allows."""

    verdict: Verdict | None
    max_sleeps: int
    max_elapsed: int
    sleeps: int = 0
    """Since the last progress."""

    def error(self, elapsed: int, site: Site) -> FakeBatchError | None:
        """Count one sleep that ends after `elapsed` microseconds; what to raise instead, if any."""
        self.sleeps += 1
        if self.verdict is not None and (error := self.verdict(site)) is not None:
            return error
        if self.sleeps > self.max_sleeps:
            return _never_ends(site(), f"{self.max_sleeps} sleeps without any progress of a batch")
        if elapsed > self.max_elapsed:
            return _never_ends(site(), f"{self.max_elapsed // SECOND // 86_400} virtual days")
        return None


def _never_ends(site: str, how_much: str) -> FakeBatchError:
    return FakeBatchError(
        f"the wait at {site} never ends.",
        f"It has gone on for {how_much}.",
        "Give the loop a deadline or a state to stop at; raise max_sleeps or max_elapsed if not.",
    )

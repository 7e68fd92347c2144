"""Tells a wait that will never end: nothing is left to happen, and the client asks on and on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from fakebatch.errors import FakeBatchError
from fakebatch.service import Service


class Patience:
    """Counts what is asked for since something could last change.

    `while status != "completed"` on a failed batch is the mistake this is for.

    Args:
        services: know whether something is left to happen.
        enough: how often the same object may be asked for once nothing is.
    """

    def __init__(self, services: Sequence[Service], enough: int) -> None:
        self._services = services
        self._enough = enough
        self._asked: Counter[str] = Counter()

    def renewed(self) -> None:
        """Something was created or changed: begin to count anew."""
        self._asked.clear()

    def asked(self, what: str) -> None:
        """A client has looked at an object, by its id, or called an operation, in vain or not."""
        for service in self._services:
            if not service.world.is_over(service.world.looked):
                self._asked.clear()
                return
        self._asked[what] += 1

    def verdict(self, site: Callable[[], str]) -> FakeBatchError | None:
        """What to tell who sleeps between two looks, if it is time to; once."""
        what, times = next(iter(self._asked.most_common(1)), ("", 0))
        if times <= self._enough:
            return None
        self._asked.clear()  # a loop that is being closed sleeps once more, and in peace
        asked = f"{self._named(what)} was asked for {times} times since"
        return FakeBatchError(
            f"the wait at {site()} never ends.",
            f"Nothing is left to happen, and {asked}.",
            "Let the loop end at completed, failed, expired and cancelled, and at a deadline; "
            "raise patience if it would.",
        )

    def _named(self, what: str) -> str:
        for service in self._services:
            if service.batches.has(what):
                return f"{what}, which is {service.batches.retrieve(what)['status']!r},"
        return what

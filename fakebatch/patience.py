"""Tells a wait that will never end: nothing is left to happen, and the client asks on and on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from fakebatch.errors import FakeBatchError
from fakebatch.service import Service

ENOUGH = 100
"""How often the same object may be asked for once nothing is left to happen."""


class Patience:
    """Counts what is asked for since something could last change.

    `while status != "completed"` on a failed batch is the mistake this is for.
    """

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        self._asked: Counter[str] = Counter()

    def renewed(self) -> None:
        """Something was created or changed: begin to count anew."""
        self._asked.clear()

    def asked(self, id_: str) -> None:
        """A client has looked at an object."""
        if all(service.world.is_over() for service in self._services):
            self._asked[id_] += 1
        else:
            self._asked.clear()

    def verdict(self, site: Callable[[], str]) -> FakeBatchError | None:
        """What to tell who sleeps between two looks, if it is time to; once."""
        id_, times = next(iter(self._asked.most_common(1)), ("", 0))
        if times <= ENOUGH:
            return None
        self._asked.clear()  # a loop that is being closed sleeps once more, and in peace
        return FakeBatchError(
            f"the wait at {site()} never ends.",
            f"Every batch has ended, and {self._name(id_)} was asked for {times} times since.",
            "Let the loop end at completed, failed, expired and cancelled, and at a deadline.",
        )

    def _name(self, id_: str) -> str:
        for service in self._services:
            if any(record.id == id_ for record in service.batches.known()):
                return f"{id_}, which is {service.batches.retrieve(id_)['status']!r},"
        return repr(id_) if id_ else "a listing"

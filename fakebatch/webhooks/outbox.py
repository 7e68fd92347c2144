"""The events nobody has been told of yet, by the moment they are due; each is handed out once."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

from fakebatch.batch.lifecycle import Status
from fakebatch.batch.plan import Plan
from fakebatch.service.shelf import BatchRecord
from fakebatch.service.world import World
from fakebatch.webhooks.delivery import Event, event_of


class Outbox:
    """What the batches of a world have to tell."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._early = 0
        self._looks: list[tuple[int, str]] = []
        """When to look at which batch: its end is not known before it is validated."""
        self._told: set[str] = set()

    def come_early(self, early: int) -> None:
        """Hand events out so many microseconds before their moment from now on."""
        with self._world.lock:
            self._early = early
            self._looks = sorted((0, id_) for _, id_ in self._looks)

    def due(self) -> list[Event]:
        """The events that are due and have not been handed out, in order."""
        with self._world.lock:
            self._note_news()
            found = sorted(self._due(self._world.clock()), key=_order)
            return [event_of(record, self._world.mint) for record in found]

    def next_look(self) -> int | None:
        """Before this moment nothing will be due, unless a batch is created or cancelled."""
        with self._world.lock:
            self._note_news()
            return self._looks[0][0] if self._looks else None

    def _note_news(self) -> None:
        for id_ in self._world.untold:
            heappush(self._looks, (0, id_))
        self._world.untold.clear()

    def _due(self, now: int) -> Iterator[BatchRecord]:
        while self._looks and self._looks[0][0] <= now:
            _, id_ = heappop(self._looks)
            record = self._world.batches.get(id_, now)
            if record is None or id_ in self._told:
                continue
            at = self._moment(record.plan, now)
            if at > now:
                heappush(self._looks, (at, id_))
            else:
                self._told.add(id_)
                yield record

    def _moment(self, plan: Plan, now: int) -> int:
        if plan.status(now) is Status.VALIDATING:
            return plan.validated
        return plan.timeline.end.at - self._early


def _order(record: BatchRecord) -> tuple[int, int]:
    return record.plan.timeline.end.at, record.number

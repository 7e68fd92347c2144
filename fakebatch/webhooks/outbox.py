"""The events of batches that have ended, by the moment they are due; each is handed out once."""

from __future__ import annotations

from collections.abc import Callable

from fakebatch.batch.batch import Batch
from fakebatch.service.records import Event
from fakebatch.service.state import State
from fakebatch.webhooks.delivery import event_of

Early = Callable[[Batch], int]


def at_its_moment(_: Batch) -> int:
    """Not early at all."""
    return 0


class Outbox:
    """What there is to tell of the batches of a provider."""

    def __init__(self, state: State) -> None:
        self._state = state

    def look_again(self) -> None:
        """Look at every batch that has an event to come: it may be due at another moment."""
        with self._state.lock:
            self._state.unsent_events = dict.fromkeys(self._state.unsent_events, 0)

    def due(self, now: int, early: Early = at_its_moment) -> list[Event]:
        """The events that are due and have not been handed out, in order.

        Args:
            now: microseconds since the epoch.
            early: how long before its end the event of a batch is due, in microseconds.
        """
        state = self._state
        with state.lock:
            ids = [id_ for id_, at in state.unsent_events.items() if at <= now]
        ended = [batch for id_ in ids if (batch := self._ended(id_, now, early)) is not None]
        ended.sort(key=lambda batch: (batch.end.at, batch.number))
        return [event_of(batch, state.mint) for batch in ended]

    def next_look(self) -> int | None:
        """Before this moment nothing will be due, unless a batch is created or cancelled."""
        with self._state.lock:
            return min(self._state.unsent_events.values(), default=None)

    def _ended(self, id_: str, now: int, early: Early) -> Batch | None:
        """A batch whose event is due, which is noted as sent."""
        state = self._state
        batch = state.batches.get(id_, now)
        at = now if batch is None else _due_at(batch, now, early)
        with state.lock:
            if id_ not in state.unsent_events:
                return None  # another thread was faster
            if batch is not None and state.batches.current(id_) is not batch:
                return None  # it was cancelled meanwhile: look again
            if at > now:
                state.unsent_events[id_] = at
                return None
            del state.unsent_events[id_]
            if batch is not None:
                state.sent_events.add(id_)
            return batch


def _due_at(batch: Batch, now: int, early: Early) -> int:
    """When its event is due, or (while it validates) when that will be known."""
    if batch.is_validating(now):
        return batch.validated
    return batch.end.at - early(batch)

"""The clock of a world: what moves virtual time where nobody's sleep does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, pairwise
from threading import Lock
from typing import Any

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import NEVER, TERMINAL, Status
from fakebatch.durations import SECOND
from fakebatch.errors import UsageError
from fakebatch.service import Service
from fakebatch.service.records import FileRecord
from fakebatch.service.state import Store
from fakebatch.vtime import moments

PARTS = 4
"""A client sees counts at this many moments while a batch is in progress."""

_SPEED = re.compile(r"(\d+(?:\.\d+)?)x")


class WorldClock:
    """Virtual time that polls move, or that runs `speed` times as fast as real time. Thread-safe.

    Args:
        mode: "polls", "manual", "real", or a speed: "60x".
        start: when it begins; a real clock shows the real time.

    Raises:
        UsageError: there is no such mode, or `start` is not a moment.
    """

    def __init__(self, mode: str = "polls", start: moments.Moment | None = None) -> None:
        speed = _SPEED.fullmatch(mode)
        if mode not in ("polls", "manual", "real") and speed is None:
            raise UsageError(
                f"clock={mode!r} is not a clock of a server.",
                "The clocks are 'polls', 'manual', 'real', and speeds such as '60x' or '3600x'.",
                "Leave it out to let polls move time.",
            )
        if mode == "real" and start is not None:
            raise UsageError(
                f"start={start!r} came with clock='real'.",
                "A real clock begins with the real time.",
                "Leave start out, or use clock='1x', which begins whenever you like.",
            )
        self.mode = mode
        self.speed = 1.0 if mode == "real" else float(speed[1]) if speed else 0.0
        """How many virtual seconds pass in a second."""
        usual = moments.now() if mode == "real" else moments.DEFAULT_START
        self._at = self.began = usual if start is None else moments.microseconds(start)
        self._since = time.monotonic()
        self._lock = Lock()

    def read(self) -> int:
        """The time in microseconds since 1970."""
        if not self.speed:
            return self._at
        return self._at + round((time.monotonic() - self._since) * self.speed * SECOND)

    def move_to(self, moment: int) -> None:
        """Move to a moment; an earlier one changes nothing.

        Raises:
            UsageError: the clock is real.
        """
        if self.mode == "real":
            raise UsageError(
                "The clock of this world is real and cannot be moved.",
                "Those with the modes 'polls', 'manual' and speeds such as '60x' can.",
                "Make the world with one of these: clock='manual'.",
            )
        with self._lock:
            self._at, self._since = max(self.read(), moment), time.monotonic()


def next_change(service: Service, store: Store[Any], id_: str, now: int) -> int | None:
    """The earliest moment after `now` at which an object looks different; any of a store if no id.

    `NEVER` if one of them is unfinished and nothing is scheduled for it; None if all have finished.
    """
    state = service.state
    records = [state.batches.current(id_) or state.files.current(id_)] if id_ else store.all()
    changes = (_changes(record, service, now) for record in records if record is not None)
    return min((at for at in chain.from_iterable(changes) if now < at), default=None)


def _changes(record: Batch | FileRecord, service: Service, now: int) -> Iterator[int]:
    """Moments at which a batch or a file looks different; `NEVER` for an unfinished batch."""
    if isinstance(record, FileRecord):
        overrides, statuses = record.overrides, service.state.dialect.files.statuses
        yield from (record.created + overrides.found_after, record.created + overrides.ready_after)
        if record.purpose != service.state.dialect.results_purpose:
            yield from (record.created + seconds * SECOND for seconds in statuses.values())
    elif record.is_validating(now):  # what follows is not known before the lines are validated
        yield record.validated
    else:
        if record.status(now) not in TERMINAL:
            yield NEVER
        if record.settles(now) + max(record.counts_lag, record.files_lag) > now:
            yield from _of_batch(record, now)


def _of_batch(batch: Batch, now: int) -> Iterator[int]:
    """Moments at which a batch that has been validated looks different."""
    marks, lag = batch.timeline.marks, batch.counts_lag
    yield batch.end.at + batch.files_lag
    times = [mark.at for mark in marks]
    yield from times
    for mark, following in pairwise(marks):
        span = following.at - mark.at
        name = batch.dialect.statuses.get(mark.status, mark.status.value)
        statuses: Mapping[Any, str | Sequence[str]] = batch.overrides.override.statuses
        names = statuses.get(name, name)
        if not isinstance(names, str):  # shown one after the other
            yield from (mark.at - (-span * n // len(names)) for n in range(1, len(names)))
        if mark.status is Status.IN_PROGRESS:
            times += [mark.at + span * n // PARTS for n in range(1, PARTS)]
    counts = batch.counts(now - lag)
    yield from (at + lag for at in times if batch.counts(at) != counts)

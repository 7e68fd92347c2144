"""The clock of a world: what moves virtual time where nobody's sleep does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import datetime, timezone

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import NEVER, TERMINAL, Status
from fakebatch.durations import SECOND
from fakebatch.errors import UsageError
from fakebatch.service import Service
from fakebatch.service.records import FileRecord
from fakebatch.vtime import moments

START = moments.microseconds(datetime(2026, 1, 1, tzinfo=timezone.utc))
"""Where the time of a world begins, unless it is real."""
HOUR = 3_600 * SECOND
QUARTERS = 4
"""Into so many parts a client sees the work of a batch divided, by its counts."""

_SPEED = re.compile(r"(\d+(?:\.\d+)?)x")


class WorldClock:
    """Virtual time that polls move, or that runs `speed` times as fast as real time.

    Args:
        mode: "polls", "manual", "real", or a speed: "60x".
        start: when it begins; a real clock shows the real time.

    Raises:
        UsageError: there is no such mode.
    """

    def __init__(self, mode: str = "polls", start: int = START) -> None:
        speed = _SPEED.fullmatch(mode)
        if mode not in ("polls", "manual", "real") and speed is None:
            raise UsageError(
                f"clock={mode!r} is no clock of a server.",
                "The clocks are 'polls', 'manual', 'real', and speeds such as '60x' or '3600x'.",
                "Leave it out to let polls move time.",
            )
        self.mode = mode
        self.speed = 1.0 if mode == "real" else float(speed[1]) if speed else 0.0
        self._at = self.began = moments.now() if mode == "real" else start
        self._since = time.monotonic()

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
                "The clock of this world is real and was asked to move.",
                "Its mode is 'real'; others can be moved.",
                "Make the world with clock='manual', 'polls' or a speed such as '60x'.",
            )
        self._at = max(self.read(), moment)
        self._since = time.monotonic()


def next_change(service: Service, ids: Iterable[str], now: int) -> int | None:
    """The earliest moment after `now` at which a poll of one of these objects shows a difference.

    `NEVER` if one of them is unfinished and nothing is scheduled for it; None if all have finished.
    """
    state = service.state
    records = [
        record for id_ in ids if (record := state.batches.current(id_) or state.files.current(id_))
    ]
    moments = (
        _next_of_batch(record, now) if isinstance(record, Batch) else _next_of_file(record, service, now)
        for record in records
    )
    return min((moment for moment in moments if moment is not None), default=None)


def _next_of_batch(batch: Batch, now: int) -> int | None:
    if now < batch.validated:
        return batch.validated
    marks = batch.timeline.marks
    if marks[-1].status in TERMINAL and marks[-1].at <= now:
        return None
    changes = [mark.at for mark in marks]
    for mark, following in zip(marks, marks[1:], strict=False):
        if mark.status is Status.IN_PROGRESS and following.at < NEVER:
            span = following.at - mark.at
            changes += [mark.at + span * n // QUARTERS for n in range(1, QUARTERS)]
    return min((at for at in changes if now < at), default=NEVER)


def _next_of_file(file: FileRecord, service: Service, now: int) -> int | None:
    overrides = file.overrides
    statuses = service.dialect.files.statuses.values()
    changes = [file.created + overrides.found_after, file.created + overrides.ready_after]
    if file.purpose != service.dialect.results_purpose:
        changes += [file.created + seconds * SECOND for seconds in statuses]
    return min((at for at in changes if now < at), default=None)

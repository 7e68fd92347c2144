"""Finds the life of a batch that is so old and has the status a test asks for."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import TRANSITIONS, Status
from fakebatch.dialects import Dialect
from fakebatch.durations import SECOND
from fakebatch.errors import UsageError
from fakebatch.journal import span_text
from fakebatch.rules.batches import Durations


class Wanted(NamedTuple):
    """How old a batch is, and what its life would be by itself. In microseconds."""

    age: int
    usual: Durations
    window: int
    cancelling: int

    def working(self, until: int, more: int = 0) -> Durations:
        """It validates as usual, or half the time; the work reaches `until`, and `more`."""
        validating = min(self.usual.validating, until // 2)
        return Durations(validating, until - validating + more, self.usual.finalizing)


Life = tuple[Durations, int | None]
"""The schedule, and how old the batch was when it was cancelled, if it was."""


def _validating(of: Wanted) -> Life:
    usual = of.usual
    left = usual.validating // 2 + 1
    return Durations(of.age + left, usual.in_progress, usual.finalizing), None


def _failed(of: Wanted) -> Life:
    usual = of.usual
    validating = min(usual.validating, of.age)
    return Durations(validating, usual.in_progress, usual.finalizing), None


def _in_progress(of: Wanted) -> Life:
    return of.working(of.age, of.usual.in_progress // 2 + 1), None


def _finalizing(of: Wanted) -> Life:
    since = min(of.usual.finalizing, of.age) // 2
    working = of.working(of.age - since)
    left = max(of.usual.finalizing // 2, SECOND)
    return Durations(working.validating, working.in_progress, since + left), None


def _completed(of: Wanted) -> Life:
    usual = of.usual
    total = usual.validating + usual.in_progress + usual.finalizing
    room = min(of.age, of.window, total)
    parts = (usual.validating, usual.in_progress, usual.finalizing)
    return Durations(*(part * room // max(total, 1) for part in parts)), None


def _expired(of: Wanted) -> Life:
    validating = min(of.usual.validating, of.window // 2)
    # half of the work is done when the window ends
    return Durations(validating, 2 * (of.window - validating), of.usual.finalizing), None


def _cancelling(of: Wanted) -> Life:
    at = of.age - min(of.cancelling, of.age) // 2
    return of.working(at, of.usual.in_progress // 2 + 1), at


def _cancelled(of: Wanted) -> Life:
    at = min(max(of.age - of.cancelling, 0), of.window) // 2
    return of.working(at, of.usual.in_progress // 2 + 1), at


LIVES: dict[Status, Callable[[Wanted], Life]] = {
    Status.VALIDATING: _validating,
    Status.FAILED: _failed,
    Status.IN_PROGRESS: _in_progress,
    Status.FINALIZING: _finalizing,
    Status.COMPLETED: _completed,
    Status.EXPIRED: _expired,
    Status.CANCELLING: _cancelling,
    Status.CANCELLED: _cancelled,
}
"""For each status a life that is there now, if one can be."""


def status_named(name: str) -> Status:
    """A status by the name it has on the wire.

    Raises:
        UsageError: there is none of this name.
    """
    try:
        return Status(name)
    except ValueError:
        raise UsageError(
            f"There is no status {name!r}.",
            f"Known are {', '.join(Status)}.",
            "Write for example fakebatch.batches.add(requests, status='in_progress').",
        ) from None


def life(status: Status, age: int, usual: Durations, dialect: Dialect, window: str) -> Life:
    """A life in which a batch of this age has this status, if there is one."""
    wanted = Wanted(age, usual, dialect.window.lasts(window), dialect.pace.cancelling)
    return LIVES[status](wanted)


def check(batch: Batch, status: Status, now: int) -> None:
    """See that a batch is at `now` what was asked for.

    Raises:
        UsageError: it cannot be.
    """
    if batch.status(now) is status and _could_be_cancelled(batch):
        return
    raise UsageError(
        f"A batch that was created {span_text(now - batch.created)} ago cannot be {status}.",
        f"Its life would be {', '.join(_life(batch))}.",
        "Give another status or another created=…, or requests that lead there.",
    )


def _could_be_cancelled(batch: Batch) -> bool:
    marks = batch.timeline.marks
    return all(after.status in TRANSITIONS[before.status] for before, after in pairwise(marks))


def _life(batch: Batch) -> list[str]:
    codes = {batch.dialect.batch_errors[error.code].code for error in batch.errors}
    why = f" ({', '.join(sorted(map(str, codes)))})" if codes else ""
    return [
        f"{mark.status}{why if mark.status is Status.FAILED else ''}"
        + (f" after {span_text(mark.at - batch.created)}" if mark.at > batch.created else "")
        for mark in batch.timeline.marks
    ]

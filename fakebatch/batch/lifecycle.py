"""The life of a batch as data: when each status begins, and how much of the work is done when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

NEVER = 1 << 62
"""A moment, or a time in microseconds, that no test reaches."""

WHOLE = 1_000_000
"""All of the work, in parts."""


class Status(StrEnum):
    """The eight statuses of a batch, as the wire spells them."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.VALIDATING: frozenset({Status.IN_PROGRESS, Status.FAILED, Status.CANCELLING}),
    Status.IN_PROGRESS: frozenset({Status.FINALIZING, Status.CANCELLING}),
    Status.FINALIZING: frozenset({Status.COMPLETED, Status.EXPIRED, Status.CANCELLING}),
    Status.CANCELLING: frozenset({Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.EXPIRED: frozenset(),
    Status.CANCELLED: frozenset(),
}
"""No other transition was seen in 2,326 recorded batches (openai-dotnet's session records)."""

TERMINAL = frozenset(status for status, following in TRANSITIONS.items() if not following)


class Mark(NamedTuple):
    """A status and the moment it begins, in microseconds since the epoch."""

    at: int
    status: Status


@dataclass(frozen=True, slots=True)
class Progress:
    """Piecewise linear, so that `request_counts` can be computed for any moment.

    Points (moment, parts done) in order of time, between which the work goes on evenly.
    """

    points: tuple[tuple[int, int], ...]
    stops: int = NEVER
    """From then on nothing more is done, whatever the points say."""

    @property
    def ends(self) -> int:
        """When all of it is done; NEVER if it never is."""
        at, done = self.points[-1]
        return at if done >= WHOLE else NEVER

    @property
    def rests(self) -> int:
        """From when on nothing changes any more."""
        return min(self.stops, max((at for at, _ in self.points if at < NEVER), default=NEVER))

    def done(self, total: int, now: int) -> int:
        """How many of `total` are done by now."""
        now = min(now, self.stops)
        at, parts = now, 0
        for then, more in self.points:
            if now < then:
                part, span = now - at, then - at
                return total * (parts * span + (more - parts) * part) // (WHOLE * span)
            at, parts = then, more
        return total * parts // WHOLE

    def stalled(self, parts: int, lasts: int) -> Progress:
        """The same, with a pause once `parts` are done."""
        pause = self.points[0][0]
        for (at, done), (then, more) in pairwise(self.points):
            if done < parts <= more:
                pause = at + (then - at) * (parts - done) // (more - done)
                break
        before = [point for point in self.points if point[1] < parts]
        after = [(min(at + lasts, NEVER), done) for at, done in self.points if done >= parts]
        resumed = [(at, parts if at == NEVER else done) for at, done in after]
        return Progress((*before, (pause, parts), (min(pause + lasts, NEVER), parts), *resumed))

    def finished_by(self, now: int, end: int) -> Progress:
        """The same past, and everything done at `end`."""
        past = tuple(point for point in self.points if point[0] < now)
        return Progress((*past, (now, self.done(WHOLE, now)), (end, WHOLE)))


@dataclass(frozen=True, slots=True)
class Timeline:
    """When each status begins, and how much of the work is done when."""

    marks: tuple[Mark, ...]
    """In order of time."""
    progress: Progress = Progress(())

    def at(self, now: int) -> Mark:
        """The status that holds at `now`, with the moment it began."""
        for mark in reversed(self.marks):
            if mark.at <= now:
                return mark
        return self.marks[0]

    def starts(self, status: Status) -> int | None:
        """When `status` begins, past or future; None if it never does."""
        for mark in self.marks:
            if mark.status is status:
                return mark.at
        return None

    def has_begun(self, status: Status, now: int) -> bool:
        """Whether `status` has begun by `now`."""
        at = self.starts(status)
        return at is not None and at <= now


def steady(start: int, takes: int, curve: Sequence[tuple[float, float]] = ()) -> Progress:
    """Progress from `start` on; the curve has points (part of the time, part of the lines)."""
    between = [(start + round(x * takes), round(y * WHOLE)) for x, y in curve]
    return Progress(((start, 0), *between, (start + takes, WHOLE)))

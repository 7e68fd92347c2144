"""The timeline of a batch as data: when each status begins, and how the work progresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

NEVER = 1 << 62
"""A moment, or a duration, in microseconds, that no test reaches."""

WHOLE = 1_000_000
"""The whole work; parts of it are counted in millionths."""


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


class Counts(NamedTuple):
    """`request_counts` at one moment."""

    total: int = 0
    completed: int = 0
    failed: int = 0


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
    """Progress of a batch: piecewise linear, so that it can be computed for any moment."""

    points: tuple[tuple[int, int], ...]
    """(moment, millionths done), in order of time."""
    stops: int = NEVER
    """After this moment nothing more is done, whatever the points say."""

    @classmethod
    def linear(
        cls, start: int, duration: int, curve: Sequence[tuple[float, float]] = ()
    ) -> Progress:
        """Even progress from `start` on, or through the points (time, lines done) of a curve.

        Both numbers of a point are from 0 to 1.
        """
        between = [(start + round(x * duration), round(y * WHOLE)) for x, y in curve]
        return cls(((start, 0), *between, (start + duration, WHOLE)))

    @property
    def ends(self) -> int:
        """When all the work is done, or NEVER."""
        at, done = self.points[-1]
        return at if done >= WHOLE else NEVER

    @property
    def last_change(self) -> int:
        """The moment after which it stays the same."""
        return min(self.stops, max((at for at, _ in self.points if at < NEVER), default=NEVER))

    def done(self, total: int, now: int) -> int:
        """How many of `total` lines are done at `now`."""
        now = min(now, self.stops)
        at, done = now, 0
        for next_at, next_done in self.points:
            if now < next_at:
                elapsed, span = now - at, next_at - at
                return total * (done * span + (next_done - done) * elapsed) // (WHOLE * span)
            at, done = next_at, next_done
        return total * done // WHOLE

    def stalled(self, parts: int, duration: int) -> Progress:
        """The same, with a pause of this duration when `parts` (millionths) are done."""
        pause = self.points[0][0]
        for (at, done), (next_at, next_done) in pairwise(self.points):
            if done < parts <= next_done:
                pause = at + (next_at - at) * (parts - done) // (next_done - done)
                break
        before = [point for point in self.points if point[1] < parts]
        after = [(min(at + duration, NEVER), done) for at, done in self.points if done >= parts]
        resumed = [(at, parts if at == NEVER else done) for at, done in after]
        return Progress((*before, (pause, parts), (min(pause + duration, NEVER), parts), *resumed))

    def finished_by(self, now: int, end: int) -> Progress:
        """The same up to `now`; then the rest is done evenly until `end`."""
        past = tuple(point for point in self.points if point[0] < now)
        return Progress((*past, (now, self.done(WHOLE, now)), (end, WHOLE)))


@dataclass(frozen=True, slots=True)
class Timeline:
    """When each status begins, and how the work progresses."""

    marks: tuple[Mark, ...]
    """The statuses it passes through, in order of time."""
    progress: Progress = Progress(())

    def at(self, now: int) -> Mark:
        """The status at `now`, with the moment it began."""
        for mark in reversed(self.marks):
            if mark.at <= now:
                return mark
        return self.marks[0]

    def starts(self, status: Status) -> int | None:
        """When `status` begins, in the past or future; None if it never does."""
        return next((mark.at for mark in self.marks if mark.status is status), None)

    def has_begun(self, status: Status, now: int) -> bool:
        """Whether `status` has begun by `now`."""
        at = self.starts(status)
        return at is not None and at <= now

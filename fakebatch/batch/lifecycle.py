"""The life of a batch: its statuses, what may follow what, and when each one begins."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


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
class Timeline:
    """When each status begins, in order of time. Fixed; asking never changes it."""

    marks: tuple[Mark, ...]

    def at(self, now: int) -> Mark:
        """The status that holds at `now`, with the moment it began."""
        for mark in reversed(self.marks):
            if mark.at <= now:
                return mark
        return self.marks[0]

    def began(self, status: Status, now: int) -> int | None:
        """When `status` began, if it has by `now`."""
        return next((m.at for m in self.marks if m.status is status and m.at <= now), None)

    def starts(self, status: Status) -> int | None:
        """When `status` begins, past or future; None if it never does."""
        return next((mark.at for mark in self.marks if mark.status is status), None)

    def until(self, now: int, *future: Mark) -> Timeline:
        """The same past, another future."""
        past = tuple(mark for mark in self.marks if mark.at <= now)
        return Timeline((*past, *future))

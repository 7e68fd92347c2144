"""The whole future of a batch: defined when it is created, evaluated when first needed, pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from fakebatch.batch.asked import Input
from fakebatch.batch.lifecycle import Mark, Status, Timeline
from fakebatch.batch.work import NEVER, WHOLE, Work, steady


class Counts(NamedTuple):
    """`request_counts` at one moment."""

    total: int = 0
    completed: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Plan:
    """When a batch is in which status, which lines have finished, and what its files hold."""

    id: str
    created: int
    """Microseconds since the epoch, as every moment here."""
    input: Input
    cancelled: int | None = None
    """When a cancel came; it replaces the plan: same past, another future."""

    @cached_property
    def expires(self) -> int:
        """When the completion window ends."""
        return self.created + self.input.dialect.window.lasts(self.input.asked.window)

    @cached_property
    def validated(self) -> int:
        """When validation ends."""
        schedule, stall = self.input.schedule, self._stalls(Status.VALIDATING)
        return min(self.created + schedule.validating + stall, NEVER)

    @cached_property
    def work(self) -> Work:
        """When how many lines would be done if nothing came between."""
        life, takes = self.input.life, self.input.schedule.in_progress
        if life.finished is not None:
            return Work(((self.validated, 0), (self.expires, round(life.finished * WHOLE))))
        work = steady(self.validated, takes, life.curve)
        stall = life.stall
        if stall is not None and stall.at == "in_progress":
            work = work.stalled(round(stall.progress * WHOLE), self._stalls(Status.IN_PROGRESS))
        if self.cancelled is not None and life.cancels_to == "completed":
            work = work.finished_by(self.cancelled, self.cancelled + self._cancelling)
        return work

    @property
    def worked(self) -> int:
        """When the last line would finish."""
        return NEVER if self.input.hanging else self.work.ends

    @property
    def is_late(self) -> bool:
        """Whether the window ends before the last line would finish, and the batch with it."""
        life, stall = self.input.life, self.input.life.stall
        stuck = self._stalls(Status.IN_PROGRESS) == NEVER and not (stall and stall.expires)
        goes_on = life.overruns or not self.input.dialect.window.ends
        return self.worked > self.expires and not (stuck or goes_on)

    @cached_property
    def timeline(self) -> Timeline:
        """When each status begins."""
        planned = self._failing() if self.input.fails else self._running()
        return planned if self.cancelled is None else self._cancelled(planned, self.cancelled)

    @cached_property
    def rests(self) -> int:
        """From when on nothing changes any more."""
        end = self.timeline.end.at
        return end if self.input.fails else max(end, min(self._stops, self.work.rests))

    def settles(self, now: int) -> int:
        """From when on nothing changes any more; before validation ends no more is known than that.

        A batch that never leaves `validating` has been settled since its creation.
        """
        if self.cancelled is None and now < self.validated:
            return self.validated if self.validated < NEVER else self.created
        return self.rests

    def without_input(self) -> Plan:
        """The plan once its input file is gone before validation ended."""
        return replace(self, input=replace(self.input, content=None))

    def status(self, now: int) -> Status:
        """The status at `now`. Before validation ends nothing has to be evaluated to know it."""
        if self.cancelled is None and now < self.validated:
            return Status.VALIDATING
        return self.timeline.at(now).status

    def phase(self, now: int) -> tuple[Status, Counts]:
        """All about a batch that time changes."""
        status = self.status(now)
        return status, Counts() if status is Status.VALIDATING else self.counts(now)

    def finished(self, now: int) -> int:
        """How many lines have finished by now."""
        if now < self._starts:
            return 0
        return self.work.done(self.input.running, min(now, self._stops))

    def counts(self, now: int) -> Counts:
        """Lines that never ran are in no count but the total (observed: expired, cancelled)."""
        if now < self._starts:
            return Counts()
        finished = self.finished(now)
        failed = bisect_left(self.input.failing, finished)
        return Counts(len(self.input.lines), finished - failed, failed)

    @cached_property
    def _starts(self) -> int:
        starts = self.timeline.starts(Status.IN_PROGRESS)
        return NEVER if starts is None else starts

    @cached_property
    def _stops(self) -> int:
        if self.cancelled is not None and self.input.life.cancels_to != "completed":
            return min(self.cancelled, self.expires if self.is_late else NEVER)
        return self.expires if self.is_late else NEVER

    @property
    def _cancelling(self) -> int:
        usual, own = self.input.dialect.pace.cancelling, self.input.schedule.cancelling
        return (usual if own is None else own) + self._stalls(Status.CANCELLING)

    def _stalls(self, status: Status) -> int:
        stall = self.input.life.stall
        if stall is None or stall.at != status:
            return 0
        return NEVER if stall.lasts is None else stall.lasts

    def _failing(self) -> Timeline:
        return self._begin(Mark(self.validated, Status.FAILED))

    def _running(self) -> Timeline:
        pace, stall = self.input.dialect.pace, self._stalls(Status.FINALIZING)
        running = Mark(self.validated, Status.IN_PROGRESS)
        if self.is_late:
            at = max(self.expires + pace.late, self.validated)
            over = Mark(at + pace.expiring + stall, Status.EXPIRED)
            return self._begin(running, Mark(at, Status.FINALIZING), over)
        finalizing = self.input.schedule.finalizing + stall
        done = Mark(self.worked + finalizing, Status.COMPLETED)
        return self._begin(running, Mark(self.worked, Status.FINALIZING), done)

    def _begin(self, *marks: Mark) -> Timeline:
        come = tuple(mark for mark in marks if mark.at < NEVER)
        return Timeline((Mark(self.created, Status.VALIDATING), *come))

    def _cancelled(self, planned: Timeline, at: int) -> Timeline:
        to = Status(self.input.life.cancels_to or Status.CANCELLED)
        marks = (Mark(at, Status.CANCELLING), Mark(at + self._cancelling, to))
        return planned.until(at, *(mark for mark in marks if mark.at < NEVER))

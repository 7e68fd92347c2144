"""The whole future of a batch: defined when it is created, evaluated when first needed, pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from fakebatch.batch.answering import Decided, may_fail, outcome_of
from fakebatch.batch.input_file import Entry, Judgement, Lines, judge
from fakebatch.batch.lifecycle import Mark, Status, Timeline
from fakebatch.dialects import Dialect, Flaw
from fakebatch.ids import Mint
from fakebatch.request_line import RequestLine
from fakebatch.scenario import Fails, Scenario

NO_LINES = Lines(b"", array("Q"), array("Q"), array("Q"))


@dataclass(frozen=True, slots=True)
class Asked:
    """What the call that created the batch said."""

    endpoint: str
    window: str
    input_file_id: str
    metadata: Mapping[str, str] | None
    output_expires_after: int | None
    """Seconds the result files live, where the call said so."""


@dataclass(frozen=True)
class Input:
    """The lines of a batch and what is to come of them: shared by a plan and its successors."""

    content: bytes | None
    """None: there is no such file."""
    asked: Asked
    scenario: Scenario
    dialect: Dialect
    models: frozenset[str] | None
    mint: Mint
    refused: Entry | None = None
    """What else fails the batch, though its lines are good."""

    @cached_property
    def judged(self) -> Judgement:
        """What validation finds."""
        if self.content is None:
            missing = Entry(Flaw.NO_INPUT_FILE, {"id": self.asked.input_file_id})
            return Judgement(NO_LINES, (missing,), None)
        found = judge(self.content, self.asked.endpoint, self.dialect, self.models)
        if found.entries or self.refused is None:
            return found
        return replace(found, entries=(self.refused,))

    @property
    def lines(self) -> Lines:
        """The request lines."""
        return self.judged.lines

    @cached_property
    def order(self) -> list[int]:
        """The request lines in the order in which they finish."""
        return self.mint.order(len(self.lines), "lines")

    @cached_property
    def failing(self) -> list[int]:
        """Places in `order` of the lines that fail, ascending."""
        if not may_fail(self.scenario):
            return []
        return [place for place, index in enumerate(self.order) if self._fails(index)]

    @cached_property
    def _decided(self) -> dict[int, Decided]:
        return {}

    def outcome(self, index: int, line: RequestLine) -> Decided:
        """What comes of a line: decided once, since a predicate may count."""
        if not may_fail(self.scenario):
            return outcome_of(line, self.scenario)
        if index not in self._decided:
            self._decided[index] = outcome_of(line, self.scenario)
        return self._decided[index]

    def _fails(self, index: int) -> bool:
        return isinstance(self.outcome(index, self.lines.request(index)), Fails)


@dataclass(frozen=True, slots=True)
class Counts:
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

    @property
    def expires(self) -> int:
        """When the completion window ends."""
        return self.created + self.input.dialect.window(self.input.asked.window)

    @property
    def validated(self) -> int:
        """When validation ends."""
        return self.created + self.input.scenario.schedule.validating

    @property
    def worked(self) -> int:
        """When the last line would finish if nothing came between."""
        return self.validated + self.input.scenario.schedule.in_progress

    @cached_property
    def timeline(self) -> Timeline:
        """When each status begins."""
        planned = self._failing() if self.input.judged.entries else self._running()
        return planned if self.cancelled is None else self._cancelled(planned, self.cancelled)

    def without_input(self) -> Plan:
        """The plan once its input file is gone before validation ended."""
        return replace(self, input=replace(self.input, content=None))

    def status(self, now: int) -> Status:
        """The status at `now`. Before validation ends nothing has to be evaluated to know it."""
        if self.cancelled is None and now < self.validated:
            return Status.VALIDATING
        return self.timeline.at(now).status

    def finished(self, now: int) -> int:
        """How many lines have finished: they do so evenly while the batch is in progress."""
        began = self.timeline.began(Status.IN_PROGRESS, now)
        if began is None:
            return 0
        total, takes = len(self.input.lines), self.worked - began
        if takes == 0:
            return total if self.worked <= self.expires else 0
        return total * (min(now, self._stops) - began) // takes

    def counts(self, now: int) -> Counts:
        """Lines that never ran are in no count but the total (observed: expired, cancelled)."""
        if self.timeline.began(Status.IN_PROGRESS, now) is None:
            return Counts()
        finished = self.finished(now)
        failed = bisect_left(self.input.failing, finished)
        return Counts(len(self.input.lines), finished - failed, failed)

    @cached_property
    def _stops(self) -> int:
        stops = [self.cancelled, self.timeline.starts(Status.FINALIZING)]
        return min(at for at in (*stops, self.worked) if at is not None)

    def _failing(self) -> Timeline:
        return self._begin(Mark(self.validated, Status.FAILED))

    def _running(self) -> Timeline:
        pace = self.input.dialect.pace
        running = Mark(self.validated, Status.IN_PROGRESS)
        if self.worked > self.expires:
            at = max(self.expires + pace.late, self.validated)
            over = Mark(at + pace.expiring, Status.EXPIRED)
            return self._begin(running, Mark(at, Status.FINALIZING), over)
        done = Mark(self.worked + self.input.scenario.schedule.finalizing, Status.COMPLETED)
        return self._begin(running, Mark(self.worked, Status.FINALIZING), done)

    def _begin(self, *marks: Mark) -> Timeline:
        return Timeline((Mark(self.created, Status.VALIDATING), *marks))

    def _cancelled(self, planned: Timeline, at: int) -> Timeline:
        over = Mark(at + self.input.dialect.pace.cancelling, Status.CANCELLED)
        return planned.until(at, Mark(at, Status.CANCELLING), over)

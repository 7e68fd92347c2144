"""The whole future of a batch: defined when it is created, evaluated when first needed, pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from fakebatch.batch.choosing import Choices, Decision
from fakebatch.batch.input_file import Lines
from fakebatch.batch.lifecycle import Mark, Status, Timeline
from fakebatch.batch.quotes import Quotes, answers_alike, constant
from fakebatch.batch.validation import Entry, Judgement, judge
from fakebatch.batch.work import NEVER, WHOLE, Work, steady
from fakebatch.dialects import Dialect, Flaw
from fakebatch.ids import Mint
from fakebatch.scenario import USUAL, Fails, Hangs, Life, Scenario, Schedule

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
    model: str = ""
    """The model of every line, where the call named one."""
    deletes_input: bool = False
    """Whether the input file goes with the end of the batch."""


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
    number: int = 1
    """Which batch it is, in the order of creation."""
    earlier: Mapping[str, int] = field(default_factory=dict[str, int])
    """In how many batches before a custom_id was, where lines can heal."""

    @cached_property
    def life(self) -> Life:
        """What differs about this batch."""
        return self.scenario.life(self.number, self.asked.endpoint)

    @cached_property
    def is_usual(self) -> bool:
        """Whether it is shown as it is."""
        return self.life == USUAL

    @cached_property
    def schedule(self) -> Schedule:
        """How long it stays in each status."""
        own = {name: getattr(self.life, name) for name in Schedule.__dataclass_fields__}
        said = {name: value for name, value in own.items() if value is not None}
        return replace(self.scenario.schedule, **said)

    @cached_property
    def judged(self) -> Judgement:
        """What validation finds."""
        if self.content is None:
            missing = Entry(Flaw.NO_INPUT_FILE, {"id": self.asked.input_file_id})
            return Judgement(NO_LINES, (missing,), None)
        asked, quotes = self.asked, self._quotes(self.content)
        found = judge(
            self.content,
            asked.endpoint,
            self.dialect,
            self.models,
            model=asked.model,
            quotes=quotes,
        )
        if found.fails or self.refused is None:
            return found
        return replace(found, entries=(self.refused,), skipped=False)

    def _quotes(self, content: bytes) -> Quotes | None:
        """For notes of what each result line repeats, where results are made of nothing else."""
        alike = answers_alike(self.asked.endpoint, self.scenario, self.dialect)
        if not (alike and self.life.writes_as_usual):
            return None
        return Quotes(content, constant(self.scenario.otherwise), self.asked.model)

    @property
    def lines(self) -> Lines:
        """The request lines."""
        return self.judged.lines

    @property
    def fails(self) -> bool:
        """Whether validation fails it."""
        return self.judged.fails or self.life.fails is not None

    @cached_property
    def choices(self) -> Choices:
        """What comes of each line."""
        return Choices(self.scenario, len(self.lines), self.mint, self.earlier)

    def decision(self, index: int) -> Decision:
        """What comes of one line."""
        return self.choices.decided(index) or self.choices.decide(self.lines.request(index))

    @cached_property
    def hanging(self) -> frozenset[int]:
        """The request lines that never finish."""
        if self.fails or not self.choices.may_hang:
            return frozenset()
        indices = range(len(self.lines))
        return frozenset(i for i in indices if isinstance(self.decision(i).outcome, Hangs))

    @cached_property
    def running(self) -> int:
        """How many request lines finish if nothing comes between."""
        return len(self.lines) - len(self.hanging)

    @cached_property
    def order(self) -> list[int]:
        """The request lines in the order in which they finish; last those that never do."""
        order = self.mint.order(len(self.lines), "lines")
        return sorted(order, key=self.hanging.__contains__) if self.hanging else order

    @cached_property
    def failing(self) -> list[int]:
        """Places in `order` of the lines that fail, ascending."""
        return [place for place, fails in self._failures if fails]

    @cached_property
    def misfiled(self) -> list[int]:
        """Places in `order` of the lines that fail and are in the output file all the same."""
        return [place for place, fails in self._failures if fails and fails.file == "output"]

    @cached_property
    def _failures(self) -> list[tuple[int, Fails | None]]:
        if self.fails or self.choices.trivial:
            return []
        outcomes = ((place, self.decision(i).outcome) for place, i in enumerate(self.order))
        return [(place, one if isinstance(one, Fails) else None) for place, one in outcomes]


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

    def rests_by(self, now: int) -> bool:
        """Whether time alone changes nothing any more."""
        validates = self.cancelled is None and now < self.validated < NEVER
        return not validates and self.rests <= now

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

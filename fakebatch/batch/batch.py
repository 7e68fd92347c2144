"""A batch: a frozen value whose whole future follows from it, evaluated when first needed."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import get_ident
from typing import Any, NamedTuple, TypeVar

from fakebatch.batch.input_file import NO_LINES, BatchError, Lines, Validation, validate
from fakebatch.batch.lifecycle import NEVER, WHOLE, Mark, Progress, Status, Timeline, steady
from fakebatch.batch.matching import Outcomes, outcomes_of
from fakebatch.batch.once import Once, made_once, made_once_and_shared
from fakebatch.dialects import Dialect, ErrorCode
from fakebatch.durations import microseconds
from fakebatch.ids import IdFactory
from fakebatch.request_line import RequestLine
from fakebatch.rules.batches import NO_OVERRIDES, BatchOverrides, Durations, ResultFiles, Schedule
from fakebatch.rules.rule import overlaid
from fakebatch.rules.scenario import Scenario

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BatchCreateParams:
    """The parameters of the call that created a batch."""

    endpoint: str
    completion_window: str
    input_file_id: str
    metadata: Mapping[str, str] | None = None
    output_expires_after: int | None = None
    """Seconds the result files live, if the call gave any."""
    model: str = ""
    """The model of every line, where the call named one."""
    deletes_input: bool = False
    """Whether the input file is deleted with the end of the batch."""


class Counts(NamedTuple):
    """`request_counts` at one moment."""

    total: int = 0
    completed: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Batch:
    """When a batch is in which status, and what becomes of its lines.

    Looking never changes it; a cancel makes another one, with the same past. It pickles without
    the values derived from it. Moments are microseconds since the epoch.
    """

    id: str
    created: int
    params: BatchCreateParams
    content: bytes | None = field(repr=False)
    """The input file; None: there is no such file."""
    scenario: Scenario
    dialect: Dialect = field(repr=False)
    models: frozenset[str] | None
    """The models that exist; None: every plausible name does."""
    id_factory: IdFactory
    """Makes the ids of its results, and decides every shuffle."""
    output_file_id: str = ""
    """The id of its output file, if it leaves one."""
    error_file_id: str = ""
    number: int = 0
    """Decides between two of the same moment."""
    nth: int = 1
    """Its place in the order of creation, from 1."""
    earlier: Mapping[str, int] = field(default_factory=dict[str, int], repr=False)
    """How many batches before it had a custom_id, if there are rules with `times`."""
    refused: BatchError | None = None
    """What else fails it, though its lines are good."""
    cancelled: int | None = None
    """When it was cancelled."""
    _once: Once = field(default_factory=Once, init=False, repr=False, compare=False)

    def cancel(self, at: int) -> Batch:
        """The batch once it is cancelled: the same lines and the same past, another future."""
        cancelled = replace(self, cancelled=at)
        vars(cancelled)["_once"] = self._once
        return cancelled

    def as_nth(self, nth: int) -> Batch:
        """The batch as the nth that is created, which decides what differs about it."""
        return self if nth == self.nth else replace(self, nth=nth)

    def without_input(self) -> Batch:
        """The batch once its input file is gone before validation ended."""
        return replace(self, content=None)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What `make` makes of this batch: made once, by one thread, and kept under this name."""
        return self._once.make(vars(self), name, make)

    @property
    def is_busy(self) -> bool:
        """Whether the calling thread is evaluating it: then a callable of the test has called."""
        return self._once.maker == get_ident()

    def __getstate__(self) -> dict[str, Any]:
        state = vars(self)
        return {name: state[name] for name in self.__dataclass_fields__ if name != "_once"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _once=Once())

    # --- its lines

    @cached_property
    def overrides(self) -> BatchOverrides:
        """What differs about this batch."""
        return self.scenario.batch_overrides(self.nth, self.params.endpoint)

    @property
    def is_usual(self) -> bool:
        """Whether nothing differs."""
        return self.overrides is NO_OVERRIDES

    @property
    def has_usual_files(self) -> bool:
        """Whether its result files are written as usual, whenever they are found."""
        return self.is_usual or replace(self.overrides.result_files, late=None) == ResultFiles()

    @made_once_and_shared
    def validation(self) -> Validation:
        """The request lines of its input file, and what is wrong with them."""
        if self.content is None:
            missing = BatchError(ErrorCode.NO_INPUT_FILE, {"id": self.params.input_file_id})
            return Validation(NO_LINES, (missing,), None, fails=True)
        endpoint, model = self.params.endpoint, self.params.model
        return validate(self.content, endpoint, self.dialect, self.models, model)

    @property
    def errors(self) -> tuple[BatchError, ...]:
        """What `errors` lists once it is validated."""
        if self.refused is None or self.validation.fails:
            return self.validation.errors
        return (self.refused,)

    @property
    def skips_lines(self) -> bool:
        """Whether `errors` is about lines that were left out, and the others run."""
        return self.refused is None and bool(self.validation.errors) and not self.validation.fails

    @property
    def fails(self) -> bool:
        """Whether validation fails it."""
        refused = self.refused is not None or self.overrides.fail is not None
        return refused or self.validation.fails

    @property
    def lines(self) -> Lines:
        """The request lines, also of a batch that fails."""
        return self.validation.lines

    @made_once_and_shared
    def outcomes(self) -> Outcomes:
        """What comes of the lines that run: of none where the batch fails.

        Raises:
            UsageError: a predicate of the test failed, or a recording lacks a custom_id.
        """
        lines = NO_LINES if self.fails else self.lines
        return outcomes_of(lines, self.scenario, self.id_factory, self.earlier)

    @property
    def readable_lines(self) -> Iterator[RequestLine]:
        """The request lines that can be read, also of a batch that fails."""
        for index in range(len(self.lines)):
            with suppress(ValueError, LookupError, TypeError):
                yield self.lines.request(index)

    @made_once_and_shared
    def rule_hits(self) -> Counter[int]:
        """How many lines each rule of `on` selects, by its index, whether they will run or not."""
        if not self.fails:
            return Counter(rule for outcome in self.outcomes.by_line for rule in outcome.rules)
        # No predicate is called, and no fraction is drawn, for a batch that never runs.
        return Counter(
            index
            for line in self.readable_lines
            for index, rule in enumerate(self.scenario.on)
            if rule.where is None
            and rule.fraction is None
            and rule.matches(line)
            and (rule.times is None or self.earlier.get(line.custom_id or "", 0) < rule.times)
        )

    # --- its life

    @cached_property
    def expires(self) -> int:
        """When the completion window ends."""
        return self.created + self.dialect.window.lasts(self.params.completion_window)

    @cached_property
    def schedule(self) -> Schedule:
        """How long it stays in each status, in the words of the test."""
        usual = self.scenario.schedule
        return usual if self.is_usual else overlaid(usual, self.overrides.schedule)

    @cached_property
    def durations(self) -> Durations:
        """How long it stays in each status."""
        return self.schedule.durations()

    @cached_property
    def validated(self) -> int:
        """When validation ends."""
        stall = self._stalls(Status.VALIDATING)
        return min(self.created + self.durations.validating + stall, NEVER)

    @cached_property
    def planned(self) -> Progress:
        """Progress if neither a cancel nor the end of the window came between."""
        expire, stall = self.overrides.expire, self.overrides.stall
        if expire is not None:
            finished = round(expire.finished * WHOLE)
            return Progress(((self.validated, 0), (self.expires, finished), (NEVER, finished)))
        planned = steady(self.validated, self.durations.in_progress, self.schedule.curve)
        if stall is None or stall.at != "in_progress":
            return planned
        return planned.stalled(round(stall.progress * WHOLE), self._stalls(Status.IN_PROGRESS))

    @made_once
    def timeline(self) -> Timeline:
        """When each status begins, and how much of the work is done when."""
        marks, progress = [Mark(self.created, Status.VALIDATING)], Progress(())
        if self.fails:
            marks.append(Mark(self.validated, Status.FAILED))
        else:
            pace, progress = self.dialect.pace, self.planned
            worked = NEVER if self.hangs else progress.ends
            if worked > self.expires and self.can_expire:
                progress = replace(progress, stops=self.expires)
                finalizing = max(self.expires + pace.late, self.validated)
                takes, last = pace.expiring, Status.EXPIRED
            else:
                finalizing, takes, last = worked, self.durations.finalizing, Status.COMPLETED
            ends = finalizing + takes + self._stalls(Status.FINALIZING)
            marks.append(Mark(self.validated, Status.IN_PROGRESS))
            marks += [Mark(finalizing, Status.FINALIZING), Mark(ends, last)]
        if self.cancelled is not None:
            at, to = self.cancelled, self.overrides.cancel_to
            usual, own = self.dialect.pace.cancelling, self.durations.cancelling
            ends = at + (usual if own is None else own) + self._stalls(Status.CANCELLING)
            last = Status.CANCELLED if to is None else Status(to.status)
            marks = [mark for mark in marks if mark.at <= at]
            marks += [Mark(at, Status.CANCELLING), Mark(ends, last)]
            if last is Status.COMPLETED and at <= progress.stops:
                progress = progress.finished_by(at, ends)
            else:
                progress = replace(progress, stops=min(progress.stops, at))
        return Timeline(tuple(mark for mark in marks if mark.at < NEVER), progress)

    @property
    def hangs(self) -> bool:
        """Whether some of its lines never finish."""
        rules = (self.scenario.otherwise, *self.scenario.on)
        can_hang = any(rule.hang is not None for rule in rules)
        return can_hang and self.outcomes.running < len(self.outcomes.order)

    @property
    def can_expire(self) -> bool:
        """Whether the end of the window ends it, if it still works then."""
        overrides, stall = self.overrides, self.overrides.stall
        is_stuck = stall is not None and (stall.at, stall.until) == ("in_progress", None)
        ends = self.dialect.window.ends or overrides.expire is not None
        return ends and overrides.ignore_window is None and not is_stuck

    @property
    def end(self) -> Mark:
        """The last status there will be, and when it begins."""
        return self.timeline.marks[-1]

    def settles(self, now: int) -> int:
        """From when on nothing changes any more; before validation ends no more is known than that.

        A batch that never leaves `validating` has been settled since its creation.
        """
        if self.is_validating(now):
            return self.validated if self.validated < NEVER else self.created
        return self.end.at if self.fails else max(self.end.at, self.timeline.progress.rests)

    def is_validating(self, now: int) -> bool:
        """Whether it validates at `now`, which is known without looking at its lines."""
        return self.cancelled is None and now < self.validated

    def status(self, now: int) -> Status:
        """The status at `now`."""
        return Status.VALIDATING if self.is_validating(now) else self.timeline.at(now).status

    def exists(self, now: int) -> bool:
        """Whether a client can see the batch at `now`."""
        gone = self.overrides.not_found_from
        if gone is None or now < self.created:
            return self.created <= now
        if self.is_validating(now):
            return gone.status != "validating"
        return not self.timeline.has_begun(Status(gone.status), now)

    def counts(self, now: int) -> Counts:
        """Lines that never ran are in no count but the total (observed: expired, cancelled)."""
        if self.is_validating(now) or not self.timeline.has_begun(Status.IN_PROGRESS, now):
            return Counts()
        outcomes = self.outcomes
        finished = self.timeline.progress.done(outcomes.running, now)
        failed = bisect_left(outcomes.failing, finished)
        return Counts(len(outcomes.order), finished - failed, failed)

    def finished(self, now: int) -> int:
        """How many lines have finished by now."""
        _, completed, failed = self.counts(now)
        return completed + failed

    @property
    def counts_lag(self) -> int:
        """By how much `request_counts` are late."""
        miscount = self.overrides.miscount
        return 0 if miscount is None else microseconds(miscount.late or 0)

    @property
    def written(self) -> int:
        """When the result files are written."""
        # ids of result lines carry the second of finalizing, not of the line's own run (observed)
        finalizing = self.timeline.starts(Status.FINALIZING)
        return self.end.at if finalizing is None else finalizing

    def _stalls(self, status: Status) -> int:
        """How much longer it stays in a status because a rule stalls it there."""
        stall = self.overrides.stall
        if stall is None or stall.at != status:
            return 0
        return NEVER if stall.until in (None, "expiry") else microseconds(stall.until)

"""A batch: a frozen value whose whole future follows from it, evaluated when first needed."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from fakebatch.batch.input_file import Lines
from fakebatch.batch.lifecycle import Mark, Status, Timeline
from fakebatch.batch.matching import LineOutcome, RuleMatcher
from fakebatch.batch.once import Once, made_once
from fakebatch.batch.progress import NEVER, WHOLE, Progress, steady
from fakebatch.batch.validation import BatchError, Validation, validate
from fakebatch.dialects import Dialect, ErrorCode
from fakebatch.durations import microseconds
from fakebatch.ids import Mint
from fakebatch.request_line import RequestLine
from fakebatch.rules.batches import NO_OVERRIDES, BatchOverrides, Durations
from fakebatch.rules.lines import Fail, Hang
from fakebatch.rules.rule import overlaid
from fakebatch.rules.scenario import Scenario

T = TypeVar("T")


def lasting(make: Callable[[Any], T]) -> made_once[T]:
    """A property made once for a batch and for what a cancel makes of it, which does not change."""
    return made_once(make, "_lasting")


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
    what was made of it. Moments are microseconds since the epoch.
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
    mint: Mint
    """Makes the ids of its results, and decides every shuffle."""
    output_file_id: str = ""
    """What its output file is called, if it leaves one."""
    error_file_id: str = ""
    number: int = 0
    """Decides between two of the same moment."""
    nth: int = 1
    """Which batch it is, in the order of creation."""
    earlier: Mapping[str, int] = field(default_factory=dict[str, int], repr=False)
    """In how many batches before a custom_id was, if there are rules with `times`."""
    refused: BatchError | None = None
    """What else fails it, though its lines are good."""
    cancelled: int | None = None
    """When it was cancelled."""
    _lasting: Once = field(default_factory=Once, repr=False, compare=False)
    _once: Once = field(default_factory=Once, repr=False, compare=False, init=False)

    def cancel(self, at: int) -> Batch:
        """The batch once it is cancelled: the same past, another future."""
        return replace(self, cancelled=at)

    def as_nth(self, nth: int) -> Batch:
        """The batch as the nth that is created, which decides what differs about it."""
        return self if nth == self.nth else replace(self, nth=nth, _lasting=Once())

    def without_input(self) -> Batch:
        """The batch once its input file is gone before validation ended."""
        return replace(self, content=None, _lasting=Once())

    def once(self, name: str, make: Callable[[Batch], T]) -> T:
        """What `make` makes of this batch: made once, and kept under this name."""
        return self._once.get(name, lambda: make(self))

    @property
    def is_busy(self) -> bool:
        """Whether the calling thread is evaluating it: then a callable of the test has called."""
        return self._lasting.is_busy or self._once.is_busy

    def __getstate__(self) -> dict[str, Any]:
        made = ("_lasting", "_once")
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lasting=Once(), _once=Once())

    # --- its lines

    @cached_property
    def overrides(self) -> BatchOverrides:
        """What differs about this batch."""
        return self.scenario.batch_overrides(self.nth, self.params.endpoint)

    @cached_property
    def is_usual(self) -> bool:
        """Whether nothing differs."""
        return self.overrides == NO_OVERRIDES

    @cached_property
    def counts_lag(self) -> int:
        """By how much `request_counts` are late."""
        miscount = self.overrides.miscount
        return 0 if miscount is None else microseconds(miscount.late or 0)

    @cached_property
    def durations(self) -> Durations:
        """How long it stays in each status."""
        schedule = self.scenario.schedule
        if self.overrides.schedule != NO_OVERRIDES.schedule:
            schedule = overlaid(schedule, self.overrides.schedule)
        return schedule.durations()

    @lasting
    def validation(self) -> Validation:
        """What validation says of its input file."""
        if self.content is None:
            missing = BatchError(ErrorCode.NO_INPUT_FILE, {"id": self.params.input_file_id})
            return Validation(_NO_LINES, (missing,), None)
        return validate(
            self.content,
            self.params.endpoint,
            self.dialect,
            self.models,
            model=self.params.model,
        )

    @property
    def errors(self) -> tuple[BatchError, ...]:
        """What `errors` says once it is validated."""
        if self.refused is None or self.validation.fails:
            return self.validation.errors
        return (self.refused,)

    @property
    def skips_lines(self) -> bool:
        """Whether `errors` is about lines that were left out, and the others run."""
        return self.validation.skipped and self.refused is None

    @property
    def fails(self) -> bool:
        """Whether validation fails it."""
        refused = self.refused is not None or self.overrides.fail is not None
        return refused or self.validation.fails

    @property
    def lines(self) -> Lines:
        """The request lines."""
        return self.validation.lines

    @property
    def readable_lines(self) -> Iterator[RequestLine]:
        """The request lines that can be read, also of a batch that fails."""
        for index in range(len(self.lines)):
            with suppress(ValueError, LookupError, TypeError):
                yield self.lines.request(index)

    @cached_property
    def total(self) -> int:
        """How many request lines it has."""
        return len(self.lines)

    @lasting
    def matcher(self) -> RuleMatcher:
        """Matches its lines with the rules of its scenario."""
        return RuleMatcher(self.scenario, self.total, self.mint, self.earlier)

    @lasting
    def unusual(self) -> dict[int, LineOutcome]:
        """What comes of the lines that do not come to the usual. Asked for in line order, once."""
        matcher, lines = self.matcher, self.lines
        if self.fails or matcher.is_uniform:
            return {}
        outcomes = ((index, matcher.outcome(lines.request(index))) for index in range(len(lines)))
        return {index: outcome for index, outcome in outcomes if outcome is not matcher.usual}

    @lasting
    def rule_hits(self) -> Counter[int]:
        """How many lines each rule of `on` selects, by its index, whether they will run or not."""
        if not self.fails:
            return Counter(rule for outcome in self.unusual.values() for rule in outcome.rules)
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

    def outcome(self, index: int) -> LineOutcome:
        """What comes of a line, once it runs.

        Raises:
            UsageError: a predicate of the test failed, or a recording lacks a custom_id.
        """
        outcome = self.unusual.get(index, self.matcher.usual)
        return self.matcher.outcome(self.lines.request(index)) if outcome is None else outcome

    @lasting
    def hanging(self) -> frozenset[int]:
        """The request lines that never finish."""
        if self.fails or not self.matcher.can_hang:
            return frozenset()
        indices = range(self.total)
        return frozenset(i for i in indices if isinstance(self.outcome(i).result, Hang))

    @property
    def running(self) -> int:
        """How many request lines finish if nothing comes between."""
        return self.total - len(self.hanging)

    @lasting
    def order(self) -> list[int]:
        """The request lines in the order in which they finish; last those that never do."""
        order = self.mint.order(self.total, "lines")
        return sorted(order, key=self.hanging.__contains__) if self.hanging else order

    @lasting
    def failing(self) -> list[int]:
        """Places in `order` of the lines that fail, ascending."""
        usual = self.matcher.usual
        if self.fails or not (self.unusual or (usual and isinstance(usual.result, Fail))):
            return []
        order = enumerate(self.order)
        return [place for place, index in order if isinstance(self.outcome(index).result, Fail)]

    @lasting
    def misfiled(self) -> list[int]:
        """Places in `order` of the lines that fail and are in the output file all the same."""
        results = ((place, self.outcome(self.order[place]).result) for place in self.failing)
        return [place for place, one in results if isinstance(one, Fail) and one.file == "output"]

    # --- its life

    @cached_property
    def expires(self) -> int:
        """When the completion window ends."""
        return self.created + self.dialect.window.lasts(self.params.completion_window)

    @cached_property
    def validated(self) -> int:
        """When validation ends."""
        stall = self._stalls(Status.VALIDATING)
        return min(self.created + self.durations.validating + stall, NEVER)

    @cached_property
    def progress(self) -> Progress:
        """When how many lines would be done if nothing came between."""
        overrides, takes = self.overrides, self.durations.in_progress
        if overrides.expire is not None:
            finished = round(overrides.expire.finished * WHOLE)
            return Progress(((self.validated, 0), (self.expires, finished)))
        progress = steady(self.validated, takes, overrides.schedule.curve)
        stall = overrides.stall
        if stall is not None and stall.at == "in_progress":
            lasts = self._stalls(Status.IN_PROGRESS)
            progress = progress.stalled(round(stall.progress * WHOLE), lasts)
        if self.cancelled is not None and self._cancels_to is Status.COMPLETED:
            progress = progress.finished_by(self.cancelled, self.cancelled + self._cancelling)
        return progress

    @property
    def worked(self) -> int:
        """When the last line would finish."""
        return NEVER if self.hanging else self.progress.ends

    @property
    def is_late(self) -> bool:
        """Whether the window ends before the last line would finish, and the batch with it."""
        stall = self.overrides.stall
        ends = stall is not None and stall.until == "expiry"
        stuck = self._stalls(Status.IN_PROGRESS) == NEVER and not ends
        goes_on = self.overrides.ignore_window is not None or not self.dialect.window.ends
        return self.worked > self.expires and not (stuck or goes_on)

    @made_once
    def timeline(self) -> Timeline:
        """When each status begins."""
        failing = (Mark(self.validated, Status.FAILED),)
        planned = self._begin(*(failing if self.fails else self._running()))
        return planned if self.cancelled is None else self._cancelled(planned, self.cancelled)

    @cached_property
    def end(self) -> Mark:
        """The last status there will be, and when it begins."""
        return self.timeline.marks[-1]

    @made_once
    def rests(self) -> int:
        """From when on nothing changes any more."""
        end = self.end.at
        return end if self.fails else max(end, min(self._stops, self.progress.rests))

    def settles(self, now: int) -> int:
        """From when on nothing changes any more; before validation ends no more is known than that.

        A batch that never leaves `validating` has been settled since its creation.
        """
        if self.is_validating(now):
            return self.validated if self.validated < NEVER else self.created
        return self.rests

    def is_validating(self, now: int) -> bool:
        """Whether it validates at `now`, which is known without looking at its lines."""
        return self.cancelled is None and now < self.validated

    def status(self, now: int) -> Status:
        """The status at `now`."""
        return Status.VALIDATING if self.is_validating(now) else self.timeline.at(now).status

    def has_begun(self, status: str, now: int) -> bool:
        """Whether a status has begun by now."""
        if self.is_validating(now):
            return status == Status.VALIDATING
        return self.timeline.began(Status(status), now) is not None

    def exists(self, now: int) -> bool:
        """Whether a client can see the batch at `now`."""
        gone = self.overrides.not_found_from
        return self.created <= now and (gone is None or not self.has_begun(gone.status, now))

    def finished(self, now: int) -> int:
        """How many lines have finished by now."""
        if now < self._starts:
            return 0
        return self.progress.done(self.running, min(now, self._stops))

    def counts(self, now: int) -> Counts:
        """Lines that never ran are in no count but the total (observed: expired, cancelled)."""
        if self.is_validating(now) or now < self._starts:
            return Counts()
        finished = self.finished(now)
        failed = bisect_left(self.failing, finished)
        return Counts(self.total, finished - failed, failed)

    @made_once
    def _starts(self) -> int:
        starts = self.timeline.starts(Status.IN_PROGRESS)
        return NEVER if starts is None else starts

    @made_once
    def _stops(self) -> int:
        if self.cancelled is not None and self._cancels_to is not Status.COMPLETED:
            return min(self.cancelled, self.expires if self.is_late else NEVER)
        return self.expires if self.is_late else NEVER

    @property
    def _cancelling(self) -> int:
        usual, own = self.dialect.pace.cancelling, self.durations.cancelling
        return (usual if own is None else own) + self._stalls(Status.CANCELLING)

    def _stalls(self, status: Status) -> int:
        stall = self.overrides.stall
        if stall is None or stall.at != status:
            return 0
        return NEVER if stall.until in (None, "expiry") else microseconds(stall.until)

    @property
    def _cancels_to(self) -> Status:
        """What a cancel ends in."""
        to = self.overrides.cancel_to
        return Status.CANCELLED if to is None else Status(to.status)

    def _running(self) -> tuple[Mark, ...]:
        pace, stall = self.dialect.pace, self._stalls(Status.FINALIZING)
        running = Mark(self.validated, Status.IN_PROGRESS)
        if self.is_late:
            at = max(self.expires + pace.late, self.validated)
            expired = Mark(at + pace.expiring + stall, Status.EXPIRED)
            return running, Mark(at, Status.FINALIZING), expired
        completed = Mark(self.worked + self.durations.finalizing + stall, Status.COMPLETED)
        return running, Mark(self.worked, Status.FINALIZING), completed

    def _begin(self, *marks: Mark) -> Timeline:
        future = (mark for mark in marks if mark.at < NEVER)
        return Timeline((Mark(self.created, Status.VALIDATING), *future))

    def _cancelled(self, planned: Timeline, at: int) -> Timeline:
        end = Mark(at + self._cancelling, self._cancels_to)
        marks = (Mark(at, Status.CANCELLING), end)
        return planned.until(at, *(mark for mark in marks if mark.at < NEVER))


_NO_LINES = Lines(b"", array("Q"), array("Q"), array("Q"))

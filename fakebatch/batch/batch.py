"""A batch: a frozen value from which its status, counts and results follow for any moment."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from threading import get_ident
from typing import Any, TypeVar

from fakebatch.batch.input_file import NO_LINES, BatchError, Lines, Validation, validate
from fakebatch.batch.lifecycle import NEVER, WHOLE, Counts, Mark, Progress, Status, Timeline
from fakebatch.batch.matching import Outcomes, outcomes_of
from fakebatch.batch.once import Once, computed_once, computed_once_shared
from fakebatch.dialects import Dialect, ErrorCode
from fakebatch.durations import SECOND, microseconds
from fakebatch.ids import IdFactory
from fakebatch.request_lines import RequestLine
from fakebatch.rules.batches import NO_OVERRIDES, BatchOverrides, BatchRule, Durations, Schedule
from fakebatch.rules.lines import contains
from fakebatch.rules.rule import holds, merged
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
    """`output_expires_after.seconds`, if the call has it."""
    model: str = ""
    """The model of every line, with providers whose create call names one; else empty."""
    deletes_input: bool = False
    """Whether the input file is deleted when the batch ends."""
    idempotency_key: str | None = None
    """The key of a call that can be repeated."""


_MADE = ("digest", "validation", "outcomes", "rule_hits", "timeline")
"""What a batch without lines still has to know of them."""


@dataclass(frozen=True)
class Batch:
    """What is known of a batch when it is created, and everything that follows from that.

    Reading never changes it; `cancel` returns a new one. What is computed of it is cached, and not
    pickled. Moments are microseconds since the epoch.
    """

    id: str
    created: int
    params: BatchCreateParams
    content: bytes | None = field(repr=False)
    """The content of the input file; None if there is no such file."""
    scenario: Scenario
    dialect: Dialect = field(repr=False)
    models: frozenset[str] | None
    """The models that exist; None if every plausible name does."""
    id_factory: IdFactory
    """Makes the ids of its results and every shuffle of its lines."""
    output_file_id: str = ""
    """The ids that its result files get, if there are such files."""
    error_file_id: str = ""
    number: int = 0
    """Orders records that were created at the same moment."""
    matching: tuple[int, ...] = ()
    """The rules of `on_batch` of which all conditions but the order hold for it, by index."""
    rules: tuple[int, ...] = ()
    """The rules of `on_batch` that select it."""
    earlier: Mapping[str, int] = field(default_factory=dict[str, int], repr=False)
    """How many earlier batches contain a custom_id; empty if no rule has `times`."""
    creation_error: BatchError | None = None
    """What fails it though its lines are valid: a wrong window, or too many enqueued tokens."""
    cancelled: int | None = None
    """When a client cancelled it."""
    _once: Once = field(default_factory=Once, init=False, repr=False, compare=False)

    def cancel(self, at: int) -> Batch:
        """The same batch, cancelled at this moment; results computed before are kept."""
        cancelled = replace(self, cancelled=at)
        vars(cancelled)["_once"] = self._once
        return cancelled

    def selected_by(self, matching: tuple[int, ...], rules: tuple[int, ...]) -> Batch:
        """The same batch with these rules of `on_batch`; its validation is kept."""
        if (matching, rules) == (self.matching, self.rules):
            return self
        selected = replace(self, matching=matching, rules=rules)
        vars(selected)["_once"] = self._once
        return selected

    def matches(self, rule: BatchRule) -> bool:
        """Whether all conditions of a rule but the order hold for it.

        Raises:
            UsageError: the predicate of the rule raised.
        """
        params, text = self.params, rule.contains
        return (
            rule.endpoint in (None, params.endpoint)
            and rule.metadata.items() <= dict(params.metadata or {}).items()
            and (rule.model is None or rule.model == self.validation.model)
            and (text is None or any(contains(line.body, text) for line in self.readable_lines))
            and holds(rule.where, params, "on_batch", f"the batch of {params.input_file_id}")
        )

    def without_input(self) -> Batch:
        """The same batch, whose input file was deleted before validation ended."""
        return replace(self, content=None)

    def lighter(self, results: object, *, has_lines: bool) -> Batch:
        """The same batch after its end, with these results, and perhaps without its lines."""
        made: dict[str, Any] = {name: getattr(self, name) for name in _MADE}
        if not has_lines:
            made["validation"] = replace(self.validation, lines=NO_LINES)
        light = replace(self, content=self.content if has_lines else None)
        vars(light).update(made, results=results)
        return light

    @cached_property
    def digest(self) -> bytes | None:
        """A hash of the input file; None: there is no such file."""
        return None if self.content is None else blake2b(self.content).digest()

    @property
    def has_lines(self) -> bool:
        """Whether its lines are known: not after a large input file was deleted."""
        return self.content is not None or self.digest is None

    def once(self, name: str, make: Callable[[], T]) -> T:
        """The value of this name: computed by `make` at first, by one thread, then cached."""
        return self._once.make(vars(self), name, make)

    @property
    def is_busy(self) -> bool:
        """Whether a call about something else must leave it alone.

        Either the calling thread is computing a value of it, in a callable of the test, or another
        one is judging its lines, so that no client knows its result files yet.
        """
        maker = self._once.maker
        return maker == get_ident() or (maker is not None and "outcomes" not in vars(self))

    def __getstate__(self) -> dict[str, Any]:
        names = {*self.__dataclass_fields__} - {"_once"}
        if not self.has_lines:  # then nothing can be computed again
            names |= {*_MADE, "results"}
        return {name: value for name, value in vars(self).items() if name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _once=Once())

    @cached_property
    def overrides(self) -> BatchOverrides:
        """What the rules of `on_batch` change about this batch."""
        return self.scenario.batch_overrides(self.rules) if self.rules else NO_OVERRIDES

    @computed_once_shared
    def validation(self) -> Validation:
        """The request lines of its input file, and the errors found in them."""
        if self.content is None:
            missing = BatchError(ErrorCode.NO_INPUT_FILE, {"id": self.params.input_file_id})
            return Validation(NO_LINES, (missing,), None, fails=True, bad_bodies={})
        params = self.params
        return validate(self.content, params.endpoint, self.dialect, self.models, params.model)

    @property
    def errors(self) -> tuple[BatchError, ...]:
        """The entries of `errors` after validation."""
        if self.creation_error is None or self.validation.fails:
            return self.validation.errors
        return (self.creation_error,)

    @property
    def fails(self) -> bool:
        """Whether validation fails it."""
        fails = self.creation_error is not None or self.overrides.fail is not None
        return fails or self.validation.fails

    @property
    def lines(self) -> Lines:
        """The request lines, even of a batch that fails."""
        return self.validation.lines

    @computed_once_shared
    def outcomes(self) -> Outcomes:
        """How each line ends; empty if the batch fails.

        Raises:
            UsageError: a predicate of the test raised, or a recording lacks a custom_id.
        """
        how = self.scenario, self.id_factory, self.earlier
        if self.fails:
            return outcomes_of(NO_LINES, *how, {})
        return outcomes_of(self.lines, *how, self.validation.bad_bodies)

    @property
    def readable_lines(self) -> Iterator[RequestLine]:
        """The request lines that can be parsed, even of a batch that fails."""
        for index in range(len(self.lines)):
            with suppress(ValueError, LookupError, TypeError):
                yield self.lines.request(index)

    @computed_once_shared
    def rule_hits(self) -> Counter[int]:
        """How many lines each rule of `on` selects, by the index of the rule."""
        if not self.fails:
            return Counter(rule for outcome in self.outcomes.by_line for rule in outcome.rules)
        # Of a batch that never runs no predicate is called and no fraction is drawn.
        return Counter(
            index
            for line in (self.readable_lines if self.scenario.on else ())
            for index, rule in enumerate(self.scenario.on)
            if rule.where is None
            and rule.fraction is None
            and rule.matches(line)
            and (rule.times is None or self.earlier.get(line.custom_id or "", 0) < rule.times)
        )

    @cached_property
    def expires(self) -> int:
        """When the completion window ends."""
        return self.created + self.dialect.window.lasts(self.params.completion_window)

    @cached_property
    def schedule(self) -> Schedule:
        """How long it stays in each status, as the test wrote it."""
        default, overrides = self.scenario.schedule, self.overrides
        return default if overrides is NO_OVERRIDES else merged(default, overrides.schedule)

    @cached_property
    def durations(self) -> Durations:
        """How long it stays in each status, in microseconds."""
        return self.schedule.durations()

    @cached_property
    def validated(self) -> int:
        """When validation ends."""
        lasts = self.durations.validating + self._stall_in(Status.VALIDATING)
        return min(self.created + lasts, NEVER)

    @cached_property
    def cancels(self) -> int | None:
        """When it is cancelled, by a client or as a rule plans it; the earlier counts."""
        cancel, at = self.overrides.cancel, self.cancelled
        planned = None if cancel is None else self.created + microseconds(cancel.at)
        return at if planned is None or (at is not None and at < planned) else planned

    @cached_property
    def validates_until(self) -> int:
        """When it leaves `validating`."""
        return self.validated if self.cancels is None else min(self.validated, self.cancels)

    @cached_property
    def planned_progress(self) -> Progress:
        """Its progress if neither a cancel nor the end of the window stops it."""
        expire, stall = self.overrides.expire, self.overrides.stall
        if expire is not None:
            finished = round(expire.finished * WHOLE)
            return Progress(((self.validated, 0), (self.expires, finished), (NEVER, finished)))
        planned = Progress.linear(self.validated, self.durations.in_progress, self.schedule.curve)
        if stall is None or stall.at != "in_progress":
            return planned
        return planned.stalled(round(stall.progress * WHOLE), self._stall_in(Status.IN_PROGRESS))

    @computed_once
    def timeline(self) -> Timeline:
        """When each status begins, and the progress of the work."""
        marks, progress = [Mark(self.created, Status.VALIDATING)], Progress(())
        if self.fails:
            marks.append(Mark(self.validated, Status.FAILED))
        else:
            pace, progress, stall = self.dialect.pace, self.planned_progress, self.overrides.stall
            rules = (self.scenario.otherwise, *self.scenario.on)
            can_hang = any(rule.hang is not None for rule in rules)
            is_hanging = can_hang and self.outcomes.running < len(self.outcomes.order)
            is_stuck = stall is not None and (stall.at, stall.until) == ("in_progress", None)
            can_expire = self.dialect.window.ends or self.overrides.expire is not None
            can_expire &= self.overrides.ignore_window is None and not is_stuck
            done = NEVER if is_hanging else progress.ends
            if done > self.expires and can_expire:
                progress = replace(progress, stops=self.expires)
                finalizing = max(self.expires + pace.late, self.validated)
                duration, last = pace.expiring, Status.EXPIRED
            else:
                finalizing, duration, last = done, self.durations.finalizing, Status.COMPLETED
            ends = finalizing + duration + self._stall_in(Status.FINALIZING)
            marks.append(Mark(self.validated, Status.IN_PROGRESS))
            marks += [Mark(finalizing, Status.FINALIZING), Mark(ends, last)]
        at = self.cancels
        if at is not None and at < marks[-1].at:
            to = self.overrides.cancel_to
            ruled, default = self.durations.cancelling, self.dialect.pace.cancelling
            ends = at + (default if ruled is None else ruled) + self._stall_in(Status.CANCELLING)
            last = Status.CANCELLED if to is None else Status(to.status)
            marks = [mark for mark in marks if mark.at <= at]
            marks += [Mark(at, Status.CANCELLING), Mark(ends, last)]
            if last is Status.COMPLETED and at <= progress.stops:
                progress = progress.finished_by(at, ends)
            else:
                progress = replace(progress, stops=min(progress.stops, at))
        return Timeline(tuple(mark for mark in marks if mark.at < NEVER), progress)

    @property
    def end(self) -> Mark:
        """Its final status, and when that begins."""
        return self.timeline.marks[-1]

    def settles(self, now: int) -> int:
        """The moment after which nothing about it changes; while it validates, the end of that.

        A batch that never leaves `validating` has been settled since its creation.
        """
        if self.is_validating(now):
            return self.validates_until if self.validates_until < NEVER else self.created
        return self.end.at if self.fails else max(self.end.at, self.timeline.progress.last_change)

    def is_validating(self, now: int) -> bool:
        """Whether it is `validating` at `now`; this needs no look at its lines."""
        return now < self.validates_until

    def status(self, now: int) -> Status:
        """The status at `now`."""
        return Status.VALIDATING if self.is_validating(now) else self.timeline.at(now).status

    def exists(self, now: int) -> bool:
        """Whether a client can see the batch at `now`."""
        not_found = self.overrides.not_found_from
        if not_found is None or now < self.created:
            return self.created <= now
        if self.is_validating(now):
            return not_found.status != "validating"
        return not self.timeline.has_begun(Status(not_found.status), now)

    def counts(self, now: int) -> Counts:
        """The true `request_counts` at `now`.

        Lines that never ran are counted in the total alone (observed: expired, cancelled).
        """
        if self.is_validating(now) or not self.timeline.has_begun(Status.IN_PROGRESS, now):
            return Counts()
        finished = self.timeline.progress.done(self.outcomes.running, now)
        failed = bisect_left(self.outcomes.failing, finished)
        return Counts(len(self.outcomes.order), finished - failed, failed)

    def finished(self, now: int) -> int:
        """How many lines have finished by now."""
        return sum(self.counts(now)[1:])

    @property
    def counts_lag(self) -> int:
        """How old `request_counts` are."""
        miscount = self.overrides.miscount
        return 0 if miscount is None else microseconds(miscount.late or 0)

    @property
    def files_lag(self) -> int:
        """How long after its end the result files appear."""
        late = self.overrides.result_files.late
        return 0 if late is None else microseconds(late)

    @property
    def files_life(self) -> int | None:
        """How long after its end the result files expire; None: they do not."""
        expire, seconds = self.overrides.result_files.expire, self.params.output_expires_after
        if expire is not None:
            return microseconds(expire)
        return self.dialect.pace.keeps_batch_files if seconds is None else seconds * SECOND

    @property
    def written(self) -> int:
        """When the result files are written."""
        # ids of result lines carry the second of finalizing, not of the line's own run (observed)
        finalizing = self.timeline.starts(Status.FINALIZING)
        return self.end.at if finalizing is None else finalizing

    def _stall_in(self, status: Status) -> int:
        """How much longer a rule keeps it in this status."""
        stall = self.overrides.stall
        if stall is None or stall.at != status:
            return 0
        return NEVER if stall.until in (None, "expiry") else microseconds(stall.until)

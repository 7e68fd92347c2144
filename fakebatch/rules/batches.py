"""Batches: the selector `on_batch`, and its verbs, which change timelines, objects and files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from annotated_types import Ge
from pydantic import AfterValidator, Field, Strict

from fakebatch.dialects.dialect import ActiveStatus, BatchStatus
from fakebatch.durations import SECOND, microseconds
from fakebatch.errors import UsageError
from fakebatch.rules.rule import (
    Names,
    Occurrence,
    OtherFields,
    Predicate,
    Ratio,
    Rule,
    Selection,
    Span,
    merged,
    method,
    verb,
)


class Durations(NamedTuple):
    """How long a batch stays in each status, in microseconds; 0 skips the status.

    By default it takes an hour, and a client that polls once a minute sees every status.
    """

    validating: int = 65 * SECOND
    in_progress: int = 3_470 * SECOND
    finalizing: int = 65 * SECOND
    cancelling: int | None = None
    """None: the time that the provider takes."""


@verb("schedule(validating=0, in_progress='30m')")
class Schedule:
    """How long the batches stay in each status; 0 skips a status, others keep their durations."""

    _: KW_ONLY
    validating: Span | None = None
    in_progress: Span | None = None
    finalizing: Span | None = None
    cancelling: Span | None = None
    curve: Annotated[Sequence[tuple[Ratio, Ratio]], AfterValidator(tuple)] = ()
    """Progress as points (time, lines done) between (0, 0) and (1, 1); time counts in progress."""

    def __post_init__(self) -> None:
        if not all(x <= x2 and y <= y2 for (x, y), (x2, y2) in pairwise(self.curve)):
            raise UsageError(
                f"curve={self.curve!r} does not describe progress.",
                "Its points (time, lines done) must ascend from (0, 0) to (1, 1).",
                "Write for example schedule(curve=[(0.5, 0.1), (0.9, 0.8)]).",
            )

    def durations(self) -> Durations:
        """All durations in microseconds; defaults fill what is left out."""
        spans = {name: getattr(self, name) for name in Durations._fields}
        durations = {name: microseconds(span) for name, span in spans.items() if span is not None}
        return Durations(**durations)


@verb("fail(errors=[{'code': 'token_limit_exceeded'}])")
class ErrorEntry:
    """One entry of `batch.errors`; without a message it has the provider's for the code."""

    code: str
    message: str | None = None
    param: str | None = None
    line: int | None = None

    def __repr__(self) -> str:
        """The dict that a test writes for it."""
        return repr({name: part for name, part in asdict(self).items() if part is not None})


@verb("fail('token_limit_exceeded')")
class Fail:
    """The batches fail validation, with one entry in `errors`, several, or none."""

    code: str | None = None
    message: str | None = None
    """By default the provider's message for the code."""
    _: KW_ONLY
    param: str | None = None
    line: int | None = None
    errors: Annotated[Sequence[ErrorEntry], AfterValidator(tuple)] | Literal["null"] | None = None
    """Several entries, or "null" to make `errors` null."""

    @property
    def entries(self) -> tuple[ErrorEntry, ...]:
        """The entries of `errors`; empty if `errors` is null."""
        if self.errors is not None and self.errors != "null":
            return tuple(self.errors)
        if self.code is None:
            return ()
        return (ErrorEntry(self.code, self.message, self.param, self.line),)


@verb("stall('in_progress', progress=0.99)")
class Stall:
    """The batches stay longer in a status: for a while, until they expire, or for ever."""

    at: ActiveStatus
    _: KW_ONLY
    progress: Ratio = 0.0
    """The fraction of lines that is done meanwhile, from 0 to 1."""
    until: Annotated[Literal["expiry"] | Span | None, Field(union_mode="left_to_right")] = None
    """A duration, or "expiry"; None is for ever."""

    def __post_init__(self) -> None:
        if self.at != "in_progress" and self.progress:
            raise UsageError(
                f"A batch cannot stall in {self.at!r} with progress={self.progress!r}.",
                "Only a batch in 'in_progress' makes progress.",
                "Write for example on_batch().stall('in_progress', progress=0.99).",
            )
        if self.until == "expiry" and self.at != "in_progress":
            raise UsageError(
                f"A stall in {self.at!r} cannot last until expiry.",
                "Only a batch in progress expires.",
                "Write on_batch().stall('in_progress', until='expiry').",
            )


@verb("expire(finished=0.1)")
class Expire:
    """The batches expire; `finished` is the fraction of lines done by then, from 0 to 1."""

    finished: Ratio = 0.0


@verb("ignore_window()")
class IgnoreWindow:
    """The batches do not expire: they go on after `expires_at`."""


@verb("cancel_to('completed')")
class CancelTo:
    """The final status of cancelled batches; `completed`: the cancel came too late."""

    status: Literal["cancelled", "completed"]


@verb("cancel(at='20m')")
class Cancel:
    """An operator cancels the batches this long after their creation, unless they have ended."""

    at: Span


@verb("not_found_from('in_progress')")
class NotFoundFrom:
    """The batches are not found (404) once this status has begun."""

    status: BatchStatus


@verb("miscount('zero')")
class Miscount:
    """The `request_counts` of the batches are wrong, or out of date."""

    how: Literal["zero", "null", "all_completed", "failed_as_completed", "decreasing"] | None = None
    _: KW_ONLY
    late: Span | None = None
    """How old the counts are."""

    def __post_init__(self) -> None:
        if (self.how is None) == (self.late is None):
            raise UsageError(
                f"miscount(how={self.how!r}, late={self.late!r}) needs exactly one of the two.",
                "Counts are either wrong or late.",
                "Write for example on_batch().miscount('zero') or .miscount(late='10m').",
            )


@verb("override(statuses={'completed': 'DONE'})")
class Override(OtherFields):
    """The batch objects on the wire have other fields or values than they should."""

    _: KW_ONLY
    statuses: Mapping[BatchStatus, str | Names] = field(default_factory=dict[BatchStatus, Any])
    """What is shown for a status: a name, or several, each for an equal part of its time. So a
    status can be unknown or go backwards."""
    nulls: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Values by field, used where the field is null."""
    unless_null: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Values by field, used where the field is not null."""
    moments: Literal["milliseconds", "float", "iso", "null"] | None = None
    """The format of times, in place of whole seconds."""
    clock_ahead: Span = 0
    """How far the clock of the service is ahead of the client's: times are that much later."""
    clock_behind: Span = 0
    """How far it is behind: times are that much earlier."""
    early_files: bool = False
    """Show the ids of both result files from creation on; after the end both files exist."""

    def __post_init__(self) -> None:
        for status, names in self.statuses.items():
            if not names:
                raise UsageError(
                    f"{status!r} cannot be shown as {names!r}.",
                    "A status needs at least one name; several are shown one after the other.",
                    "Write for example override(statuses={'in_progress': ['running', 'paused']}).",
                )


@verb("result_files(order='reversed')")
class ResultFiles:
    """The result files have another format, or appear late."""

    _: KW_ONLY
    order: Literal["shuffled", "input", "reversed"] | None = None
    """The order of the lines; by default "shuffled"."""
    newline: Literal["lf", "crlf"] | None = None
    bom: bool = False
    """Begin with a byte order mark."""
    trailing: Annotated[int, Strict(), Ge(0)] = 0
    """The number of blank lines at the end."""
    raw: bool = False
    """Write non-ASCII characters unescaped, including U+2028 and U+0085."""
    empty: bool = False
    """The files exist but have no lines."""
    late: Span | None = None
    """How long after the end of the batch the files appear."""
    expire: Span | None = None
    """How long after the end of the batch the files expire, whatever its `output_expires_after`."""
    listed: bool = True
    """Whether `files.list` has them; they are found by their ids in any case."""


@dataclass(frozen=True, slots=True)
class BatchSelector(Occurrence):
    """Selects batches: `nth` and `times` count those for which the other conditions hold."""

    example: ClassVar[str] = "on_batch(nth=2).fail('token_limit_exceeded')"

    _: KW_ONLY
    endpoint: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    """Pairs that its metadata has, maybe among others."""
    model: str | None = None
    """The model of its first request."""
    contains: str | None = None
    """A substring of any string in the body of any of its requests."""
    where: Predicate | None = field(default=None, repr=False)
    """A predicate, called with the parameters of the create call."""

    def covers(self, other: BatchSelector) -> bool:
        """Whether it certainly selects the first batch that another selector selects."""
        conditions = [(getattr(self, name), getattr(other, name)) for name in _CONDITIONS]
        if all(mine == theirs for mine, theirs in conditions) and self.metadata == other.metadata:
            return self.includes(other.nth or 1)
        return (
            not self.is_ordered
            and self.metadata.items() <= other.metadata.items()
            and all(mine in (None, theirs) for mine, theirs in conditions)
        )


_CONDITIONS = ("endpoint", "model", "contains", "where")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRule(BatchSelector, Rule):
    """A rule about batches."""

    family = "on_batch"

    schedule: Schedule | None = None
    fail: Fail | None = None
    stall: Stall | None = None
    expire: Expire | None = None
    ignore_window: IgnoreWindow | None = None
    cancel: Cancel | None = None
    cancel_to: CancelTo | None = None
    not_found_from: NotFoundFrom | None = None
    miscount: Miscount | None = None
    override: Override | None = None
    result_files: ResultFiles | None = None


class OnBatch(Selection[BatchRule]):
    """The batches that a test selected, of those created from now on."""

    rule = BatchRule
    schedule = method(Schedule)
    fail = method(Fail)
    stall = method(Stall)
    expire = method(Expire)
    ignore_window = method(IgnoreWindow)
    cancel = method(Cancel)
    cancel_to = method(CancelTo)
    not_found_from = method(NotFoundFrom)
    miscount = method(Miscount)
    override = method(Override)
    result_files = method(ResultFiles)


@dataclass(frozen=True, slots=True)
class BatchOverrides:
    """All verbs that apply to one batch.

    Raises:
        UsageError: two verbs contradict each other.
    """

    schedule: Schedule = field(default_factory=Schedule)
    fail: Fail | None = None
    stall: Stall | None = None
    expire: Expire | None = None
    ignore_window: IgnoreWindow | None = None
    cancel: Cancel | None = None
    cancel_to: CancelTo | None = None
    not_found_from: NotFoundFrom | None = None
    miscount: Miscount | None = None
    override: Override = field(default_factory=Override)
    result_files: ResultFiles = field(default_factory=ResultFiles)

    def __post_init__(self) -> None:
        written = {
            name: str(BatchRule(**{name: verb})).partition(".")[2]
            for name in ("fail", "stall", "expire", "ignore_window")
            if (verb := getattr(self, name)) is not None
        }
        schedule, stall = self.schedule, self.stall
        if schedule.in_progress is not None:
            written["in_progress"] = f"schedule(in_progress={schedule.in_progress!r})"
        if schedule.curve:
            written["curve"] = f"schedule(curve={schedule.curve!r})"
        if stall is not None and stall.until == "expiry":
            written["endless stall"] = "stall(…, until='expiry')"
        for (first, second), reason in _CONTRADICTIONS.items():
            if first in written and second in written:
                raise UsageError(
                    f"A batch cannot have both {written[first]} and {written[second]}.",
                    reason,
                    "Use one of them, or select different batches: on_batch(nth=2).",
                )


_CONTRADICTIONS = {
    ("fail", "stall"): "It fails when it is validated; schedule(validating='2h') makes it late.",
    ("fail", "expire"): "A batch that fails validation never runs, so it cannot expire.",
    ("fail", "ignore_window"): "A batch that fails validation never runs to the end of its window.",
    ("expire", "ignore_window"): "A batch either expires with its window or goes on after it.",
    ("expire", "stall"): "Both say how many lines are done when the window ends.",
    ("expire", "in_progress"): "A batch that expires is in progress until its window ends.",
    ("curve", "expire"): "Both describe the progress.",
    ("ignore_window", "endless stall"): "It would never end; for that write stall('in_progress').",
}
"""Pairs of verbs, or of their parameters, that exclude each other, and why."""

NO_OVERRIDES = BatchOverrides()


def overrides(rules: Iterable[BatchRule]) -> BatchOverrides:
    """The verbs that several rules, in order, give a batch.

    `schedule`, `override` and `result_files` are merged; any other verb replaces an earlier one.
    """
    result = NO_OVERRIDES
    for rule in rules:
        before, after = getattr(result, rule.verb), rule.outcome
        if rule.verb in ("schedule", "override", "result_files"):
            after = merged(before, after)
        changes: dict[str, Any] = {rule.verb: after}
        result = replace(result, **changes)
    return result

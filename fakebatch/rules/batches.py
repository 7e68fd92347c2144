"""Batches: what `on_batch` selects, and how its verbs change their lives, objects and files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from annotated_types import Ge
from pydantic import AfterValidator, PlainSerializer, PlainValidator, Strict, WithJsonSchema

from fakebatch.durations import SECOND, Duration, microseconds
from fakebatch.errors import UsageError
from fakebatch.rules.rule import (
    CONFIG,
    Occurrence,
    Part,
    Rule,
    Selection,
    Span,
    as_given,
    method,
    overlaid,
    verb,
)

BatchStatus = Literal[
    "validating",
    "in_progress",
    "finalizing",
    "cancelling",
    "failed",
    "completed",
    "expired",
    "cancelled",
]

Names = Annotated[Sequence[str], AfterValidator(tuple)]


class Durations(NamedTuple):
    """How long a batch stays in each status, in microseconds. 0 skips it.

    The default is an hour in which a poller that asks each minute sees every status.
    """

    validating: int = 65 * SECOND
    in_progress: int = 3_470 * SECOND
    finalizing: int = 65 * SECOND
    cancelling: int | None = None
    """None: as long as the provider takes."""


@verb("schedule(validating=0, in_progress='30m')")
class Schedule:
    """How long they stay in each status; 0 skips it, what is left out stays as it is."""

    _: KW_ONLY
    validating: Span | None = None
    in_progress: Span | None = None
    finalizing: Span | None = None
    cancelling: Span | None = None
    curve: Annotated[Sequence[tuple[Part, Part]], AfterValidator(tuple)] = ()
    """Points (part of the time in progress, part of the lines done) between (0, 0) and (1, 1)."""

    def __post_init__(self) -> None:
        if not all(x <= x2 and y <= y2 for (x, y), (x2, y2) in pairwise(self.curve)):
            raise UsageError(
                f"curve={self.curve!r} is no progress.",
                "Its points (part of the time, part of the lines) ascend from (0, 0) to (1, 1).",
                "Write for example schedule(curve=[(0.5, 0.1), (0.9, 0.8)]).",
            )

    def durations(self) -> Durations:
        """The durations in microseconds, the default ones where none is given."""
        spans = {name: getattr(self, name) for name in Durations._fields}
        return Durations(
            **{name: microseconds(span) for name, span in spans.items() if span is not None}
        )


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One entry of `batch.errors`; without a message it has the provider's own for its code."""

    __pydantic_config__ = CONFIG
    example: ClassVar[str] = "fail(errors=[{'code': 'token_limit_exceeded'}])"
    code: str
    message: str | None = None
    param: str | None = None
    line: int | None = None


@verb("fail('token_limit_exceeded')")
class Fail:
    """Validation fails them, with one entry in `errors`, with several, or without any."""

    code: str | None = None
    message: str | None = None
    """By default the provider's own for this code."""
    _: KW_ONLY
    param: str | None = None
    line: int | None = None
    errors: Annotated[Sequence[ErrorEntry], AfterValidator(tuple)] | Literal["null"] | None = None
    """Several entries, or "null": `errors` is null."""

    @property
    def entries(self) -> tuple[ErrorEntry, ...]:
        """What `errors` has; nothing where it is null."""
        if self.errors is not None and self.errors != "null":
            return tuple(self.errors)
        if self.code is None:
            return ()
        return (ErrorEntry(self.code, self.message, self.param, self.line),)


def _until(value: Any) -> Any:
    return value if value == "expiry" else as_given(value)


Until = Annotated[
    Duration,
    PlainValidator(_until),
    PlainSerializer(_until),
    WithJsonSchema({"type": ["number", "string"], "description": "a duration, or 'expiry'"}),
]


@verb("stall('in_progress', progress=0.99)")
class Stall:
    """They stay in a status: for so much longer, until they expire, or for ever."""

    at: Literal["validating", "in_progress", "finalizing", "cancelling"]
    _: KW_ONLY
    progress: Part = 0.0
    """How much is done meanwhile, from 0 to 1."""
    until: Until | None = None
    """How much longer, or "expiry"; None: for ever."""

    def __post_init__(self) -> None:
        if self.at != "in_progress" and self.progress:
            raise UsageError(
                f"A batch cannot stall in {self.at!r} with progress={self.progress!r}.",
                "Progress is between 0 and 1, and there is some in 'in_progress' alone.",
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
    """They expire, with so much of them done, from 0 to 1."""

    finished: Part = 0.0


@verb("ignore_window()")
class IgnoreWindow:
    """They go on after `expires_at` as if there were no completion window."""


@verb("cancel_to('completed')")
class CancelTo:
    """What a cancel ends in; `completed`: they were done before it took effect."""

    status: Literal["cancelled", "completed"]


@verb("not_found_from('in_progress')")
class NotFoundFrom:
    """They can no longer be found from that status on."""

    status: BatchStatus


@verb("miscount('zero')")
class Miscount:
    """Their `request_counts` are wrong in a way, or are those of a while ago."""

    how: Literal["zero", "null", "all_completed", "failed_as_completed", "decreasing"] | None = None
    _: KW_ONLY
    late: Span | None = None

    def __post_init__(self) -> None:
        if (self.how is None) == (self.late is None):
            raise UsageError(
                f"miscount(how={self.how!r}, late={self.late!r}) is no way to count.",
                "Counts are either wrong or late.",
                "Write for example on_batch().miscount('zero') or .miscount(late='10m').",
            )


@verb("override(statuses={'completed': 'DONE'})")
class Override:
    """Their objects have other fields on the wire than they should."""

    _: KW_ONLY
    statuses: Mapping[BatchStatus, str | Names] = field(default_factory=dict[BatchStatus, Any])
    """What a status is called; several, one after the other for equal parts of its time, let it
    go backwards or through statuses nobody knows."""
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields and the values they have, new ones too."""
    nulls: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields and the values they have where they would be null."""
    blanks: Names = ()
    """Fields that are null: what `fields` cannot write in TOML."""
    without: Names = ()
    """Fields that are left out."""
    moments: Literal["milliseconds", "float", "iso", "null"] | None = None
    """How moments are written instead of as whole seconds."""
    early_files: bool = False
    """Have the ids of result files from the creation on."""

    def __post_init__(self) -> None:
        for status, names in self.statuses.items():
            if not names:
                raise UsageError(
                    f"{status!r} cannot be shown as {names!r}.",
                    "It is shown as a text, or as one text after the other.",
                    "Write for example override(statuses={'in_progress': ['running', 'paused']}).",
                )


@verb("result_files(order='reversed')")
class ResultFiles:
    """Their result files are written otherwise than usual."""

    _: KW_ONLY
    order: Literal["shuffled", "input", "reversed"] | None = None
    """The order of the lines; usually shuffled."""
    newline: Literal["lf", "crlf"] | None = None
    bom: bool = False
    """Whether a byte order mark comes first."""
    trailing: Annotated[int, Strict(), Ge(0)] = 0
    """How many blank lines come last."""
    raw: bool = False
    """Leave characters beyond ASCII as they are, U+2028 and U+0085 too."""
    empty: bool = False
    """The files are there, and hold nothing."""
    late: Span | None = None
    """For how long after the end they cannot be found."""


@dataclass(frozen=True, slots=True)
class BatchSelector(Occurrence):
    """Selects batches by the order in which they are created, and by their endpoint."""

    example: ClassVar[str] = "on_batch(nth=2).fail('token_limit_exceeded')"

    _: KW_ONLY
    endpoint: str | None = None

    def matches(self, number: int, endpoint: str) -> bool:
        """Whether the `number`th batch is selected, counted from 1."""
        return self.includes(number) and self.endpoint in (None, endpoint)


@dataclass(frozen=True, slots=True)
class BatchRule(BatchSelector, Rule):
    """Batches whose lives, objects or files differ from the usual."""

    family: ClassVar[str] = "on_batch"
    verbs: ClassVar[tuple[str, ...]] = (
        *("schedule", "fail", "stall", "expire", "ignore_window", "cancel_to"),
        *("not_found_from", "miscount", "override", "result_files"),
    )

    _: KW_ONLY
    schedule: Schedule | None = None
    fail: Fail | None = None
    stall: Stall | None = None
    expire: Expire | None = None
    ignore_window: IgnoreWindow | None = None
    cancel_to: CancelTo | None = None
    not_found_from: NotFoundFrom | None = None
    miscount: Miscount | None = None
    override: Override | None = None
    result_files: ResultFiles | None = None

    def __post_init__(self) -> None:
        self.check_verb()


class OnBatch(Selection[BatchRule]):
    """The batches a test has selected, of those created from now on."""

    rule = BatchRule
    selector = BatchSelector
    schedule = method(Schedule)
    fail = method(Fail)
    stall = method(Stall)
    expire = method(Expire)
    ignore_window = method(IgnoreWindow)
    cancel_to = method(CancelTo)
    not_found_from = method(NotFoundFrom)
    miscount = method(Miscount)
    override = method(Override)
    result_files = method(ResultFiles)


@dataclass(frozen=True, slots=True)
class BatchOverrides:
    """What differs about one batch: of each verb what its rules come to.

    Raises:
        UsageError: verbs that make no sense together.
    """

    schedule: Schedule = field(default_factory=Schedule)
    fail: Fail | None = None
    stall: Stall | None = None
    expire: Expire | None = None
    ignore_window: IgnoreWindow | None = None
    cancel_to: CancelTo | None = None
    not_found_from: NotFoundFrom | None = None
    miscount: Miscount | None = None
    override: Override = field(default_factory=Override)
    result_files: ResultFiles = field(default_factory=ResultFiles)

    def __post_init__(self) -> None:
        for (first, second), reason in _CONTRADICTIONS.items():
            verbs = _words(self, first), _words(self, second)
            if all(verbs):
                raise UsageError(
                    f"A batch cannot have both {' and '.join(filter(None, verbs))}.",
                    reason,
                    "Use one of them, or select different batches: on_batch(nth=2).",
                )

    def with_rule(self, rule: BatchRule) -> BatchOverrides:
        """The same and a rule more; of the verbs with many fields, those it gives."""
        name = next(each for each in rule.verbs if getattr(rule, each) is not None)
        before, after = getattr(self, name), rule.outcome
        if name in ("schedule", "override", "result_files"):
            after = overlaid(before, after)
        values = {each: getattr(self, each) for each in rule.verbs}
        return BatchOverrides(**{**values, name: after})


_PRESENT: dict[str, Callable[[BatchOverrides], bool]] = {
    "in_progress": lambda batch: batch.schedule.in_progress is not None,
    "curve": lambda batch: bool(batch.schedule.curve),
    "endless stall": lambda batch: batch.stall is not None and batch.stall.until == "expiry",
}

_CONTRADICTIONS = {
    ("fail", "stall"): "It fails when it is validated; schedule(validating='2h') makes it late.",
    ("fail", "expire"): "A batch that fails validation never runs, so that it cannot expire.",
    ("fail", "ignore_window"): "A batch that fails validation never runs to the end of its window.",
    ("expire", "ignore_window"): "A batch either expires with its window or goes on after it.",
    ("expire", "stall"): "Both say how much is done when the window ends.",
    ("expire", "in_progress"): "A batch that expires is in progress until its window ends.",
    ("curve", "expire"): "Both say how much is done when.",
    ("ignore_window", "endless stall"): "Nothing would ever end it: stall('in_progress') alone "
    "lets a batch go on for ever.",
}
"""Verbs, or parts of them, of which a batch has one at most, and why."""


def _words(batch: BatchOverrides, name: str) -> str | None:
    """A part of what differs about a batch as a test writes it; None if it is not there."""
    if name in _PRESENT:
        texts = {
            "in_progress": f"schedule(in_progress={batch.schedule.in_progress!r})",
            "curve": f"schedule(curve={batch.schedule.curve!r})",
            "endless stall": "stall(…, until='expiry')",
        }
        return texts[name] if _PRESENT[name](batch) else None
    outcome = getattr(batch, name)
    return None if outcome is None else str(BatchRule(**{name: outcome})).partition(".")[2]


NO_OVERRIDES = BatchOverrides()


def overrides(rules: Iterable[BatchRule]) -> BatchOverrides:
    """What some rules, one after the other, make of a batch."""
    result = NO_OVERRIDES
    for rule in rules:
        result = result.with_rule(rule)
    return result

"""Which batches, and how their lives, objects and result files differ from the usual."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self, get_args

from fakebatch.durations import SECOND, Microseconds
from fakebatch.errors import Misuse
from fakebatch.scenario.turns import Turns

Stallable = Literal["validating", "in_progress", "finalizing", "cancelling"]
STATUSES = (*get_args(Stallable), "failed", "completed", "expired", "cancelled")

Counting = Literal["zero", "null", "all_completed", "failed_as_completed", "decreasing"]
"""How `request_counts` can lie."""

Moments = Literal["milliseconds", "float", "iso", "null"]
"""How the moments of an object can be written instead of as whole seconds."""

Order = Literal["shuffled", "input", "reversed"]
"""The order of the lines of a result file."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a batch stays in each status, in microseconds. 0 skips it.

    The default is an hour in which a poller that asks each minute sees every status.
    """

    validating: Microseconds = 65 * SECOND
    in_progress: Microseconds = 3_470 * SECOND
    finalizing: Microseconds = 65 * SECOND
    cancelling: Microseconds | None = None
    """None: as long as the provider takes."""


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One entry of `batch.errors`; without a message, the provider's own for this code."""

    code: str
    message: str | None = None
    param: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Stall:
    """A status goes on for longer than it should.

    Raises:
        Misuse: a status that cannot stall, or progress where there is none.
    """

    at: Stallable
    lasts: Microseconds | None = None
    """In microseconds; None: for ever, or until the batch expires."""
    progress: float = 0.0
    """How much is done meanwhile, from 0 to 1, in progress."""
    expires: bool = False
    """End with the completion window, if it is in progress."""

    def __post_init__(self) -> None:
        if self.at not in get_args(Stallable):
            raise _unknown("status that can stall", self.at, get_args(Stallable))
        if not 0 <= self.progress <= 1 or (self.at != "in_progress" and self.progress):
            raise Misuse(
                f"A batch cannot stall in {self.at!r} with progress={self.progress!r}.",
                "Progress is between 0 and 1, and there is some in 'in_progress' alone.",
                "Write for example on_batch().stall('in_progress', progress=0.99).",
            )
        if self.expires and (self.at != "in_progress" or self.lasts is not None):
            raise Misuse(
                f"A stall in {self.at!r} cannot both end by itself and last until expiry.",
                "Only a batch in progress expires, and either the window ends a stall or a time.",
                "Write on_batch().stall('in_progress', until='expiry').",
            )


@dataclass(frozen=True, slots=True)
class Life:
    """What differs about a batch; what is not said goes as usual.

    Raises:
        Misuse: parts that make no sense together.
    """

    validating: Microseconds | None = None
    in_progress: Microseconds | None = None
    finalizing: Microseconds | None = None
    cancelling: Microseconds | None = None
    fails: tuple[ErrorEntry, ...] | None = None
    """Validation fails the batch with these entries; it may be none at all."""
    no_errors: bool = False
    """It has failed, and `errors` is null all the same."""
    stall: Stall | None = None
    curve: tuple[tuple[float, float], ...] = ()
    """Points (part of the time in progress, part of the lines done) between (0, 0) and (1, 1)."""
    finished: float | None = None
    """How much is done when the completion window ends, so that the batch expires."""
    overruns: bool = False
    """It goes on after `expires_at` as if there were none."""
    cancels_to: Literal["cancelled", "completed"] | None = None
    """Completed: it was done before the cancel took effect."""
    counts: Counting | None = None
    counts_lag: Microseconds | None = None
    """Counts are those of so many microseconds ago."""
    vanishes: str | None = None
    """With this status it can no longer be found."""
    statuses: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict[str, Any])
    """What a status is shown as; several: one after the other, for equal parts of its time."""
    shows: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of the object that are shown with this value."""
    nulls: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields that are shown with this value where they are null."""
    blanks: tuple[str, ...] = ()
    """Fields that are shown as null."""
    hides: tuple[str, ...] = ()
    """Fields that are left out."""
    moments: Moments | None = None
    early_files: bool = False
    """The ids of result files are there from the creation on."""
    files_late: Microseconds | None = None
    """So long after the end, in microseconds, a result file cannot be found yet."""
    order: Order | None = None
    newline: Literal["lf", "crlf"] | None = None
    bom: bool = False
    trailing: int = 0
    """Blank lines at the end of result files."""
    raw: bool = False
    """Characters beyond ASCII stand in result files as they are, U+2028 and U+0085 too."""
    empty: bool = False
    """Result files are there, and hold nothing."""

    def __post_init__(self) -> None:
        for (one, other), reason in _CONTRADICTIONS.items():
            if self._says(one) and self._says(other):
                raise Misuse(
                    f"A batch cannot have both {_shown(self, one)} and {_shown(self, other)}.",
                    reason,
                    "Say one of them, or say them of different batches: on_batch(nth=2).",
                )
        _check(self)

    def _says(self, name: str) -> bool:
        return getattr(self, name) not in (None, False, (), 0) or (
            name == "fails" and self.fails is not None
        )

    def __or__(self, other: Life) -> Self:
        """This life, and what the other says of it; where both say something, the other."""
        said = {f.name: getattr(other, f.name) for f in fields(other) if other._differs(f.name)}
        for name in ("statuses", "shows", "nulls"):
            if name in said:
                said[name] = {**getattr(self, name), **said[name]}
        return replace(self, **said)

    def _differs(self, name: str) -> bool:
        return bool(getattr(self, name) != getattr(USUAL, name))


_CONTRADICTIONS = {
    ("fails", "stall"): "A batch that fails validation never comes to stall.",
    ("fails", "finished"): "A batch that fails validation never runs, so that it cannot expire.",
    ("fails", "overruns"): "A batch that fails validation never runs, so that it cannot overrun.",
    ("finished", "overruns"): "A batch either expires with its window or goes on after it.",
    ("finished", "stall"): "Both say how much is done when the window ends.",
    ("finished", "in_progress"): "A batch that expires is in progress until its window ends.",
    ("curve", "finished"): "Both say how much is done when.",
    ("counts", "counts_lag"): "Counts are either late or lie.",
}


@dataclass(frozen=True, slots=True)
class WhichBatches(Turns):
    """Selects batches by the order in which they are created, and by their endpoint."""

    endpoint: str | None = None

    def __call__(self, number: int, endpoint: str) -> bool:
        """Whether the batch that is the `number`th to be created is selected."""
        return self.has(number) and self.endpoint in (None, endpoint)


@dataclass(frozen=True, slots=True)
class BatchRule:
    """Batches that `which` selects have this life."""

    which: WhichBatches
    life: Life


def _check(life: Life) -> None:
    for name, known in _KNOWN.items():
        value = getattr(life, name)
        if value is not None and value not in known:
            raise _unknown(name, value, known)
    for status in life.statuses:
        if status not in STATUSES:
            raise _unknown("status", status, STATUSES)
    if life.finished is not None and not 0 <= life.finished <= 1:
        raise _no_fraction("finished", life.finished)
    if any(not 0 <= part <= 1 for point in life.curve for part in point):
        raise _no_fraction("curve", life.curve)


_KNOWN: dict[str, tuple[str, ...]] = {
    "counts": get_args(Counting),
    "moments": get_args(Moments),
    "order": get_args(Order),
    "newline": ("lf", "crlf"),
    "vanishes": STATUSES,
    "cancels_to": ("cancelled", "completed"),
}


def _no_fraction(name: str, value: object) -> Misuse:
    return Misuse(
        f"{name}={value!r} is no part of a whole.",
        "It goes from 0 (nothing) to 1 (all of it).",
        "Write for example on_batch().expire(finished=0.1).",
    )


def _unknown(what: str, value: object, known: tuple[str, ...]) -> Misuse:
    return Misuse(
        f"{value!r} is no {what}.",
        f"Known are {', '.join(map(repr, known))}.",
        "Use one of these.",
    )


def _shown(life: Life, name: str) -> str:
    return f"{name}={getattr(life, name)!r}"


USUAL = Life()


def merged(lives: Iterable[Life]) -> Life:
    """One life of several; where two say something, the later."""
    whole = USUAL
    for life in lives:
        whole = whole | life
    return whole

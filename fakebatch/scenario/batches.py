"""Which batches, and how their lives, objects and result files differ from the usual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, get_args

from fakebatch.durations import SECOND, Microseconds
from fakebatch.errors import UsageError as Misuse
from fakebatch.scenario.checking import counts, is_part, one_of
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
        one_of("status that can stall", self.at, get_args(Stallable))
        if not is_part(self.progress) or (self.at != "in_progress" and self.progress):
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
    fails: tuple[ErrorEntry, ...] | Literal["null"] | None = None
    """Validation fails the batch with these entries, it may be none; "null": `errors` is null."""
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

    @property
    def writes_as_usual(self) -> bool:
        """Whether nothing is said of how result files are written."""
        return not (
            self.order or self.newline or self.bom or self.trailing or self.raw or self.empty
        )

    def _says(self, name: str) -> bool:
        value = getattr(self, name)
        return value is not None and value is not False and (name, value) != ("curve", ())


_CONTRADICTIONS = {
    ("fails", "stall"): "It fails when it is validated; schedule(validating='2h') makes it late.",
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
    for name, (what, known) in _KNOWN.items():
        value = getattr(life, name)
        if value is not None:
            one_of(what, value, known)
    for status, shown in life.statuses.items():
        one_of("status", status, STATUSES)
        if not shown:
            raise Misuse(
                f"{status!r} cannot be shown as {shown!r}.",
                "It is shown as a text, or as one text after the other.",
                "Write for example show(statuses={'in_progress': ['running', 'paused']}).",
            )
    if life.finished is not None and not is_part(life.finished):
        raise Misuse(
            f"finished={life.finished!r} is no part of a whole.",
            "It goes from 0 (nothing) to 1 (all of it).",
            "Write for example on_batch().expire(finished=0.1).",
        )
    if not counts(life.trailing, 0):
        raise Misuse(
            f"trailing={life.trailing!r} is no number of blank lines.",
            "It is how many of them come last in a result file: 0, 1, 2.",
            "Write for example on_batch().write(trailing=2).",
        )
    if not _ascends(((0, 0), *life.curve, (1, 1))):
        raise Misuse(
            f"curve={life.curve!r} is no progress.",
            "Its points (part of the time, part of the lines) ascend from (0, 0) to (1, 1).",
            "Write for example on_batch().schedule(curve=[(0.5, 0.1), (0.9, 0.8)]).",
        )
    if life.overruns and life.stall is not None and life.stall.expires:
        raise Misuse(
            "A batch cannot both go on after its window and stall until its window ends.",
            "Nothing would ever end it.",
            "Say on_batch().stall('in_progress') for a batch that never ends.",
        )


def _ascends(points: tuple[tuple[float, float], ...]) -> bool:
    return all(map(is_part, (part for point in points for part in point))) and all(
        x <= later_x and y <= later_y for (x, y), (later_x, later_y) in pairwise(points)
    )


_KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "counts": ("way to count", get_args(Counting)),
    "moments": ("way to write moments", get_args(Moments)),
    "order": ("order", get_args(Order)),
    "newline": ("newline", ("lf", "crlf")),
    "vanishes": ("status", STATUSES),
    "cancels_to": ("end of a cancel", ("cancelled", "completed")),
}


def _shown(life: Life, name: str) -> str:
    return f"{name}={getattr(life, name)!r}"


USUAL = Life()

"""How a test says what shall become of batches: each verb adds one rule about their lives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from fakebatch.durations import Duration, microseconds
from fakebatch.scenario import (
    BatchRule,
    Counting,
    ErrorEntry,
    Life,
    Moments,
    Order,
    Stall,
    Stallable,
    WhichBatches,
)


class OnBatch:
    """The batches a test has selected, of those created from now on; say what becomes of them."""

    def __init__(self, which: WhichBatches, add: Callable[[BatchRule], None]) -> None:
        self._which = which
        self._add_rule = add

    def _add(self, **life: Any) -> None:
        self._add_rule(BatchRule(self._which, Life(**life)))

    def schedule(
        self,
        *,
        validating: Duration | None = None,
        in_progress: Duration | None = None,
        finalizing: Duration | None = None,
        cancelling: Duration | None = None,
        curve: Sequence[tuple[float, float]] = (),
    ) -> None:
        """How long they stay in each status; 0 skips it, what is left out stays.

        `curve` has points (part of the time in progress, part of the lines done).
        """
        given = {"validating": validating, "in_progress": in_progress}
        given |= {"finalizing": finalizing, "cancelling": cancelling}
        said = {name: microseconds(d) for name, d in given.items() if d is not None}
        self._add(**said, curve=tuple((x, y) for x, y in curve))

    def fail(
        self,
        code: str | None = None,
        message: str | None = None,
        *,
        param: str | None = None,
        line: int | None = None,
        errors: Literal["null"] | None = None,
    ) -> None:
        """Validation fails them, with one entry in `errors`, or none where no code is given.

        Without a message the entry has the provider's own for its code. `errors="null"` shows
        null instead of an empty list.
        """
        entries = () if code is None else (ErrorEntry(code, message, param, line),)
        self._add(fails="null" if errors == "null" else entries)

    def stall(
        self,
        at: Stallable,
        *,
        progress: float = 0.0,
        until: Duration | Literal["expiry"] | None = None,
    ) -> None:
        """They stay in a status: for so much longer, until they expire, or (None) for ever."""
        expires = until == "expiry"
        lasts = None if until is None or expires else microseconds(until)
        self._add(stall=Stall(at, lasts, progress, expires))

    def expire(self, finished: float = 0.0) -> None:
        """They expire, with so much of them done, from 0 to 1."""
        self._add(finished=finished)

    def overrun(self) -> None:
        """They go on after `expires_at` as if there were none."""
        self._add(overruns=True)

    def cancel_to(self, status: Literal["cancelled", "completed"]) -> None:
        """What a cancel ends in; `completed`: they were done before it took effect."""
        self._add(cancels_to=status)

    def vanish(self, at: str) -> None:
        """They can no longer be found from that status on."""
        self._add(vanishes=at)

    def count(self, how: Counting | None = None, *, late: Duration | None = None) -> None:
        """Their `request_counts` lie in a way, or are those of a while ago."""
        self._add(counts=how, counts_lag=None if late is None else microseconds(late))

    def show(
        self,
        *,
        statuses: Mapping[str, str | Sequence[str]] | None = None,
        fields: Mapping[str, Any] | None = None,
        nulls: Mapping[str, Any] | None = None,
        without: Sequence[str] = (),
        moments: Moments | None = None,
        early_files: bool = False,
    ) -> None:
        """Their objects are shown otherwise.

        Args:
            statuses: what to show a status as; several, one after the other for equal parts of
                its time, let it go backwards or through statuses nobody knows.
            fields: fields and the values they have, new ones too.
            nulls: fields and the values they have where they would be null.
            without: fields that are left out.
            moments: how moments are written.
            early_files: show the ids of result files from the beginning.
        """
        told = {
            status: as_ if isinstance(as_, str) else tuple(as_)
            for status, as_ in (statuses or {}).items()
        }
        self._add(
            statuses=told,
            shows=dict(fields or {}),
            nulls=dict(nulls or {}),
            hides=tuple(without),
            moments=moments,
            early_files=early_files,
        )

    def write(
        self,
        *,
        order: Order | None = None,
        newline: Literal["lf", "crlf"] | None = None,
        bom: bool = False,
        trailing: int = 0,
        raw: bool = False,
        empty: bool = False,
        late: Duration | None = None,
    ) -> None:
        """Their result files are written otherwise.

        Args:
            order: `shuffled` (as usual), as in the `input`, or `reversed`.
            newline: what a line ends with.
            bom: whether a byte order mark comes first.
            trailing: how many blank lines come last.
            raw: leave characters beyond ASCII as they are, U+2028 and U+0085 too.
            empty: the files are there, and hold nothing.
            late: for how long after the end they cannot be found.
        """
        self._add(
            order=order,
            newline=newline,
            bom=bom,
            trailing=trailing,
            raw=raw,
            empty=empty,
            files_late=None if late is None else microseconds(late),
        )

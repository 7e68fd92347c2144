"""The request lines of a batch as a test looks at them: what comes of each, when, and where."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import overload

from fakebatch.batch.batch import Batch
from fakebatch.batch.matching import Result
from fakebatch.batch.output_file import leaves
from fakebatch.errors import UsageError
from fakebatch.request_line import RequestLine
from fakebatch.rules.lines import Fail
from fakebatch.vtime.moments import as_datetime


@dataclass(frozen=True, slots=True)
class Line:
    """One request line of a batch and what is planned for it."""

    request: RequestLine
    outcome: Result
    """What comes of it once it runs: `Echoes()`, `Says(…)` or `Fails(…)`."""
    finishes: datetime | None
    """When it is done; None: the batch ends before it runs."""
    file_id: str | None
    """The result file it will be in, once the batch has ended."""

    @property
    def custom_id(self) -> str | None:
        """What the request calls itself."""
        return self.request.custom_id


class Lines(Sequence[Line]):
    """The lines in the order of the input file; none where validation fails. By custom_id too."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return 0 if self._batch.fails else len(self._batch.lines)

    @overload
    def __getitem__(self, at: int | str) -> Line: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Line]: ...
    def __getitem__(self, at: int | str | slice) -> Line | Sequence[Line]:
        if isinstance(at, slice):
            return [self._line(index) for index in range(len(self))[at]]
        return self._line(range(len(self))[self._index(at) if isinstance(at, str) else at])

    def __repr__(self) -> str:
        return f"<{len(self)} lines: {', '.join(map(repr, self._custom_ids))}>"

    def _line(self, index: int) -> Line:
        request = self._batch.lines.request(index)
        outcome = self._batch.outcomes.by_line[index].result
        finishes = self._finishes(self._places[index])
        return Line(request, outcome, finishes, self._file_id(outcome, finishes))

    def _finishes(self, place: int) -> datetime | None:
        batch = self._batch
        end = batch.end.at
        if place >= batch.finished(end):
            return None
        moments = range(batch.created, end + 1)
        return as_datetime(moments[bisect_left(moments, place + 1, key=batch.finished)])

    def _file_id(self, outcome: Result, finishes: datetime | None) -> str | None:
        misfiled = isinstance(outcome, Fail) and outcome.file == "output"
        if finishes is not None and (misfiled or not isinstance(outcome, Fail)):
            return self._batch.output_file_id
        return self._batch.error_file_id if leaves(self._batch, "errors") else None

    def _index(self, custom_id: str) -> int:
        try:
            return self._custom_ids[custom_id]
        except KeyError:
            raise UsageError(
                f"{self._batch.id} has no line with custom_id {custom_id!r}.",
                f"Its lines are {', '.join(map(repr, [*self._custom_ids][:5])) or 'none'}"
                + (f" and {len(self) - 5} more." if len(self) > 5 else "."),
                "Name one of these, or a line by its place from 0.",
            ) from None

    @cached_property
    def _places(self) -> dict[int, int]:
        return {index: place for place, index in enumerate(self._batch.outcomes.order)}

    @cached_property
    def _custom_ids(self) -> dict[str | None, int]:
        lines = self._batch.lines
        return {lines.request(index).custom_id: index for index in range(len(self))}

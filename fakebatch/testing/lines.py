"""The request lines of a batch as a test looks at them: what comes of each, when, and where."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import overload

from fakebatch.batch.choosing import Decided
from fakebatch.batch.plan import Plan
from fakebatch.batch.result_files import has_errors
from fakebatch.errors import UsageError as Misuse
from fakebatch.request_line import RequestLine
from fakebatch.scenario import Fails
from fakebatch.service.shelf import BatchRecord
from fakebatch.vtime.moments import as_datetime


@dataclass(frozen=True, slots=True)
class Line:
    """One request line of a batch and what is planned for it."""

    request: RequestLine
    outcome: Decided
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

    def __init__(self, record: BatchRecord) -> None:
        self._record = record
        self._plan: Plan = record.plan

    def __len__(self) -> int:
        return 0 if self._plan.input.fails else len(self._plan.input.lines)

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
        given = self._plan.input
        request = given.lines.request(index)
        given.failing  # noqa: B018  # outcomes are decided in the order of the plan, whoever looks
        outcome = given.choices.decide(request).outcome
        finishes = self._finishes(self._places[index])
        return Line(request, outcome, finishes, self._file_id(outcome, finishes))

    def _finishes(self, place: int) -> datetime | None:
        plan = self._plan
        end = plan.timeline.end.at
        if place >= plan.finished(end):
            return None
        moments = range(plan.created, end + 1)
        return as_datetime(moments[bisect_left(moments, place + 1, key=plan.finished)])

    def _file_id(self, outcome: Decided, finishes: datetime | None) -> str | None:
        misfiled = isinstance(outcome, Fails) and outcome.file == "output"
        if finishes is not None and (misfiled or not isinstance(outcome, Fails)):
            return self._record.output_file_id
        return self._record.error_file_id if has_errors(self._plan) else None

    def _index(self, custom_id: str) -> int:
        try:
            return self._custom_ids[custom_id]
        except KeyError:
            raise Misuse(
                f"{self._record.id} has no line with custom_id {custom_id!r}.",
                f"Its lines are {', '.join(map(repr, [*self._custom_ids][:5])) or 'none'}"
                + (f" and {len(self) - 5} more." if len(self) > 5 else "."),
                "Name one of these, or a line by its place from 0.",
            ) from None

    @cached_property
    def _places(self) -> dict[int, int]:
        return {index: place for place, index in enumerate(self._plan.input.order)}

    @cached_property
    def _custom_ids(self) -> dict[str | None, int]:
        lines = self._plan.input.lines
        return {lines.request(index).custom_id: index for index in range(len(self))}

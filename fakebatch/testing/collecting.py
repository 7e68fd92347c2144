"""The result files of a batch, and whether the client has fetched them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fakebatch.batch.result_files import has_errors, has_output
from fakebatch.journal import Journal
from fakebatch.service.shelf import BatchRecord


class Result(NamedTuple):
    """A result file that is, or was, there."""

    id: str
    kind: str
    """"output" or "errors"."""
    collected: bool
    """Whether it was downloaded and nothing was made to go wrong with that."""


def results_by(record: BatchRecord, journal: Journal, now: int) -> Iterator[Result]:
    """What a batch has left behind by `now`."""
    if record.plan.timeline.end.at > now:
        return
    if has_output(record.plan):
        yield Result(record.output_file_id, "output", _collected(record.output_file_id, journal))
    if has_errors(record.plan):
        yield Result(record.error_file_id, "errors", _collected(record.error_file_id, journal))


def _collected(file: str, journal: Journal) -> bool:
    return any(
        (what.operation, what.id, what.status) == ("files.content", file, 200)
        and what.injected is None
        for what in journal.counts()
    )

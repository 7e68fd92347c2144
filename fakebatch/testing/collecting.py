"""The result files of a batch, and whether the client has fetched them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fakebatch.batch.batch import Batch
from fakebatch.batch.output_file import result_files
from fakebatch.journal import Journal


class Result(NamedTuple):
    """A result file that is, or was, there."""

    id: str
    kind: str
    """"output" or "errors"."""
    collected: bool
    """Whether it was downloaded and nothing was made to go wrong with that."""


def results_by(batch: Batch, journal: Journal, now: int) -> Iterator[Result]:
    """What a batch has left behind by `now`."""
    if batch.end.at > now:
        return
    for file in result_files(batch):
        id_ = batch.output_file_id if file.kind == "output" else batch.error_file_id
        yield Result(id_, file.kind, _collected(id_, journal))


def _collected(file: str, journal: Journal) -> bool:
    return any(
        (what.operation, what.id, what.status) == ("files.content", file, 200)
        and what.injected is None
        for what in journal.counts()
    )

"""What is known of a client's run in a case: the lines and the answers of each request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fakebatch.gauntlet.answers import Requests, is_usable
from fakebatch.gauntlet.case import Case
from fakebatch.gauntlet.record import BatchRecord, DirectCall, LineRecord, Record
from fakebatch.gauntlet.report import Report
from fakebatch.inspection.checks import Finding
from fakebatch.inspection.journal import moment_text


@dataclass(frozen=True)
class Facts:
    """A case, what the client did in it, and what it says that it got."""

    case: Case
    record: Record
    report: Report

    @cached_property
    def requested(self) -> Requests:
        """The requests of the case."""
        return Requests(self.case.requests)

    @cached_property
    def lines(self) -> Mapping[str, Sequence[tuple[BatchRecord, LineRecord]]]:
        """The lines of each request, in the order in which they were submitted."""
        by_id = defaultdict[str, list[tuple[BatchRecord, LineRecord]]](list)
        for batch in self.record.batches:
            for line in batch.lines:
                if line.custom_id is not None:
                    by_id[line.custom_id].append((batch, line))
        return by_id

    @cached_property
    def reported(self) -> Mapping[str, Sequence[Any]]:
        """What the client reports of each custom_id."""
        by_id = defaultdict[str, list[Any]](list)
        for id_, answer in self.report.results:
            by_id[id_].append(answer)
        return by_id

    def bodies(self, id_: str, *, readable: bool = False) -> Iterator[Any]:
        """The response bodies that answer a request; or only those that a client can read."""
        for _, line in self.lines.get(id_, ()):
            yield from line.answers if line.is_readable or not readable else ()
        yield from (call.body for call in self.record.direct if call.custom_id == id_)

    def never_ran(self, id_: str) -> bool:
        """Whether nothing has answered or refused a request, or ever will."""
        lines = self.lines.get(id_, ())
        return id_ not in self.record.refused and all(line.fate == "pending" for _, line in lines)

    # --- what a client could know, and when

    def could_get(self, file_id: str | None) -> bool:
        """Whether the client has downloaded a result file, or saw it, and did not even ask."""
        record = self.record
        if file_id is None or file_id in record.downloads or file_id not in record.shown:
            return file_id in record.downloads
        is_there = record.shown[file_id] < record.expiries.get(file_id, record.ended + 1)
        return is_there and file_id not in record.tried

    def earlier_answer(self, id_: str, at: int, direct: Sequence[DirectCall]) -> str:
        """What has answered a request, so that the client could see it by then; empty: nothing.

        Args:
            id_: of the request.
            at: then.
            direct: the direct calls until then.
        """
        for _, line in self.lines.get(id_, ()):
            if self.is_seen(line, at):
                return f"it {self.fate_of(line)}"
        for call in direct:
            if call.custom_id == id_ and is_usable(call.body):
                return f"a direct call had answered it at {moment_text(call.at)}"
        return ""

    def is_seen(self, line: LineRecord, at: int) -> bool:
        """Whether a line has a usable answer, in a file that the client could get by then."""
        file_id = line.file_id
        if file_id is None or not line.is_readable or not any(map(is_usable, line.answers)):
            return False
        downloaded = self.record.downloads.get(file_id)
        is_shown = file_id in self.record.shown and self.record.written[file_id] <= at
        return is_shown or (downloaded is not None and downloaded <= at)

    # --- in words

    def fate(self, id_: str) -> str:
        """What became of a request, and where the client could have seen it: a predicate."""
        if line := self.best_line(id_):
            return self.fate_of(line)
        if any(not batch.lines for batch in self.record.batches):
            return "was in no batch whose input file could be read"
        return "was never submitted in a batch"

    def how(self, id_: str) -> str:
        """What became of a request, without a file or a moment."""
        line = self.best_line(id_)
        return line.how if line else self.fate(id_)

    def best_line(self, id_: str) -> LineRecord | None:
        """The first line of a request that was answered, or else its last; None: it has none."""
        lines = [line for _, line in self.lines.get(id_, ())]
        return next(
            (line for line in lines if line.fate == "answered"), lines[-1] if lines else None
        )

    def fate_of(self, line: LineRecord) -> str:
        """What became of a line, and where the client could have seen it: a predicate."""
        if line.file_id is None or line.file_id not in self.record.kinds:
            return line.how
        where = f"in the {self.record.kinds[line.file_id]}"
        at = self.record.downloads.get(line.file_id)
        if at is not None:
            return f"{line.how} {where}, which the client downloaded at {moment_text(at)}"
        if line.file_id in self.record.tried:
            return f"{line.how} {where}, which the client asked for, but never got whole"
        return f"{line.how} {where}, which the client never downloaded"

    def finding(
        self, check: str, objects: Sequence[str], what: str, advice: str, since: int | None = None
    ) -> Finding:
        """A finding; by default it begins where the client could have known better."""
        if since is None:
            files = [line.file_id for id_ in objects for _, line in self.lines.get(id_, ())]
            moments = [
                self.record.downloads.get(id_, self.record.written[id_])
                for id_ in files
                if id_ is not None and id_ in self.record.written
            ]
            since = min([*moments, self.record.ended])
        known = f"Since {moment_text(since)}. {self.record.last_call}"
        return Finding(check, tuple(objects), since, (what, known, advice))

"""The output and error file of a batch: a pure function of the batch, rendered on demand."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Literal, NamedTuple

from fakebatch import replies
from fakebatch.batch import bulk
from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import Status
from fakebatch.batch.matching import LineOutcome, Result
from fakebatch.batch.responding import LineResponse, line_end, question_of, respond, result_lines
from fakebatch.rules.lines import Duplicate, Echo, Fail, Reply

UNFINISHED = {Status.EXPIRED: "batch_expired", Status.CANCELLED: "batch_cancelled"}
"""The error code of lines that never ran, by how the batch ended."""

CONFLICTS: dict[str, Result] = {
    "success": Echo(" (another answer)"),
    "error": Fail(500, body={"error": {"message": "Conflict.", "type": "server_error"}}),
}
"""The second outcome of a line that has two."""

HELD = 256 * 2**20
"""Up to how many bytes an output file is kept once it is written."""

_PROBED = 8
"""From how many lines the length of an output file is estimated."""


class Streamed:
    """A long file, written anew each time it is read, and always the same."""

    def __init__(self, read: Callable[[], Iterator[bytes]]) -> None:
        self._read = read
        self._length: int | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self._read()

    def __len__(self) -> int:
        if self._length is None:
            self._length = sum(map(len, self))
        return self._length

    def __bytes__(self) -> bytes:
        return b"".join(self)


Content = bytes | Streamed


@dataclass(frozen=True, slots=True)
class Results:
    """What a batch leaves behind when it has ended."""

    output: Content
    """The output file, which may be too long to hold."""
    errors: bytes
    usage: replies.Usage


@dataclass(frozen=True, slots=True)
class ResultFile:
    """The output or error file of a batch, as a value: its bytes are made when they are read."""

    batch: Batch
    kind: Literal["output", "errors"]

    def read(self) -> Content:
        """The bytes, or what makes them."""
        made = results(self.batch)
        return made.output if self.kind == "output" else made.errors


def result_files(batch: Batch) -> tuple[ResultFile, ...]:
    """The files a batch leaves when it ends.

    An output file where a line succeeded, or passes for it; an error file where one failed, or
    never ran.
    """
    return batch.once(_result_files)


def _result_files(batch: Batch) -> tuple[ResultFile, ...]:
    end, outcomes = batch.end, batch.outcomes
    total, completed, failed = batch.counts(end.at)
    finished = completed + failed
    misfiled = bisect_left(outcomes.misfiled, finished)
    unfinished = end.status in UNFINISHED and total > finished
    corruptions = (each for outcome in outcomes.unusual.values() for each in outcome.corruptions)
    conflicts = finished and any(
        isinstance(each, Duplicate) and each.conflict == "error" for each in corruptions
    )
    always = batch.dialect.always_written_files if end.status is Status.COMPLETED else ()
    files: list[ResultFile] = []
    if completed + misfiled or "output" in always:
        files.append(ResultFile(batch, "output"))
    if failed > misfiled or unfinished or conflicts or "errors" in always:
        files.append(ResultFile(batch, "errors"))
    return tuple(files)


def leaves(batch: Batch, kind: str) -> bool:
    """Whether a batch leaves an `output` file, or one of `errors`, when it ends."""
    return any(file.kind == kind for file in result_files(batch))


def results(batch: Batch) -> Results:
    """The result files of a batch, made once, so that every download is the same.

    A batch that failed, or never began to run, leaves nothing.

    Raises:
        UsageError: an answer given by the test is none.
    """
    return batch.once(_results)


def _results(batch: Batch) -> Results:
    return _Writer(batch).results()


class _Lines(NamedTuple):
    """What one request adds to each file, with line ends, and what it is charged for."""

    output: bytes
    errors: bytes
    charge: replies.Charge


class _Writer:
    """Writes the result files of one batch.

    Answers that follow from their requests are made in the order of the file. Callables of the test
    are called once for each line, in the order of the input, and what they return is kept.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.outcomes = batch.outcomes
        self.bulk = bulk.output(batch)
        self.finished = self.outcomes.order[: batch.finished(batch.end.at)]

    def results(self) -> Results:
        """Both files; one that is too long to hold is written while it is read."""
        how, write, is_held = self.batch.overrides.result_files, self.write, True
        outcomes = self.outcomes
        kept: dict[int, _Lines] = {}
        if any(map(_calls, (outcomes.usual, *outcomes.unusual.values()))):
            called = sorted(index for index in self.finished if _calls(outcomes[index]))
            kept = {index: self.write(index) for index in called}
        if not kept and not how.changes_content:
            kept = {index: self.write(index) for index in self.finished[:_PROBED]}
            longest = max((len(lines.output) for lines in kept.values()), default=0)
            if longest * len(self.finished) > HELD:
                kept, write, is_held = {}, self.without_output, False

        lost = self.lost()
        order = [*self.finished, *lost]
        if how.order in ("input", "reversed"):
            order.sort(reverse=how.order == "reversed")
        output, errors, usage = BytesIO(), BytesIO(), [0, 0, 0, 0]
        for index in order:
            if index in lost:
                errors.write(lost[index])
                continue
            lines = kept.pop(index, None) or write(index)
            output.write(lines.output)
            errors.write(lines.errors)
            for place, tokens in enumerate(lines.charge):
                usage[place] += tokens
        content = (
            self.framed(output)
            if is_held
            else Streamed(lambda: (self.write(index).output for index in self.finished))
        )
        return Results(content, self.framed(errors), replies.Usage(*usage))

    def write(self, index: int) -> _Lines:
        """What a request that finished adds to the files."""
        batch, outcome = self.batch, self.outcomes[index]
        if self.bulk is not None and outcome is self.outcomes.usual:
            written = self.bulk(index)
            if written is not None:
                return _Lines(written[0], b"", written[1])
        line = batch.lines.request(index)
        response = respond(line, outcome.result, batch.dialect, batch.mint, batch.written)
        passes = isinstance(outcome.result, Fail) and outcome.result.file == "output"
        lines = {True: b"", False: b""}
        lines[response.succeeded or passes] += result_lines(
            batch, line, response, outcome.corruptions
        )
        for corruption in outcome.corruptions:
            if isinstance(corruption, Duplicate) and corruption.conflict is not None:
                result = CONFLICTS[corruption.conflict]
                other = respond(line, result, batch.dialect, batch.mint, batch.written)
                lines[other.succeeded] += result_lines(batch, line, other)
        return _Lines(lines[True], lines[False], replies.usage(response.body))

    def without_output(self, index: int) -> _Lines:
        """The same without the line of the output file, and without making more than that takes."""
        batch = self.batch
        if self.outcomes[index] == LineOutcome(Echo()):
            line = batch.lines.request(index)
            question = question_of(line, batch.dialect, batch.mint, batch.written)
            return _Lines(b"", b"", replies.charged(question))
        return self.write(index)._replace(output=b"")

    def lost(self) -> dict[int, bytes]:
        """What the error file says of each line that never ran."""
        batch = self.batch
        code = UNFINISHED.get(batch.end.status)
        if code is None or not batch.counts(batch.end.at).total:
            return {}
        message = batch.dialect.unfinished_line_errors[code]
        response = LineResponse(None, {"code": code, "message": message})
        return {
            index: result_lines(
                batch, batch.lines.request(index), response, self.outcomes[index].corruptions
            )
            for index in self.outcomes.order[len(self.finished) :]
        }

    def framed(self, content: BytesIO) -> bytes:
        """A whole file of these lines."""
        how = self.batch.overrides.result_files
        if how.empty:
            return b""
        if not (how.bom or how.trailing):
            return content.getvalue()
        end = line_end(self.batch)
        return b"\xef\xbb\xbf" * how.bom + content.getvalue() + end * how.trailing


def _calls(outcome: LineOutcome | None) -> bool:
    """Whether a callable of the test answers."""
    result = None if outcome is None else outcome.result
    return isinstance(result, Reply) and callable(result.answer)

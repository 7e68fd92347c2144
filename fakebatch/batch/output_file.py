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
from fakebatch.batch.responding import LINE_ENDS, LineResponse, model_request, respond, result_lines
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

    def __len__(self) -> int:
        return len(self.read())

    def __bytes__(self) -> bytes:
        return bytes(self.read())


def result_files(batch: Batch) -> list[ResultFile]:
    """The files a batch leaves when it ends.

    An output file where a line succeeded, or passes for it; an error file where one failed, or
    never ran.
    """
    end, outcomes = batch.end, batch.outcomes
    total, completed, failed = batch.counts(end.at)
    finished = completed + failed
    misfiled = bisect_left(outcomes.misfiled, finished)
    unfinished = end.status in UNFINISHED and total > finished
    conflicts = outcomes.has_conflict and finished
    always = batch.dialect.always_written_files if end.status is Status.COMPLETED else ()
    files: list[ResultFile] = []
    if completed + misfiled or "output" in always:
        files.append(ResultFile(batch, "output"))
    if failed > misfiled or unfinished or conflicts or "errors" in always:
        files.append(ResultFile(batch, "errors"))
    return files


def leaves(batch: Batch, kind: str) -> bool:
    """Whether a batch leaves an `output` file, or one of `errors`, when it ends."""
    return any(file.kind == kind for file in result_files(batch))


def results(batch: Batch) -> Results:
    """The result files of a batch, made once, so that every download is the same.

    A batch that failed, or never began to run, leaves nothing.

    Raises:
        UsageError: a reply of the test is not an answer.
    """
    return batch.once("results", lambda: _Writer(batch).results())


class _Lines(NamedTuple):
    """What one request adds to each file, with line ends, and what it is charged for."""

    output: bytes
    errors: bytes
    charge: replies.Usage


class _Writer:
    """Writes the result files of one batch.

    Answers that follow from their requests are made in the order of the file. Callables of the test
    are called once for each line, in the order of the input, and what they return is kept.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch, self.lines, self.at = batch, batch.lines, batch.written
        self.outcomes, order = batch.outcomes.by_line, batch.outcomes.order
        self.bulk = bulk.output(batch)
        total, completed, failed = batch.counts(batch.end.at)
        self.finished = order[: completed + failed]
        code = UNFINISHED.get(batch.end.status, "") if total else ""
        self.order = order if code else self.finished
        self.lost = frozenset(self.order[len(self.finished) :])
        message = batch.dialect.unfinished_line_errors.get(code)
        self.lost_response = LineResponse(None, {"code": code, "message": message})

    def results(self) -> Results:
        """Both files; an output file that is too long to hold is written while it is read."""
        how, order = self.batch.overrides.result_files, [*self.order]
        write, kept, is_held = self.write, dict[int, _Lines](), True
        rules = (self.batch.scenario.otherwise, *self.batch.scenario.on)
        if any(rule.reply and callable(rule.reply.answer) for rule in rules):
            for index in sorted(self.finished):
                result = self.outcomes[index].result
                if isinstance(result, Reply) and callable(result.answer):
                    kept[index] = self.write(index)
        if not kept and self.batch.has_usual_files:
            kept = {index: self.write(index) for index in self.finished[:_PROBED]}
            longest = max((len(lines.output) for lines in kept.values()), default=0)
            if longest * len(self.finished) > HELD:
                write, kept, is_held = self.without_output, {}, False
        if how.order in ("input", "reversed"):
            order.sort(reverse=how.order == "reversed")
        output, errors, usage = BytesIO(), BytesIO(), [0, 0, 0, 0]
        for index in order:
            lines = kept.pop(index, None) or write(index)
            output.write(lines.output)
            errors.write(lines.errors)
            for place, tokens in enumerate(lines.charge):
                usage[place] += tokens
        content: Content = self.framed(output)
        if not is_held:
            content = Streamed(lambda: (self.write(index).output for index in self.finished))
        return Results(content, self.framed(errors), replies.Usage(*usage))

    def framed(self, content: BytesIO) -> bytes:
        """A whole file of these lines."""
        how = self.batch.overrides.result_files
        bom, end = b"\xef\xbb\xbf", LINE_ENDS[how.newline]
        # where there is nothing to add nothing is copied
        return b"" if how.empty else bom * how.bom + content.getvalue() + end * how.trailing

    def write(self, index: int) -> _Lines:
        """What a request adds to the files."""
        batch, outcome = self.batch, self.outcomes[index]
        if self.bulk is not None and not outcome.rules and index not in self.lost:
            plain = self.bulk(index)
            if plain is not None:
                return _Lines(plain[0], b"", plain[1])
        line, result, corruptions = self.lines.request(index), outcome.result, outcome.corruptions
        if index in self.lost:
            written = result_lines(batch, line, self.lost_response, self.at, corruptions)
            return _Lines(b"", written, replies.Usage())
        response = respond(line, result, batch.dialect, batch.id_factory, self.at)
        written = result_lines(batch, line, response, self.at, corruptions)
        passes = isinstance(result, Fail) and result.file == "output"
        lines = {True: b"", False: b"", response.succeeded or passes: written}
        for corruption in corruptions:
            if isinstance(corruption, Duplicate) and corruption.conflict is not None:
                other = CONFLICTS[corruption.conflict]
                conflict = respond(line, other, batch.dialect, batch.id_factory, self.at)
                lines[conflict.succeeded] += result_lines(batch, line, conflict, self.at)
        return _Lines(lines[True], lines[False], replies.usage(response.body))

    def without_output(self, index: int) -> _Lines:
        """The same without the line of the output file, and without making more than that takes."""
        if index not in self.lost and self.outcomes[index] == LineOutcome(Echo()):
            batch, line = self.batch, self.lines.request(index)
            request = model_request(line, batch.dialect, batch.id_factory, self.at)
            return _Lines(b"", b"", replies.echo_usage(request))
        return self.write(index)._replace(output=b"")

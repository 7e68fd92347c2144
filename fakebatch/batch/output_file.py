"""The output and error file of a batch: pure functions of the batch, written when first read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Literal, NamedTuple

from fakebatch import replies
from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import Status
from fakebatch.batch.matching import LineOutcome, Result
from fakebatch.batch.responding import (
    LINE_ENDS,
    LineResponse,
    bulk_writer,
    model_request,
    respond,
    result_lines,
)
from fakebatch.rules.lines import Duplicate, Echo, Fail, Reply

UNFINISHED_CODES = {Status.EXPIRED: "batch_expired", Status.CANCELLED: "batch_cancelled"}
"""The error code of lines that never ran, by how the batch ended."""

CONFLICTS: dict[str, Result] = {
    "success": Echo(" (another answer)"),
    "error": Fail(500, body={"error": {"message": "Conflict.", "type": "server_error"}}),
}
"""The outcome of the second result line, by `duplicate(conflict=...)`."""

MAX_CACHED = 256 * 2**20
"""The size in bytes above which an output file is not cached but written at every read."""

_SAMPLE = 8
"""The number of lines from which the size of an output file is estimated."""


class Streamed:
    """A file too large to cache: its lines are written at every read, always the same."""

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
    """The content of both result files of a batch, and its usage."""

    output: Content
    errors: bytes
    usage: replies.Usage


@dataclass(frozen=True, slots=True)
class ResultFile:
    """The output or error file of a batch, whose bytes are computed when they are read."""

    batch: Batch
    kind: Literal["output", "errors"]

    def read(self) -> Content:
        """The content of the file."""
        made = results(self.batch)
        return made.output if self.kind == "output" else made.errors

    def __len__(self) -> int:
        return len(self.read())

    def __bytes__(self) -> bytes:
        return bytes(self.read())


def result_files(batch: Batch) -> list[ResultFile]:
    """The result files that a batch has when it ends.

    There is an output file if a line of it is written there, an error file if a line failed or
    never ran.
    """
    end, outcomes = batch.end, batch.outcomes
    total, completed, failed = batch.counts(end.at)
    finished = completed + failed
    misfiled = bisect_left(outcomes.misfiled, finished)
    unfinished = end.status in UNFINISHED_CODES and total > finished
    conflicts = outcomes.has_conflict and finished
    always = batch.dialect.always_written_files if end.status is Status.COMPLETED else ()
    files: list[ResultFile] = []
    if completed + misfiled or "output" in always:
        files.append(ResultFile(batch, "output"))
    if failed > misfiled or unfinished or conflicts or "errors" in always:
        files.append(ResultFile(batch, "errors"))
    return files


def results(batch: Batch) -> Results:
    """The result files of a batch, computed once; empty if it failed or never began to run.

    Raises:
        UsageError: a reply given by the test is not a reply.
    """
    return batch.once("results", lambda: _Writer(batch).results())


class _Lines(NamedTuple):
    """What one request adds to each file, with line ends, and its usage."""

    output: bytes
    errors: bytes
    usage: replies.Usage


class _Writer:
    """Writes the result files of one batch.

    The lines are made in the order of the file. Callables of the test are called first, once for
    each line, in the order of the input.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch, self.lines, self.at = batch, batch.lines, batch.written
        self.outcomes, order = batch.outcomes.by_line, batch.outcomes.order
        self.bulk = bulk_writer(batch)
        total, completed, failed = batch.counts(batch.end.at)
        count, how = completed + failed, batch.overrides.result_files
        in_order = batch.dialect.result_lines.in_order and how.order != "shuffled"
        self.finished = sorted(order[:count]) if in_order else order[:count]
        code = UNFINISHED_CODES.get(batch.end.status, "") if total else ""
        unfinished = order[count:] if code else ()
        self.order = [*self.finished, *unfinished]
        self.unfinished = frozenset(unfinished)
        message = batch.dialect.unfinished_line_errors.get(code)
        self.unfinished_response = LineResponse(None, {"code": code, "message": message})

    def results(self) -> Results:
        """Both files; an output file above MAX_CACHED is left to be written while it is read."""
        how, order = self.batch.overrides.result_files, self.order
        write, ready, is_cached = self.write, dict[int, _Lines](), True
        rules = (self.batch.scenario.otherwise, *self.batch.scenario.on)
        if any(rule.reply and callable(rule.reply.answer) for rule in rules):
            for index in sorted(self.finished):
                result = self.outcomes[index].result
                if isinstance(result, Reply) and callable(result.answer):
                    ready[index] = self.write(index)
        if not ready and self.batch.has_default_files:
            ready = {index: self.write(index) for index in self.finished[:_SAMPLE]}
            longest = max((len(lines.output) for lines in ready.values()), default=0)
            if longest * len(self.finished) > MAX_CACHED:
                write, ready, is_cached = self.without_output, {}, False
        if how.order in ("input", "reversed"):
            order.sort(reverse=how.order == "reversed")
        output, errors = BytesIO(), BytesIO()
        prompt = completion = cached = reasoning = 0
        for index in order:
            lines = ready.pop(index, None) or write(index)
            output.write(lines.output)
            errors.write(lines.errors)
            prompt += lines.usage[0]
            completion += lines.usage[1]
            cached += lines.usage[2]
            reasoning += lines.usage[3]
        content: Content = self.file_content(output)
        if not is_cached:
            content = Streamed(lambda: (self.write(index).output for index in self.finished))
        usage = replies.Usage(prompt, completion, cached, reasoning)
        return Results(content, self.file_content(errors), usage)

    def file_content(self, content: BytesIO) -> bytes:
        """The file with these lines, in the form that the rules give it."""
        how = self.batch.overrides.result_files
        bom, end = b"\xef\xbb\xbf", LINE_ENDS[how.newline]
        return b"" if how.empty else bom * how.bom + content.getvalue() + end * how.trailing

    def write(self, index: int) -> _Lines:
        """What a request adds to the two files."""
        batch, outcome = self.batch, self.outcomes[index]
        is_plain = not outcome.rules and not isinstance(outcome.result, Fail)
        if self.bulk is not None and is_plain and index not in self.unfinished:
            plain = self.bulk(index)
            if plain is not None:
                return _Lines(plain[0], b"", plain[1])
        line, result, corruptions = self.lines.request(index), outcome.result, outcome.corruptions
        if index in self.unfinished:
            written = result_lines(batch, line, self.unfinished_response, self.at, corruptions)
            return _Lines(b"", written, replies.Usage())
        response = respond(line, result, batch.dialect, batch.id_factory, self.at)
        written = result_lines(batch, line, response, self.at, corruptions)
        is_output = response.succeeded or (isinstance(result, Fail) and result.file == "output")
        lines = {True: b"", False: b"", is_output: written}
        for corruption in corruptions:
            if isinstance(corruption, Duplicate) and corruption.conflict is not None:
                second = CONFLICTS[corruption.conflict]
                conflict = respond(line, second, batch.dialect, batch.id_factory, self.at)
                lines[conflict.succeeded] += result_lines(batch, line, conflict, self.at)
        return _Lines(lines[True], lines[False], replies.usage(response.body))

    def without_output(self, index: int) -> _Lines:
        """What a request adds to the error file, and its usage, as cheaply as possible."""
        if index not in self.unfinished and self.outcomes[index] == LineOutcome(Echo()):
            batch, line = self.batch, self.lines.request(index)
            request = model_request(line, batch.dialect, batch.id_factory, self.at)
            return _Lines(b"", b"", replies.echo_usage(request))
        return self.write(index)._replace(output=b"")

"""The output and error file of a batch: pure functions of the batch, written when first read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import islice
from typing import Literal

from fakebatch import replies
from fakebatch.batch.batch import Batch
from fakebatch.batch.bulk import ResultLines, bulk_writer
from fakebatch.batch.lifecycle import Status
from fakebatch.batch.matching import Result
from fakebatch.batch.responding import LINE_ENDS, LineResponse, replied, respond, result_lines
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

MAX_LEFT = 2**20
"""The size in bytes up to which the content of a deleted input file is kept, for `batch.lines`."""

_SAMPLE = 8
"""The number of lines from which the size of an output file is estimated."""


class Streamed:
    """A file too large to cache: its lines are written at every read, always the same.

    Args:
        read: writes the lines.
        length: the size of the file in bytes.
    """

    def __init__(self, read: Callable[[], Iterator[bytes]], length: int) -> None:
        self._read, self._length = read, length

    def __iter__(self) -> Iterator[bytes]:
        return self._read()

    def __len__(self) -> int:
        return self._length

    def __bytes__(self) -> bytes:
        return b"".join(self)

    def __getitem__(self, part: slice) -> Streamed:
        """A part of it, whose bytes outside of the part are written and dropped."""
        span = range(*part.indices(len(self)))

        def cut() -> Iterator[bytes]:
            start = 0
            for piece in self:
                if start + len(piece) > span.start:
                    yield piece[max(span.start - start, 0) : span.stop - start]
                start += len(piece)
                if start >= span.stop:
                    return

        return Streamed(cut, len(span))


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
    never ran. A server that names both files early has both in the end (aibrix, storage/adapter.py:
    "Both files are ALWAYS created upfront").
    """
    end, outcomes = batch.end, batch.outcomes
    total, completed, failed = batch.counts(end.at)
    finished = completed + failed
    misfiled = bisect_left(outcomes.misfiled, finished)
    unfinished = end.status in UNFINISHED_CODES and total > finished
    conflicts = outcomes.has_conflict and finished
    always = frozenset[str]()
    if batch.overrides.override.early_files and end.status is not Status.FAILED:
        always = frozenset({"output", "errors"})
    elif end.status is Status.COMPLETED:
        always = batch.dialect.always_written_files
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


def without_files(batch: Batch, gone: set[str]) -> Batch | None:
    """A batch after its end, without the content of files that are gone.

    The lines of a small input file stay, so that the test can look at them. So do lines from which
    an output file is written at every read, and those that rules with `times` may count.

    Args:
        batch: a batch that has ended.
        gone: `input`, `output` or `errors`, or several of them.

    Returns:
        None if the results are still to be written.
    """
    made: Results | None = vars(batch).get("results")
    has_lines = (
        "input" not in gone
        or len(batch.content or b"") <= MAX_LEFT
        or (made is not None and isinstance(made.output, Streamed) and "output" not in gone)
        or any(rule.times for rule in batch.scenario.on)
    )
    if has_lines and gone <= {"input"}:
        return batch
    if made is None:
        if result_files(batch):
            return None
        made = results(batch)
    left = Results(
        output=b"" if "output" in gone else made.output,
        errors=b"" if "errors" in gone else made.errors,
        usage=made.usage,
    )
    return batch.lighter(left, has_lines=has_lines)


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
        """Both files.

        An output file above MAX_CACHED is left to be written while it is read, and so is one with
        many lines of callables of the test, which are kept.
        """
        how, order = self.batch.overrides.result_files, self.order
        ready = dict[int, ResultLines]()
        if how.order in ("input", "reversed"):
            order.sort(reverse=how.order == "reversed")
        rules = (self.batch.scenario.otherwise, *self.batch.scenario.on)
        if any(rule.reply and callable(rule.reply.answer) for rule in rules):
            for index in sorted(self.finished):
                result = self.outcomes[index].result
                if isinstance(result, Reply) and callable(result.answer):
                    answer = Reply(replied(result, self.lines.request(index)))
                    ready[index] = self.write(index, answer)  # the test may change it later
        kept = sum(len(lines.output) for lines in ready.values())
        others = (index for index in self.finished if index not in ready)
        sample = {index: self.write(index) for index in islice(others, _SAMPLE)}
        longest = max((len(lines.output) for lines in sample.values()), default=0)
        is_streamed = longest * (len(self.finished) - len(ready)) > MAX_CACHED or (
            kept > MAX_LEFT and len(ready) > len(self.finished) / 4
        )
        if not is_streamed:
            ready |= sample
        output, errors, length = BytesIO(), BytesIO(), 0
        prompt = completion = cached = reasoning = 0
        for index in order:
            if is_streamed:
                lines = ready.get(index) or self.write(index, measured=True)
            else:
                lines = ready.pop(index) if index in ready else self.write(index)
                output.write(lines.output)
            length += lines.length
            errors.write(lines.errors)
            prompt += lines.usage[0]
            completion += lines.usage[1]
            cached += lines.usage[2]
            reasoning += lines.usage[3]
        made = self.file_content(output)
        content: Content = made
        if is_streamed and not how.empty:
            read = partial(self.stream, made[: 3 * how.bom], order, ready, made[3 * how.bom :])
            content = Streamed(read, len(made) + length)
        usage = replies.Usage(prompt, completion, cached, reasoning)
        return Results(content, self.file_content(errors), usage)

    def stream(
        self, before: bytes, order: Sequence[int], ready: Mapping[int, ResultLines], after: bytes
    ) -> Iterator[bytes]:
        """The output file, line by line. Lines in `ready` are not written again."""
        yield before
        for index in order:
            yield (ready.get(index) or self.write(index)).output
        yield after

    def file_content(self, content: BytesIO) -> bytes:
        """The file with these lines, in the form that the rules give it."""
        how = self.batch.overrides.result_files
        bom, end = b"\xef\xbb\xbf", LINE_ENDS[how.newline]
        lines = b"" if how.empty else content.getvalue()
        return bom * how.bom + lines + end * how.trailing

    def write(
        self, index: int, answer: Reply | None = None, *, measured: bool = False
    ) -> ResultLines:
        """What a request adds to the two files; if it is only measured, perhaps without vectors.

        `answer` is what a callable of the test has replied.
        """
        batch, outcome = self.batch, self.outcomes[index]
        result, corruptions = outcome.result, outcome.corruptions
        if index in self.unfinished:
            line, response = self.lines.request(index), self.unfinished_response
            written = result_lines(batch, line, response, self.at, corruptions)
            return ResultLines(b"", written, 0, replies.Usage())
        result = answer or result
        if self.bulk is not None and not corruptions:
            text = result.answer if isinstance(result, Reply) else None
            if isinstance(text, str) or (isinstance(result, Echo) and result.is_default):
                plain = self.bulk(index, text, measured)  # type: ignore[arg-type]
                if plain is not None:
                    return plain
        line = self.lines.request(index)
        response = respond(line, result, batch.dialect, batch.id_factory, self.at)
        written = result_lines(batch, line, response, self.at, corruptions)
        is_output = response.succeeded or (isinstance(result, Fail) and result.file == "output")
        lines = {True: b"", False: b"", is_output: written}
        for corruption in corruptions:
            if isinstance(corruption, Duplicate) and corruption.conflict is not None:
                second = CONFLICTS[corruption.conflict]
                conflict = respond(line, second, batch.dialect, batch.id_factory, self.at)
                lines[conflict.succeeded] += result_lines(batch, line, conflict, self.at)
        usage = replies.usage(response.body)
        return ResultLines(lines[True], lines[False], len(lines[True]), usage)

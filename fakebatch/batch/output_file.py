"""The output and error file of a batch: a pure function of the batch, rendered on demand."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Literal, NamedTuple

from fakebatch import replies
from fakebatch.batch import bulk
from fakebatch.batch.batch import Batch
from fakebatch.batch.lifecycle import Status
from fakebatch.batch.matching import LineOutcome, Result
from fakebatch.batch.output_line import output_lines, written_at
from fakebatch.batch.responding import LineResponse, model_request, respond
from fakebatch.rules.lines import Duplicate, Echo, Fail, Reply

UNFINISHED = {Status.EXPIRED: "batch_expired", Status.CANCELLED: "batch_cancelled"}
"""The error code of lines that never ran, by how the batch ended."""


CONFLICTS: dict[str, Result] = {
    "success": Echo(" (another answer)"),
    "error": Fail(500, body={"error": {"message": "Conflict.", "type": "server_error"}}),
}
"""What else there can be for a custom_id."""


HELD = 256 * 2**20
"""Up to how many bytes an output file is kept once it is written."""

_PROBED = 8
"""From how many lines the length of an output file is estimated."""

_NEWLINES = {None: b"\n", "lf": b"\n", "crlf": b"\r\n"}


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
    return batch.once("files", lambda batch: tuple(_result_files(batch)))


def _result_files(batch: Batch) -> Iterator[ResultFile]:
    end = batch.end
    total, completed, failed = batch.counts(end.at)
    misfiled = bisect_left(batch.misfiled, completed + failed)
    unfinished = end.status in UNFINISHED and total > completed + failed
    always = batch.dialect.always_written_files if end.status is Status.COMPLETED else ()
    if completed + misfiled or "output" in always:
        yield ResultFile(batch, "output")
    if failed > misfiled or unfinished or _has_conflicts(batch) or "errors" in always:
        yield ResultFile(batch, "errors")


def leaves(batch: Batch, kind: str) -> bool:
    """Whether a batch leaves an `output` file, or one of `errors`, when it ends."""
    return any(file.kind == kind for file in result_files(batch))


def _has_conflicts(batch: Batch) -> bool:
    if not any(map(_adds_an_error, (rule.outcome for rule in batch.scenario.on))):
        return False
    outcomes = map(batch.outcome, _finished(batch))
    return any(any(map(_adds_an_error, outcome.corruptions)) for outcome in outcomes)


def _adds_an_error(verb: object) -> bool:
    return isinstance(verb, Duplicate) and verb.conflict == "error"


def _finished(batch: Batch) -> list[int]:
    return batch.order[: batch.finished(batch.end.at)]


def results(batch: Batch) -> Results:
    """The result files of a batch, made once, so that every download is the same.

    A batch that failed, or never began to run, leaves nothing.

    Raises:
        UsageError: an answer given by the test is none.
    """
    return batch.once("results", lambda batch: _Writer(batch).results())


class _Lines(NamedTuple):
    """What one request adds to each file, with line ends, and what it is charged for."""

    output: bytes
    errors: bytes
    charge: replies.Usage


class _Writer:
    """Writes the result files of one batch.

    Answers that follow from their requests are made in the order of the file. Callables of the test
    are asked once for each line, in the order of the input, and what they say is kept.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._bulk = bulk.output(batch)
        self._usual = batch.matcher.usual
        self._at = written_at(batch)
        self._end = _NEWLINES[batch.overrides.result_files.newline]
        self._finished = _finished(batch)
        self._kept: dict[int, _Lines] = {}

    def results(self) -> Results:
        """Both files."""
        self._kept = {index: self._write(index) for index in sorted(self._called())}
        unfinished = dict(self._unfinished())
        order = self._ordered([*self._finished, *unfinished])
        if self._is_too_long_to_hold():
            return self._streamed(order, unfinished)
        output, errors = BytesIO(), BytesIO()
        charges = self._written(order, unfinished, output, errors)
        usage = _sum(charges)
        return Results(self._framed(output), self._framed(errors), usage)

    def _called(self) -> Iterator[int]:
        """The lines that a callable of the test answers."""
        if any(map(_calls, (self._usual, *self._batch.unusual.values()))):
            yield from (i for i in self._finished if _calls(self._batch.outcome(i)))

    def _written(
        self, order: Iterable[int], unfinished: dict[int, bytes], output: BytesIO, errors: BytesIO
    ) -> Iterator[replies.Usage]:
        for index in order:
            if index in unfinished:
                errors.write(unfinished[index])
                continue
            lines = self._kept.pop(index, None) or self._write(index)
            output.write(lines.output)
            errors.write(lines.errors)
            yield lines.charge

    def _write(self, index: int) -> _Lines:
        batch = self._batch
        outcome = batch.outcome(index)
        if self._bulk is not None and outcome is self._usual:
            written = self._bulk(index)
            if written is not None:
                return _Lines(written[0], b"", written[1])
        line = batch.lines.request(index)
        response = respond(line, outcome.result, batch.dialect, batch.mint, self._at)
        lines = {True: b"", False: b""}
        passes = isinstance(outcome.result, Fail) and outcome.result.file == "output"
        lines[response.succeeded or passes] += self._joined(
            output_lines(batch, line, response, outcome.corruptions)
        )
        for corruption in outcome.corruptions:
            if isinstance(corruption, Duplicate) and corruption.conflict is not None:
                result = CONFLICTS[corruption.conflict]
                other = respond(line, result, batch.dialect, batch.mint, self._at)
                lines[other.succeeded] += self._joined(output_lines(batch, line, other))
        return _Lines(lines[True], lines[False], replies.usage(response.body))

    def _unfinished(self) -> Iterator[tuple[int, bytes]]:
        """What the error file says of lines that never ran."""
        batch = self._batch
        code = UNFINISHED.get(batch.end.status)
        if code is None or not leaves(batch, "errors"):
            return
        message = batch.dialect.unfinished_line_errors[code]
        response = LineResponse(None, {"code": code, "message": message})
        for index in batch.order[len(self._finished) :]:
            line = batch.lines.request(index)
            corruptions = batch.matcher.corruptions(line)
            yield index, self._joined(output_lines(batch, line, response, corruptions))

    def _joined(self, lines: list[bytes]) -> bytes:
        return b"".join(line + self._end for line in lines)

    def _ordered(self, order: list[int]) -> list[int]:
        how = self._batch.overrides.result_files.order
        return sorted(order, reverse=how == "reversed") if how in ("input", "reversed") else order

    def _framed(self, content: BytesIO) -> bytes:
        """A whole file of these lines."""
        how = self._batch.overrides.result_files
        if how.empty:
            return b""
        if not (how.bom or how.trailing):
            return content.getvalue()
        return b"\xef\xbb\xbf" * how.bom + content.getvalue() + self._end * how.trailing

    # --- a file that is too long to hold

    def _is_too_long_to_hold(self) -> bool:
        if self._kept or self._batch.overrides.result_files.changes_content:
            return False
        self._kept = {index: self._write(index) for index in self._finished[:_PROBED]}
        lengths = (len(lines.output) for lines in self._kept.values())
        return max(lengths, default=0) * len(self._finished) > HELD

    def _streamed(self, order: list[int], unfinished: dict[int, bytes]) -> Results:
        errors = BytesIO()
        usage = _sum(self._charged(order, unfinished, errors))
        output = Streamed(
            lambda: (self._write(index).output for index in order if index not in unfinished)
        )
        return Results(output, errors.getvalue(), usage)

    def _charged(
        self, order: list[int], unfinished: dict[int, bytes], errors: BytesIO
    ) -> Iterator[replies.Usage]:
        """What answers cost, without making more of an answer than that takes."""
        batch = self._batch
        for index in order:
            if index in unfinished:
                errors.write(unfinished[index])
            elif batch.outcome(index) == LineOutcome(Echo()):
                line = batch.lines.request(index)
                request = model_request(line, batch.dialect, batch.mint, self._at)
                yield replies.echo_usage(request)
            else:
                lines = self._write(index)
                errors.write(lines.errors)
                yield lines.charge


def _calls(outcome: LineOutcome | None) -> bool:
    return (
        outcome is not None
        and isinstance(outcome.result, Reply)
        and callable(outcome.result.answer)
    )


def _sum(charges: Iterable[replies.Usage]) -> replies.Usage:
    prompt = completion = cached = reasoning = 0
    for charge in charges:
        prompt += charge[0]
        completion += charge[1]
        cached += charge[2]
        reasoning += charge[3]
    return replies.Usage(prompt, completion, cached, reasoning)

"""The output and error file of a batch: a pure function of its plan, rendered on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from io import BytesIO

from fakebatch import replies
from fakebatch.batch.answering import Answered, answer, is_pure, question
from fakebatch.batch.lifecycle import Status
from fakebatch.batch.plain_lines import PlainLines, Written, answers_alike
from fakebatch.batch.plan import Plan
from fakebatch.batch.result_line import ids, result_line
from fakebatch.scenario import Echoes

UNFINISHED = {Status.EXPIRED: "batch_expired", Status.CANCELLED: "batch_cancelled"}
"""The error code of lines that never ran, by how the batch ended."""

HELD = 256 * 2**20
"""Up to how many bytes an output file is kept once it is written."""


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

    succeeded: Content
    """The output file, which may be too long to hold."""
    errors: bytes
    usage: replies.Usage

    @property
    def output(self) -> bytes:
        """The whole output file."""
        return bytes(self.succeeded)


def has_output(plan: Plan) -> bool:
    """Whether a batch leaves an output file: at least one line succeeded."""
    return plan.counts(plan.timeline.end.at).completed > 0


def has_errors(plan: Plan) -> bool:
    """Whether a batch leaves an error file: a line failed, or never ran."""
    counts = plan.counts(plan.timeline.end.at)
    return counts.failed > 0 or (
        plan.timeline.end.status in UNFINISHED and counts.total > counts.completed
    )


def results(plan: Plan) -> Results:
    """Answer every line that finished; write them in the order they finished.

    A batch that failed, or never began to run, leaves nothing.

    Raises:
        Misuse: an answer given by the test is none.
    """
    order = plan.input.order[: plan.finished(plan.timeline.end.at)]
    make = _made_anytime if is_pure(plan.input.scenario) else _made_once
    return make(plan, order, b"".join(_lost_lines(plan)))


def _made_once(plan: Plan, order: list[int], lost: bytes) -> Results:
    """Callables of the test are asked once for each line, in line order; what they say is kept."""
    made = {index: _line(plan, index) for index in sorted(order)}
    output = b"".join(made[index].line for index in order if made[index].succeeded)
    errors = b"".join(made[index].line for index in order if not made[index].succeeded)
    return Results(output, errors + lost, _sum(one.usage for one in made.values()))


def _made_anytime(plan: Plan, order: list[int], lost: bytes) -> Results:
    """Answers that depend on nothing but their request need not be made in line order, nor kept."""
    line = _writer(plan)
    if order and len(line(order[0]).line) * len(order) > HELD:
        usage = _sum(_charged(plan, index) for index in order)
        return Results(Streamed(lambda: (line(index).line for index in order)), lost, usage)
    output, used = BytesIO(), replies.Usage()
    for index in order:
        written = line(index)
        output.write(written.line)
        used = used.plus(written.usage)
    return Results(output.getvalue(), lost, used)


def _sum(used: Iterable[replies.Usage]) -> replies.Usage:
    return reduce(replies.Usage.plus, used, replies.Usage())


def _charged(plan: Plan, index: int) -> replies.Usage:
    """What an answer costs, without making more of it than that takes."""
    given = plan.input
    line = given.lines.request(index)
    asked = question(line, given.dialect, given.mint, _written(plan))
    outcome = given.outcome(index, line)
    if isinstance(outcome, Echoes):
        return replies.charged(asked)
    return _line(plan, index).usage


def _writer(plan: Plan) -> Callable[[int], Written]:
    """What makes the result line of a request, by its index."""
    if not answers_alike(plan):
        return lambda index: _line(plan, index)
    plain = PlainLines(plan, _written(plan))
    return lambda index: plain.line(index) or _line(plan, index)


def _line(plan: Plan, index: int) -> Written:
    """Answer a request, and write the line that tells."""
    given, at = plan.input, _written(plan)
    line = given.lines.request(index)
    answered = answer(line, given.outcome(index, line), given.dialect, given.mint, at)
    written = result_line(line.custom_id, ids(given.mint.line(index), at), answered)
    return Written(written, answered.succeeded, replies.usage(answered.body))


def _lost_lines(plan: Plan) -> Iterator[bytes]:
    given, end = plan.input, plan.timeline.end
    code = UNFINISHED.get(end.status)
    if code is None or not has_errors(plan):
        return
    lost = Answered(None, {"code": code, "message": given.dialect.lost_lines[code]})
    for index in given.order[plan.finished(end.at) :]:
        custom_id = given.lines.request(index).custom_id
        yield result_line(custom_id, ids(given.mint.line(index), _written(plan)), lost)


def _written(plan: Plan) -> int:
    # ids of result lines carry the second of finalizing, not of the line's own run (observed)
    finalizing = plan.timeline.starts(Status.FINALIZING)
    return plan.timeline.end.at if finalizing is None else finalizing

"""The output and error file of a batch: a pure function of its plan, rendered on demand."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from fakebatch import replies
from fakebatch.batch.answering import Answered, answer, question
from fakebatch.batch.asked import Input
from fakebatch.batch.choosing import Decided, Decision
from fakebatch.batch.damaging import copied, joined, reshaped
from fakebatch.batch.lifecycle import Status
from fakebatch.batch.plain_lines import PlainLines, Written
from fakebatch.batch.plan import Plan
from fakebatch.batch.result_line import ids, wire_line, written, written_line
from fakebatch.request_line import RequestLine
from fakebatch.scenario import Damage, Echoes, Fails, Says

UNFINISHED = {Status.EXPIRED: "batch_expired", Status.CANCELLED: "batch_cancelled"}
"""The error code of lines that never ran, by how the batch ended."""


CONFLICTS: dict[str, tuple[str, Decided]] = {
    "success": ("output", Echoes(" (another answer)")),
    "error": ("error", Fails(500, {"error": {"message": "Conflict.", "type": "server_error"}})),
}
"""What else there can be for a custom_id, and in which file."""


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

Files = dict[str, dict[int, list[bytes]]]
"""The lines of the output and the error file, by the index of their request."""


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
    """Whether a batch leaves an output file: at least one line succeeded, or passes for it."""
    end = plan.timeline.end.at
    misfiled = bisect_left(plan.input.misfiled, plan.finished(end))
    return plan.counts(end).completed + misfiled > 0 or _leaves_empty(plan, "output")


def has_errors(plan: Plan) -> bool:
    """Whether a batch leaves an error file: a line failed, or never ran."""
    counts = plan.counts(plan.timeline.end.at)
    misfiled = bisect_left(plan.input.misfiled, counts.completed + counts.failed)
    lost = plan.timeline.end.status in UNFINISHED and (
        counts.total > counts.completed + counts.failed
    )
    left = counts.failed > misfiled or lost or _has_conflicts(plan)
    return left or _leaves_empty(plan, "errors")


def _leaves_empty(plan: Plan, kind: str) -> bool:
    completed = plan.timeline.end.status is Status.COMPLETED
    return completed and kind in plan.input.dialect.always_written_files


def _has_conflicts(plan: Plan) -> bool:
    given = plan.input
    if not any(rule.damage and rule.damage.conflict == "error" for rule in given.scenario.rules):
        return False
    finished = given.order[: plan.finished(plan.timeline.end.at)]
    damages = (damage for index in finished for damage in given.decision(index).damages)
    return any(damage.conflict == "error" for damage in damages)


def results(plan: Plan) -> Results:
    """Answer every line that finished; write them in the order they finished.

    A batch that failed, or never began to run, leaves nothing.

    Raises:
        Misuse: an answer given by the test is none.
    """
    order = plan.input.order[: plan.finished(plan.timeline.end.at)]
    return _made_anytime(plan, order) if _is_plain(plan) else _made_once(plan, order)


def _is_plain(plan: Plan) -> bool:
    """Whether all succeed, each answer follows from its request alone, and files are as usual."""
    given = plan.input
    otherwise = given.scenario.otherwise
    constant = not (isinstance(otherwise, Says) and callable(otherwise.answer))
    return given.choices.trivial and constant and given.life.writes_as_usual


def _made_once(plan: Plan, order: list[int]) -> Results:
    """Callables of the test are asked once for each line, in line order; what they say is kept."""
    given, plain = plan.input, _plain_lines(plan)
    used: list[replies.Charge] = []
    files: Files = {"output": {}, "error": {}}
    for index in sorted(order):
        made = plain.line(index) if plain is not None and _is_left_alone(given, index) else None
        if made is None:
            used.append(_make(plan, given.lines.request(index), files))
        else:
            files["output"][index] = [made[0].removesuffix(b"\n")]
            used.append(made[1])
    output = joined(order, files["output"], given.life)
    return Results(output, _errors(plan, order, files["error"]), _sum(used))


def _is_left_alone(given: Input, index: int) -> bool:
    """Whether it is known of a line, without a look at it, that no rule changes its result."""
    decision = given.choices.decided(index)
    if decision is None:
        return False
    return decision.outcome is given.scenario.otherwise and not decision.damages


def _make(plan: Plan, line: RequestLine, files: Files) -> replies.Usage:
    decision = plan.input.choices.decide(line)
    answered = _answer(plan, line, decision.outcome)
    lines = _lines(plan, line, answered, decision.damages)
    files[_file(answered, decision.outcome)][line.index or 0] = lines
    for file, other in _conflicting(plan, line, decision):
        files[file].setdefault(line.index or 0, []).append(other)
    return replies.usage(answered.body)


def _made_anytime(plan: Plan, order: list[int]) -> Results:
    """Answers that follow from their requests need not be made in line order, nor be kept."""
    lost = _errors(plan, order, {})
    if sum(len(line) for line, _ in _made(plan, order[:1])) * len(order) > HELD:
        usage = _sum(_charged(plan, index) for index in order)
        return Results(Streamed(lambda: (line for line, _ in _made(plan, order))), lost, usage)
    output = BytesIO()
    usage = _sum(_writing(output, _made(plan, order)))
    return Results(output.getvalue(), lost, usage)


def _writing(output: BytesIO, lines: Iterable[Written]) -> Iterator[replies.Charge]:
    for line, charge in lines:
        output.write(line)
        yield charge


def _errors(plan: Plan, order: list[int], failed: dict[int, list[bytes]]) -> bytes:
    lost = dict(_lost_lines(plan))
    return joined([*order, *lost], failed | lost, plan.input.life)


def _sum(charges: Iterable[replies.Charge]) -> replies.Usage:
    taken = given = cached = reasoning = 0
    for charge in charges:
        taken += charge[0]
        given += charge[1]
        cached += charge[2]
        reasoning += charge[3]
    return replies.Usage(taken, given, cached, reasoning)


def _charged(plan: Plan, index: int) -> replies.Usage:
    """What an answer costs, without making more of it than that takes."""
    given = plan.input
    line = given.lines.request(index)
    if given.scenario.otherwise == Echoes():
        return replies.charged(question(line, given.dialect, given.mint, written(plan)))
    return replies.usage(_answer(plan, line, given.choices.decide(line).outcome).body)


def _made(plan: Plan, order: list[int]) -> Iterator[Written]:
    """The result lines of requests."""
    plain = _plain_lines(plan)
    if plain is None:
        return (_line(plan, index) for index in order)
    return (plain.line(index) or _line(plan, index) for index in order)


def _plain_lines(plan: Plan) -> PlainLines | None:
    quotes = plan.input.judged.quotes
    return None if quotes is None else PlainLines(plan, quotes)


def _line(plan: Plan, index: int) -> Written:
    line = plan.input.lines.request(index)
    answered = _answer(plan, line, plan.input.choices.decide(line).outcome)
    text = _written_line(plan, line, _wire(plan, line, answered))
    return text + b"\n", replies.usage(answered.body)


def _answer(plan: Plan, line: RequestLine, outcome: Decided) -> Answered:
    return answer(line, outcome, plan.input.dialect, plan.input.mint, written(plan))


def _file(answered: Answered, outcome: Decided) -> str:
    passes = isinstance(outcome, Fails) and outcome.file == "output"
    return "output" if answered.succeeded or passes else "error"


def _lines(
    plan: Plan, line: RequestLine, answered: Answered, damages: tuple[Damage, ...]
) -> list[bytes]:
    wire = _wire(plan, line, answered)
    for damage in damages:
        wire = reshaped(wire, damage, line.index or 0)
    lines = [_written_line(plan, line, wire)]
    for damage in damages:
        lines = [copy for one in lines for copy in copied(one, damage)]
    return lines


def _conflicting(plan: Plan, line: RequestLine, decision: Decision) -> Iterator[tuple[str, bytes]]:
    for damage in decision.damages:
        if damage.conflict is not None:
            file, outcome = CONFLICTS[damage.conflict]
            wire = _wire(plan, line, _answer(plan, line, outcome))
            yield file, _written_line(plan, line, wire)


def _lost_lines(plan: Plan) -> Iterator[tuple[int, list[bytes]]]:
    end = plan.timeline.end
    code = UNFINISHED.get(end.status)
    if code is None or not has_errors(plan):
        return
    lost = Answered(
        None, {"code": code, "message": plan.input.dialect.unfinished_line_errors[code]}
    )
    for index in plan.input.order[plan.finished(end.at) :]:
        line = plan.input.lines.request(index)
        yield index, _lines(plan, line, lost, plan.input.choices.damages(line))


def _wire(plan: Plan, line: RequestLine, answered: Answered) -> dict[str, Any]:
    given, dialect = plan.input, plan.input.dialect
    made = ids(given.mint.line(line.index), written(plan), dialect.ids)
    return wire_line(dialect.shapes, line.custom_id, made, answered)


def _written_line(plan: Plan, line: RequestLine, wire: dict[str, Any]) -> bytes:
    return written_line(line.custom_id, wire, raw=plan.input.life.raw)

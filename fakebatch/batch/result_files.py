"""The output and error file of a batch: a pure function of its plan, rendered on demand."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fakebatch import replies
from fakebatch.batch.answering import Answered, answer, no_json
from fakebatch.batch.choosing import Decided, Decision
from fakebatch.batch.damaging import copied, joined, reshaped
from fakebatch.batch.lifecycle import Status
from fakebatch.batch.plan import Plan
from fakebatch.ids import dashed, stamp
from fakebatch.request_line import RequestLine
from fakebatch.scenario import Damage, Echoes, Fails

UNFINISHED = {Status.EXPIRED: "batch_expired", Status.CANCELLED: "batch_cancelled"}
"""The error code of lines that never ran, by how the batch ended."""


CONFLICTS: dict[str, tuple[str, Decided]] = {
    "success": ("output", Echoes(" (another answer)")),
    "error": ("error", Fails(500, {"error": {"message": "Conflict.", "type": "server_error"}})),
}
"""What else there can be for a custom_id, and in which file."""


@dataclass(frozen=True, slots=True)
class Results:
    """What a batch leaves behind when it has ended."""

    output: bytes
    errors: bytes
    usage: replies.Usage


def has_output(plan: Plan) -> bool:
    """Whether a batch leaves an output file: at least one line succeeded, or passes for it."""
    end = plan.timeline.end.at
    misfiled = bisect_left(plan.input.misfiled, plan.finished(end))
    return plan.counts(end).completed + misfiled > 0


def has_errors(plan: Plan) -> bool:
    """Whether a batch leaves an error file: a line failed, or never ran."""
    counts = plan.counts(plan.timeline.end.at)
    misfiled = bisect_left(plan.input.misfiled, counts.completed + counts.failed)
    lost = plan.timeline.end.status in UNFINISHED and (
        counts.total > counts.completed + counts.failed
    )
    return counts.failed > misfiled or lost or _has_conflicts(plan)


def _has_conflicts(plan: Plan) -> bool:
    given = plan.input
    if not any(rule.damage and rule.damage.conflict == "error" for rule in given.scenario.rules):
        return False
    finished = given.order[: plan.finished(plan.timeline.end.at)]
    damages = (damage for index in finished for damage in given.decision(index).damages)
    return any(damage.conflict == "error" for damage in damages)


def results(plan: Plan) -> Results:
    """Answer every line that finished, in line order; write them in the order they finished.

    A batch that failed, or never began to run, leaves nothing.

    Raises:
        Misuse: an answer given by the test is none.
    """
    given, end = plan.input, plan.timeline.end
    order = given.order[: plan.finished(end.at)]
    usage = replies.Usage()
    files: dict[str, dict[int, list[bytes]]] = {"output": {}, "error": {}}
    for index in sorted(order):
        line = given.lines.request(index)
        decision = given.choices.decide(line)
        answered = _answer(plan, line, decision.outcome)
        usage += replies.usage(answered.body)
        lines = _lines(plan, line, answered, decision.damages)
        files[_file(answered, decision.outcome)][index] = lines
        for file, other in _conflicting(plan, line, decision):
            files[file].setdefault(index, []).append(other)
    lost = dict(_lost_lines(plan))
    errors = joined([*order, *lost], files["error"] | lost, given.life)
    return Results(joined(order, files["output"], given.life), errors, usage)


def _answer(plan: Plan, line: RequestLine, outcome: Decided) -> Answered:
    return answer(line, outcome, plan.input.dialect, plan.input.mint, _written(plan))


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
    lost = Answered(None, {"code": code, "message": plan.input.dialect.lost_lines[code]})
    for index in plan.input.order[plan.finished(end.at) :]:
        line = plan.input.lines.request(index)
        yield index, _lines(plan, line, lost, plan.input.choices.damages(line))


def _wire(plan: Plan, line: RequestLine, answered: Answered) -> dict[str, Any]:
    digits = plan.input.mint.digest("line", line.index, size=32).hex()
    wire: dict[str, Any] = {
        "id": "batch_req_" + stamp(digits[:32], _written(plan)),
        "custom_id": line.custom_id,
        "response": None,
        "error": answered.error,
    }
    if answered.status is not None:
        wire["response"] = {
            "status_code": answered.status,
            # a line that nobody answered has no request either (observed, ellmer #830)
            "request_id": dashed(digits[32:]) if answered.status else "",
            "body": answered.body,
        }
    elif answered.error is None:
        wire["error"] = answered.body
    return wire


def _written_line(plan: Plan, line: RequestLine, wire: dict[str, Any]) -> bytes:
    try:
        text = json.dumps(wire, allow_nan=False, ensure_ascii=not plan.input.life.raw)
        return text.encode(errors="surrogatepass")
    except (TypeError, ValueError) as error:
        raise no_json(f"custom_id {line.custom_id!r}", error) from error


def _written(plan: Plan) -> int:
    # ids of result lines carry the second of finalizing, not of the line's own run (observed)
    finalizing = plan.timeline.starts(Status.FINALIZING)
    return plan.timeline.end.at if finalizing is None else finalizing

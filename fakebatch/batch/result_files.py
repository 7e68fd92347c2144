"""The output and error file of a batch: a pure function of its plan, rendered on demand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fakebatch import replies
from fakebatch.batch.answering import Answered, answer, no_json
from fakebatch.batch.lifecycle import Status
from fakebatch.batch.plan import Plan
from fakebatch.ids import dashed, stamp
from fakebatch.request_line import RequestLine

UNFINISHED = {Status.EXPIRED: "batch_expired", Status.CANCELLED: "batch_cancelled"}
"""The error code of lines that never ran, by how the batch ended."""


@dataclass(frozen=True, slots=True)
class Results:
    """What a batch leaves behind when it has ended."""

    output: bytes
    errors: bytes
    usage: replies.Usage


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
    """Answer every line that finished, in line order; write them in the order they finished.

    A batch that failed, or never began to run, leaves nothing.

    Raises:
        Misuse: an answer given by the test is none.
    """
    given, end = plan.input, plan.timeline.end
    order = given.order[: plan.finished(end.at)]
    usage = replies.Usage()
    succeeded: dict[int, bytes] = {}
    failed: dict[int, bytes] = {}
    for index in sorted(order):
        line = given.lines.request(index)
        outcome = given.outcome(index, line)
        answered = answer(line, outcome, given.dialect, given.mint, _written(plan))
        usage += replies.usage(answered.body)
        (succeeded if answered.succeeded else failed)[index] = _wire_line(plan, line, answered)
    lost = b"".join(_lost_lines(plan))
    return Results(_joined(order, succeeded), _joined(order, failed) + lost, usage)


def _joined(order: list[int], lines: dict[int, bytes]) -> bytes:
    return b"".join(lines[index] for index in order if index in lines)


def _lost_lines(plan: Plan) -> Iterator[bytes]:
    end = plan.timeline.end
    code = UNFINISHED.get(end.status)
    if code is None or not has_errors(plan):
        return
    lost = Answered(None, {"code": code, "message": plan.input.dialect.lost_lines[code]})
    for index in plan.input.order[plan.finished(end.at) :]:
        yield _wire_line(plan, plan.input.lines.request(index), lost)


def _wire_line(plan: Plan, line: RequestLine, answered: Answered) -> bytes:
    digits = plan.input.mint.digest("line", line.index, size=32).hex()
    wire: dict[str, Any] = {
        "id": "batch_req_" + stamp(digits[:32], _written(plan)),
        "custom_id": line.custom_id,
        "response": None,
        "error": None,
    }
    if answered.status is None:
        wire["error"] = answered.body
    else:
        wire["response"] = {
            "status_code": answered.status,
            "request_id": dashed(digits[32:]),
            "body": answered.body,
        }
    try:
        return json.dumps(wire, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise no_json(f"custom_id {line.custom_id!r}", error) from error


def _written(plan: Plan) -> int:
    # ids of result lines carry the second of finalizing, not of the line's own run (observed)
    finalizing = plan.timeline.starts(Status.FINALIZING)
    return plan.timeline.end.at if finalizing is None else finalizing

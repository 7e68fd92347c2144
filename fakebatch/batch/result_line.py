"""One line of a result file, as the service writes it: here is where a line is made."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from fakebatch.batch.answering import Answered, no_json
from fakebatch.batch.lifecycle import Status
from fakebatch.batch.plan import Plan
from fakebatch.ids import dashed, stamp


class Ids(NamedTuple):
    """What a result line is called."""

    line: str
    request: str


def ids(seed: bytes, written: int) -> Ids:
    """The ids of the result of the request with this seed, in a file written at `written`."""
    digits = seed.hex()
    return Ids("batch_req_" + stamp(digits[:32], written), dashed(digits[32:64]))


def wire_line(custom_id: str | None, given: Ids, answered: Answered) -> dict[str, Any]:
    """The object of a request that was answered, or that failed with an error and no answer."""
    wire: dict[str, Any] = {
        "id": given.line,
        "custom_id": custom_id,
        "response": None,
        "error": answered.error,
    }
    if answered.status is not None:
        wire["response"] = {
            "status_code": answered.status,
            # a line that nobody answered has no request either (observed, ellmer #830)
            "request_id": given.request if answered.status else "",
            "body": answered.body,
        }
    elif answered.error is None:
        wire["error"] = answered.body
    return wire


def written_line(custom_id: str | None, wire: dict[str, Any], *, raw: bool = False) -> bytes:
    """The bytes of a line, without its line end.

    Raises:
        Misuse: an answer given by the test is no JSON.
    """
    try:
        text = json.dumps(wire, allow_nan=False, ensure_ascii=not raw)
        return text.encode(errors="surrogatepass")
    except (TypeError, ValueError) as error:
        raise no_json(f"custom_id {custom_id!r}", error) from error


def written(plan: Plan) -> int:
    """When the result files are written."""
    # ids of result lines carry the second of finalizing, not of the line's own run (observed)
    finalizing = plan.timeline.starts(Status.FINALIZING)
    return plan.timeline.end.at if finalizing is None else finalizing

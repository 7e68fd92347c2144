"""One line of a result file, as the service writes it: here is where a line is made."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from fakebatch.batch.answering import Answered, no_json
from fakebatch.ids import dashed, stamp


class Ids(NamedTuple):
    """What a result line is called."""

    line: str
    request: str


def ids(seed: bytes, written: int) -> Ids:
    """The ids of the result of the request with this seed, in a file written at `written`."""
    digits = seed.hex()
    return Ids("batch_req_" + stamp(digits[:32], written), dashed(digits[32:64]))


def result_line(custom_id: str | None, given: Ids, answered: Answered) -> bytes:
    """The line of a request that was answered, or that failed with an error and no answer.

    Raises:
        Misuse: an answer given by the test is no JSON.
    """
    wire: dict[str, Any] = {
        "id": given.line,
        "custom_id": custom_id,
        "response": None,
        "error": None,
    }
    if answered.status is None:
        wire["error"] = answered.body
    else:
        wire["response"] = {
            "status_code": answered.status,
            "request_id": given.request,
            "body": answered.body,
        }
    try:
        return json.dumps(wire, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise no_json(f"custom_id {custom_id!r}", error) from error

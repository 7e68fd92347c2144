"""One line of a result file, as the service writes it: here is where a line is made."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from fakebatch.batch.answering import Answered, no_json
from fakebatch.batch.lifecycle import Status
from fakebatch.batch.plan import Plan
from fakebatch.dialects import Shapes, shaped
from fakebatch.dialects.knobs import Ids as Forms
from fakebatch.ids import formed


class Ids(NamedTuple):
    """What a result line is called."""

    line: str
    request: str


def ids(seed: bytes, written: int, forms: Forms) -> Ids:
    """The ids of the result of the request with this seed, in a file written at `written`."""
    return Ids(formed(forms.line, seed, written), formed(forms.request, seed, written))


def wire_line(
    shapes: Shapes, custom_id: str | None, given: Ids, answered: Answered
) -> dict[str, Any]:
    """The object of a request that was answered, or that failed with an error and no answer."""
    lost = answered.status is None and answered.error is None
    facts = {
        "id": given.line,
        "custom_id": custom_id,
        # a line that nobody answered has no request either (observed, ellmer #830)
        "request_id": "" if answered.status == 0 else given.request,
        "status_code": answered.status,
        "body": answered.body,
        "error": answered.body if lost else answered.error,
        "body_text": json.dumps(answered.body) if "body_text" in shapes.answered else "",
    }
    return shaped(_shape(shapes, answered), facts)


def _shape(shapes: Shapes, answered: Answered) -> str:
    if answered.status is None:
        return shapes.lost
    return shapes.answered if answered.succeeded else shapes.failed or shapes.answered


# json.dumps would make one for each line
_ENCODERS = {raw: json.JSONEncoder(allow_nan=False, ensure_ascii=not raw) for raw in (False, True)}


def written_line(custom_id: str | None, wire: dict[str, Any], *, raw: bool = False) -> bytes:
    """The bytes of a line, without its line end.

    Raises:
        Misuse: an answer given by the test is no JSON.
    """
    try:
        return _ENCODERS[raw].encode(wire).encode(errors="surrogatepass")
    except (TypeError, ValueError) as error:
        raise no_json(f"custom_id {custom_id!r}", error) from error


def written(plan: Plan) -> int:
    """When the result files are written."""
    # ids of result lines carry the second of finalizing, not of the line's own run (observed)
    finalizing = plan.timeline.starts(Status.FINALIZING)
    return plan.timeline.end.at if finalizing is None else finalizing

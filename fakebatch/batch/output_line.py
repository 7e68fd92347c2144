"""One line of a result file, as the service writes it: here is where a line is made."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from fakebatch.batch.batch import Batch
from fakebatch.batch.corruption import copies_of, reshaped
from fakebatch.batch.lifecycle import Status
from fakebatch.batch.responding import LineResponse, not_json
from fakebatch.dialects import Shapes, render
from fakebatch.ids import formed
from fakebatch.request_line import RequestLine
from fakebatch.rules.lines import Corruption


class Ids(NamedTuple):
    """What a result line is called."""

    line: str
    request: str


def output_lines(
    batch: Batch,
    line: RequestLine,
    response: LineResponse,
    corruptions: tuple[Corruption, ...] = (),
) -> list[bytes]:
    """The result line of a request, without its line end: none, several or broken if corrupted.

    Raises:
        UsageError: an answer given by the test is no JSON.
    """
    seed, at, forms = batch.mint.line(line.index), written_at(batch), batch.dialect.ids
    ids = Ids(formed(forms.line, seed, at), formed(forms.request, seed, at))
    wire = wire_line(batch.dialect.shapes, line.custom_id, ids, response)
    for corruption in corruptions:
        wire = reshaped(wire, corruption, line.index or 0)
    lines = [encoded(line.custom_id, wire, raw=batch.overrides.result_files.raw)]
    for corruption in corruptions:
        lines = [copy for each in lines for copy in copies_of(each, corruption)]
    return lines


def written_at(batch: Batch) -> int:
    """When the result files are written."""
    # ids of result lines carry the second of finalizing, not of the line's own run (observed)
    finalizing = batch.timeline.starts(Status.FINALIZING)
    return batch.end.at if finalizing is None else finalizing


def wire_line(
    shapes: Shapes, custom_id: str | None, ids: Ids, response: LineResponse
) -> dict[str, Any]:
    """The object of a request that was answered, or that failed with an error and no answer."""
    unanswered = response.status is None and response.error is None
    facts = {
        "id": ids.line,
        "custom_id": custom_id,
        # a line that nobody answered has no request either (observed, ellmer #830)
        "request_id": "" if response.status == 0 else ids.request,
        "status_code": response.status,
        "body": response.body,
        "error": response.body if unanswered else response.error,
        "body_text": json.dumps(response.body) if "body_text" in shapes.answered else "",
    }
    return render(_shape(shapes, response), facts)


def _shape(shapes: Shapes, response: LineResponse) -> str:
    if response.status is None:
        return shapes.lost
    return shapes.answered if response.succeeded else shapes.failed or shapes.answered


# json.dumps would make one for each line
_ENCODERS = {raw: json.JSONEncoder(allow_nan=False, ensure_ascii=not raw) for raw in (False, True)}


def encoded(custom_id: str | None, wire: dict[str, Any], *, raw: bool = False) -> bytes:
    """The bytes of a line, without its line end.

    Raises:
        UsageError: an answer given by the test is no JSON.
    """
    try:
        return _ENCODERS[raw].encode(wire).encode(errors="surrogatepass")
    except (TypeError, ValueError) as error:
        raise not_json(f"custom_id {custom_id!r}", error) from error

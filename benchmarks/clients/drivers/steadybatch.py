"""`Runner(OpenAIBatch(), …).run(requests)` with a schema and a checkpoint, as in its README.

An answer is the JSON text of an outcome `ok`; any other outcome is an error.
"""

from __future__ import annotations

from typing import Any

from steadybatch import Request, Runner
from steadybatch.providers.openai_batch import OpenAIBatch

SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}


def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The text of each result, or its error."""
    runner = Runner(
        OpenAIBatch(),
        requests[0]["body"]["model"],
        response_schema=SCHEMA,
        checkpoint="job.sqlite",
        poll_every=0.02,
    )
    report = runner.run(
        Request(key=request["custom_id"], messages=request["body"]["messages"])
        for request in requests
    )
    return [
        (
            result.key,
            result.text
            if result.outcome.value == "ok"
            else RuntimeError(f"{result.outcome.value}: {result.error}"),
        )
        for result in report.results
    ]

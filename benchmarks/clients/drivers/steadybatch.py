"""steadybatch: `Runner(OpenAIBatch(), …).run(requests)` with a checkpoint, as in its README.

It asks for JSON that follows a schema. An answer is that text, an outcome other than `ok` an error.
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


def run(requests: list[dict[str, Any]]) -> dict[str, object]:
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
    return {
        result.key: result.text
        if result.outcome.value == "ok"
        else RuntimeError(f"{result.outcome.value}: {result.error}")
        for result in report.results
    }

"""`batchlane.run(rows, checkpoint=…)`, which gives each row beside its result, as in its README.

Its adapters have the provider's address in the code: the driver replaces OpenAI's.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import batchlane
from batchlane.adapters import openai_shaped

openai_shaped.ROWS["openai"] = dataclasses.replace(
    openai_shaped.ROWS["openai"], base_url=os.environ["OPENAI_BASE_URL"]
)


def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The body of each response, or the error of its result."""
    rows = [
        batchlane.BatchLine(
            request["custom_id"],
            f"openai/{request['body']['model']}",
            request["body"]["messages"],
        )
        for request in requests
    ]
    return [
        (line.custom_id, result.response if result.ok else RuntimeError(str(result.error)))
        for line, result in batchlane.run(rows, checkpoint="job.jsonl", poll_interval=0.02)
    ]

"""`BatchProcessor.submit_batch`, `get_batch_status` and `get_results`, as in its docs.

The id is kept for after a restart. Its custom_ids are request-0, request-1 … An answer is the JSON
of the model in a `BatchSuccess`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from instructor.batch import BatchProcessor
from pydantic import BaseModel


class Answer(BaseModel):
    """What the model shall give."""

    answer: str


def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The parsed answer of each success, the error of each other."""
    processor = BatchProcessor(f"openai/{requests[0]['body']['model']}", Answer)
    known = Path("batch_id")
    if not known.exists():
        processor.create_batch_from_messages(
            [request["body"]["messages"] for request in requests], file_path="batch.jsonl"
        )
        known.write_text(processor.submit_batch("batch.jsonl"))
    batch_id = known.read_text()
    while processor.get_batch_status(batch_id)["status"] not in {
        "completed",
        "failed",
        "expired",
        "cancelled",
    }:
        time.sleep(0.02)
    ids = {f"request-{number}": request["custom_id"] for number, request in enumerate(requests)}
    return [
        (
            ids.get(result.custom_id, result.custom_id),
            result.result.model_dump_json()
            if result.success
            else RuntimeError(f"{result.error_type}: {result.error_message}"),
        )
        for result in processor.get_results(batch_id)
    ]

"""`create_file`, `create_batch`, `retrieve_batch`, `file_content`: docs.litellm.ai/docs/batches.

These are calls of the API. The loop around them is the one of openai-python's example: see openai-
python.py.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import litellm
from result_file import outcomes


def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The body of each response, the line itself as an error for each other."""
    openai = {"custom_llm_provider": "openai"}
    path = Path("batch_completions.jsonl")
    with path.open("w") as file:
        for request in requests:
            file.write(json.dumps(request) + "\n")
    with path.open("rb") as file:
        input_file = litellm.create_file(file=file, purpose="batch", **openai)
    batch = litellm.create_batch(
        completion_window="24h",
        endpoint=requests[0]["url"],
        input_file_id=input_file.id,
        **openai,
    )
    while batch.status not in {"completed", "failed", "expired", "cancelled"}:
        time.sleep(0.02)
        batch = litellm.retrieve_batch(batch_id=batch.id, **openai)
    if not (batch.output_file_id or batch.error_file_id):
        raise RuntimeError(f"Batch finished with status: {batch.status}")
    results: list[tuple[str, object]] = []
    for file_id in filter(None, [batch.output_file_id, batch.error_file_id]):
        content = litellm.file_content(file_id=file_id, **openai)
        Path("results.jsonl").write_bytes(content.content)
        results += outcomes("results.jsonl")
    return results

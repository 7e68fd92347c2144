"""litellm: `create_file`, `create_batch`, `retrieve_batch` and `file_content`, as docs.litellm.ai/docs/batches has them.

These are calls to the API, and the loop around them is the one of openai-python's example: the status
and both files. No file at all is an error, a line with the status 200 an answer.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import litellm

OPENAI = {"custom_llm_provider": "openai"}


def run(requests: list[dict[str, Any]]) -> dict[str, object]:
    """The body of each response, the line itself as an error for each other."""
    path = Path("batch_completions.jsonl")
    with path.open("w") as file:
        for request in requests:
            file.write(json.dumps(request) + "\n")
    with path.open("rb") as file:
        input_file = litellm.create_file(file=file, purpose="batch", **OPENAI)
    batch = litellm.create_batch(
        completion_window="24h",
        endpoint=requests[0]["url"],
        input_file_id=input_file.id,
        **OPENAI,
    )
    while batch.status not in {"completed", "failed", "expired", "cancelled"}:
        time.sleep(0.02)
        batch = litellm.retrieve_batch(batch_id=batch.id, **OPENAI)
    if not (batch.output_file_id or batch.error_file_id):
        raise RuntimeError(f"Batch finished with status: {batch.status}")
    results: dict[str, object] = {}
    for file_id in filter(None, [batch.output_file_id, batch.error_file_id]):
        content = litellm.file_content(file_id=file_id, **OPENAI)
        Path("results.jsonl").write_bytes(content.content)
        with Path("results.jsonl").open() as lines:
            for line in lines:
                result = json.loads(line)
                response = result["response"]
                answered = response and response["status_code"] == 200
                results[result["custom_id"]] = response["body"] if answered else RuntimeError(line)
    return results

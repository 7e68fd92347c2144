"""The loop of openai-python's `examples/responses/batch.py`: it prints the status and both files.

No file at all is an error. Lines are read as in OpenAI's cookbook
(`examples/batch_processing.ipynb`): the download is saved, and the file read line by line. A line
with the status 200 is an answer.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from openai import OpenAI
from result_file import outcomes


def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The body of each response, the line itself as an error for each other."""
    client = OpenAI()
    path = Path("batch_input.jsonl")
    with path.open("w") as file:
        for request in requests:
            file.write(json.dumps(request) + "\n")
    input_file = client.files.create(file=path, purpose="batch")
    batch = client.batches.create(
        input_file_id=input_file.id, endpoint=requests[0]["url"], completion_window="24h"
    )
    while batch.status not in {"completed", "failed", "expired", "cancelled"}:
        time.sleep(0.02)
        batch = client.batches.retrieve(batch.id)
    if not (batch.output_file_id or batch.error_file_id):
        raise RuntimeError(f"Batch finished with status: {batch.status}")
    results: list[tuple[str, object]] = []
    for file_id in filter(None, [batch.output_file_id, batch.error_file_id]):
        Path("results.jsonl").write_bytes(client.files.content(file_id).read())
        results += outcomes("results.jsonl")
    return results

"""openai-batch: `Batch(file).submit_wait_download`, as its command `openai_batch.run` uses it.

With requests added by `add_to_batch`, as in its README, 0.3.4 reads a closed file. It downloads two files;
a line with the status 200 is an answer. Provider: the documented way to another base URL.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from openai_batch import Batch
from openai_batch.providers import Provider


def run(requests: list[dict[str, Any]]) -> dict[str, object]:
    """The body of each response, the line itself as an error for each other."""
    path = Path("batch_input.jsonl")
    with path.open("w") as file:
        for request in requests:
            file.write(json.dumps(request) + "\n")
    provider = Provider(
        base_url=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"]
    )
    with Batch(submission_input_file=str(path), provider=provider) as batch:
        done, *paths = batch.submit_wait_download(interval=0.02)
    if not any(paths):
        raise RuntimeError(f"Batch completed with status {done.status}")
    results: dict[str, object] = {}
    for name in filter(None, paths):
        with Path(name).open() as lines:
            for line in lines:
                result = json.loads(line)
                response = result["response"]
                answered = response and response["status_code"] == 200
                results[result["custom_id"]] = response["body"] if answered else RuntimeError(line)
    return results

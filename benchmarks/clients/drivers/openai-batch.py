"""`Batch.submit`, `status` and `download`, the step-by-step workflow of its README.

The id is kept, and `Batch(batch_id=…)` goes on after a restart, as in the README. Requests come
from a file, as its command gives them: with those of `add_to_batch`, 0.3.4 reads a closed file.
Provider: the documented way to another base URL. A line with the status 200 is an answer.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from openai_batch import Batch
from openai_batch.providers import Provider
from result_file import outcomes


def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The body of each response, the line itself as an error for each other."""
    base_url, api_key = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
    provider = Provider(base_url=base_url, api_key=api_key)
    known = Path("batch_id")
    if known.exists():
        batch = Batch(batch_id=known.read_text(), provider=provider)
    else:
        with Path("batch_input.jsonl").open("w") as file:
            file.writelines(json.dumps(request) + "\n" for request in requests)
        batch = Batch(submission_input_file="batch_input.jsonl", provider=provider)
        known.write_text(batch.submit())
    while (status := batch.status().status) not in {"completed", "failed", "expired", "cancelled"}:
        time.sleep(0.02)
    paths = batch.download()
    if not any(paths):
        raise RuntimeError(f"Batch status: {status}")
    results: list[tuple[str, object]] = []
    for path in filter(None, paths):
        results += outcomes(path)
    return results

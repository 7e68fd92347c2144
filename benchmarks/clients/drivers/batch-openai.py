"""`BatchRequestBuilder.add` and `submit`, then `job.wait`, as in its README.

The id is kept, and `BatchJob.from_id` goes on after a restart. An answer is the `raw_response` of
an item without an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from batch_openai import BatchJob, BatchRequestBuilder
from openai import OpenAI


def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The body of each response, the error of each other."""
    client, known = OpenAI(), Path("batch_id")
    if known.exists():
        job = BatchJob.from_id(client, known.read_text())
    else:
        builder = BatchRequestBuilder()
        for request in requests:
            builder.add(custom_id=request["custom_id"], **request["body"])
        job = builder.submit(client)
        known.write_text(job.batch_id)
    return [
        (item.custom_id, RuntimeError(str(item.error)) if item.error else item.raw_response)
        for item in job.wait(poll_interval=0.02)
    ]

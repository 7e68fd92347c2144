"""`Batch.add_job` and `batch.run()` with a state file, then `run.results()`, as in its README.

Jobs have ids of their own, in the order in which they were added. The interval of 5 s cannot be
set: the driver replaces it. batchata knows five models of OpenAI by name; it gets one of them.
"""

from __future__ import annotations

from typing import Any

from batchata import Batch
from batchata.providers.openai.openai_provider import OpenAIProvider

OpenAIProvider.get_polling_interval = lambda _: 0.02


def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The raw response of each completed job, the error of each other."""
    batch = Batch(results_dir="output", items_per_batch=len(requests))
    batch.set_state(file="state.json", reuse_state=True)
    batch.set_default_params(model="gpt-4o-mini-2024-07-18")
    for request in requests:
        batch.add_job(messages=request["body"]["messages"])
    ids = {job.id: request["custom_id"] for job, request in zip(batch.jobs, requests, strict=True)}
    results = batch.run().results()
    return [
        (
            ids.get(result.job_id, result.job_id),
            result.raw_response
            if outcome == "completed"
            else RuntimeError(f"{outcome}: {result.error}"),
        )
        for outcome, jobs in results.items()
        for result in jobs
    ]

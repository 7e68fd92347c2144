"""`Batchwork.batch`, `job.wait` and `job.collect`, as in its README.

The id is kept, and `get_batch(BatchRef(…))` goes on after a restart. An answer is the response of
a result that has succeeded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from batchwork import BatchRef, BatchRequest, Batchwork


async def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The response of each succeeded result, an error for each other."""
    known = Path("batch_id")
    async with Batchwork() as client:
        if known.exists():
            job = await client.get_batch(BatchRef(provider="openai", id=known.read_text()))
        else:
            job = await client.batch(
                model=f"openai/{requests[0]['body']['model']}",
                requests=[
                    BatchRequest(
                        custom_id=request["custom_id"],
                        prompt=prompt(request["body"]),
                    )
                    for request in requests
                ],
            )
            known.write_text(job.id)
        await job.wait(poll_interval=0.02)
        return [
            (
                result.custom_id,
                result.response
                if result.status == "succeeded"
                else RuntimeError(f"{result.status}: {result.error}"),
            )
            for result in await job.collect()
        ]


def prompt(body: dict[str, Any]) -> str:
    """The text of a request for a response, or of the user in one for a chat completion."""
    return body["input"] if "input" in body else body["messages"][-1]["content"]

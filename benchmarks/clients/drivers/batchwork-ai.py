"""`Batchwork.batch`, `job.wait` and `job.collect`, as in its README."""

from __future__ import annotations

from typing import Any

from batchwork import BatchRequest, Batchwork


async def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The text of each succeeded result, an error for each other."""
    async with Batchwork() as client:
        job = await client.batch(
            model=f"openai/{requests[0]['body']['model']}",
            requests=[
                BatchRequest(
                    custom_id=request["custom_id"],
                    prompt=request["body"]["messages"][-1]["content"],
                )
                for request in requests
            ],
        )
        await job.wait(poll_interval=0.02)
        return [
            (
                result.custom_id,
                result.text
                if result.status == "succeeded"
                else RuntimeError(f"{result.status}: {result.error}"),
            )
            for result in await job.collect()
        ]

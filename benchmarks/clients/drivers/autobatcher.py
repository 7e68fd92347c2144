"""`BatchOpenAI(completion_window="24h")`, concurrent `chat.completions.create`, as in its README.

The key is passed: 0.12.0 sends none from the environment with downloads, and loses every result.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from autobatcher import BatchOpenAI


async def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The body of each response, or the exception that its call raised."""
    client = BatchOpenAI(
        api_key=os.environ["OPENAI_API_KEY"],
        base_url=os.environ["OPENAI_BASE_URL"],
        completion_window="24h",
        batch_size=len(requests),
        batch_window_seconds=0.5,
        poll_interval_seconds=0.02,
    )
    calls = [client.chat.completions.create(**request["body"]) for request in requests]
    results = await asyncio.gather(*calls, return_exceptions=True)
    await client.close()
    return [
        (
            request["custom_id"],
            result if isinstance(result, BaseException) else result.model_dump(),
        )
        for request, result in zip(requests, results, strict=True)
    ]

"""`pydantic_ai.direct.model_request_batch` with all requests.

It returns a response or an error for each, in their order.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic_ai import ModelRequest
from pydantic_ai.direct import model_request_batch
from pydantic_ai.models.batch import BatchRequest

INTERVAL = timedelta(seconds=0.02)


async def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The text of each response, or its ModelAPIError."""
    batch = [
        BatchRequest(
            custom_id=request["custom_id"],
            messages=[ModelRequest.user_text_prompt(request["body"]["messages"][-1]["content"])],
        )
        for request in requests
    ]
    responses = await model_request_batch(
        f"openai:{requests[0]['body']['model']}",
        batch,
        poll_interval=INTERVAL,
        max_poll_interval=INTERVAL,
    )
    return [
        (request.custom_id, response if isinstance(response, Exception) else response.text)
        for request, response in zip(batch, responses, strict=True)
    ]

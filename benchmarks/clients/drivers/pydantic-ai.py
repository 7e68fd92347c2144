"""`pydantic_ai.direct.model_request_batch` with all requests.

It returns a response or an error for each, in their order. A response without text, or with a
`finish_reason` other than `stop`, counts as an error.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic_ai import ModelRequest, ModelResponse
from pydantic_ai.direct import model_request_batch
from pydantic_ai.models.batch import BatchRequest

INTERVAL = timedelta(seconds=0.02)


async def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The text of each response, or its error."""
    batch = [
        BatchRequest(
            custom_id=request["custom_id"],
            messages=[ModelRequest.user_text_prompt(prompt(request["body"]))],
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
        (request.custom_id, outcome(response))
        for request, response in zip(batch, responses, strict=True)
    ]


def outcome(response: ModelResponse | Exception) -> object:
    """The text of a response, or an error."""
    if isinstance(response, Exception):
        return response
    if not response.text or response.finish_reason != "stop":
        return RuntimeError(f"text {response.text!r}, finish_reason {response.finish_reason!r}")
    return response.text


def prompt(body: dict[str, Any]) -> str:
    """The text of a request for a response, or of the user in one for a chat completion."""
    return body["input"] if "input" in body else body["messages"][-1]["content"]

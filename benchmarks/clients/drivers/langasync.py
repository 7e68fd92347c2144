"""`batch_chain(model).submit`, then `BatchPoller().wait_all`, as in its README.

After a restart, the latter alone. Results come as a list in the order of the inputs, without ids.
A list of another length cannot be paired: that is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langasync import BatchPoller, LangasyncSettings, batch_chain
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI


async def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The content of each message, or the LangAsyncError in its place."""
    settings = LangasyncSettings(batch_poll_interval=0.02)
    if not Path("langasync_jobs").exists():
        model = ChatOpenAI(model=requests[0]["body"]["model"])
        await batch_chain(model, settings).submit(
            [[HumanMessage(request["body"]["messages"][-1]["content"])] for request in requests]
        )
    async for done in BatchPoller(settings).wait_all():
        if done.results is None:
            raise RuntimeError(f"no results: {done.status_info.status}")
        return [
            (request["custom_id"], result if isinstance(result, Exception) else result.content)
            for request, result in zip(requests, done.results, strict=True)
        ]
    raise RuntimeError("no pending job")

"""A `curator.LLM` with `batch=True`, `prompt` and `parse`, as in its README.

`parse` keeps the id of each row. The least interval that it takes is 1 s.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ |= {"TELEMETRY_ENABLED": "0", "CURATOR_CACHE_DIR": str(Path("curator").absolute())}

from bespokelabs import curator


class Answerer(curator.LLM):
    """Answers prompts."""

    def prompt(self, row: dict[str, Any]) -> str:
        """The prompt of a row."""
        return row["prompt"]

    def parse(self, row: dict[str, Any], response: str) -> dict[str, Any]:
        """The answer to a row, with its id."""
        return {"custom_id": row["custom_id"], "answer": response}


def run(requests: list[dict[str, Any]]) -> list[tuple[str, object]]:
    """The answer in each row of the data set that comes back."""
    llm = Answerer(
        model_name=requests[0]["body"]["model"],
        batch=True,
        backend="openai",
        backend_params={"base_url": os.environ["OPENAI_BASE_URL"], "batch_check_interval": 1},
    )
    rows = [
        {
            "custom_id": request["custom_id"],
            "prompt": request["body"]["messages"][-1]["content"],
        }
        for request in requests
    ]
    return [(row["custom_id"], row["answer"]) for row in llm(rows).dataset]

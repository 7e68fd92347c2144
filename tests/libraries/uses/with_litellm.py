"""A completion without a network, with the time it was made."""

import os
from datetime import UTC, datetime

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or the import asks GitHub for the newest

import litellm


def use() -> None:
    now = datetime.now(UTC).timestamp()
    answer = litellm.completion(
        "gpt-4o-mini", [{"role": "user", "content": "hi"}], mock_response="hello"
    )
    assert answer.choices[0].message.content == "hello"
    assert abs(answer.created - now) < 60

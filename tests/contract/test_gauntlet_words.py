"""The gauntlet says in whole sentences what became of a request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import openai
import pytest

import fakebatch


def forgetful(requests: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A client that looks at its batch for a while, and then reports nothing."""
    client = openai.OpenAI()
    lines = "".join(json.dumps(request) + "\n" for request in requests).encode()
    file = client.files.create(file=("requests.jsonl", lines), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    for _ in range(9):
        client.batches.retrieve(batch.id)
    return {}


@pytest.mark.parametrize(
    ("incident", "fate"),
    {
        "create-ok-then-failed": "it was in a batch that failed: invalid_json_line",
        "input-deleted-too-early": "it was in no batch whose input file could be read",
        "stuck-in-progress": "it is in a batch that stays 'in_progress'",
    }.items(),
)
def test_what_became_of_a_request_is_a_sentence(incident: str, fate: str) -> None:
    """A finding goes on after `it` with a verb."""
    with pytest.raises(AssertionError) as failure:
        fakebatch.run_gauntlet(forgetful, only=incident)
    assert f"is missing from the results: {fate}." in str(failure.value)

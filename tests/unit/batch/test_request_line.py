"""request_line: a request line as a dict."""

from __future__ import annotations

import json
from typing import Any

import pytest

import fakebatch.request_lines
from fakebatch import FakeBatch, request_line
from fakebatch.dialects import OPENAI

HI = {"role": "user", "content": "hi"}
CHAT = "/v1/chat/completions"

LINES: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "a chat completion": (
        request_line("a", "hi"),
        CHAT,
        {"model": "gpt-6-luna", "messages": [HI]},
    ),
    "all messages, and further parameters": (
        request_line("a", [{"role": "system", "content": "Be brief."}, HI], temperature=0),
        CHAT,
        {
            "model": "gpt-6-luna",
            "messages": [{"role": "system", "content": "Be brief."}, HI],
            "temperature": 0,
        },
    ),
    "another model": (
        request_line("a", "hi", model="gpt-4o"),
        CHAT,
        {"model": "gpt-4o", "messages": [HI]},
    ),
    "a response": (
        request_line("a", "hi", url="/v1/responses", instructions="Be brief."),
        "/v1/responses",
        {"model": "gpt-6-luna", "input": "hi", "instructions": "Be brief."},
    ),
    "an embedding": (
        request_line("a", ["x", "y"], url="/v1/embeddings"),
        "/v1/embeddings",
        {"model": "text-embedding-3-small", "input": ["x", "y"]},
    ),
    "a video": (
        request_line("a", "a cat", url="/v1/videos"),
        "/v1/videos",
        {"model": "sora-2", "prompt": "a cat"},
    ),
    "another provider's path": (
        request_line("a", "hi", url="/v4/chat/completions"),
        "/v4/chat/completions",
        {"model": "gpt-6-luna", "messages": [HI]},
    ),
}


@pytest.mark.parametrize(("line", "url", "body"), LINES.values(), ids=LINES)
def test_a_line_as_json(line: dict[str, Any], url: str, body: dict[str, Any]) -> None:
    """The keys are in the order of the documentation."""
    expected = {"custom_id": "a", "method": "POST", "url": url, "body": body}
    assert json.dumps(line) == json.dumps(expected)


@pytest.mark.parametrize("url", [each for each in OPENAI.endpoints if not each.endswith("/edits")])
def test_a_line_of_each_endpoint_runs(url: str, fakebatch: FakeBatch) -> None:
    """With the model that it has by default; an edit needs an image, too."""
    batch = fakebatch.batches.add([request_line("a", "hi", url=url)], status="in_progress")
    assert (batch.endpoint, batch.status) == (url, "in_progress")


def test_no_module_hides_the_function() -> None:
    """Whatever was imported before."""
    assert callable(vars(fakebatch.request_lines)["RequestLine"])
    assert fakebatch.request_line is request_line

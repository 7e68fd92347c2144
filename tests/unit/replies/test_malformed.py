"""Successes that nobody can use, at each endpoint; those of chats are in tests/contract."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fakebatch import FakeBatch

pytestmark = pytest.mark.untyped
KEY = {"Authorization": "Bearer sk-some-key"}


def asked(fake: FakeBatch, how: Any, endpoint: str, **body: Any) -> Any:
    fake.on().malformed(how)
    url = f"{fake.base_url}/{endpoint}"
    return httpx.post(url, json={"model": "gpt-4o-mini", **body}, headers=KEY).json()


COMPLETIONS: dict[str, tuple[Any, str]] = {
    "length": ("hi t", "length"),
    "content_filter": (None, "content_filter"),
    "refusal": (None, "stop"),
    "tool_calls": (None, "stop"),
    "null": (None, "stop"),
    "empty": ("", "stop"),
    "truncated_json": ('{"answer": "half of an obj', "stop"),
    "wrong_types": (42, "stop"),
}


@pytest.mark.parametrize(("how", "expected"), COMPLETIONS.items(), ids=COMPLETIONS)
def test_a_completion(fakebatch: FakeBatch, how: str, expected: tuple[Any, str]) -> None:
    """Its text, and why it ended, where completions state that."""
    [choice] = asked(fakebatch, how, "completions", prompt="hi there")["choices"]
    assert (choice["text"], choice["finish_reason"]) == expected


@pytest.mark.parametrize(("how", "data"), [("null", None), ("wrong_types", None), ("empty", [])])
@pytest.mark.parametrize(("endpoint", "name"), [("embeddings", "data"), ("moderations", "results")])
def test_a_reply_whose_content_is_a_list(
    fakebatch: FakeBatch, how: str, data: object, endpoint: str, name: str
) -> None:
    """Comes without its list."""
    assert asked(fakebatch, how, endpoint, input="hi")[name] == data


RESPONSES: dict[str, tuple[str, Any, Any]] = {
    "length": ("incomplete", {"reason": "max_output_tokens"}, []),
    "content_filter": ("incomplete", {"reason": "content_filter"}, []),
    "refusal": ("completed", None, [None]),
    "null": ("completed", None, []),
    "empty": ("completed", None, [""]),
    "truncated_json": ("completed", None, ['{"answer": "half of an obj']),
    "wrong_types": ("completed", None, [42]),
}


@pytest.mark.parametrize(("how", "expected"), RESPONSES.items(), ids=RESPONSES)
def test_a_response(fakebatch: FakeBatch, how: str, expected: tuple[str, Any, Any]) -> None:
    """Its status, why it is incomplete, and its texts."""
    reply = asked(fakebatch, how, "responses", input="hi there")
    texts = [part.get("text") for item in reply["output"] for part in item.get("content", [])]
    assert (reply["status"], reply["incomplete_details"], texts) == expected

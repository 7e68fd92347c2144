"""Successes that nobody can use, at each endpoint; those of chats are in tests/contract."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fakebatch import FakeBatch, UsageError

pytestmark = pytest.mark.untyped
KEY = {"Authorization": "Bearer sk-some-key"}


def asked(fake: FakeBatch, how: Any, endpoint: str, **body: Any) -> Any:
    fake.on().malformed(how)
    return post(fake, endpoint, **body)


def post(fake: FakeBatch, endpoint: str, **body: Any) -> Any:
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
    "split": ("completed", None, ["hi t", "hi there"]),
}


@pytest.mark.parametrize(("how", "expected"), RESPONSES.items(), ids=RESPONSES)
def test_a_response(fakebatch: FakeBatch, how: str, expected: tuple[str, Any, Any]) -> None:
    """Its status, why it is incomplete, and its texts."""
    reply = asked(fakebatch, how, "responses", input="hi there")
    texts = [part.get("text") for item in reply["output"] for part in item.get("content", [])]
    assert (reply["status"], reply["incomplete_details"], texts) == expected


USER = {"role": "user", "content": "hi"}
REVERSED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "choices": ("chat/completions", "choices", {"messages": [USER], "n": 3}),
    "texts": ("completions", "choices", {"prompt": ["a", "b", "c"]}),
    "embeddings": ("embeddings", "data", {"input": ["a", "b", "c"]}),
}


@pytest.mark.parametrize("case", REVERSED.values(), ids=REVERSED)
def test_items_in_reverse_order_keep_their_index(
    fakebatch: FakeBatch, case: tuple[str, str, dict[str, Any]]
) -> None:
    """Sorted by index they are those of the default reply."""
    endpoint, name, params = case
    fakebatch.on().echo()  # also for a model that has no completions
    usual = post(fakebatch, endpoint, **params)[name]
    items = asked(fakebatch, "reversed", endpoint, **params)[name]

    assert [item["index"] for item in items] == [2, 1, 0]
    assert items[::-1] == usual


def test_results_without_an_index_are_not_reversed(fakebatch: FakeBatch) -> None:
    """Nothing would tell which input they are for."""
    usual = post(fakebatch, "moderations", input=["a", "b"])["results"]
    assert asked(fakebatch, "reversed", "moderations", input=["a", "b"])["results"] == usual


def test_only_a_response_can_be_split(fakebatch: FakeBatch) -> None:
    """Replies of other endpoints do not consist of items."""
    with pytest.raises(UsageError, match="cannot be split") as error:
        asked(fakebatch, "split", "chat/completions", messages=[USER])
    assert "those of /v1/responses do" in str(error.value)

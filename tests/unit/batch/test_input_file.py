from __future__ import annotations

from typing import Any

import pytest

from support.batches import CHAT, jsonl, request
from support.validations import (
    BAD_JSON,
    EMBEDDINGS,
    NO_MODEL,
    RESPONSES,
    STREAM,
    URL,
    Said,
    found,
    method,
    missing,
    unknown,
    with_body,
    without,
    wrong_type,
)

FLAWS: dict[str, tuple[object, tuple[str, str, str | None]]] = {
    "no JSON": (b"{malformed json", BAD_JSON),
    "a text": ("hello", BAD_JSON),
    "an array": ([request("r-1")], BAD_JSON),
    "a number": (5, BAD_JSON),
    "null": (None, BAD_JSON),
    "two objects in a line": (b"{} {}", BAD_JSON),
    "an empty object": ({}, missing("custom_id")),
    "no custom_id": (without("custom_id"), missing("custom_id")),
    "no method": (without("method"), missing("method")),
    "no url": (without("url"), missing("url")),
    "no body, and nothing of the body": (without("body"), missing("body")),
    "null is missing": (request("r-1", body=None), missing("body")),
    "a number as custom_id": (
        request("r-1", custom_id=7),
        wrong_type("custom_id", "a string", "an integer"),
    ),
    "a flag as method": (
        request("r-1", method=True),
        wrong_type("method", "a string", "a boolean"),
    ),
    "an object as url": (request("r-1", url={}), wrong_type("url", "a string", "an object")),
    "an array as body": (request("r-1", body=[]), wrong_type("body", "an object", "an array")),
    "a text as body": (request("r-1", body="{}"), wrong_type("body", "an object", "a string")),
    "a decimal as body": (
        request("r-1", body=1.5),
        wrong_type("body", "an object", "a decimal number"),
    ),
    "GET": (request("r-1", method="GET"), method("GET")),
    "a method in small letters": (request("r-1", method="post"), method("post")),
    "an empty method": (request("r-1", method=""), method("")),
    "the url of another endpoint": (request("r-1", url=EMBEDDINGS), URL),
    "a whole url": (request("r-1", url=f"https://api.openai.com{CHAT}"), URL),
    "a url that only begins right": (request("r-1", url=CHAT + "/"), URL),
    "a stream": (with_body(stream=True), STREAM),
    "no model": (with_body(model=None), NO_MODEL),
    "an empty model": (with_body(model=""), NO_MODEL),
    "no messages": (with_body(messages=None), missing("messages", "body.messages")),
    "an empty body": (request("r-1", body={}), NO_MODEL),
    "a model that does not exist": (with_body(model="gpt-99"), unknown("gpt-99")),
    "a number as model": (with_body(model=5), unknown("5")),
}


@pytest.mark.parametrize(("line", "entry"), FLAWS.values(), ids=FLAWS)
def test_a_bad_line_gives_one_entry(line: object, entry: tuple[str, str, str | None]) -> None:
    """Code, message and param are the provider's; the line counts from 1; others are not named."""
    content = jsonl(request("r-0"), line, request("r-2"))
    assert [(*entry, 2)] == found(content)


@pytest.mark.parametrize("model", [["gpt-5-nano"], {"name": "gpt-5-nano"}], ids=str)
def test_a_model_that_is_no_text_is_unknown(model: object) -> None:
    """Where the models are told, an array or object as model is one more unknown model."""
    assert found(jsonl(with_body(model=model))) == [(*unknown(str(model)), 1)]


NO_INPUT = [(*missing("input", "body.input"), 1)]

ASKS = {
    "a response without input": (RESPONSES, {}, NO_INPUT),
    "a response to input": (RESPONSES, {"input": "hi"}, []),
    "a response to a stored prompt": (RESPONSES, {"prompt": {"id": "pmpt_1"}}, []),
    "a response that goes on": (RESPONSES, {"previous_response_id": "resp_1"}, []),
    "an embedding without input": (EMBEDDINGS, {}, NO_INPUT),
    "an embedding of null": (EMBEDDINGS, {"input": None}, NO_INPUT),
    "an embedding": (EMBEDDINGS, {"input": "hi"}, []),
    "a completion without prompt": (
        "/v1/completions",
        {},
        [(*missing("prompt", "body.prompt"), 1)],
    ),
    "a moderation without input": ("/v1/moderations", {}, NO_INPUT),
    "false is something": ("/v1/moderations", {"input": False}, []),
}


@pytest.mark.parametrize(("endpoint", "asked", "expected"), ASKS.values(), ids=ASKS)
def test_each_endpoint_asks_for_its_own(
    endpoint: str, asked: dict[str, Any], expected: list[Said]
) -> None:
    """A body must hold what its endpoint answers; the first such parameter is the one named."""
    line = request("r-1", url=endpoint, body={"model": "gpt-5-nano", **asked})
    assert expected == found(jsonl(line), endpoint)

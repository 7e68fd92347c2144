from __future__ import annotations

import base64
import copy
import json
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import (
    Completion,
    CreateEmbeddingResponse,
    ImagesResponse,
    ModerationCreateResponse,
)
from openai.types.chat import ChatCompletion
from openai.types.responses import Response
from pydantic import BaseModel

from fakebatch import UsageError
from fakebatch.replies import ENDPOINTS, ModelRequest, echo, usage, with_text

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
IMAGES = "/v1/images/generations"
COMPLETIONS, EMBEDDINGS, MODERATIONS = "/v1/completions", "/v1/embeddings", "/v1/moderations"

TYPES: dict[str, type[BaseModel]] = {
    CHAT: ChatCompletion,
    RESPONSES: Response,
    COMPLETIONS: Completion,
    EMBEDDINGS: CreateEmbeddingResponse,
    MODERATIONS: ModerationCreateResponse,
    IMAGES: ImagesResponse,
}


def ask(endpoint: str, body: dict[str, Any], key: bytes = b"key") -> ModelRequest:
    return ModelRequest(endpoint, body, key.ljust(32), 1_787_150_606, "gpt-5-nano-2025-08-07")


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def words(body: dict[str, Any]) -> list[str]:
    if "output" in body:
        return [part["text"] for item in body["output"] for part in item.get("content", ())]
    return [
        each["text"] if "text" in each else each["message"]["content"] for each in body["choices"]
    ]


WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}}

VALID = {
    "a chat": (CHAT, {"messages": [user("hi")]}),
    "a chat with three choices": (CHAT, {"messages": [user("hi")], "n": 3}),
    "a chat with log probabilities": (
        CHAT,
        {"messages": [user("hello there")], "logprobs": True, "top_logprobs": 3},
    ),
    "a response": (RESPONSES, {"input": "hi"}),
    "a response with log probabilities": (
        RESPONSES,
        {
            "input": "hello there",
            "include": ["message.output_text.logprobs"],
            "top_logprobs": 3,
        },
    ),
    "a completion with log probabilities": (COMPLETIONS, {"prompt": "hello there", "logprobs": 3}),
    "a completion with the log probabilities of its own tokens": (
        COMPLETIONS,
        {"prompt": "hi", "logprobs": 0},
    ),
    "a response to every parameter": (
        RESPONSES,
        {
            "input": [user([{"type": "input_text", "text": "hi"}])],
            "instructions": "Be brief.",
            "max_output_tokens": 9,
            "metadata": {"a": "b"},
            "reasoning": {"effort": "low"},
            "store": False,
            "temperature": 0.5,
            "text": {"format": {"type": "json_schema", "name": "a", "schema": {}}},
            "tool_choice": {"type": "function", "name": "weather"},
            "tools": [WEATHER, {"type": "web_search"}],
        },
    ),
    "a response to nulls": (RESPONSES, {"input": "hi", "temperature": None, "tools": None}),
    "a completion": (COMPLETIONS, {"prompt": "hi"}),
    "an embedding": (EMBEDDINGS, {"input": ["hi", "ho"]}),
    "an image": (IMAGES, {"prompt": "a cat"}),
    "two images": (IMAGES, {"prompt": "a cat", "n": 2, "size": "1024x1536", "quality": "low"}),
    "a moderation of texts": (MODERATIONS, {"input": ["hi", "ho"]}),
    "a moderation of an image": (MODERATIONS, {"input": [{"type": "image_url", "image_url": {}}]}),
}


@pytest.mark.parametrize(("endpoint", "body"), VALID.values(), ids=VALID)
def test_the_sdk_accepts_every_default_body_strictly(endpoint: str, body: dict[str, Any]) -> None:
    """A default body is what the SDK's own type says it is, nothing converted."""
    TYPES[endpoint].model_validate(echo(ask(endpoint, body)), strict=True)


KEYS = {
    CHAT: "id object created model choices usage service_tier system_fingerprint",
    RESPONSES: """id object created_at status background billing completed_at error
        frequency_penalty incomplete_details instructions max_output_tokens max_tool_calls model
        moderation output parallel_tool_calls presence_penalty previous_response_id
        prompt_cache_key prompt_cache_retention reasoning safety_identifier service_tier store
        temperature text tool_choice tool_usage tools top_logprobs top_p truncation usage user
        metadata""",
    COMPLETIONS: "id object created model choices usage",
    EMBEDDINGS: "object data model usage",
    MODERATIONS: "id model results",
    IMAGES: "created background output_format quality size data usage",
}


@pytest.mark.parametrize(("endpoint", "keys"), KEYS.items(), ids=KEYS)
def test_keys_come_in_the_order_of_the_wire(endpoint: str, keys: str) -> None:
    """Every key the service prints is there, in its order, and no other."""
    assert list(echo(ask(endpoint, {}))) == keys.split()


IDS = {
    CHAT: r"chatcmpl-[0-9A-Za-z]{29}",
    RESPONSES: r"resp_[0-9a-f]{16}006a85c10e[0-9a-f]{4}8190[0-9a-f]{16}",
    COMPLETIONS: r"cmpl-[0-9A-Za-z]{29}",
    MODERATIONS: r"modr-[0-9a-f]{32}",
}


@pytest.mark.parametrize(("endpoint", "pattern"), IDS.items(), ids=IDS)
def test_an_id_has_its_form_and_follows_from_the_key(endpoint: str, pattern: str) -> None:
    """Ids look as on the wire; another request has another id, the same request the same."""
    first, again, other = (echo(ask(endpoint, {}, key))["id"] for key in (b"1", b"1", b"2"))
    assert re.fullmatch(pattern, first)
    assert first == again != other


SAID = {
    "the only message": (CHAT, {"messages": [user("hi")]}, ["hi"]),
    "the last of the user's": (
        CHAT,
        {"messages": [user("a"), user("b"), {"role": "assistant", "content": "c"}]},
        ["b"],
    ),
    "the text parts, joined": (
        CHAT,
        {"messages": [user([{"type": "text", "text": "a"}, {"type": "image_url"}, {"text": "b"}])]},
        ["ab"],
    ),
    "without a user the last message": (
        CHAT,
        {"messages": [{"role": "system", "content": "a"}, {"role": "developer", "content": "b"}]},
        ["b"],
    ),
    "as often as n asks": (CHAT, {"messages": [user("hi")], "n": 2}, ["hi", "hi"]),
    "nothing for no content": (CHAT, {"messages": [user(None)]}, [""]),
    "messages that are a bare string": (CHAT, {"messages": "hi"}, ["hi"]),
    "nothing for no messages": (CHAT, {}, [""]),
    "an input that is a string": (RESPONSES, {"input": "hi", "instructions": "no"}, ["hi"]),
    "an input of messages": (
        RESPONSES,
        {"input": [user([{"type": "input_text", "text": "hi"}]), {"type": "reasoning"}]},
        ["hi"],
    ),
    "a prompt": (COMPLETIONS, {"prompt": "hi"}, ["hi"]),
    "each prompt, n times": (COMPLETIONS, {"prompt": ["a", "b"], "n": 2}, ["a", "a", "b", "b"]),
    "nothing for token numbers": (COMPLETIONS, {"prompt": [1, 2, 3]}, [""]),
    "nothing for lists of token numbers": (COMPLETIONS, {"prompt": [[1], [2]]}, ["", ""]),
}


@pytest.mark.parametrize(("endpoint", "body", "expected"), SAID.values(), ids=SAID)
def test_the_default_answer_echoes(
    endpoint: str, body: dict[str, Any], expected: list[str]
) -> None:
    """An answer says what the user said last, or the prompt."""
    assert words(echo(ask(endpoint, body))) == expected


@pytest.mark.parametrize("endpoint", [CHAT, RESPONSES, COMPLETIONS])
def test_a_worded_answer_differs_in_its_words_alone(endpoint: str) -> None:
    """Wording an answer as its own echo changes nothing; other words are said instead."""
    question = ask(endpoint, {"messages": "hi", "input": "hi", "prompt": "hi"})
    assert with_text(question, "hi") == echo(question)
    assert words(with_text(question, "sunny")) == ["sunny"]


def test_an_image_is_a_picture_of_its_own() -> None:
    """Each is a PNG file; another request, or another of the same, has another colour."""
    bodies = [
        echo(ask(IMAGES, {"prompt": "a cat", "n": 2}, key)) for key in (b"12345678", b"x" * 8)
    ]
    pictures = [base64.b64decode(one["b64_json"]) for body in bodies for one in body["data"]]
    assert all(picture.startswith(b"\x89PNG\r\n") for picture in pictures)
    assert len(set(pictures)) == 3  # the second key is the same three bytes over and over


REFUSED = {
    "an embedding": (EMBEDDINGS, "Replies of /v1/embeddings have no text"),
    "a moderation": (MODERATIONS, "Replies of /v1/moderations have no text"),
    "a video": ("/v1/videos", "a request for /v1/videos"),
}


@pytest.mark.parametrize(("endpoint", "message"), REFUSED.values(), ids=REFUSED)
def test_words_are_refused_by(endpoint: str, message: str) -> None:
    """A reply that cannot hold a text is an error."""
    with pytest.raises(UsageError, match=message):
        with_text(ask(endpoint, {}), "sunny")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
PARTS = JSON | st.lists(JSON | st.fixed_dictionaries({"type": st.text(), "text": JSON}))
MESSAGES = JSON | st.lists(JSON | st.fixed_dictionaries({"role": JSON, "content": PARTS}))
BODIES = st.fixed_dictionaries(
    {},
    optional={"messages": MESSAGES, "input": MESSAGES, "prompt": PARTS, "n": JSON}
    | dict.fromkeys(("dimensions", "instructions", "reasoning", "text", "tools", "metadata"), JSON),
)


@given(st.sampled_from(sorted(ENDPOINTS)), BODIES)
def test_any_body_has_an_answer(endpoint: str, body: dict[str, Any]) -> None:
    """Whatever a request holds, its answer is JSON, pure, and leaves the request as it was."""
    before = copy.deepcopy(body)
    answer = echo(ask(endpoint, body))
    printed = json.dumps(answer)
    assert json.dumps(echo(ask(endpoint, body))) == printed
    assert body == before


@given(st.sampled_from([CHAT, RESPONSES, COMPLETIONS, EMBEDDINGS]), BODIES)
def test_token_counts_add_up(endpoint: str, body: dict[str, Any]) -> None:
    """The total is the sum, and there are output tokens just where there are words."""
    answer = echo(ask(endpoint, body))
    used = usage(answer)
    assert answer["usage"]["total_tokens"] == used.input_tokens + used.output_tokens
    assert (used.output_tokens > 0) == (endpoint != EMBEDDINGS and any(words(answer)))


REASONING: dict[str, tuple[str, Any, bool]] = {
    "o1": ("o1", None, True),
    "o3-mini": ("o3-mini-2025-01-31", None, True),
    "o4-mini of a vendor": ("openai/o4-mini", None, True),
    "a fine-tuned one": ("ft:o4-mini-2025-04-16:acme::1", None, True),
    "gpt-5": ("gpt-5", None, True),
    "gpt-5-nano": ("gpt-5-nano-2025-08-07", None, True),
    "gpt-5 without an effort": ("gpt-5", "none", False),
    "the model of ChatGPT": ("gpt-5-chat-latest", None, False),
    "gpt-5.1, which does not by default": ("gpt-5.1", None, False),
    "gpt-5.1 with an effort": ("gpt-5.1", "low", True),
    "gpt-4o": ("gpt-4o-2024-08-06", None, False),
    "another name": ("o3d-model", None, False),
}


@pytest.mark.parametrize(("model", "effort", "reasons"), REASONING.values(), ids=REASONING)
@pytest.mark.parametrize("tools", [[], [WEATHER]], ids=["a message", "a call"])
def test_a_reasoning_model_has_a_reasoning_item_first(
    model: str, effort: str | None, reasons: bool, tools: list[Any]
) -> None:
    """So `output[0]` is no message: 13 of 13 recorded lines of o3-mini are like this."""
    body = {
        "input": "hi",
        "tools": tools,
        "tool_choice": "required",
        "reasoning": {"effort": effort},
    }
    request = ask(RESPONSES, body)._replace(model=model)
    kinds = [item["type"] for item in echo(request)["output"]]
    assert kinds == ["reasoning"] * reasons + ["function_call" if tools else "message"]


TIERS = {
    None: "default",
    "auto": "default",
    "default": "default",
    "flex": "flex",
    "scale": "scale",
    "priority": "priority",
    "fast": "priority",
    "none such": "default",
}


@pytest.mark.parametrize(("tier", "expected"), TIERS.items())
@pytest.mark.parametrize("endpoint", [CHAT, RESPONSES])
def test_a_reply_has_the_tier_that_served_it(
    endpoint: str, tier: str | None, expected: str
) -> None:
    """It is that of the request; `fast` is the newer name of `priority`."""
    assert echo(ask(endpoint, {"service_tier": tier}))["service_tier"] == expected


@pytest.mark.parametrize("text", ["", "hi", "hello there, Ann", "zürich \U0001f600"])
@pytest.mark.parametrize("most", [None, 0, 1, 5, 20])
def test_log_probabilities_are_those_of_the_tokens(text: str, most: int | None) -> None:
    """The tokens make up the text and are as many as the usage says; the likeliest come first."""
    body = {"messages": [user(text)], "logprobs": True, "top_logprobs": most}
    reply = echo(ask(CHAT, body))
    entries = reply["choices"][0]["logprobs"]["content"]
    included = {"input": text, "include": ["message.output_text.logprobs"], "top_logprobs": most}
    assert echo(ask(RESPONSES, included))["output"][-1]["content"][0]["logprobs"] == entries

    assert "".join(entry["token"] for entry in entries) == text
    assert len(entries) == reply["usage"]["completion_tokens"]
    for entry in entries:
        assert bytes(entry["bytes"]).decode() == entry["token"]
        shares = [each["logprob"] for each in entry["top_logprobs"]]
        assert len({each["token"] for each in entry["top_logprobs"]}) == len(shares) == (most or 0)
        assert shares == sorted(shares, reverse=True)
        assert sum(map(math.exp, shares)) <= 1
        assert not shares or shares[0] == entry["logprob"]


@pytest.mark.parametrize("asked", [None, False])
def test_log_probabilities_are_null_unless_requested(asked: bool | None) -> None:
    """The key is there in any case."""
    reply = echo(ask(CHAT, {"messages": [user("hi")], "logprobs": asked}))
    assert reply["choices"][0]["logprobs"] is None


def test_log_probabilities_of_completions_are_lists() -> None:
    """One list for each kind of value, in the order of the tokens."""
    [choice] = echo(ask(COMPLETIONS, {"prompt": "hello there", "logprobs": 2}))["choices"]
    assert choice["logprobs"]["tokens"] == ["hell", "o th", "ere"]
    assert choice["logprobs"]["text_offset"] == [0, 4, 8]
    for token, share, likeliest in zip(
        *(choice["logprobs"][key] for key in ("tokens", "token_logprobs", "top_logprobs")),
        strict=True,
    ):
        assert likeliest[token] == share == max(likeliest.values())
        assert len(likeliest) == 2

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from fakebatch import UsageError
from fakebatch.replies import ModelRequest, echo, malform

PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
CHAT_TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": "nap"}},
    {"type": "function", "function": {"name": "greet", "parameters": PERSON}},
]
TOOLS = [{"type": "web_search"}] + [{"type": "function"} | tool["function"] for tool in CHAT_TOOLS]


def chat(**demands: Any) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": "Ann"}], **demands}
    answer = echo(ModelRequest("/v1/chat/completions", body, b"key", 0, "gpt"))
    ChatCompletion.model_validate(answer, strict=True)
    return answer


def response(**demands: Any) -> dict[str, Any]:
    body = {"input": "Ann", **demands}
    answer = echo(ModelRequest("/v1/responses", body, b"key", 0, "gpt"))
    Response.model_validate(answer, strict=True)
    return answer


FORMATS: dict[str, tuple[dict[str, Any], dict[str, Any], Any]] = {
    "a schema": (
        {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}},
        {"type": "json_schema", "name": "person", "schema": PERSON},
        {"name": "Ann"},
    ),
    "any object": ({"type": "json_object"}, {"type": "json_object"}, {"echo": "Ann"}),
}


@pytest.mark.parametrize(("chat_format", "format_", "expected"), FORMATS.values(), ids=FORMATS)
def test_a_format_is_kept(chat_format: Any, format_: Any, expected: Any) -> None:
    """Where a request demands JSON, its answer is JSON of that form."""
    [choice] = chat(response_format=chat_format)["choices"]
    assert json.loads(choice["message"]["content"]) == expected
    [item] = response(text={"format": format_})["output"]
    assert json.loads(item["content"][0]["text"]) == expected


@pytest.mark.parametrize(("chat_format", "format_", "plain"), FORMATS.values(), ids=FORMATS)
def test_what_follows_a_text_is_part_of_required_json(
    chat_format: Any, format_: Any, plain: Any
) -> None:
    """Where a request demands JSON, what follows its text is inside a string of that JSON."""
    expected = {name: f"{text}\u2028\u0085" for name, text in plain.items()}
    body = {"messages": [{"role": "user", "content": "Ann"}], "response_format": chat_format}
    request = ModelRequest("/v1/chat/completions", body, b"key", 0, "gpt")
    [choice] = echo(request, then="\u2028\u0085")["choices"]
    assert json.loads(choice["message"]["content"]) == expected
    request = ModelRequest(
        "/v1/responses", {"input": "Ann", "text": {"format": format_}}, b"key", 0, "gpt"
    )
    [item] = echo(request, then="\u2028\u0085")["output"]
    assert json.loads(item["content"][0]["text"]) == expected


CALLS = {
    "by its name": (
        {"type": "function", "function": {"name": "greet"}},
        {"type": "function", "name": "greet"},
        ("greet", '{"name":"Ann"}'),
    ),
    "the first, where any will do": ("required", "required", ("nap", "{}")),
    "one of those that are allowed": (
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [{"type": "function", "function": {"name": "greet"}}],
            },
        },
        {
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "greet"}],
        },
        ("greet", '{"name":"Ann"}'),
    ),
}


@pytest.mark.parametrize(("chat_choice", "choice", "expected"), CALLS.values(), ids=CALLS)
def test_a_function_is_called(chat_choice: Any, choice: Any, expected: tuple[str, str]) -> None:
    """Where a request insists on a call, its answer is that call with valid arguments."""
    for each in chat(tools=CHAT_TOOLS, tool_choice=chat_choice, n=2)["choices"]:
        assert (each["finish_reason"], each["message"]["content"]) == ("tool_calls", None)
        [call] = each["message"]["tool_calls"]
        assert (call["function"]["name"], call["function"]["arguments"]) == expected
    [item] = response(tools=TOOLS, tool_choice=choice)["output"]
    assert item["type"] == "function_call"
    assert (item["name"], item["arguments"]) == expected


def test_a_call_has_no_text_to_change() -> None:
    """What follows a text, or cuts it, leaves the null beside a call as it is."""
    body = {"messages": "Ann", "tools": CHAT_TOOLS, "tool_choice": "required"}
    request = ModelRequest("/v1/chat/completions", body, b"key", 0, "gpt")
    for changed in (echo(request, then="!"), malform(request, "length")):
        [choice] = changed["choices"]
        assert choice["message"]["content"] is None
        assert choice["message"]["tool_calls"]


def test_a_function_is_called_as_before_there_were_tools() -> None:
    """`function_call` with a name demands the call, which is not in a list of tool calls."""
    functions = [tool["function"] for tool in CHAT_TOOLS]
    for each in chat(functions=functions, function_call={"name": "greet"}, n=2)["choices"]:
        message = each["message"]
        assert (each["finish_reason"], message["content"]) == ("function_call", None)
        assert message["function_call"] == {"name": "greet", "arguments": '{"name":"Ann"}'}
        assert "tool_calls" not in message


@pytest.mark.parametrize("choice", [None, "auto", "none", {}, {"name": "other"}, {"name": []}])
def test_no_function_is_called_unless_it_is_named(choice: Any) -> None:
    """Otherwise the model may reply in words, as it does here."""
    functions = [tool["function"] for tool in CHAT_TOOLS]
    [reply] = chat(functions=functions, function_call=choice)["choices"]
    assert (reply["finish_reason"], reply["message"]["content"]) == ("stop", "Ann")


ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": CHAT_TOOLS}}


@pytest.mark.parametrize(
    "choice", [None, "auto", "none", "required", {"type": "function"}, ALLOWED]
)
def test_no_function_is_called_unless_there_is_one(choice: Any) -> None:
    """Without a function that is demanded and known, the answer is in words."""
    tools = CHAT_TOOLS if choice != "required" else []
    [answer] = chat(tools=tools, tool_choice=choice)["choices"]
    assert answer["message"]["content"] == "Ann"


def test_a_schema_that_nothing_fits_is_an_error() -> None:
    """It names the request and the part of the schema, and says what to do."""
    impossible = {"type": "object", "properties": {"a": False}, "required": ["a"]}
    with pytest.raises(UsageError) as caught:
        response(text={"format": FORMATS["a schema"][1] | {"schema": impossible}})
    assert str(caught.value).split("\n") == [
        "fakebatch: There is no default reply to the request: no value fits its schema.",
        "Part of it is `false`, for which no value is valid.",
        "Give the reply yourself: fakebatch.on(...).reply('{...}').",
    ]

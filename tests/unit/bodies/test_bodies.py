"""What the service refuses in a body, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from fakebatch.bodies import BodyError, judge_of

CHAT, RESPONSES, EMBEDDINGS = "/v1/chat/completions", "/v1/responses", "/v1/embeddings"
ASKS = [{"role": "user", "content": "ping"}]
PROPERTIES = {f"k{number}": "v" for number in range(17)}

Expected = tuple[str, str | None, str | None]
"""Message, param and code."""


def error_of(endpoint: str, body: dict[str, Any], extent: str = "all") -> BodyError | None:
    judge = judge_of(endpoint, extent)
    assert judge is not None
    return judge.error(body)


def calls(*ids: str) -> dict[str, Any]:
    """An assistant message with tool calls."""
    function = {"name": "f", "arguments": "{}"}
    return {
        "role": "assistant",
        "tool_calls": [{"id": id_, "type": "function", "function": function} for id_ in ids],
    }


def type_error(name: str, expected: str, got: str) -> Expected:
    message = f"Invalid type for '{name}': expected {expected}, but got {got} instead."
    return message, name, "invalid_type"


def value_error(name: str, value: str, known: str) -> Expected:
    return f"Invalid value: '{value}'. Supported values are: {known}.", name, "invalid_value"


def missing(name: str) -> Expected:
    return f"Missing required parameter: '{name}'.", name, "missing_required_parameter"


def unknown(name: str) -> Expected:
    return f"Unknown parameter: '{name}'.", name, "unknown_parameter"


def bound(name: str, what: str, expected: str, got: str, code: str) -> Expected:
    return f"Invalid '{name}': {what}. Expected {expected}, but got {got} instead.", name, code


ROLES = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'"
PARTS = "'text', 'image_url', 'input_audio', 'refusal', 'audio', and 'file'"
SCHEMA_NAME = "response_format.json_schema.name"
NO_TOOLS: dict[str, dict[str, Any]] = {"no tools": {}, "an empty list": {"tools": []}}
NO_CONTENT = "Invalid value for 'content': expected a string, got null."
PATTERN = "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."

CHATS: dict[str, tuple[dict[str, Any], Expected]] = {
    "no list of messages": (
        {"messages": "hi"},
        type_error("messages", "an array of objects", "a string"),
    ),
    "no message": (
        {"messages": []},
        bound(
            "messages",
            "empty array",
            "an array with minimum length 1",
            "an empty array",
            "empty_array",
        ),
    ),
    "a message that is a string": (
        {"messages": ["hi"]},
        type_error("messages[0]", "an object", "a string"),
    ),
    "a message that is null": (
        {"messages": [None]},
        type_error("messages[0]", "an object", "null"),
    ),
    "no role": ({"messages": [{"content": "hi"}]}, missing("messages[0].role")),
    "a misspelt role": (
        {"messages": [*ASKS, {"role": "usr", "content": "hi"}]},
        value_error("messages[1].role", "usr", ROLES),
    ),
    "content that is a number": (
        {"messages": [{"role": "user", "content": 7}]},
        type_error("messages[0].content", "one of a string or array of objects", "an integer"),
    ),
    "no content": ({"messages": [{"role": "user"}]}, (NO_CONTENT, "messages.[0].content", None)),
    "no content of a developer": (
        {"messages": [{"role": "developer"}]},
        missing("messages[0].content"),
    ),
    "a part of the Responses API": (
        {"messages": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]},
        value_error("messages[0].content[0].type", "input_text", PARTS),
    ),
    "the URL of an image as a string": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
        type_error("messages[0].content[0].image_url", "an object", "a string"),
    ),
    "a tool message without a call": (
        {"messages": [*ASKS, {"role": "tool", "tool_call_id": "c1", "content": "1"}]},
        (
            (
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding "
                "message with 'tool_calls'."
            ),
            "messages.[1].role",
            None,
        ),
    ),
    "a call without its tool message": (
        {
            "messages": [
                calls("c1", "c2"),
                {"role": "tool", "tool_call_id": "c1", "content": "1"},
                *ASKS,
            ]
        },
        (
            (
                "An assistant message with 'tool_calls' must be followed by tool messages "
                "responding to each 'tool_call_id'. The following tool_call_ids did not have "
                "response messages: c2"
            ),
            "messages.[2].role",
            None,
        ),
    ),
    "a temperature as a string": (
        {"temperature": "hot"},
        type_error("temperature", "a decimal", "a string"),
    ),
    "a temperature that is too high": (
        {"temperature": 999},
        bound(
            "temperature",
            "decimal above maximum value",
            "a value <= 2",
            "999",
            "decimal_above_max_value",
        ),
    ),
    "a penalty that is too low": (
        {"presence_penalty": -2.5},
        bound(
            "presence_penalty",
            "decimal below minimum value",
            "a value >= -2",
            "-2.5",
            "decimal_below_min_value",
        ),
    ),
    "max_tokens as a string": (
        {"max_tokens": "ten"},
        type_error("max_tokens", "an integer", "a string"),
    ),
    "no tokens": (
        {"max_completion_tokens": 0},
        bound(
            "max_completion_tokens",
            "integer below minimum value",
            "a value >= 1",
            "0",
            "integer_below_min_value",
        ),
    ),
    "a decimal seed": ({"seed": 1.5}, type_error("seed", "an integer", "a decimal number")),
    "true for a number": ({"n": True}, type_error("n", "an integer", "a boolean")),
    "an unknown tier": (
        {"verbosity": "loud"},
        value_error("verbosity", "loud", "'low', 'medium', and 'high'"),
    ),
    "a tier that is no string": (
        {"prompt_cache_retention": {}},
        type_error("prompt_cache_retention", "one of 'in_memory' or '24h'", "an object"),
    ),
    "too much metadata": (
        {"metadata": PROPERTIES},
        bound(
            "metadata",
            "too many properties",
            "an object with at most 16 properties",
            "an object with 17 properties",
            "object_above_max_properties",
        ),
    ),
    "a number in metadata": (
        {"metadata": {"k": 7}},
        type_error("metadata.k", "a string", "an integer"),
    ),
    "five stop sequences": (
        {"stop": ["a"] * 5},
        bound(
            "stop",
            "array too long",
            "an array with maximum length 4",
            "an array with length 5",
            "array_above_max_length",
        ),
    ),
    "a tool without its function": (
        {"tools": [{"type": "function"}]},
        missing("tools[0].function"),
    ),
    "a function without a name": (
        {"tools": [{"type": "function", "function": {"parameters": {}}}]},
        missing("tools[0].function.name"),
    ),
    "a function with an empty name": (
        {"tools": [{"type": "function", "function": {"name": ""}}]},
        bound(
            "tools[0].function.name",
            "empty string",
            "a string with minimum length 1",
            "an empty string",
            "empty_string",
        ),
    ),
    "a function with a dot in its name": (
        {"tools": [{"type": "function", "function": {"name": "a.b"}}]},
        (
            f"Invalid 'tools[0].function.name': string does not match pattern. {PATTERN}",
            "tools[0].function.name",
            "invalid_value",
        ),
    ),
    "a tool_choice that is a number": (
        {"tool_choice": 7},
        type_error(
            "tool_choice",
            "one of one of 'none', 'auto', or 'required' or object",
            "an integer",
        ),
    ),
    "response_format as a string": (
        {"response_format": "json"},
        type_error("response_format", "an object", "a string"),
    ),
    "a json_schema without one": (
        {"response_format": {"type": "json_schema"}},
        missing("response_format.json_schema"),
    ),
    "a json_schema without a name": (
        {"response_format": {"type": "json_schema", "json_schema": {}}},
        missing(SCHEMA_NAME),
    ),
    "JSON mode without the word": (
        {"response_format": {"type": "json_object"}},
        (
            (
                "'messages' must contain the word 'json' in some form, to use 'response_format' of "
                "type 'json_object'."
            ),
            "messages",
            None,
        ),
    ),
    "top_logprobs alone": (
        {"top_logprobs": 2},
        (
            "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
            "top_logprobs",
            None,
        ),
    ),
    "stream_options alone": (
        {"stream_options": {"include_usage": True}},
        (
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
            None,
        ),
    ),
    **{
        f"tool_choice with {name}": (
            {"tool_choice": "none", **tools},
            (
                (
                    "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' "
                    "are specified."
                ),
                "tool_choice",
                None,
            ),
        )
        for name, tools in NO_TOOLS.items()
    },
    "an unknown parameter": ({"foo": 1}, unknown("foo")),
    "an unknown member": ({"stream_options": {"foo": 1}}, unknown("stream_options.foo")),
    "an unknown parameter before a bad value": ({"temperature": 999, "foo": 1}, unknown("foo")),
    "bad messages before a bad value": (
        {"temperature": 999, "messages": "hi"},
        type_error("messages", "an array of objects", "a string"),
    ),
}


@pytest.mark.parametrize(("params", "expected"), CHATS.values(), ids=CHATS)
def test_a_chat_completion_with_this_is_refused(params: dict[str, Any], expected: Expected) -> None:
    """In the words, with the param and with the code that the live API was seen to answer."""
    error = error_of(CHAT, {"model": "m", "messages": ASKS, **params})
    assert error == BodyError(*expected)


ALLOWED: dict[str, dict[str, Any]] = {
    "the bounds themselves": {"temperature": 2, "top_p": 0, "n": 128, "presence_penalty": -2},
    "null for what is left out": {"temperature": None, "tools": None, "user": None},
    "an integer for a decimal": {"temperature": 1},
    "empty content": {"messages": [{"role": "user", "content": ""}]},
    "a refusal in place of content": {
        "messages": [*ASKS, {"role": "assistant", "content": None, "refusal": "no"}]
    },
    "calls with their tool messages": {
        "messages": [
            calls("c1", "c2"),
            {"role": "tool", "tool_call_id": "c2", "content": "2"},
            {"role": "tool", "tool_call_id": "c1", "content": "1"},
            *ASKS,
        ]
    },
    "JSON mode with the word": {
        "messages": [{"role": "user", "content": "Reply in JSON."}],
        "response_format": {"type": "json_object"},
    },
    "tool_choice with tools": {
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "tool_choice": "required",
    },
    "an empty list of tools": {"tools": []},
    "stream_options with stream": {"stream": True, "stream_options": {"include_usage": True}},
    "top_logprobs with logprobs": {"logprobs": True, "top_logprobs": 2},
    "members of a message that nobody knows": {"messages": [{**ASKS[0], "mood": "good"}]},
}


@pytest.mark.parametrize("params", ALLOWED.values(), ids=ALLOWED)
def test_a_chat_completion_with_this_is_accepted(params: dict[str, Any]) -> None:
    """What the service accepts, and what nobody has seen it refuse."""
    assert error_of(CHAT, {"model": "m", "messages": ASKS, **params}) is None


INPUT_ROLES = "'assistant', 'system', 'developer', and 'user'"
MOVED = (
    "Unsupported parameter: 'messages'. In the Responses API, this parameter has moved to 'input'. "
    "Try again with the new parameter. See the API documentation for more information: "
    "https://platform.openai.com/docs/api-reference/responses/create."
)

RESPONSE_BODIES: dict[str, tuple[dict[str, Any], Expected]] = {
    "empty input": (
        {"input": ""},
        (
            (
                "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation' must "
                "be provided."
            ),
            None,
            "missing_required_parameter",
        ),
    ),
    "input that is an object": (
        {"input": {}},
        type_error("input", "one of a string or array of input items", "an object"),
    ),
    "an item that is a number": (
        {"input": [7]},
        type_error("input[0]", "an input item", "an integer"),
    ),
    "a misspelt role": (
        {"input": [{"role": "usr", "content": "hi"}]},
        value_error("input[0]", "usr", INPUT_ROLES),
    ),
    "no content": ({"input": [{"role": "user"}]}, missing("input[0].content")),
    "a parameter of chat completions": (
        {"messages": ASKS},
        (MOVED, None, "unsupported_parameter"),
    ),
    "max_tokens": ({"max_tokens": 16}, unknown("max_tokens")),
    "fewer than 16 tokens": (
        {"max_output_tokens": 15},
        bound(
            "max_output_tokens",
            "integer below minimum value",
            "a value >= 16",
            "15",
            "integer_below_min_value",
        ),
    ),
    "an unknown truncation": (
        {"truncation": "x"},
        value_error("truncation", "x", "'auto' and 'disabled'"),
    ),
    "an unknown member of text": ({"text": {"foo": 1}}, unknown("text.foo")),
    "a tool in the form of chat completions": (
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        missing("tools[0].name"),
    ),
    "JSON mode without the word": (
        {"text": {"format": {"type": "json_object"}}},
        (
            (
                "Response input messages must contain the word 'json' in some form to use "
                "'text.format' of type 'json_object'."
            ),
            "text.format",
            None,
        ),
    ),
}


@pytest.mark.parametrize(("params", "expected"), RESPONSE_BODIES.values(), ids=RESPONSE_BODIES)
def test_a_response_with_this_is_refused(params: dict[str, Any], expected: Expected) -> None:
    """In the words, with the param and with the code that the live API was seen to answer."""
    assert error_of(RESPONSES, {"model": "m", "input": "hi", **params}) == BodyError(*expected)


def test_a_part_of_a_chat_message_is_no_part_of_an_input_message() -> None:
    """The type of a part is told with its place; items of other types have parts of their own."""
    parts = [{"type": "text", "text": "hi"}]
    error = error_of(RESPONSES, {"model": "m", "input": [{"role": "user", "content": parts}]})
    assert error is not None
    assert (error.param, error.code) == ("input[0].content[0].type", "invalid_value")

    item = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "odd"}]}
    assert error_of(RESPONSES, {"model": "m", "input": [item, *ASKS]}) is None
    reference = {"id": "msg_1"}
    assert error_of(RESPONSES, {"model": "m", "input": [reference, *ASKS]}) is None


BAD_INPUT = (
    "'$.input' is invalid. Please check the API reference: "
    "https://platform.openai.com/docs/api-reference."
)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(["a", ""], id="an empty text in a list"),
        pytest.param([], id="an empty list"),
        pytest.param(["a"] * 2_049, id="too many texts"),
        pytest.param([True], id="no texts"),
        pytest.param({"text": "a"}, id="an object"),
    ],
)
def test_an_embedding_of_this_is_refused(value: Any) -> None:
    """Without param and code."""
    assert error_of(EMBEDDINGS, {"model": "m", "input": value}) == BodyError(BAD_INPUT)


def test_an_embedding_has_at_most_300_000_tokens() -> None:
    """The sum over all inputs of one request."""
    inputs = [[1] * 1_000] * 300
    assert error_of(EMBEDDINGS, {"model": "m", "input": inputs}) is None

    error = error_of(EMBEDDINGS, {"model": "m", "input": [*inputs, [1]]})
    name = "max_tokens_per_request"
    message = "Requested 300001 tokens, max 300000 tokens per request"
    assert error == BodyError(message, None, name, type=name)


CHAT_MODEL = (
    "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use "
    "v1/chat/completions?"
)
NO_CHAT_MODEL = (
    "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you "
    "mean to use v1/completions?"
)
USE_OTHER = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
    "'max_completion_tokens' instead."
)
DEFAULT_ONLY = (
    "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) "
    "value is supported."
)
NO_TEMPERATURE = "Unsupported parameter: 'temperature' is not supported with this model."
NO_EMBEDDINGS = "You are not allowed to generate embeddings from this model"

MODELS: dict[str, tuple[str, str, dict[str, Any], BodyError | None]] = {
    "a chat model completes": (
        "/v1/completions",
        "gpt-4o-mini",
        {},
        BodyError(CHAT_MODEL, "model", None, 404),
    ),
    "an instruct model completes": ("/v1/completions", "gpt-3.5-turbo-instruct", {}, None),
    "an instruct model chats": (
        CHAT,
        "gpt-3.5-turbo-instruct",
        {},
        BodyError(NO_CHAT_MODEL, "model", None, 404),
    ),
    "an embedding model chats": (
        CHAT,
        "text-embedding-3-small",
        {},
        BodyError("You are not allowed to sample from this model", None, None, 403),
    ),
    "a chat model embeds": (EMBEDDINGS, "gpt-4o", {}, BodyError(NO_EMBEDDINGS, status=403)),
    "a model of somebody's own embeds": (EMBEDDINGS, "m", {}, None),
    "dimensions of an old model": (
        EMBEDDINGS,
        "text-embedding-ada-002",
        {"dimensions": 8},
        BodyError("This model does not support specifying dimensions."),
    ),
    "max_tokens of a reasoning model": (
        CHAT,
        "gpt-5-mini-2025-08-07",
        {"max_tokens": 9},
        BodyError(USE_OTHER, "max_tokens", "unsupported_parameter"),
    ),
    "max_tokens of another": (CHAT, "gpt-4o", {"max_tokens": 9}, None),
    "a temperature of a reasoning model": (
        CHAT,
        "gpt-5",
        {"temperature": 0.2},
        BodyError(DEFAULT_ONLY, "temperature", "unsupported_value"),
    ),
    "the default temperature": (CHAT, "gpt-5", {"temperature": 1.0}, None),
    "a temperature without reasoning": (
        CHAT,
        "gpt-5.6-terra",
        {"temperature": 0.2, "reasoning_effort": "none"},
        None,
    ),
    "a temperature of a small reasoning model": (
        CHAT,
        "o3-mini",
        {"temperature": 1},
        BodyError(NO_TEMPERATURE, "temperature", "unsupported_parameter"),
    ),
    "a temperature of a response": (
        RESPONSES,
        "o3",
        {"temperature": 0.2},
        BodyError(NO_TEMPERATURE, "temperature"),
    ),
    "a temperature of a response without reasoning": (
        RESPONSES,
        "gpt-5.6-terra",
        {"temperature": 0.2, "reasoning": {"effort": "none"}},
        None,
    ),
    "effort of a model that does not reason": (
        CHAT,
        "gpt-4o-mini",
        {"reasoning_effort": "low"},
        BodyError("Unrecognized request argument supplied: reasoning_effort"),
    ),
    "an unknown parameter of an older model": (
        CHAT,
        "gpt-4o-mini",
        {"foo": 1, "bar": 2},
        BodyError("Unrecognized request arguments supplied: foo, bar"),
    ),
    "an unknown parameter of a newer model": (
        CHAT,
        "gpt-5",
        {"foo": 1},
        BodyError(*unknown("foo")),
    ),
}
INPUTS: dict[str, dict[str, Any]] = {
    CHAT: {"messages": ASKS},
    RESPONSES: {"input": "hi"},
    EMBEDDINGS: {"input": "hi"},
    "/v1/completions": {"prompt": "hi"},
}


@pytest.mark.parametrize(("endpoint", "model", "params", "expected"), MODELS.values(), ids=MODELS)
def test_what_an_endpoint_refuses_depends_on_the_model(
    endpoint: str, model: str, params: dict[str, Any], expected: BodyError | None
) -> None:
    """As quoted in public; what is not known of a model is accepted."""
    assert error_of(endpoint, {"model": model, **INPUTS[endpoint], **params}) == expected


BASICS: dict[str, tuple[dict[str, Any], str | None]] = {
    "no list of messages": ({"messages": "hi"}, "invalid_type"),
    "no message": ({"messages": []}, "empty_array"),
    "no role": ({"messages": [{"content": "hi"}]}, "missing_required_parameter"),
    "a temperature that is a list": ({"temperature": [1]}, "invalid_type"),
    "a role of their own": ({"messages": [{"role": "ipython", "content": "hi"}]}, None),
    "a parameter of their own": ({"enable_thinking": True}, None),
    "a number as a string": ({"temperature": "0.5"}, None),
    "a high temperature": ({"temperature": 3}, None),
    "max_tokens of any model": ({"model": "gpt-5", "max_tokens": 9}, None),
}


@pytest.mark.parametrize(("params", "code"), BASICS.values(), ids=BASICS)
def test_every_provider_refuses_the_basics(params: dict[str, Any], code: str | None) -> None:
    """And nothing else: most of what OpenAI refuses is accepted somewhere."""
    error = error_of(CHAT, {"model": "m", "messages": ASKS, **params}, "basics")
    assert code == (error and error.code)

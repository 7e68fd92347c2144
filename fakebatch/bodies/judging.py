"""Judges the body of a request: by the schema of its endpoint, its model, and other parameters."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from fakebatch import replies
from fakebatch.bodies.schema import (
    BodyError,
    Schema,
    invalid_value,
    missing,
    object_problem,
    problem,
)

Check = Callable[[Mapping[str, Any], Schema], BodyError | None]
"""From a body that is valid by a schema, and the schema, to its first problem."""

_REFERENCE = "https://platform.openai.com/docs/api-reference"


class Judge:
    """Judges the bodies of requests for one endpoint.

    Args:
        schema: the schema of a body.
        rules: what the endpoint refuses for certain models.
        check: checks what several parameters decide together.
    """

    def __init__(
        self, schema: Schema, rules: Sequence[Mapping[str, Any]] = (), check: Check | None = None
    ) -> None:
        self._schema, self._check = schema, check
        self._rules = [(re.compile(rule["models"]), rule) for rule in rules]
        not_served = [rule["models"] for rule in rules if "param" not in rule]
        self.not_served = re.compile("|".join(not_served) or "(?!)")
        """Matches the models that the endpoint does not serve."""

    def error(self, body: Mapping[str, Any]) -> BodyError | None:
        """The error of a request with this body; None if it is valid."""
        model = body.get("model")
        model = model if isinstance(model, str) else ""
        error = object_problem(self._schema, body)
        if error is not None:
            is_unknown = error.code == "unknown_parameter" and error.param in body
            return self._unknown(body, model) if is_unknown else error
        error = next(filter(None, (_by_model(rule, body, model) for rule in self._rules)), None)
        if error is None and self._check is not None:
            error = self._check(body, self._schema)
        return error

    def _unknown(self, body: Mapping[str, Any], model: str) -> BodyError:
        """The error for parameters that the endpoint does not have."""
        names = [name for name in body if name not in self._schema["properties"]]
        moved = self._schema.get("moved", {}).get(names[0])
        if moved is not None:
            message = (
                f"Unsupported parameter: '{names[0]}'. In the Responses API, this parameter has "
                f"moved to '{moved}'. Try again with the new parameter. See the API documentation "
                f"for more information: {_REFERENCE}/responses/create."
            )
            return BodyError(message, None, "unsupported_parameter")
        if re.fullmatch(self._schema.get("unrecognized", "(?!)"), model):
            argument = "argument" if len(names) == 1 else "arguments"
            return BodyError(f"Unrecognized request {argument} supplied: {', '.join(names)}")
        return BodyError(f"Unknown parameter: '{names[0]}'.", names[0], "unknown_parameter")


@lru_cache
def judge_of(endpoint: str, extent: str) -> Judge | None:
    """The judge of an endpoint; None if its bodies are not judged.

    Args:
        endpoint: `/v1/chat/completions`.
        extent: "all" that OpenAI refuses, the "basics" that every provider refuses, or "none".
    """
    here = Path(__file__).parent
    if extent == "basics":
        schema = tomllib.loads((here / "basics.toml").read_text("utf-8")).get(endpoint)
        return None if schema is None else Judge(schema)
    path = here / f"{endpoint.removeprefix('/v1/').replace('/', '.')}.toml"
    if extent == "none" or not path.exists():
        return None
    rules = tomllib.loads((here / "models.toml").read_text("utf-8"))["rule"]
    own = [rule for rule in rules if rule["endpoint"] == endpoint]
    return Judge(tomllib.loads(path.read_text("utf-8")), own, _CHECKS.get(endpoint))


def _by_model(
    entry: tuple[re.Pattern[str], Mapping[str, Any]], body: Mapping[str, Any], model: str
) -> BodyError | None:
    """The error by a rule about models."""
    models, rule = entry
    name, value = rule.get("param"), None
    if name is not None:
        value = body.get(name)
        if value is None or value == rule.get("accepts"):
            return None
        for other, expected in rule.get("unless", {}).items():
            actual = body.get(other)
            if isinstance(expected, dict):
                actual = {key: _member(actual, key) for key in expected}
            if actual == expected:
                return None
    if models.fullmatch(model) is None:
        return None
    message = rule["message"].format(value=value)
    return BodyError(
        message, rule.get("error_param", name) or None, rule.get("code"), rule.get("status", 400)
    )


def _member(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


# --- what several parameters decide together


def _conversation_error(body: Mapping[str, Any], _: Schema) -> BodyError | None:
    """The error of the messages of a chat completion."""
    messages, waiting = body["messages"], dict[Any, None]()
    for index, message in enumerate(messages):
        role = message["role"]
        has_content = message.get("content") is not None or (
            role == "assistant"
            and any(message.get(name) is not None for name in _IN_PLACE_OF_CONTENT)
        )
        if not has_content and role == "developer":
            return missing(f"messages[{index}].content")
        if not has_content:
            text = "Invalid value for 'content': expected a string, got null."
            return BodyError(text, f"messages.[{index}].content")
    follows_call = False
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if not follows_call:
                text = (  # sic
                    "Invalid parameter: messages with role 'tool' must be a response to a "
                    "preceeding message with 'tool_calls'."
                )
                return BodyError(text, f"messages.[{index}].role")
            waiting.pop(message.get("tool_call_id"), None)
            continue
        if waiting:
            return _unanswered(waiting, f"messages.[{index}].role")
        calls = message.get("tool_calls") or ()
        waiting = dict.fromkeys(call["id"] for call in calls if isinstance(call.get("id"), str))
        follows_call = bool(calls)
    if waiting:
        return _unanswered(waiting, f"messages.[{len(messages)}].role")
    wants_json = _member(body.get("response_format"), "type") == "json_object"
    if wants_json and "json" not in str(messages).lower():
        text = (
            "'messages' must contain the word 'json' in some form, to use 'response_format' of "
            "type 'json_object'."
        )
        return BodyError(text, "messages")
    return None


_IN_PLACE_OF_CONTENT = ("tool_calls", "function_call", "refusal", "audio")
"""What an assistant message may have in place of content (seen in Aug 2026)."""


def _unanswered(ids: Mapping[Any, None], param: str) -> BodyError:
    text = (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to "
        "each 'tool_call_id'. The following tool_call_ids did not have response messages: "
    )
    return BodyError(text + ", ".join(ids), param)


def _input_error(body: Mapping[str, Any], schema: Schema) -> BodyError | None:
    """The error of the input of a response."""
    items = body.get("input")
    others = ("previous_response_id", "prompt", "conversation")
    if items in ("", []) and all(body.get(name) is None for name in others):
        text = (
            'One of "input" or "previous_response_id" or \'prompt\' or \'conversation\' must be '
            "provided."
        )
        return BodyError(text, None, "missing_required_parameter")
    known = schema["items"]
    for index, item in enumerate(items if isinstance(items, list) else ()):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        name, role, kind = f"input[{index}]", item.get("role"), item.get("type")
        if kind not in (None, *known["types"]):
            return invalid_value(name, kind if isinstance(kind, str) else "", known["types"])
        is_reference = kind is None and role is None and "id" in item
        if kind in (None, "message") and not is_reference:
            if role not in known["roles"]:
                return invalid_value(name, role if isinstance(role, str) else "", known["roles"])
            error = problem(schema["message"], item, name)
            if error is not None:
                return error
    wants_json = _member(_member(body.get("text"), "format"), "type") == "json_object"
    if wants_json and "json" not in str(items).lower():
        text = (
            "Response input messages must contain the word 'json' in some form to use "
            "'text.format' of type 'json_object'."
        )
        return BodyError(text, "text.format")
    return None


def _embedding_error(body: Mapping[str, Any], _: Schema) -> BodyError | None:
    """The error of the input of an embedding."""
    inputs = body.get("input")
    is_valid = isinstance(inputs, str) or (
        isinstance(inputs, list)
        and 0 < len(inputs) <= _MAX_INPUTS  # pyright: ignore[reportUnknownArgumentType]
        and ({*map(type, inputs)} in ({int}, {str}, {list}))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        and "" not in inputs
        and [] not in inputs
    )
    if not is_valid:
        return BodyError(f"'$.input' is invalid. Please check the API reference: {_REFERENCE}.")
    # tokens of a text are estimated, as for the `usage` of the default reply
    tokens = replies.input_tokens(body)
    if tokens > _MAX_TOKENS:
        text = f"Requested {tokens} tokens, max {_MAX_TOKENS} tokens per request"
        return BodyError(text, None, "max_tokens_per_request", type="max_tokens_per_request")
    return None


_MAX_INPUTS, _MAX_TOKENS = 2_048, 300_000
"""Of one request for embeddings, in all."""

_CHECKS: Mapping[str, Check] = {
    "/v1/chat/completions": _conversation_error,
    "/v1/responses": _input_error,
    "/v1/embeddings": _embedding_error,
}

"""Judges the body of a request: by the schema of its endpoint, its model, and other parameters."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any

from fakebatch import replies
from fakebatch.bodies.schema import BodyError, Schema, body_error, listed, object_problem, problem
from fakebatch.replies.request import elements, is_object

Check = Callable[[Mapping[str, Any], Schema], BodyError | None]
"""From a body that is valid by a schema, and the schema, to its first problem."""


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
        model = _text(body.get("model"))
        error = object_problem(self._schema, body)
        if error is not None:
            is_unknown = error.code == "unknown_parameter" and error.param in body
            return self._unknown(body, model) if is_unknown else error
        for models, rule in self._rules:
            if rule.get("param", "model") in body and error is None:
                error = _by_model(models, rule, body, model)
        if error is None and self._check is not None:
            error = self._check(body, self._schema)
        return error

    def _unknown(self, body: Mapping[str, Any], model: str) -> BodyError:
        """The error for parameters that the endpoint does not have."""
        names = [name for name in body if name not in self._schema["properties"]]
        moved = self._schema.get("moved", {}).get(names[0])
        if moved is not None:
            return body_error("moved", names[0], to=moved)
        if re.fullmatch(self._schema.get("unrecognized", "(?!)"), model):
            return body_error("unrecognized", names=", ".join(names), s="s" * (len(names) > 1))
        return body_error("unknown", names[0])


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
    models: re.Pattern[str], rule: Mapping[str, Any], body: Mapping[str, Any], model: str
) -> BodyError | None:
    """The error by a rule about models."""
    name, value = rule.get("param"), None
    if name is not None:
        value = body.get(name)
        if value is None or value == rule.get("accepts"):
            return None
    unless = rule.get("unless", {})
    excused = any(reduce(_member, path.split("."), body) == unless[path] for path in unless)
    if excused or models.fullmatch(model) is None:
        return None
    message = rule["message"].format(value=value)
    return BodyError(
        message, rule.get("error_param", name) or None, rule.get("code"), rule.get("status", 400)
    )


def _member(value: Any, key: str) -> Any:
    return value.get(key) if is_object(value) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


# --- what several parameters decide together


def _conversation_error(body: Mapping[str, Any], _: Schema) -> BodyError | None:
    """The error of the messages of a chat completion."""
    messages = body["messages"]
    for index, message in enumerate(messages):
        # what an assistant message may have in place of content was seen in Aug 2026
        others = ("tool_calls", "function_call", "refusal", "audio")
        names = ("content", *others) if message["role"] == "assistant" else ("content",)
        if all(message.get(name) is None for name in names):
            if message["role"] == "developer":
                return body_error("missing", f"messages[{index}].content")
            return body_error("no_content", f"messages.[{index}].content")
    error = _call_error(messages)
    if error is None and body.get("tool_choice") is not None and not body.get("tools"):
        error = body_error("choice_without_tools", "tool_choice")
    wants_json = _member(body.get("response_format"), "type") == "json_object"
    if error is None and wants_json and "json" not in str(messages).lower():
        return body_error("no_json", "messages")
    return error


def _call_error(messages: list[dict[str, Any]]) -> BodyError | None:
    """The error if tool messages do not follow the tool calls that they answer, or are missing."""
    is_open, unanswered = False, dict[str, None]()
    for index, message in enumerate([*messages, {"role": "end"}]):
        name = f"messages.[{index}].role"
        if message["role"] == "tool":
            if not is_open:
                return body_error("tool_without_call", name)
            unanswered.pop(_text(message.get("tool_call_id")), None)
        elif unanswered:
            return body_error("call_without_tool", name, ids=", ".join(unanswered))
        else:
            calls = elements(message.get("tool_calls"))
            is_open = bool(calls)
            unanswered = {id_: None for call in calls if (id_ := _text(call.get("id")))}
    return None


def _input_error(body: Mapping[str, Any], schema: Schema) -> BodyError | None:
    """The error of the input of a response."""
    items, known = body.get("input"), schema["items"]
    others = ("previous_response_id", "prompt", "conversation")
    if items in ("", []) and all(body.get(name) is None for name in others):
        return body_error("no_input")
    for index, item in enumerate(elements(items)):
        name, role, kind = f"input[{index}]", item.get("role"), item.get("type")
        if kind not in (None, *known["types"]):
            return _bad_value(name, kind, known["types"])
        is_reference = kind is None and role is None and "id" in item
        if kind in (None, "message") and not is_reference:
            if role not in known["roles"]:
                return _bad_value(name, role, known["roles"])
            error = problem(schema["message"], item, name)
            if error is not None:
                return error
    wants_json = _member(_member(body.get("text"), "format"), "type") == "json_object"
    if wants_json and "json" not in str(items).lower():
        return body_error("no_json_in_input", "text.format")
    return None


def _bad_value(name: str, value: object, known: Sequence[str]) -> BodyError:
    return body_error("bad_value", name, value=_text(value), known=listed(known))


def _embedding_error(body: Mapping[str, Any], _: Schema) -> BodyError | None:
    """The error of the input of an embedding."""
    value = body.get("input")
    inputs = [value] if isinstance(value, str) and value else elements(value)
    is_valid = {*map(type, inputs)} in ({int}, {str}, {list}) and len(inputs) <= _MAX_INPUTS
    if not is_valid or "" in inputs or [] in inputs:
        return body_error("bad_embedding_input")
    # tokens of a text are estimated, as for the `usage` of the default reply
    tokens = replies.input_tokens(body)
    if tokens > _MAX_TOKENS:
        return body_error("too_many_tokens", tokens=tokens, limit=_MAX_TOKENS)
    return None


_MAX_INPUTS, _MAX_TOKENS = 2_048, 300_000
"""Of one request for embeddings, in all (API reference)."""

_CHECKS: Mapping[str, Check] = {
    "/v1/chat/completions": _conversation_error,
    "/v1/responses": _input_error,
    "/v1/embeddings": _embedding_error,
}

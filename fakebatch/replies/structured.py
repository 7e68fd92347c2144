"""Replies in the format that a request requires: JSON, JSON of a schema, or a tool call."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from fakebatch.errors import UsageError
from fakebatch.replies.pattern import Unsatisfiable
from fakebatch.replies.request import ModelRequest, at_path, elements, members, read_conversation
from fakebatch.replies.schema import instance


class Call(NamedTuple):
    """A function call that a request requires."""

    name: str
    arguments: str
    """JSON."""


def formatted(request: ModelRequest, text_format: Any, text: str) -> str:
    """The text of a reply, as JSON if the format in the request requires that.

    Raises:
        UsageError: no value was found that is valid for the schema.
    """
    format_ = members(text_format)
    if format_.get("type") == "json_object":
        return _compact({"echo": text})
    if format_.get("type") == "json_schema":
        # only /v1/chat/completions nests it in `json_schema`
        schema = members(format_.get("json_schema", format_)).get("schema")
        return _valid_json(request, schema, text)
    return text


def json_echo(request: ModelRequest, then: str) -> str | None:
    """The JSON that a request requires, of the user's last text and `then`; None: it requires none.

    Raises:
        UsageError: no value was found that is valid for the schema.
    """
    if "messages" in request.body:
        conversation, text_format = request.body["messages"], request.body.get("response_format")
    else:
        conversation = request.body.get("input")
        text_format = at_path(request.body, "text.format")
    if members(text_format).get("type") not in ("json_object", "json_schema"):
        return None
    return formatted(request, text_format, read_conversation(conversation)[0] + then)


def forced_call(request: ModelRequest, text: str) -> Call | None:
    """The call that `tool_choice` requires: of the function that it names, or of the first one.

    Raises:
        UsageError: no arguments were found that are valid for the function.
    """
    tools, choice = elements(request.body.get("tools")), request.body.get("tool_choice")
    chosen = [choice]
    if members(choice).get("type") == "allowed_tools":
        # only /v1/chat/completions nests it in `allowed_tools`
        allowed = members(members(choice).get("allowed_tools", choice))
        chosen = elements(allowed.get("tools")) if allowed.get("mode") == "required" else []
    names = None if choice == "required" else {str(_function(tool).get("name")) for tool in chosen}
    return _call(request, map(_function, tools), names, text)


def forced_function(request: ModelRequest, text: str) -> Call | None:
    """The call that `function_call` requires: the parameter from before there were tools.

    Raises:
        UsageError: no arguments were found that are valid for the function.
    """
    names = {str(at_path(request.body, "function_call.name"))}
    return _call(request, map(members, elements(request.body.get("functions"))), names, text)


def _call(
    request: ModelRequest, functions: Iterable[dict[str, Any]], names: set[str] | None, text: str
) -> Call | None:
    """A call of the first of the functions that has one of these names, or any name."""
    for function in functions:
        name = function.get("name")
        if isinstance(name, str) and (names is None or name in names):
            parameters = function.get("parameters", {"type": "object"})
            return Call(name, _valid_json(request, parameters, text))
    return None


def _function(tool: Any) -> dict[str, Any]:
    # only /v1/chat/completions nests it in `function`
    outer = members(tool)
    return members(outer.get("function", outer)) if outer.get("type") == "function" else {}


def _valid_json(request: ModelRequest, schema: Any, text: str) -> str:
    try:
        return _compact(instance(schema, text))
    except Unsatisfiable as error:
        raise UsageError(
            f"There is no default reply to {request.name}: no value fits its schema.",
            str(error),
            "Give the reply yourself: fakebatch.on(...).reply('{...}').",
        ) from None


def _compact(value: Any) -> str:
    # as models write it: no spaces, only necessary escapes
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

"""JSON that a request demands: an object, a value valid for a schema, or a call of a function."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from fakebatch.errors import UsageError
from fakebatch.replies.pattern import Unmet
from fakebatch.replies.request import ModelRequest, elements, members
from fakebatch.replies.schema import instance


class Call(NamedTuple):
    """The call of a function that a request insists on."""

    name: str
    arguments: str
    """JSON text."""


def formatted(request: ModelRequest, text_format: Any, text: str) -> str:
    """The text, as JSON where the request's format of text demands JSON.

    Raises:
        UsageError: nothing was found that is valid for the schema.
    """
    demand = members(text_format)
    if demand.get("type") == "json_object":
        return _compact({"echo": text})
    if demand.get("type") == "json_schema":
        # /v1/chat/completions wraps the schema once more than /v1/responses does.
        schema = members(demand.get("json_schema", demand)).get("schema")
        return _valid_json(request, schema, text)
    return text


def forced_call(request: ModelRequest, text: str) -> Call | None:
    """The call that `tool_choice` demands: of the function it names, else of the first one.

    Raises:
        UsageError: nothing was found that is valid for the function's parameters.
    """
    choice = request.body.get("tool_choice")
    if choice in (None, "auto", "none"):
        return None
    wanted = _function(choice).get("name")
    for function in map(_function, elements(request.body.get("tools"))):
        name = function.get("name")
        if isinstance(name, str) and (name == wanted or choice == "required"):
            parameters = function.get("parameters", {"type": "object"})
            return Call(name, _valid_json(request, parameters, text))
    return None


def _function(tool: Any) -> dict[str, Any]:
    # /v1/chat/completions wraps it in `function`, /v1/responses does not.
    outer = members(tool)
    return members(outer.get("function", outer)) if outer.get("type") == "function" else {}


def _valid_json(request: ModelRequest, schema: Any, text: str) -> str:
    try:
        return _compact(instance(schema, text))
    except Unmet as error:
        raise UsageError(
            f"There is no default reply to {request.name}: its JSON schema cannot be met.",
            str(error),
            "Give the reply yourself: fakebatch.on(...).reply('{...}').",
        ) from None


def _compact(value: Any) -> str:
    # As the models write it: no spaces, nothing escaped that need not be.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

"""What a request demands beyond plain words: JSON valid for a schema, or the call of a function."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from fakebatch.replies.conversation import elements, members
from fakebatch.replies.scalars import Impossible
from fakebatch.replies.schema import instance


class Call(NamedTuple):
    """The call of a function that a request insists on."""

    name: str
    arguments: str
    """JSON text."""


def shaped(text: str, form: Any) -> str:
    """The text, as JSON where the format of the answer demands JSON."""
    demand = members(form)
    if demand.get("type") == "json_object":
        return _compact({"echo": text})
    if demand.get("type") == "json_schema":
        # /v1/chat/completions wraps the schema once more than /v1/responses does.
        return _valid(members(demand.get("json_schema", demand)).get("schema"), text)
    return text


def demanded_call(body: dict[str, Any], text: str) -> Call | None:
    """The call that `tool_choice` demands: of the function it names, else of the first one."""
    choice = body.get("tool_choice")
    if choice in (None, "auto", "none"):
        return None
    functions = [_function(tool) for tool in elements(body.get("tools"))]
    wanted = _function(choice).get("name")
    for function in functions:
        name = function.get("name")
        if isinstance(name, str) and (name == wanted or choice == "required"):
            return Call(name, _valid(function.get("parameters", {"type": "object"}), text))
    return None


def _function(tool: Any) -> dict[str, Any]:
    # /v1/chat/completions wraps it in `function`, /v1/responses does not.
    given = members(tool)
    return members(given.get("function", given)) if given.get("type") == "function" else {}


def _valid(schema: Any, text: str) -> str:
    try:
        return _compact(instance(schema, text))
    except Impossible:
        return text


def _compact(value: Any) -> str:
    # As the models write it: no spaces, nothing escaped that need not be.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

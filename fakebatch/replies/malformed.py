"""Malformed replies: successes that a client cannot use, made of the default replies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fakebatch.replies.request import ModelRequest, elements, is_object, members

REFUSAL = "I'm sorry, but I can't assist with that request."
CUT = '{"answer": "half of an obj'
_TEXTS: dict[str, Any] = {"truncated_json": CUT, "empty": "", "wrong_types": 42}

_MESSAGES: dict[str, Any] = {"refusal": {"refusal": REFUSAL}, "wrong_types": {"refusal": False}}

Body = dict[str, Any]


def chat(request: ModelRequest, body: Body, how: str) -> Body:
    """A malformed chat completion; three of the ways also show in `finish_reason`."""
    for choice in body["choices"]:
        message: Body = choice["message"]
        content = message["content"]  # None in a tool call
        half = content and content[: len(content) // 2]
        message["content"] = half if how == "length" else _TEXTS.get(how)
        message |= _MESSAGES.get(how, {})
        if how == "tool_calls":
            message["tool_calls"] = [_tool_call(request)]
        is_reason = how in ("length", "content_filter", "tool_calls")
        choice["finish_reason"] = how if is_reason else "stop"
    return body


def completions(_: ModelRequest, body: Body, how: str) -> Body:
    """A malformed completion."""
    for choice in body["choices"]:
        half = choice["text"][: len(choice["text"]) // 2]
        choice["text"] = half if how == "length" else _TEXTS.get(how)
        choice["finish_reason"] = how if how in ("length", "content_filter") else "stop"
    return body


def responses(request: ModelRequest, body: Body, how: str) -> Body:
    """A malformed response."""
    match how:
        case "length":
            # observed: only the reasoning from before the limit
            id_ = "rs_" + request.digits()[:48]
            output = [Body(id=id_, type="reasoning", summary=[])]
            return body | _incomplete("max_output_tokens") | {"output": output}
        case "content_filter":
            return body | _incomplete(how) | {"output": []}
        case "tool_calls":
            call = _tool_call(request)
            id_ = "fc_" + request.digits()[:50]
            item = {"id": id_, "type": "function_call", "status": "completed"}
            return body | {"output": [{**item, "call_id": call["id"], **call["function"]}]}
        case "refusal":
            content = [{"type": "refusal", "refusal": REFUSAL}]
            items = [i | {"content": content} if "content" in i else i for i in body["output"]]
            return body | {"output": items}
        case "null":
            return body | {"output": []}
        case _:
            usage = None if how == "wrong_types" else body["usage"]
            return _with_texts(body, lambda _: _TEXTS[how]) | {"usage": usage}


def _incomplete(reason: str) -> Body:
    return {"status": "incomplete", "incomplete_details": {"reason": reason}}


def _tool_call(request: ModelRequest) -> Body:
    call = {"name": "look_up", "arguments": '{"query": "the weather"}'}
    return {"id": "call_" + request.letters(24), "type": "function", "function": call}


def data(_: ModelRequest, body: Body, how: str) -> Body:
    """A malformed reply of an endpoint that returns a list: the list is null or empty."""
    name = "results" if "results" in body else "data"
    return body | {name: None if how in ("null", "wrong_types") else []}


def append_text(body: Body, text: str) -> Body:
    """The reply with `text` appended to every text in it."""
    return _with_texts(body, lambda before: None if before is None else f"{before}{text}")


def _with_texts(body: Body, change: Callable[[Any], Any]) -> Body:
    for choice in elements(body.get("choices")):
        holder, name = (choice["message"], "content") if "message" in choice else (choice, "text")
        holder[name] = change(holder[name])
    for item in elements(body.get("output")):
        for part in filter(is_object, elements(members(item).get("content"))):
            part["text"] = change(part.get("text"))
    return body

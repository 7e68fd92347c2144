"""Malformed replies: successes that are hard to use or of no use, made of the default replies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fakebatch.replies.request import Body, ModelRequest, elements, is_object, members
from fakebatch.replies.structured import json_echo

REFUSAL = "I'm sorry, but I can't assist with that request."
CUT = '{"answer": "half of an obj'
_TEXTS: dict[str, Any] = {"truncated_json": CUT, "empty": "", "wrong_types": 42}

_MESSAGES: dict[str, Any] = {"refusal": {"refusal": REFUSAL}, "wrong_types": {"refusal": False}}


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
    output: list[Body] = []
    match how:
        case "length":
            # observed: only the reasoning from before the limit
            output = [Body(id="rs_" + request.digits()[:48], type="reasoning", summary=[])]
        case "tool_calls":
            call = _tool_call(request)
            id_ = "fc_" + request.digits()[:50]
            item = {"id": id_, "type": "function_call", "status": "completed"}
            output = [{**item, "call_id": call["id"], **call["function"]}]
        case "refusal":
            content = [{"type": "refusal", "refusal": REFUSAL}]
            output = [i | {"content": content} if "content" in i else i for i in body["output"]]
        case "split":
            output = [each for item in body["output"] for each in _split(request, item)]
        case "content_filter" | "null":
            pass
        case _:
            usage = None if how == "wrong_types" else body["usage"]
            return _with_texts(body, lambda _: _TEXTS[how]) | {"usage": usage}
    reason = {"length": "max_output_tokens", "content_filter": how}.get(how)
    incomplete = {"status": "incomplete", "incomplete_details": {"reason": reason}}
    return body | (incomplete if reason else {}) | {"output": output}


def _split(request: ModelRequest, item: Body) -> list[Body]:
    """An item; a message comes after another with the first half of its text."""
    if item["type"] != "message":
        return [item]
    half = [part | {"text": part["text"][: len(part["text"]) // 2]} for part in item["content"]]
    return [item | {"id": "msg_" + request.digits()[78:], "content": half}, item]


def _tool_call(request: ModelRequest) -> Body:
    call = {"name": "look_up", "arguments": '{"query": "the weather"}'}
    return {"id": "call_" + request.letters(24), "type": "function", "function": call}


def data(_: ModelRequest, body: Body, how: str) -> Body:
    """A malformed reply of an endpoint that returns a list: the list is null or empty."""
    name = "results" if "results" in body else "data"
    return body | {name: None if how in ("null", "wrong_types") else []}


def with_items_reversed(body: Body) -> Body:
    """The reply with its choices or embeddings in reverse order, each with its index."""
    names = [name for name in ("choices", "data") if name in body]
    return body | {name: body[name][::-1] for name in names if "index" in members(body[name][0])}


def append_text(request: ModelRequest, body: Body, text: str) -> Body:
    """The reply with `text` appended to every text in it; JSON that is required stays valid."""
    required = json_echo(request, text)

    def followed(before: str | None) -> str | None:
        return None if before is None else required or f"{before}{text}"

    return _with_texts(body, followed)


def _with_texts(body: Body, change: Callable[[Any], Any]) -> Body:
    for choice in elements(body.get("choices")):
        holder, name = (choice["message"], "content") if "message" in choice else (choice, "text")
        holder[name] = change(holder[name])
    for item in elements(body.get("output")):
        for part in filter(is_object, elements(members(item).get("content"))):
            part["text"] = change(part.get("text"))
    return body

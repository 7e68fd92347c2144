"""Successes that nobody can use: each endpoint's default body, spoiled in one of eight ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fakebatch.replies.conversation import elements, is_object, members
from fakebatch.replies.question import Question

REFUSAL = "I'm sorry, but I can't assist with that request."
CUT = '{"answer": "half of an obj'

Body = dict[str, Any]


def _cut(text: Any) -> str:
    return str(text)[: len(str(text)) // 2]


def _tool_call(question: Question) -> Body:
    call = {"name": "look_up", "arguments": '{"query": "the weather"}'}
    return {"id": "call_" + question.letters(24), "type": "function", "function": call}


_CHAT: Mapping[str, Callable[[Question, Body], Body]] = {
    "length": lambda _, said: {"content": _cut(said["content"])},
    "refusal": lambda _, __: {"content": None, "refusal": REFUSAL},
    "content_filter": lambda _, __: {"content": None},
    "tool_calls": lambda question, _: {"content": None, "tool_calls": [_tool_call(question)]},
    "null": lambda _, __: {"content": None},
    "empty": lambda _, __: {"content": ""},
    "truncated_json": lambda _, __: {"content": CUT},
    "wrong_types": lambda _, __: {"content": 42, "refusal": False},
}
"""What a message says instead."""

_REASONS = {"length", "content_filter", "tool_calls"}
"""Ways that are told in `finish_reason`; the others stop as if all were well."""


def chat(question: Question, body: Body, how: str) -> Body:
    """A chat completion, spoiled."""
    for choice in body["choices"]:
        choice["message"] |= _CHAT[how](question, choice["message"])
        choice["finish_reason"] = how if how in _REASONS else "stop"
    return body


def completions(_: Question, body: Body, how: str) -> Body:
    """A completion, spoiled."""
    texts = {"length": None, "truncated_json": CUT, "empty": "", "wrong_types": 42}
    for choice in body["choices"]:
        choice["text"] = _cut(choice["text"]) if how == "length" else texts.get(how)
        choice["finish_reason"] = how if how in ("length", "content_filter") else "stop"
    return body


def responses(question: Question, body: Body, how: str) -> Body:
    """A response, spoiled."""
    (message,) = body["output"]
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    if how in reasons:
        # seen: nothing but what the model thought before it had to stop
        thought: Body = {"id": "rs_" + question.digits()[:48], "type": "reasoning", "summary": []}
        changes = {"status": "incomplete", "incomplete_details": {"reason": reasons[how]}}
        return body | changes | {"output": [thought] if how == "length" else []}
    if how == "tool_calls":
        return body | {"output": [_function_call(question)]}
    if how == "refusal":
        return body | {"output": [message | {"content": [{"type": "refusal", "refusal": REFUSAL}]}]}
    texts: Body = {"truncated_json": CUT, "empty": "", "wrong_types": 42}
    if how not in texts:
        return body | {"output": []}
    said = _changed(body, lambda _: texts[how])
    return said | {"usage": None} if how == "wrong_types" else said


def _function_call(question: Question) -> Body:
    call = _tool_call(question)
    start = {"id": "fc_" + question.digits()[:50], "type": "function_call", "status": "completed"}
    return {**start, "call_id": call["id"], **call["function"]}


def data(_: Question, body: Body, how: str) -> Body:
    """A body whose substance is a list, without it."""
    name = "results" if "results" in body else "data"
    return body | {name: None if how in ("null", "wrong_types") else []}


def followed(body: Body, text: str) -> Body:
    """The same body; whatever it says is followed by a text."""
    return _changed(body, lambda said: f"{said}{text}")


def _changed(body: Body, change: Callable[[Any], Any]) -> Body:
    for choice in elements(body.get("choices")):
        said = choice.get("message", choice)
        name = "content" if "message" in choice else "text"
        said[name] = change(said[name])
    for item in elements(body.get("output")):
        for part in filter(is_object, elements(members(item).get("content"))):
            part["text"] = change(part.get("text"))
    return body

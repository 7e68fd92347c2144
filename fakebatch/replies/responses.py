"""The default answer of /v1/responses, keys in the order seen on the wire in August 2026."""

from __future__ import annotations

from typing import Any

from fakebatch.replies.conversation import count, elements, last_question, members, text_of, turns
from fakebatch.replies.question import Question
from fakebatch.replies.structured import Call, demanded_call, shaped

_REASONING = {"context": "current_turn", "effort": None, "mode": "standard", "summary": None}


def echo(question: Question) -> dict[str, Any]:
    """A response that says what the user said last, in the form the request demands."""
    text = last_question(turns(question.body.get("input")))
    call = demanded_call(question.body, text)
    if call is None:
        form = members(question.body.get("text")).get("format")
        return worded(question, shaped(text, form))
    return _body(question, _calling(question, call), call.arguments)


def worded(question: Question, text: str) -> dict[str, Any]:
    """A response with one message that says `text`."""
    return _body(question, _message(question, text), text)


def _body(question: Question, item: dict[str, Any], text: str) -> dict[str, Any]:
    asked = {key: value for key, value in question.body.items() if value is not None}
    return {
        "id": _id(question, "resp_", 16),
        "object": "response",
        "created_at": question.created,
        "status": "completed",
        "background": asked.get("background", False),
        "billing": {"payer": "developer"},
        "completed_at": question.created,
        "error": None,
        "frequency_penalty": asked.get("frequency_penalty", 0.0),
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "max_output_tokens": asked.get("max_output_tokens"),
        "max_tool_calls": asked.get("max_tool_calls"),
        "model": question.model,
        "moderation": None,
        "output": [item],
        "parallel_tool_calls": asked.get("parallel_tool_calls", True),
        "presence_penalty": asked.get("presence_penalty", 0.0),
        "previous_response_id": asked.get("previous_response_id"),
        "prompt_cache_key": asked.get("prompt_cache_key"),
        "prompt_cache_retention": asked.get("prompt_cache_retention", "in_memory"),
        "reasoning": _REASONING | members(asked.get("reasoning")),
        "safety_identifier": asked.get("safety_identifier"),
        "service_tier": "default",
        "store": asked.get("store", True),
        "temperature": asked.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, "verbosity": "medium"} | members(asked.get("text")),
        "tool_choice": asked.get("tool_choice", "auto"),
        "tool_usage": _no_tools_used(),
        "tools": [_tool(tool) for tool in elements(asked.get("tools"))],
        "top_logprobs": asked.get("top_logprobs", 0),
        "top_p": asked.get("top_p", 1.0),
        "truncation": asked.get("truncation", "disabled"),
        "usage": _usage(question, count([text])),
        "user": asked.get("user"),
        "metadata": asked.get("metadata", {}),
    }


def _message(question: Question, text: str) -> dict[str, Any]:
    return {
        "id": _id(question, "msg_", 36),
        "type": "message",
        "status": "completed",
        "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": text}],
        "role": "assistant",
    }


def _calling(question: Question, call: Call) -> dict[str, Any]:
    return {
        "id": _id(question, "fc_", 36),
        "type": "function_call",
        "status": "completed",
        "arguments": call.arguments,
        "call_id": "call_" + question.letters(24, "call"),
        "name": call.name,
    }


def _tool(tool: Any) -> Any:
    # The service completes a function by these keys; other tools are left as they are.
    if members(tool).get("type") != "function":
        return tool
    return {"type": "function", "description": None, "parameters": None, "strict": True} | tool


def _no_tools_used() -> dict[str, Any]:
    nothing = {"image_tokens": 0, "text_tokens": 0}
    return {
        "image_gen": {
            "input_tokens": 0,
            "input_tokens_details": nothing,
            "output_tokens": 0,
            "output_tokens_details": nothing,
            "total_tokens": 0,
        },
        "web_search": {"num_requests": 0},
    }


def _usage(question: Question, given: int) -> dict[str, Any]:
    heard = (text for _, text in turns(question.body.get("input")))
    taken = count([text_of(question.body.get("instructions")), *heard])
    return {
        "input_tokens": taken,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": given,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": taken + given,
    }


def _id(question: Question, prefix: str, start: int) -> str:
    # The items of a response share its first 16 digits; the rest begins with the time of minting.
    digits = question.digits()
    own = digits[start : start + 20]
    return f"{prefix}{digits[:16]}00{question.created:08x}{own[:4]}8190{own[4:]}"

"""The default reply of /v1/responses: `responses.json`, a body seen in August 2026, filled in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fakebatch.replies.request import (
    ModelRequest,
    elements,
    members,
    read_conversation,
    text_of,
    tokens,
)
from fakebatch.replies.structured import forced_call, formatted

_BODY: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
_OUR_OWN = {
    *("id", "object", "created_at", "status", "billing", "completed_at", "error"),
    *("incomplete_details", "model", "moderation", "output", "service_tier", "tool_usage", "usage"),
}
"""Keys of a body that say nothing of the request; the others repeat its parameters."""
_FUNCTION = {"type": "function", "description": None, "parameters": None, "strict": True}
"""The keys by which the service completes a function tool; other tools it leaves as they are."""


def echo(request: ModelRequest) -> dict[str, Any]:
    """A response with the user's last text, in the form that the request demands.

    Raises:
        UsageError: nothing was found that is valid for the schema of the request.
    """
    text, _ = read_conversation(request.body.get("input"))
    call = forced_call(request, text)
    if call is None:
        text_format = members(request.body.get("text")).get("format")
        return worded(request, formatted(request, text_format, text))
    item = {
        "id": _id(request, "fc_", 36),
        "type": "function_call",
        "status": "completed",
        "arguments": call.arguments,
        "call_id": "call_" + request.letters(24, "call"),
        "name": call.name,
    }
    return _body(request, item, call.arguments)


def worded(request: ModelRequest, text: str) -> dict[str, Any]:
    """A response with one message that says `text`."""
    item: dict[str, Any] = {
        "id": _id(request, "msg_", 36),
        "type": "message",
        "status": "completed",
        "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": text}],
        "role": "assistant",
    }
    return _body(request, item, text)


def _body(request: ModelRequest, item: dict[str, Any], text: str) -> dict[str, Any]:
    params = {k: v for k, v in request.body.items() if v is not None and k in _BODY}
    _, length = read_conversation(request.body.get("input"))
    before = tokens(length + len(text_of(params.get("instructions"))))
    after = tokens(len(text))
    usage = {"input_tokens": before, "output_tokens": after, "total_tokens": before + after}
    return {
        **_BODY,
        **{name: value for name, value in params.items() if name not in _OUR_OWN},
        "id": _id(request, "resp_", 16),
        "created_at": request.created,
        "completed_at": request.created,
        "model": request.model,
        "output": [item],
        "reasoning": _BODY["reasoning"] | members(params.get("reasoning")),
        "text": _BODY["text"] | members(params.get("text")),
        "tools": [
            _FUNCTION | tool if members(tool).get("type") == "function" else tool
            for tool in elements(params.get("tools"))
        ],
        "usage": _BODY["usage"] | usage,
    }


def _id(request: ModelRequest, prefix: str, start: int) -> str:
    # The items of a response share its first 16 digits; the rest begins with the time of minting.
    digits = request.digits()
    own = digits[start : start + 20]
    return f"{prefix}{digits[:16]}00{request.created:08x}{own[:4]}8190{own[4:]}"

"""Default replies of /v1/responses.

`responses.json` is a recorded body of August 2026; a reply replaces what depends on the request.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from fakebatch.replies import logprobs
from fakebatch.replies.request import (
    Body,
    ModelRequest,
    PlainReply,
    at_path,
    elements,
    members,
    read_conversation,
    text_of,
    tokens,
)
from fakebatch.replies.structured import forced_call, formatted

_BODY: Body = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
_RESPONSE_FIELDS = {
    *("id", "object", "created_at", "status", "billing", "completed_at", "error"),
    *("incomplete_details", "model", "moderation", "output", "service_tier", "tool_usage", "usage"),
}
"""Keys of a body that belong to the response; the others repeat parameters of the request."""
_FUNCTION = {"type": "function", "description": None, "parameters": None, "strict": True}
"""The defaults that the service adds to function tools; other tools are repeated as they are."""


def echo(request: ModelRequest) -> Body:
    """A response with the last text of the user: as text, JSON or a tool call.

    Raises:
        UsageError: no value was found that is valid for the schema of the request.
    """
    text, _ = read_conversation(request.body.get("input"))
    call = forced_call(request, text)
    if call is None:
        return with_text(request, formatted(request, at_path(request.body, "text.format"), text))
    item = {
        "id": _id(request, "fc_", 36),
        "type": "function_call",
        "status": "completed",
        "arguments": call.arguments,
        "call_id": "call_" + request.letters(24, "call"),
        "name": call.name,
    }
    return _body(request, item, _reply(request, call.arguments))


def with_text(request: ModelRequest, text: str) -> Body:
    """A response with one message, whose text is `text`."""
    body = plain_body(request, _reply(request, text))
    if "message.output_text.logprobs" in elements(request.body.get("include")):
        content = logprobs.by_token(text, request.body.get("top_logprobs"))
        body["output"][-1]["content"][0]["logprobs"] = content
    return body


_NOT_PLAIN = frozenset({"text", "tools", "tool_choice", "include"})
"""Request fields that may ask for other than text, or for more than that."""


def plain(request: ModelRequest, text: str | None = None) -> PlainReply | None:
    """What `echo`, or `with_text`, replies to a plain request; None for any other."""
    return _reply(request, text) if _NOT_PLAIN.isdisjoint(request.body) else None


def _reply(request: ModelRequest, text: str | None) -> PlainReply:
    question, length = read_conversation(request.body.get("input"))
    answer = question if text is None else text
    return PlainReply(
        answer,
        tokens(length + len(text_of(request.body.get("instructions")))),
        tokens(len(answer)),
        _id(request, "resp_", 16),
        _id(request, "msg_", 36),
        _id(request, "rs_", 56),
        repr({name: v for name, v in request.body.items() if name not in ("input", "model")}),
    )


def plain_body(request: ModelRequest, reply: PlainReply) -> Body:
    """The response with one message, that of a plain reply."""
    text = Body(type="output_text", annotations=[], logprobs=[], text=reply.content)
    item = Body(
        id=reply.item_id, type="message", status="completed", content=[text], role="assistant"
    )
    return _body(request, item, reply)


def _body(request: ModelRequest, item: Body, reply: PlainReply) -> Body:
    params = {k: v for k, v in request.body.items() if v is not None and k in _BODY}
    before, after = reply.prompt, reply.completion
    usage = {"input_tokens": before, "output_tokens": after, "total_tokens": before + after}
    return {
        **_BODY,
        **{name: value for name, value in params.items() if name not in _RESPONSE_FIELDS},
        "id": reply.id,
        "created_at": request.created,
        "completed_at": request.created,
        "model": request.model,
        "output": [*_reasoning(request, reply), item],
        "service_tier": request.service_tier,
        "reasoning": _BODY["reasoning"] | members(params.get("reasoning")),
        "text": _BODY["text"] | members(params.get("text")),
        "tools": [
            _FUNCTION | tool if members(tool).get("type") == "function" else tool
            for tool in elements(params.get("tools"))
        ],
        "usage": _BODY["usage"] | usage,
    }


_REASONING_MODEL = re.compile(r"(.*[:/])?(o[0-9]+|gpt-5)(-(?!chat)|$)")


def _reasoning(request: ModelRequest, reply: PlainReply) -> list[Body]:
    """The item before the reply of a reasoning model (recorded for o3-mini in April 2025).

    Models after GPT-5 reason only if the request has an effort: theirs is "none" by default.
    """
    effort = at_path(request.body, "reasoning.effort")
    if effort == "none" or not (effort or _REASONING_MODEL.match(request.model)):
        return []
    return [{"id": reply.reasoning_id, "type": "reasoning", "summary": []}]


def _id(request: ModelRequest, prefix: str, start: int) -> str:
    # The items of a response share its first 16 digits; then comes the time of creation.
    digits = request.digits()
    own = digits[start : start + 20]
    return f"{prefix}{digits[:16]}00{request.created:08x}{own[:4]}8190{own[4:]}"

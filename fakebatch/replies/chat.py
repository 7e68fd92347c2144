"""Default replies of /v1/chat/completions and of the older /v1/completions.

A chat completion is `chat.json`, a body seen in 2026, filled in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from fakebatch.replies.request import (
    ModelRequest,
    copies,
    letters,
    prompt_tokens,
    prompts,
    read_conversation,
    tokens,
)
from fakebatch.replies.structured import forced_call, formatted

Body = dict[str, Any]

_BODY: Body = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
_MESSAGE: Body = {"role": "assistant", "content": None, "refusal": None, "annotations": []}


def echo(request: ModelRequest) -> Body:
    """A chat completion with the user's last text, in the form that the request demands.

    Raises:
        UsageError: nothing was found that is valid for the schema of the request.
    """
    text, _ = read_conversation(request.body.get("messages"))
    call = forced_call(request, text)
    if call is None:
        return worded(request, formatted(request, request.body.get("response_format"), text))
    function = {"name": call.name, "arguments": call.arguments}
    messages: list[Body] = []
    for index in range(copies(request.body.get("n"))):
        id_ = "call_" + request.letters(24, f"call {index}")
        messages.append({"tool_calls": [{"id": id_, "type": "function", "function": function}]})
    return _completion(request, messages, "tool_calls", call.arguments)


def worded(request: ModelRequest, text: str) -> Body:
    """A chat completion whose every choice says `text`."""
    messages = [{"content": text}] * copies(request.body.get("n"))
    return _completion(request, messages, "stop", text)


def _completion(request: ModelRequest, messages: list[Body], reason: str, text: str) -> Body:
    choices = [_choice(index, message, reason) for index, message in enumerate(messages)]
    _, length = read_conversation(request.body.get("messages"))
    usage = _usage(tokens(length), tokens(len(text)) * len(choices))
    return _body(id_of(request.key), request.created, request.model, choices, usage)


Plain = tuple[str, int, int]
"""All in which the replies to plain requests differ, but for their id and model: the text, the
tokens of the prompt and those of the completion."""

_DEMANDING = frozenset({"n", "response_format", "tool_choice"})
"""Fields of a request that make its reply more than one choice with a text."""


def plain(body: Mapping[str, Any], text: str | None = None) -> Plain | None:
    """What `echo` (or, with a text, `worded`) says to a plain request; None if it is not plain."""
    if not _DEMANDING.isdisjoint(body):
        return None
    question, length = read_conversation(body.get("messages"))
    answer = question if text is None else text
    return answer, tokens(length), tokens(len(answer))


def written(id_: str, created: int, model: str, answer: Plain) -> Body:
    """The reply to a plain request."""
    text, prompt, completion = answer
    choices = [_choice(0, {"content": text}, "stop")]
    return _body(id_, created, model, choices, _usage(prompt, completion))


def id_of(key: bytes) -> str:
    """The id of the chat completion for the request with this key."""
    return "chatcmpl-" + letters(key, 29)


def _body(id_: str, created: int, model: str, choices: list[Body], usage: Body) -> Body:
    return {
        **_BODY,
        "id": id_,
        "created": created,
        "model": model,
        "choices": choices,
        "usage": _BODY["usage"] | usage,
        "system_fingerprint": _fingerprint(model),
    }


def _choice(index: int, message: Body, reason: str) -> Body:
    message = _MESSAGE | message
    return {"index": index, "message": message, "logprobs": None, "finish_reason": reason}


def _usage(prompt: int, completion: int) -> Body:
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


@lru_cache
def _fingerprint(model: str) -> str:
    # It names the backend, not the reply: the same for every reply of a model.
    return "fp_" + blake2b(model.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()


# --- /v1/completions


def echo_prompts(request: ModelRequest) -> Body:
    """A completion with each prompt, `n` times; one of token numbers has no text to echo."""
    inputs = prompts(request.body.get("prompt"))
    return _text_completion(request, [text if isinstance(text, str) else "" for text in inputs])


def worded_prompts(request: ModelRequest, text: str) -> Body:
    """A completion whose every choice says `text`."""
    return _text_completion(request, [text for _ in prompts(request.body.get("prompt"))])


def _text_completion(request: ModelRequest, texts: list[str]) -> Body:
    texts = [text for text in texts for _ in range(copies(request.body.get("n")))]
    prompt = prompt_tokens(request.body.get("prompt"))
    return {
        "id": "cmpl-" + request.letters(29),
        "object": "text_completion",
        "created": request.created,
        "model": request.model,
        "choices": [
            {"text": text, "index": index, "logprobs": None, "finish_reason": "stop"}
            for index, text in enumerate(texts)
        ],
        "usage": _usage(prompt, tokens(sum(map(len, texts)))),
    }

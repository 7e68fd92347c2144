"""Default replies of /v1/chat/completions and /v1/completions.

`chat.json` is a recorded body of 2026; a chat completion replaces what depends on the request.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path

from fakebatch.replies import logprobs
from fakebatch.replies.request import (
    Body,
    ModelRequest,
    PlainReply,
    choice_count,
    letters,
    prompt_tokens,
    prompts,
    read_conversation,
    tokens,
)
from fakebatch.replies.structured import forced_call, forced_function, formatted

_BODY: Body = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
_MESSAGE: Body = {"role": "assistant", "content": None, "refusal": None, "annotations": []}


def echo(request: ModelRequest) -> Body:
    """A chat completion with the last text of the user: as text, JSON or a tool call.

    Raises:
        UsageError: no value was found that is valid for the schema of the request.
    """
    text, _ = read_conversation(request.body.get("messages"))
    count = choice_count(request.body.get("n"))
    if function := forced_function(request, text):
        messages: list[Body] = [{"function_call": function._asdict()}] * count
        return _completion(request, messages, "function_call", function.arguments)
    call = forced_call(request, text)
    if call is None:
        return with_text(request, formatted(request, request.body.get("response_format"), text))
    ids = ["call_" + request.letters(24, f"call {index}") for index in range(count)]
    calls = [Body(id=id_, type="function", function=call._asdict()) for id_ in ids]
    messages = [{"tool_calls": [each]} for each in calls]
    return _completion(request, messages, "tool_calls", call.arguments)


def with_text(request: ModelRequest, text: str) -> Body:
    """A chat completion with `text` in every choice."""
    messages = [{"content": text}] * choice_count(request.body.get("n"))
    return _completion(request, messages, "stop", text)


def _completion(request: ModelRequest, messages: list[Body], reason: str, text: str) -> Body:
    choices = [_choice(index, message, reason) for index, message in enumerate(messages)]
    if request.body.get("logprobs") is True and reason == "stop":
        for choice in choices:
            content = logprobs.by_token(text, request.body.get("top_logprobs"))
            choice["logprobs"] = {"content": content, "refusal": None}
    _, length = read_conversation(request.body.get("messages"))
    answers = tokens(len(text)) * len(choices)
    return _body(request, PlainReply(text, tokens(length), answers, id_of(request.key)), choices)


_NOT_PLAIN = frozenset(
    {"n", "response_format", "tool_choice", "function_call", "logprobs", "service_tier"}
)
"""Request fields that ask for more than one choice, for other than text, or for more than that."""


def plain(request: ModelRequest, text: str | None = None) -> PlainReply | None:
    """What `echo`, or `with_text`, replies to a plain request; None for any other."""
    if not _NOT_PLAIN.isdisjoint(request.body):
        return None
    question, length = read_conversation(request.body.get("messages"))
    answer = question if text is None else text
    return PlainReply(answer, tokens(length), tokens(len(answer)), id_of(request.key))


def plain_body(request: ModelRequest, reply: PlainReply) -> Body:
    """The chat completion with a plain reply."""
    return _body(request, reply, [_choice(0, {"content": reply.content}, "stop")])


def id_of(key: bytes) -> str:
    """The id of the chat completion that answers the request with this key."""
    return "chatcmpl-" + letters(key, 29)


def _body(request: ModelRequest, reply: PlainReply, choices: list[Body]) -> Body:
    name = request.model.encode("utf-8", "surrogatepass")
    return {
        **_BODY,
        "id": reply.id,
        "created": request.created,
        "model": request.model,
        "choices": choices,
        "usage": _BODY["usage"] | _usage(reply.prompt, reply.completion),
        "service_tier": request.service_tier,
        # It identifies the backend, so all replies of a model have the same.
        "system_fingerprint": "fp_" + blake2b(name, digest_size=5).hexdigest(),
    }


def _choice(index: int, message: Body, reason: str) -> Body:
    message = _MESSAGE | message
    return {"index": index, "message": message, "logprobs": None, "finish_reason": reason}


def _usage(prompt: int, completion: int) -> Body:
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


# --- /v1/completions


def echo_completion(request: ModelRequest) -> Body:
    """A completion that echoes each prompt `n` times; that of a list of token ids is empty."""
    inputs = prompts(request.body.get("prompt"))
    return _completion_of_texts(request, [text if isinstance(text, str) else "" for text in inputs])


def text_completion(request: ModelRequest, text: str) -> Body:
    """A completion with `text` in every choice."""
    return _completion_of_texts(request, [text for _ in prompts(request.body.get("prompt"))])


def _completion_of_texts(request: ModelRequest, texts: list[str]) -> Body:
    texts = [text for text in texts for _ in range(choice_count(request.body.get("n")))]
    prompt, count = prompt_tokens(request.body.get("prompt")), request.body.get("logprobs")
    return {
        "id": "cmpl-" + request.letters(29),
        "object": "text_completion",
        "created": request.created,
        "model": request.model,
        "choices": [
            {
                "text": text,
                "index": index,
                "logprobs": None if count is None else logprobs.by_list(text, count),
                "finish_reason": "stop",
            }
            for index, text in enumerate(texts)
        ],
        "usage": _usage(prompt, tokens(sum(map(len, texts)))),
    }

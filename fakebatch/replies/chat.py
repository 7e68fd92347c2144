"""The default answer of /v1/chat/completions, keys in the order seen on the wire in 2026."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any

from fakebatch.replies.question import Question
from fakebatch.replies.structured import Call, demanded_call, shaped
from fakebatch.replies.text import copies, last_question, turns
from fakebatch.replies.tokens import count


def echo(question: Question) -> dict[str, Any]:
    """A chat completion that says what the user said last, in the form the request demands."""
    text = last_question(turns(question.body.get("messages")))
    call = demanded_call(question.body, text)
    if call is None:
        return worded(question, shaped(text, question.body.get("response_format")))
    indices = range(copies(question.body.get("n")))
    return _body(question, [_calling(question, index, call) for index in indices], call.arguments)


def worded(question: Question, text: str) -> dict[str, Any]:
    """A chat completion whose every choice says `text`."""
    indices = range(copies(question.body.get("n")))
    return _body(question, [_saying(index, text) for index in indices], text)


def _body(question: Question, choices: list[dict[str, Any]], text: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-" + question.letters(29),
        "object": "chat.completion",
        "created": question.created,
        "model": question.model,
        "choices": choices,
        "usage": _usage(question, count([text]) * len(choices)),
        "service_tier": "default",
        "system_fingerprint": _fingerprint(question.model),
    }


def _saying(index: int, text: str) -> dict[str, Any]:
    return _choice(index, {"content": text}, "stop")


def _calling(question: Question, index: int, call: Call) -> dict[str, Any]:
    tool_call = {
        "id": "call_" + question.letters(24, f"call {index}"),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    return _choice(index, {"tool_calls": [tool_call]}, "tool_calls")


def _choice(index: int, given: dict[str, Any], reason: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    message |= {"refusal": None, "annotations": []}
    return {
        "index": index,
        "message": message | given,
        "logprobs": None,
        "finish_reason": reason,
    }


def _usage(question: Question, completion: int) -> dict[str, Any]:
    prompt = count(text for _, text in turns(question.body.get("messages")))
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


@lru_cache
def _fingerprint(model: str) -> str:
    # It names the backend, not the answer: the same for every answer of a model.
    return "fp_" + blake2b(model.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()

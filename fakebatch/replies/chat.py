"""The default answer of /v1/chat/completions, keys in the order seen on the wire in 2026."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from fakebatch.replies.conversation import copies, count, heard, last_question, tokens, turns
from fakebatch.replies.question import Question, letters
from fakebatch.replies.structured import Call, demanded_call, shaped


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


_DEMANDING = frozenset({"n", "response_format", "tool_choice"})
"""Fields of a request that make its answer more than one choice with a text."""


Plain = tuple[str, int, int]
"""All in which the answers to plain requests differ, but for their id and model: the text, the
tokens of the prompt and those of the completion."""


def plain(body: Mapping[str, Any], text: str | None = None) -> Plain | None:
    """What `echo` (or, with a text, `worded`) says to a plain request; None if it is not plain."""
    if not _DEMANDING.isdisjoint(body):
        return None
    question, length = heard(body.get("messages"))
    answer = question if text is None else text
    return answer, tokens(length), tokens(len(answer))


def written(id_: str, created: int, model: str, answer: Plain) -> dict[str, Any]:
    """The answer to a plain request."""
    text, prompt, completion = answer
    return _completion(id_, created, model, [_saying(0, text)], _usage(prompt, completion))


def id_of(key: bytes) -> str:
    """The id of the answer to the question with this key."""
    return "chatcmpl-" + letters(key, 29)


def _body(question: Question, choices: list[dict[str, Any]], text: str) -> dict[str, Any]:
    prompt = count(said for _, said in turns(question.body.get("messages")))
    usage = _usage(prompt, count([text]) * len(choices))
    return _completion(id_of(question.key), question.created, question.model, choices, usage)


def _completion(
    id_: str, created: int, model: str, choices: list[dict[str, Any]], usage: dict[str, Any]
) -> dict[str, Any]:
    return {
        "id": id_,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": choices,
        "usage": usage,
        "service_tier": "default",
        "system_fingerprint": _fingerprint(model),
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


def _usage(prompt: int, completion: int) -> dict[str, Any]:
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

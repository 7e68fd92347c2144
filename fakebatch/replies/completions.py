"""The default answer of /v1/completions: `n` choices for each prompt, in the order of prompts."""

from __future__ import annotations

from typing import Any

from fakebatch.replies.conversation import copies, count, count_prompt, prompts
from fakebatch.replies.question import Question


def echo(question: Question) -> dict[str, Any]:
    """A completion that says each prompt; one of token numbers has no text to say."""
    return _saying(question, [p if isinstance(p, str) else "" for p in _prompts(question)])


def worded(question: Question, text: str) -> dict[str, Any]:
    """A completion whose every choice says `text`."""
    return _saying(question, [text for _ in _prompts(question)])


def _prompts(question: Question) -> list[Any]:
    return prompts(question.body.get("prompt"))


def _saying(question: Question, texts: list[str]) -> dict[str, Any]:
    each = copies(question.body.get("n"))
    spoken = [text for text in texts for _ in range(each)]
    prompt = sum(map(count_prompt, _prompts(question)))
    completion = count(spoken)
    return {
        "id": "cmpl-" + question.letters(29),
        "object": "text_completion",
        "created": question.created,
        "model": question.model,
        "choices": [_choice(index, text) for index, text in enumerate(spoken)],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        },
    }


def _choice(index: int, text: str) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": "stop"}

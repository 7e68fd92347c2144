"""The default answer of /v1/embeddings: a unit vector for each input, always the same for it."""

from __future__ import annotations

import math
import struct
from array import array
from base64 import b64encode
from hashlib import shake_256
from typing import Any

from fakebatch.replies.conversation import Usage, count_prompt, prompts
from fakebatch.replies.question import Question

_LENGTH = 1536  # of text-embedding-3-small and text-embedding-ada-002
_LENGTHS = {"text-embedding-3-large": 3072}


def echo(question: Question) -> dict[str, Any]:
    """A list with one embedding for each input."""
    inputs, tokens = prompts(question.body.get("input")), charge(question).input_tokens
    return {
        "object": "list",
        "data": [_item(question, index, each) for index, each in enumerate(inputs)],
        "model": question.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def charge(question: Question) -> Usage:
    """What the answer is charged for: no vector is needed to know."""
    return Usage(sum(map(count_prompt, prompts(question.body.get("input")))))


def _item(question: Question, index: int, text: Any) -> dict[str, Any]:
    vector = _vector(f"{question.model}\n{text}", _length(question))
    packed = question.body.get("encoding_format") == "base64"
    embedding = _base64(vector) if packed else vector.tolist()
    return {"object": "embedding", "embedding": embedding, "index": index}


def _length(question: Question) -> int:
    natural = _LENGTHS.get(question.model, _LENGTH)
    asked = question.body.get("dimensions")
    return asked if type(asked) is int and 1 <= asked <= natural else natural


def _vector(seed: str, length: int) -> array[float]:
    # A shorter vector is the beginning of the longer one, scaled to unit length again: that is
    # how the service shortens too. Rounded to 32 bits, floats and base64 hold the same numbers.
    stream = shake_256(seed.encode("utf-8", "surrogatepass")).digest(2 * length)
    # Half a step off the middle, so that no number and no vector is zero.
    steps = [number - 32767.5 for number in struct.unpack(f"<{length}H", stream)]
    norm = math.hypot(*steps)
    return array("f", [step / norm for step in steps])


def _base64(vector: array[float]) -> str:
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()

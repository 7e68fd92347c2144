"""Default replies without text: /v1/embeddings, /v1/moderations and /v1/images/*."""

from __future__ import annotations

import math
import struct
import zlib
from array import array
from base64 import b64encode
from hashlib import blake2b, shake_256
from typing import Any

from fakebatch.replies.request import (
    ModelRequest,
    Usage,
    choice_count,
    is_list,
    is_object,
    members,
    prompt_tokens,
    prompts,
)

# --- embeddings

_DIMENSIONS = {"text-embedding-3-large": 3072}
_DEFAULT_DIMENSIONS = 1536  # of text-embedding-3-small and text-embedding-ada-002


def embeddings(request: ModelRequest) -> dict[str, Any]:
    """A unit vector for each input, which depends on the model and the input alone."""
    most = _DIMENSIONS.get(request.model, _DEFAULT_DIMENSIONS)
    length = request.body.get("dimensions")
    if type(length) is not int or not 1 <= length <= most:
        length = most
    data: list[dict[str, Any]] = []
    for index, text in enumerate(prompts(request.body.get("input"))):
        vector = _vector(f"{request.model}\n{text}", length)
        embedding: Any = vector.tolist()
        if request.body.get("encoding_format") == "base64":
            embedding = b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        data.append({"object": "embedding", "embedding": embedding, "index": index})
    tokens = embeddings_usage(request).input_tokens
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": request.model, "usage": usage}


def embeddings_usage(request: ModelRequest) -> Usage:
    """The usage in the reply of `embeddings`, without making a vector."""
    return Usage(prompt_tokens(request.body.get("input")))


def _vector(seed: str, length: int) -> array[float]:
    # A shorter vector is the beginning of the longer one, scaled to unit length, as in the service.
    # Numbers have 32 bits, so that floats and base64 hold the same.
    stream = shake_256(seed.encode("utf-8", "surrogatepass")).digest(2 * length)
    # The half keeps every number, and so every vector, from being zero.
    steps = [number - 32767.5 for number in struct.unpack(f"<{length}H", stream)]
    norm = math.hypot(*steps)
    return array("f", [step / norm for step in steps])


# --- moderations

_CATEGORIES = (
    *("harassment", "harassment/threatening", "sexual", "hate", "hate/threatening", "illicit"),
    *("illicit/violent", "self-harm/intent", "self-harm/instructions", "self-harm"),
    *("sexual/minors", "violence", "violence/graphic"),
)
"""In the order of the API reference."""
_IMAGE_CATEGORIES = {
    *("sexual", "self-harm/intent", "self-harm/instructions", "self-harm"),
    *("violence", "violence/graphic"),
}


def moderations(request: ModelRequest) -> dict[str, Any]:
    """One result for each input, in the shape of omni-moderation; nothing is flagged."""
    inputs = prompts(request.body.get("input"))
    if any(map(is_object, inputs)):
        inputs = [inputs]  # the parts of a multi-modal input get one result
    return {
        "id": "modr-" + request.digits()[:32],
        "model": request.model,
        "results": [_unflagged(value) for value in inputs],
    }


def _unflagged(value: Any) -> dict[str, Any]:
    parts = value if is_list(value) else [value]
    kinds = {"image" if members(part).get("type") == "image_url" else "text" for part in parts}
    digest = blake2b(repr(value).encode(), digest_size=len(_CATEGORIES)).digest()
    return {
        "flagged": False,
        "categories": dict.fromkeys(_CATEGORIES, False),
        "category_scores": {
            name: (1 + byte) / 2**24  # at most 0.000016, and exact in binary
            for name, byte in zip(_CATEGORIES, digest, strict=True)
        },
        "category_applied_input_types": {
            name: sorted(kinds if name in _IMAGE_CATEGORIES else kinds & {"text"}, reverse=True)
            for name in _CATEGORIES
        },
    }


# --- images

_IMAGE = {"background": "opaque", "output_format": "png", "quality": "high", "size": "1024x1024"}


def images(request: ModelRequest) -> dict[str, Any]:
    """`n` PNG images of one pixel each; `output_format` and `size` are repeated but ignored."""
    colours = request.key * 128
    count = choice_count(request.body.get("n"))
    params = {name: request.body.get(name) for name in _IMAGE}
    prompt = prompt_tokens(request.body.get("prompt"))
    return {
        "created": request.created,
        **_IMAGE,
        **{name: v for name, v in params.items() if isinstance(v, str) and v != "auto"},
        "data": [{"b64_json": _pixel(colours[3 * n : 3 * n + 3])} for n in range(count)],
        "usage": {
            "input_tokens": prompt,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": prompt},
            "output_tokens": count,
            "total_tokens": prompt + count,
        },
    }


def _pixel(colour: bytes) -> str:
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n"
    for name, content in (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(b"\0" + colour)),
        (b"IEND", b""),
    ):
        check = zlib.crc32(name + content)
        png += struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)
    return b64encode(png).decode()

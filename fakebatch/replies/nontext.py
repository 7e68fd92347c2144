"""Default replies without text: /v1/embeddings, /v1/moderations and /v1/images/*."""

from __future__ import annotations

import math
import struct
import zlib
from array import array
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b, shake_256
from itertools import chain
from typing import Any

from fakebatch.replies.request import (
    Body,
    ModelRequest,
    PlainReply,
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


_TURNS = [math.tau * (byte + 0.5) / 256 for byte in range(256)]
_POINTS = [(math.cos(turn), math.sin(turn)) for turn in _TURNS]
"""Pairs of numbers of which a vector is made, for each byte of a hash. No number is zero."""


def embeddings(request: ModelRequest) -> Body:
    """A unit vector for each input, which depends on the model and the input alone."""
    length, tokens = _length(request), prompt_tokens(request.body.get("input"))
    data: list[Body] = []
    for index, digest in enumerate(_digests(request, length)):
        # A shorter vector is the beginning of the longer one, scaled to unit length, as in the
        # service. Numbers have 32 bits, so that floats and base64 hold the same.
        numbers = [*chain.from_iterable(map(_POINTS.__getitem__, digest))][:length]
        norm = math.sqrt(length / 2) if length % 2 == 0 else math.hypot(*numbers)
        vector = array("f", [number / norm for number in numbers])
        embedding: Any = vector.tolist()
        if request.body.get("encoding_format") == "base64":
            embedding = b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        data.append({"object": "embedding", "embedding": embedding, "index": index})
    return _embeddings(request, data, tokens)


def _embeddings(request: ModelRequest, data: object, tokens: int) -> Body:
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": request.model, "usage": usage}


def _length(request: ModelRequest) -> int:
    most = _DIMENSIONS.get(request.model, _DEFAULT_DIMENSIONS)
    length = request.body.get("dimensions")
    return length if type(length) is int and 1 <= length <= most else most


def _digests(request: ModelRequest, length: int) -> list[bytes]:
    """A byte for each pair of numbers, for each input."""
    texts = (f"{request.model}\n{text}" for text in prompts(request.body.get("input")))
    size = (length + 1) // 2
    return [shake_256(text.encode("utf-8", "surrogatepass")).digest(size) for text in texts]


def plain_embeddings(request: ModelRequest, text: str | None = None) -> PlainReply | None:
    """What `embeddings` replies in floats; None if a text is wanted, or vectors of odd length."""
    length = _length(request)
    is_base64 = request.body.get("encoding_format") == "base64"
    if text is not None or is_base64 or length % 2:
        return None
    tokens = prompt_tokens(request.body.get("input"))
    return PlainReply(_Vectors(_digests(request, length), length), tokens, 0)


def plain_body(request: ModelRequest, reply: PlainReply) -> Body:
    """The reply with these vectors."""
    return _embeddings(request, reply.content, reply.prompt)


@dataclass(frozen=True, slots=True)
class _Vectors:
    """The `data` of a reply, as JSON. As pairs of numbers recur, its length is known before."""

    digests: list[bytes]
    length: int

    def __bytes__(self) -> bytes:
        pairs, _ = _pairs(self.length)
        vectors = (b", ".join(map(pairs.__getitem__, digest)) for digest in self.digests)
        return b"[%b]" % b", ".join(_ITEM % (each, n) for n, each in enumerate(vectors))

    def __len__(self) -> int:
        _, widths = _pairs(self.length)
        return sum(
            sum(digest.translate(widths)) + 2 * len(digest) + len(_ITEM % (b"", index))
            for index, digest in enumerate(self.digests)
        ) + 2 * (not self.digests)


_ITEM = b'{"object": "embedding", "embedding": [%b], "index": %d}'


@lru_cache(maxsize=16)
def _pairs(length: int) -> tuple[list[bytes], bytes]:
    """The JSON of the two numbers for each byte of a hash, in a vector of this length; its size."""
    norm = math.sqrt(length / 2)
    pairs = [b"%a, %a" % (*array("f", (x / norm, y / norm)),) for x, y in _POINTS]
    return pairs, bytes(map(len, pairs))


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


def moderations(request: ModelRequest) -> Body:
    """One result for each input, in the shape of omni-moderation; nothing is flagged."""
    inputs = prompts(request.body.get("input"))
    if any(map(is_object, inputs)):
        inputs = [inputs]  # the parts of a multi-modal input get one result
    return {
        "id": "modr-" + request.digits()[:32],
        "model": request.model,
        "results": [_unflagged(value) for value in inputs],
    }


def _unflagged(value: Any) -> Body:
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


def images(request: ModelRequest) -> Body:
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

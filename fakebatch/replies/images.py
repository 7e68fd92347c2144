"""The default answer of /v1/images/*: one pixel of a colour for each image that was asked for."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from typing import Any

from fakebatch.replies.conversation import copies, count_prompt
from fakebatch.replies.question import Question

_USUAL = {"background": "opaque", "output_format": "png", "quality": "high", "size": "1024x1024"}


def echo(question: Question) -> dict[str, Any]:
    """`n` images. Each is a PNG file, whatever `output_format` and `size` say."""
    shades = question.key * 128
    images = range(copies(question.body.get("n")))
    return {
        "created": question.created,
        **{name: _asked(question, name, usual) for name, usual in _USUAL.items()},
        "data": [{"b64_json": _pixel(shades[3 * n : 3 * n + 3])} for n in images],
        "usage": _usage(count_prompt(question.body.get("prompt")), len(images)),
    }


def _asked(question: Question, name: str, usual: str) -> str:
    asked = question.body.get(name)
    return asked if isinstance(asked, str) and asked != "auto" else usual


def _usage(prompt: int, images: int) -> dict[str, Any]:
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": prompt},
        "output_tokens": images,
        "total_tokens": prompt + images,
    }


def _pixel(colour: bytes) -> str:
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(b"\0" + colour), b"IEND": b""}
    png = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks.items())
    return b64encode(png).decode()


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

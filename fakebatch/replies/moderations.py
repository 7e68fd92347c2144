"""The default answer of /v1/moderations: nothing is flagged, in the shape of omni-moderation."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from fakebatch.replies.conversation import is_list, is_object, members, prompts
from fakebatch.replies.question import Question

_CATEGORIES: dict[str, tuple[str, ...]] = {
    "harassment": ("text",),
    "harassment/threatening": ("text",),
    "sexual": ("text", "image"),
    "hate": ("text",),
    "hate/threatening": ("text",),
    "illicit": ("text",),
    "illicit/violent": ("text",),
    "self-harm/intent": ("text", "image"),
    "self-harm/instructions": ("text", "image"),
    "self-harm": ("text", "image"),
    "sexual/minors": ("text",),
    "violence": ("text", "image"),
    "violence/graphic": ("text", "image"),
}
"""Every category and the inputs it looks at, in the order of the API reference."""


def echo(question: Question) -> dict[str, Any]:
    """A moderation with one result for each input."""
    return {
        "id": "modr-" + question.digits()[:32],
        "model": question.model,
        "results": [_harmless(each) for each in _inputs(question.body.get("input"))],
    }


def _inputs(value: Any) -> list[Any]:
    # Texts are judged one by one, the parts of a multi-modal input together.
    inputs = prompts(value)
    return [inputs] if any(map(is_object, inputs)) else inputs


def _harmless(moderated: Any) -> dict[str, Any]:
    seen = _types(moderated)
    chances = blake2b(repr(moderated).encode(), digest_size=len(_CATEGORIES)).digest()
    return {
        "flagged": False,
        "categories": dict.fromkeys(_CATEGORIES, False),
        "category_scores": {
            name: (1 + chance) / 2**24  # at most 0.000016, and exact in binary
            for name, chance in zip(_CATEGORIES, chances, strict=True)
        },
        "category_applied_input_types": {
            name: [kind for kind in kinds if kind in seen] for name, kinds in _CATEGORIES.items()
        },
    }


def _types(moderated: Any) -> set[str]:
    if not is_list(moderated):
        return {"text"}
    return {"image" if members(part).get("type") == "image_url" else "text" for part in moderated}

"""One request line of a batch, as rules, callables and answers see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JSON_TYPES: dict[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
}


@dataclass(frozen=True, slots=True)
class RequestLine:
    """One request of a batch, or one made directly (then without custom_id and index)."""

    index: int | None
    """Place among the requests of the file, from 0."""
    custom_id: str | None
    url: str
    """The endpoint: `/v1/chat/completions`."""
    body: Mapping[str, Any]

    @property
    def model(self) -> str:
        """The model the request names; empty where it names none."""
        return str(self.body.get("model") or "")


def json_type(value: object) -> str:
    """What OpenAI calls the type of a JSON value in its messages."""
    return JSON_TYPES[type(value)]

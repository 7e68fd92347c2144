"""RequestLine: a request of a batch, as predicates and callables of the test get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JSON_TYPES: dict[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",  # Alpaca#904
    str: "a string",
    list: "an array",
    dict: "an object",
}


@dataclass(frozen=True, slots=True)
class RequestLine:
    """A request line of a batch, or a direct call, which has no custom_id and no index."""

    index: int | None
    """Its place in the input file, from 0."""
    custom_id: str | None
    url: str
    """The endpoint: `/v1/chat/completions`."""
    body: Mapping[str, Any]

    @property
    def model(self) -> str:
        """The `model` of the body; empty if there is none."""
        return str(self.body.get("model") or "")


def label(line: RequestLine) -> str:
    """What messages call a line: by its custom_id."""
    return "a direct call" if line.custom_id is None else f"custom_id {line.custom_id!r}"


def json_type(value: object) -> str:
    """The type of a JSON value in the words of OpenAI's messages."""
    return JSON_TYPES[type(value)]

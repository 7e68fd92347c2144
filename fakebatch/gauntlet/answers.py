"""What an answer is: the assistant's text, or the whole response body; and whose answer it is."""

from __future__ import annotations

import json
import struct
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fakebatch.replies.request import elements, members, read_conversation, text_of


class Requests:
    """The requests of a case, to find that of a line: a client may give lines ids of its own.

    Args:
        requests: the request lines.
    """

    def __init__(self, requests: Sequence[Mapping[str, Any]]) -> None:
        self._prompts = [
            (str(request.get("custom_id")), prompt_of(members(request.get("body"))))
            for request in requests
        ]
        self.ids = Counter(id_ for id_, _ in self._prompts)
        """How many requests have a custom_id."""
        self.distinct = Counter(id_ for id_, _ in {*self._prompts})
        """How many different ones."""

    def find(self, custom_id: object, body: Mapping[str, Any]) -> str | None:
        """The custom_id of the request that a line is; None: it is none of them.

        The longest prompt counts: a client may have put words around it that are a prompt, too.
        """
        prompt = prompt_of(body)
        same = {id_: len(text) for id_, text in self._prompts if text and text in prompt}
        if isinstance(custom_id, str) and custom_id in (same or self.ids):
            return custom_id
        return max(same, key=same.__getitem__, default=None)


def prompt_of(body: Mapping[str, Any]) -> str:
    """The text of a request that a default reply repeats; empty if it has none."""
    if "messages" in body:
        return read_conversation(body["messages"])[0]
    value = body.get("input", body.get("prompt"))
    if any(members(item) for item in elements(value)):
        return read_conversation(value)[0]
    return text_of(value)


def texts(body: Any) -> list[str]:
    """What counts as the text of a response body: each text of the assistant, and all as one.

    A text with which a later one begins is a piece of it: mira#70 met such bodies.
    """
    parts = [*_parts(members(body))]
    if len(parts) < 2:
        return parts
    whole = [
        part
        for at, part in enumerate(parts)
        if not any(later.startswith(part) and later != part for later in parts[at + 1 :])
    ]
    return [*whole, "".join(parts)]


def _parts(body: Mapping[str, Any]) -> Iterator[str]:
    for choice in map(members, elements(body.get("choices"))):
        text = members(choice.get("message")).get("content", choice.get("text"))
        if isinstance(text, str):
            yield text
    for item in map(members, elements(body.get("output"))):
        for part in map(members, elements(item.get("content"))):
            if part.get("type") == "output_text" and isinstance(part.get("text"), str):
                yield part["text"]


def is_response(body: Any) -> bool:
    """Whether the body of a success is one of a model: not if it is {}, or repeats the request."""
    return bool({"choices", "output", "data", "results"} & members(body).keys())


def is_usable(body: Any) -> bool:
    """Whether a success answers its request: not if it was cut off, refused, or has no text."""
    if not {"choices", "output"} & members(body).keys():
        return is_response(body)
    return not cut_off(body) and any(text.strip() and not _is_cut(text) for text in texts(body))


def _is_cut(text: str) -> bool:
    """Whether a text is the beginning of a JSON object."""
    return text.lstrip().startswith("{") and parsed(text) is None


def parsed(text: str | bytes) -> Any:
    """The value of a JSON text; None if it is none, such as the page of a proxy."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def cut_off(body: Any) -> str:
    """How a body says that its text is not all of the answer; empty: it is."""
    for choice in map(members, elements(members(body).get("choices"))):
        if (reason := choice.get("finish_reason")) in ("length", "content_filter"):
            return f"finish_reason is {reason!r}"
    return "status is 'incomplete'" if members(body).get("status") == "incomplete" else ""


def is_text_of(answer: object, body: Any) -> bool:
    """Whether an answer is a text of a response body, but for white space around it."""
    return isinstance(answer, str) and answer.strip() in {text.strip() for text in texts(body)}


def is_body(answer: object, body: Any) -> bool:
    """Whether an answer is a response body, perhaps read and written by a typed client.

    Such a client adds fields that are null, and leaves out those that it does not know. The text
    has to be there, and how it ended.
    """
    mine, theirs = members(parsed(answer) if isinstance(answer, str) else answer), members(body)
    if not mine or mine in (theirs, {k: v for k, v in theirs.items() if k != "id"}):
        return bool(mine)
    if "id" in theirs:
        is_same = (texts(mine), cut_off(mine)) == (texts(theirs), cut_off(theirs))
        ids = [theirs["id"]] if not texts(theirs) else [theirs["id"], None]
        return is_same and mine.get("id") in ids
    return "data" in theirs and _embeddings(mine) == _embeddings(theirs)


def _embeddings(body: Mapping[str, Any]) -> list[Any]:
    """The embeddings of a body by their index, in which order a client may have put them.

    Of one that is base64 it may have made numbers.
    """
    items = [{**members(item)} for item in elements(body.get("data"))]
    for item in items:
        if isinstance(vector := item.get("embedding"), str):
            item["embedding"] = _decoded(vector)
    return sorted(items, key=lambda item: str(item.get("index")))


def _decoded(vector: str) -> list[float] | str:
    """The numbers of a vector in base64, floats of four bytes; itself if it is none."""
    try:
        return [number for (number,) in struct.iter_unpack("<f", b64decode(vector, validate=True))]
    except (ValueError, struct.error):
        return vector

from __future__ import annotations

import math
import struct
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakebatch.replies import ModelRequest, Usage, echo, usage


def answer(endpoint: str, body: dict[str, Any], model: str) -> dict[str, Any]:
    return echo(ModelRequest(endpoint, body, b"key", 1_787_150_606, model))


def vectors(body: dict[str, Any], model: str = "text-embedding-3-small") -> list[Any]:
    return [item["embedding"] for item in answer("/v1/embeddings", body, model)["data"]]


LENGTHS = {
    "text-embedding-3-small is 1536 long": ("text-embedding-3-small", {}, 1536),
    "text-embedding-ada-002 is 1536 long": ("text-embedding-ada-002", {}, 1536),
    "text-embedding-3-large is 3072 long": ("text-embedding-3-large", {}, 3072),
    "any other is 1536 long": ("some-deployment", {}, 1536),
    "dimensions shorten it": ("text-embedding-3-large", {"dimensions": 256}, 256),
    "dimensions never lengthen it": ("text-embedding-3-small", {"dimensions": 10**9}, 1536),
    "odd dimensions are none": ("text-embedding-3-small", {"dimensions": -1}, 1536),
}


@pytest.mark.parametrize(("model", "body", "length"), LENGTHS.values(), ids=LENGTHS)
def test_a_vector_has_its_length(model: str, body: dict[str, Any], length: int) -> None:
    """The model and `dimensions` decide about the length."""
    assert list(map(len, vectors({"input": "hi"} | body, model))) == [length]


@given(text=st.text(), dimensions=st.integers(1, 1536))
def test_a_vector_is_a_unit_in_floats_and_in_base64(text: str, dimensions: int) -> None:
    """Every vector has length one, and both encodings hold the very same numbers."""
    body = {"input": text, "dimensions": dimensions}
    [floats], [packed] = vectors(body), vectors(body | {"encoding_format": "base64"})
    assert math.hypot(*floats) == pytest.approx(1)
    assert list(struct.unpack(f"<{dimensions}f", b64decode(packed))) == floats


@given(st.lists(st.text() | st.lists(st.integers(0), min_size=1), unique_by=repr))
def test_a_vector_depends_on_its_input_alone(inputs: list[Any]) -> None:
    """The same input has the same vector in any company, another input another vector."""
    together = vectors({"input": inputs, "dimensions": 8})
    alone = [vectors({"input": [each], "dimensions": 8})[0] for each in inputs]
    assert together == alone
    assert len(set(map(tuple, together))) == len(inputs)


MODERATED = {
    "a text is one": ("hi", [["text"]]),
    "texts are one each": (["hi", "ho"], [["text"], ["text"]]),
    "an image is one": ([{"type": "image_url"}], [["image"]]),
    "parts are one together": ([{"type": "text"}, {"type": "image_url"}], [["text", "image"]]),
}


@pytest.mark.parametrize(("moderated", "kinds"), MODERATED.values(), ids=MODERATED)
def test_of_moderation_results(moderated: Any, kinds: list[list[str]]) -> None:
    """Nothing is flagged; each result tells which kinds of input it looked at."""
    body = answer("/v1/moderations", {"input": moderated}, "omni-moderation-latest")
    results = body["results"]
    assert [each["category_applied_input_types"]["violence"] for each in results] == kinds
    for each in results:
        assert not any([each["flagged"], *each["categories"].values()])
        assert len(each["categories"]) == 13
        assert all(0 < score < 1e-4 for score in each["category_scores"].values())


USED = {
    "a chat": (
        {
            "prompt_tokens": 5,
            "completion_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
        Usage(5, 3, 2, 1),
    ),
    "a response": (
        {
            "input_tokens": 5,
            "output_tokens": 3,
            "input_tokens_details": {"cached_tokens": 2},
            "output_tokens_details": {"reasoning_tokens": 1},
        },
        Usage(5, 3, 2, 1),
    ),
    "an embedding": ({"prompt_tokens": 5, "total_tokens": 5}, Usage(5)),
    "nothing": (None, Usage()),
    "nonsense": ({"prompt_tokens": "5", "completion_tokens": -1}, Usage()),
}


@pytest.mark.parametrize(("used", "expected"), USED.values(), ids=USED)
def test_usage_is_read_from(used: Any, expected: Usage) -> None:
    """Usage is understood in both vocabularies; what is no count counts as nothing."""
    assert usage({"usage": used}) == expected

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fakebatch.batch.input_file import validate
from fakebatch.dialects import OPENAI, Limits
from support.batches import CHAT, jsonl, request
from support.validations import (
    BAD_JSON,
    DUPLICATE,
    EMBEDDINGS,
    MISMATCH,
    STREAM,
    URL,
    Said,
    found,
    missing,
    said,
    unknown,
    with_body,
    without,
)

EMPTY: Said = ("empty_file", "The batch input file is empty.", None, None)

FILES: dict[str, tuple[bytes, list[Said]]] = {
    "good lines": (jsonl(request("r-0"), request("r-1")), []),
    "a duplicate: the later line is the bad one": (
        jsonl(request("r-0"), request("r-1"), request("r-0"), request("r-0")),
        [(*DUPLICATE, 3), (*DUPLICATE, 4)],
    ),
    "a custom_id counts as used in a bad line too": (
        jsonl(request("r-0", url="/"), request("r-0")),
        [(*URL, 1), (*DUPLICATE, 2)],
    ),
    "custom_ids are told apart by case and blanks": (
        jsonl(request("a"), request("A"), request("a ")),
        [],
    ),
    "another model: every line that is not the first's": (
        jsonl(with_body("a"), with_body("b", model="gpt-5-mini"), with_body("c")),
        [(*MISMATCH, 2)],
    ),
    "an unknown model sets none": (
        jsonl(with_body("a", model="gpt-99"), with_body("b", model="gpt-5-mini")),
        [(*unknown("gpt-99"), 1)],
    ),
    "entries come in line order and mix": (
        jsonl(with_body("a", model="gpt-99"), b"{", without("body"), with_body("d", stream=True)),
        [(*unknown("gpt-99"), 1), (*BAD_JSON, 2), (*missing("body"), 3), (*STREAM, 4)],
    ),
    "nothing": (b"", [EMPTY]),
    "blank lines alone": (b"\n \r\n", [EMPTY]),
}


@pytest.mark.parametrize(("content", "expected"), FILES.values(), ids=FILES)
def test_lines_are_judged_in_the_light_of_those_before(
    content: bytes, expected: list[Said]
) -> None:
    """Each bad line gives one entry, in line order, whatever the others are."""
    assert expected == found(content)


GOOD_TWO = jsonl(with_body("a"), with_body("b"))


def embeddings(*inputs: object) -> bytes:
    """One embedding request for each input."""
    bodies = [{"model": "gpt-5-nano", "input": one} for one in inputs]
    return jsonl(*(request(f"r-{n}", url=EMBEDDINGS, body=one) for n, one in enumerate(bodies)))


TOO_MANY_LINES = (
    "too_many_requests",
    (
        "The batch input file contains too many requests. "
        "The maximum number of requests per batch is 1."
    ),
)
TOO_LARGE = (
    "file_too_large",
    (
        "The batch input file is larger than the 1 maximum for the requested model. "
        "Please try again with a smaller batch."
    ),
)
TOO_MANY_INPUTS = (
    "too_many_inputs",
    "The batch contains too many embedding inputs. The maximum across all requests is 3.",
)

LIMITS: dict[str, tuple[bytes, str, Limits, list[Said]]] = {
    "as many lines as may be": (GOOD_TWO, CHAT, replace(OPENAI.limits, batch_lines=2), []),
    "a line too many": (
        GOOD_TWO,
        CHAT,
        replace(OPENAI.limits, batch_lines=1),
        [(*TOO_MANY_LINES, None, None)],
    ),
    "as many bytes as may be": (
        GOOD_TWO,
        CHAT,
        replace(OPENAI.limits, batch_bytes=len(GOOD_TWO)),
        [],
    ),
    "a byte too many": (
        b"{\n",
        CHAT,
        replace(OPENAI.limits, batch_bytes=1),
        [(*TOO_LARGE, None, None), (*BAD_JSON, 1)],
    ),
    "three inputs: a text, and two texts": (
        embeddings("a", ["b", "c"]),
        EMBEDDINGS,
        replace(OPENAI.limits, batch_inputs=3),
        [],
    ),
    "tokens are one input": (
        embeddings([1, 2, 3, 4], "b", []),
        EMBEDDINGS,
        replace(OPENAI.limits, batch_inputs=3),
        [],
    ),
    "lists of tokens are one input each": (
        embeddings([[1], [2]], ["b", "c"]),
        EMBEDDINGS,
        replace(OPENAI.limits, batch_inputs=3),
        [(*TOO_MANY_INPUTS, None, None)],
    ),
}


@pytest.mark.parametrize(("content", "endpoint", "limits", "expected"), LIMITS.values(), ids=LIMITS)
def test_limits_hold_for_the_whole_file(
    content: bytes, endpoint: str, limits: Limits, expected: list[Said]
) -> None:
    """A limit is the most there may be; an entry about the whole file names no line."""
    assert expected == found(content, endpoint, limits)


PLAUSIBLE = ["gpt-5-nano", "ft:gpt-4o:acme::x1", "a/b@c+d", "o", "meta-llama/Llama-3.1_8B"]
IMPLAUSIBLE = ["not a model", "-gpt", "gpt\n", "x" * 257, " gpt-4o"]


@pytest.mark.parametrize("model", [*PLAUSIBLE, *IMPLAUSIBLE])
def test_where_no_models_are_told_a_plausible_name_is_one(model: str) -> None:
    """A name of letters, digits and a few signs is a model; anything else is unknown."""
    content = json.dumps(with_body(model=model)).encode()
    expected = [] if model in PLAUSIBLE else [(*unknown(model), 1)]
    assert expected == said(validate(content, CHAT, OPENAI, None))

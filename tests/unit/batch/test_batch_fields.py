from __future__ import annotations

from typing import Any

import pytest

from fakebatch.batch.batch import BatchCreateParams
from fakebatch.dialects import OPENAI
from fakebatch.wire import params
from support.refusals import (
    Words,
    bad_value,
    key_too_long,
    missing,
    said,
    too_high,
    too_long,
    too_low,
    too_many,
    wrong_type,
)

BATCH = {
    "input_file_id": "file-1",
    "endpoint": "/v1/embeddings",
    "completion_window": "24h",
}
ENDPOINTS = (
    "'/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses', "
    "'/v1/moderations', '/v1/images/generations', '/v1/images/edits', and '/v1/videos'"
)
LIFE = "output_expires_after"


def lives(seconds: object) -> dict[str, Any]:
    return {LIFE: {"anchor": "created_at", "seconds": seconds}}


BAD: dict[str, tuple[dict[str, Any], Words]] = {
    "no input file": ({"input_file_id": None}, missing("input_file_id")),
    "no endpoint": ({"endpoint": None}, missing("endpoint")),
    "no window": ({"completion_window": None}, missing("completion_window")),
    "of all that is missing the first": (dict.fromkeys(BATCH), missing("input_file_id")),
    "a number as input file": (
        {"input_file_id": 5},
        wrong_type("input_file_id", "a string", "an integer"),
    ),
    "an array as endpoint": (
        {"endpoint": ["/v1/embeddings"]},
        wrong_type("endpoint", "a string", "an array"),
    ),
    "a number as window": (
        {"completion_window": 24},
        wrong_type("completion_window", "a string", "an integer"),
    ),
    "an unknown endpoint": (
        {"endpoint": "/v1/invalid/endpoint"},
        bad_value("endpoint", "/v1/invalid/endpoint", ENDPOINTS),
    ),
    "an endpoint without version": (
        {"endpoint": "/embeddings"},
        bad_value("endpoint", "/embeddings", ENDPOINTS),
    ),
    "another window": (
        {"completion_window": "1h"},
        bad_value("completion_window", "1h", "'24h'"),
    ),
    "an empty window": ({"completion_window": ""}, bad_value("completion_window", "", "'24h'")),
    "metadata that is no object": (
        {"metadata": [["a", "b"]]},
        wrong_type("metadata", "an object", "an array"),
    ),
    "metadata with an array": (
        {"metadata": {"tags": ["a"]}},
        wrong_type("metadata.tags", "a string", "an array"),
    ),
    "metadata with a number": (
        {"metadata": {"run": 7}},
        wrong_type("metadata.run", "a string", "an integer"),
    ),
    "metadata with a null": (
        {"metadata": {"run": None}},
        wrong_type("metadata.run", "a string", "null"),
    ),
    "seventeen pairs": ({"metadata": {str(n): "" for n in range(17)}}, too_many(17)),
    "a key of 65 characters": ({"metadata": {"k" * 65: ""}}, key_too_long(65)),
    "a value of 513 characters": ({"metadata": {"k": "v" * 513}}, too_long("metadata.k", 513)),
    "a key with braces": ({"metadata": {"{x}": "v" * 600}}, too_long("metadata.{x}", 600)),
    "an expiry that is no object": ({LIFE: 3_600}, wrong_type(LIFE, "an object", "an integer")),
    "an expiry without anchor": ({LIFE: {"seconds": 3_600}}, missing(f"{LIFE}.anchor")),
    "an unknown anchor": (
        {LIFE: {"anchor": "now", "seconds": 3_600}},
        bad_value(f"{LIFE}.anchor", "now", "'created_at'"),
    ),
    "an expiry without seconds": (lives(None), missing(f"{LIFE}.seconds")),
    "an expiry too soon": (lives(3_599), too_low(f"{LIFE}.seconds", 3_600, 3_599)),
    "an expiry too late": (lives(2_592_001), too_high(f"{LIFE}.seconds", 2_592_000, 2_592_001)),
    "seconds as text": (lives("3600"), wrong_type(f"{LIFE}.seconds", "an integer", "a string")),
    "seconds with decimals": (
        lives(3_600.0),
        wrong_type(f"{LIFE}.seconds", "an integer", "a decimal number"),
    ),
    "seconds as a flag": (lives(True), wrong_type(f"{LIFE}.seconds", "an integer", "a boolean")),
}


@pytest.mark.parametrize(("changes", "words"), BAD.values(), ids=BAD)
def test_a_bad_batch_is_refused_in_the_words_of_the_provider(
    changes: dict[str, Any], words: Words
) -> None:
    """Status, message, param and code name the one parameter that is wrong."""
    assert words == said(lambda: params.batch_params({**BATCH, **changes}, OPENAI))


PAIRS = {"k" * 64: "v" * 512, **{str(n): "" for n in range(15)}}

GOOD: dict[str, tuple[dict[str, Any], dict[str, str] | None, int | None]] = {
    "what is required": ({}, None, None),
    "nulls are as if left out": ({"metadata": None, LIFE: None}, None, None),
    "as much metadata as may be": ({"metadata": PAIRS}, PAIRS, None),
    "empty metadata stays empty": ({"metadata": {}}, {}, None),
    "the shortest expiry": (lives(3_600), None, 3_600),
    "the longest": (lives(2_592_000), None, 2_592_000),
    "parameters we do not know": ({"priority": "high"}, None, None),
}


@pytest.mark.parametrize(("more", "pairs", "seconds"), GOOD.values(), ids=GOOD)
def test_a_good_batch_is_taken(
    more: dict[str, Any], pairs: dict[str, str] | None, seconds: int | None
) -> None:
    """What may be left out may be null as well; what is unknown is not looked at."""
    expected = BatchCreateParams("/v1/embeddings", "24h", "file-1", pairs, seconds)
    assert expected == params.batch_params({**BATCH, **more}, OPENAI)


@pytest.mark.parametrize("value", [None, True, 10**30, 1.5, "", [], {}], ids=repr)
def test_every_json_value_has_words(value: object) -> None:
    """Whatever JSON a parameter holds, refusing it does not fail."""
    assert said(lambda: params.batch_params({**BATCH, "endpoint": value}, OPENAI))[0] == 400

"""Request lines with values for which JSON in Python has no room."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch, UsageError

RESPONSES = "/v1/responses"


def line(params: str) -> bytes:
    """A request line with these parameters, as they are."""
    body = f'{{"model": "gpt-4o", "input": "hi", {params}}}'
    return f'{{"custom_id": "a", "method": "POST", "url": "{RESPONSES}", "body": {body}}}'.encode()


TOO_LARGE = {
    "a number beyond floats": ('"max_tool_calls": 1e999', {"max_tool_calls": None}),
    "a number far below zero": ('"max_tool_calls": -1e999', {"max_tool_calls": None}),
    "deep in the parameters": (
        '"tools": [{"type": "web_search", "x": [1e999, 1]}]',
        {"tools": [{"type": "web_search", "x": [None, 1]}]},
    ),
    "an integer of 4,000 digits": (
        f'"max_tool_calls": {"9" * 4_000}',
        {"max_tool_calls": int("9" * 4_000)},
    ),
    "150 brackets": (
        f'"tools": {"[" * 150}{"]" * 150}',
        {"tools": json.loads("[" * 150 + "]" * 150)},
    ),
}


@pytest.mark.parametrize(("params", "expected"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_reply_repeats_what_json_can_say(params: str, expected: dict[str, Any]) -> None:
    """A parameter that overflows is null in the reply; the batch completes."""
    fake = FakeBatch(strict_bodies=False)
    batch = fake.batches.add(line(params))
    body = json.loads(fake.files[batch.output_file_id].content)["response"]["body"]
    assert {name: body[name] for name in expected} == expected


def test_a_reply_of_the_test_is_still_checked() -> None:
    """An infinite number in it is an error of the test."""
    fake = FakeBatch(strict_bodies=False)
    fake.reply({"a": float("inf")})
    batch = fake.batches.add(line('"store": true'))
    with pytest.raises(UsageError, match="cannot be written as JSON"):
        fake.files[batch.output_file_id]


NOT_JSON = {
    "NaN": '"max_tool_calls": NaN',
    "Infinity": '"max_tool_calls": -Infinity',
    "an integer of 5,000 digits": f'"max_tool_calls": {"9" * 5_000}',
    "a lone surrogate": r'"user": "\ud83d"',
    "10,000 brackets": f'"tools": {"[" * 10_000}{"]" * 10_000}',
    "10,000 objects": '"tools": ' + '{"a":' * 10_000 + "1" + "}" * 10_000,
}


@pytest.mark.parametrize("params", NOT_JSON.values(), ids=NOT_JSON)
def test_a_line_that_is_no_json_fails_its_batch(params: str) -> None:
    """As one with any other mistake in its syntax."""
    fake = FakeBatch(strict_bodies=False)
    batch = fake.batches.add(line('"store": true') + b"\n" + line(params), status="failed")
    assert batch.errors is not None
    [error] = batch.errors["data"]
    assert (error["code"], error["line"]) == ("invalid_json_line", 2)


@pytest.mark.parametrize(
    "params",
    [
        pytest.param({"temperature": float("inf")}, id="a number beyond floats"),
        pytest.param({"metadata": {"a": float("-inf")}}, id="in the metadata"),
    ],
)
def test_a_direct_call_with_such_a_number_is_refused(params: dict[str, Any]) -> None:
    """With 400, as any body that is no JSON."""
    client = FakeBatch(strict_bodies=False).openai(max_retries=0)
    body = json.dumps({"model": "gpt-4o", "input": "hi", **params}).replace("Infinity", "1e999")
    with pytest.raises(openai.BadRequestError, match="could not parse the JSON body"):
        client.post("/responses", cast_to=object, content=body.encode())

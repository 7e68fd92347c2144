"""Requests with a body that the service refuses, as lines of a batch and as direct calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from fakebatch.dialects import DIALECTS
from support.client import Driver, chat
from support.doors import RECORDING

pytestmark = pytest.mark.sync

ERROR = {
    "message": "Invalid 'temperature': decimal above maximum value. "
    "Expected a value <= 2, but got 999 instead.",
    "type": "invalid_request_error",
    "param": "temperature",
    "code": "decimal_above_max_value",
}


def hot(custom_id: str) -> dict[str, Any]:
    """A line that the service refuses."""
    line = chat(custom_id)
    line["body"]["temperature"] = 999
    return line


def test_a_bad_body_fails_its_line(do: Driver, fakebatch: FakeBatch) -> None:
    """The batch completes; the error file has the error that a direct call would get."""
    done = do.run([chat("a"), hot("b"), chat("c")])
    (failure,) = do.results(done.error_file_id)

    counts = done.request_counts
    assert (done.status, counts.total, counts.completed, counts.failed) == ("completed", 3, 2, 1)
    assert {line["custom_id"] for line in do.results(done.output_file_id)} == {"a", "c"}
    assert (failure["custom_id"], failure["error"]) == ("b", None)
    assert failure["response"]["status_code"] == 400
    assert failure["response"]["body"] == {"error": ERROR}
    assert fakebatch.batches[done.id].lines[1].file_id == done.error_file_id


def test_a_bad_body_of_a_direct_call_is_a_bad_request(do: Driver) -> None:
    """The SDK raises it, with the inner error as `body`."""
    with pytest.raises(openai.BadRequestError) as caught:
        do(do.client.chat.completions.create, **hot("a")["body"])

    assert caught.value.body == ERROR


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        pytest.param("text-embedding-3-small", openai.PermissionDeniedError, id="an embedding"),
        pytest.param("davinci-002", openai.NotFoundError, id="a completion"),
    ],
)
def test_a_model_that_the_endpoint_does_not_serve(
    do: Driver, model: str, kind: type[openai.APIStatusError]
) -> None:
    """The status is not always 400."""
    lines = [{**chat("a"), "body": {**chat("a")["body"], "model": model}}]
    (failure,) = do.results(do.run(lines).error_file_id)
    with pytest.raises(kind) as caught:
        do(do.client.chat.completions.create, **lines[0]["body"])

    assert failure["response"]["status_code"] == caught.value.status_code
    assert failure["response"]["body"]["error"] == caught.value.body


def test_the_default_reply_is_not_for_bad_bodies(do: Driver, fakebatch: FakeBatch) -> None:
    """Neither the echo nor another default: the service answers before there is a model."""
    fakebatch.reply("hi")
    assert do.run([chat("a"), hot("b")]).request_counts.failed == 1


def test_a_rule_for_the_line_wins(do: Driver, fakebatch: FakeBatch) -> None:
    """The test has said how the line ends; a rule for its result line says nothing of that."""
    fakebatch.on(custom_id="a").reply("fine")
    fakebatch.on(custom_id="b").fail(429)
    fakebatch.on(custom_id="c").duplicate()
    done = do.run([hot("a"), hot("b"), hot("c")])
    statuses = [
        (line["custom_id"], line["response"]["status_code"])
        for line in do.results(done.error_file_id)
    ]

    assert (done.request_counts.completed, done.request_counts.failed) == (1, 2)
    assert sorted(statuses) == [("b", 429), ("c", 400), ("c", 400)]


@RECORDING
def test_a_recorded_answer_wins(do: Driver, fakebatch: FakeBatch, tmp_path: Path) -> None:
    """The service has answered that request; what is not recorded is judged."""
    recorded = tmp_path / "output.jsonl"
    response = {"status_code": 200, "body": {"id": "old"}}
    recorded.write_text(json.dumps({"custom_id": "a", "response": response}))
    fakebatch.reply_from(str(recorded), missing="echo")

    counts = do.run([hot("a"), hot("b")]).request_counts
    assert (counts.completed, counts.failed) == (1, 1)


@pytest.mark.fakebatch(strict_bodies=False)
def test_bodies_need_not_be_judged(do: Driver) -> None:
    """`strict_bodies=False` accepts whatever validation accepts."""
    body = {**chat("b")["body"], "messages": "hi", "foo": 1}
    done = do.run([hot("a"), {**chat("b"), "body": body}])

    assert (done.request_counts.completed, done.request_counts.failed) == (2, 0)


@pytest.mark.parametrize("name", [name for name in DIALECTS if not name.startswith("openai")])
def test_other_providers_refuse_the_basics_alone(name: str) -> None:
    """Most of what OpenAI refuses is accepted somewhere."""
    assert DIALECTS[name].body_checks == "basics"


@pytest.mark.parametrize("ruled", [False, True])
def test_a_bad_body_among_plain_ones_is_found(
    do: Driver, fakebatch: FakeBatch, *, ruled: bool
) -> None:
    """Lines that look like the one before are judged in short; a difference is seen.

    Each has its own error, beside lines that a rule selects, too.
    """
    if ruled:
        fakebatch.on(custom_id="r-0").reply("hi")
    lines = [chat(f"r-{number}") for number in range(9)]
    for line in lines[2:]:
        line["body"] |= {"n": 1, "max_tokens": 9}
    lines[3]["body"]["n"] = 999
    lines[4]["body"]["n"] = True
    lines[6]["body"]["messages"] = []
    lines[7]["body"]["messages"] = [{"role": "user", "content": "hi", "name": 7}]
    lines[8]["body"]["messages"] = [{"role": "user", "content": None}]
    errors = do.results(do.run(lines).error_file_id)

    codes = {line["custom_id"]: line["response"]["body"]["error"]["code"] for line in errors}
    assert codes == {
        "r-3": "integer_above_max_value",
        "r-4": "invalid_type",
        "r-6": "empty_array",
        "r-7": "invalid_type",
        "r-8": None,
    }

"""What a test says about answers, seen by the client in the result files."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch, RequestLine, UsageError
from support.client import Driver, chat, jsonl
from support.doors import CALLABLE, ONE_IN_PROCESS, RECORDING, Refused

pytestmark = [pytest.mark.sync, ONE_IN_PROCESS]


def said(do: Driver, batch: Any) -> dict[str, str]:
    """The texts in an output file, by custom_id."""
    return {
        line["custom_id"]: line["response"]["body"]["choices"][0]["message"]["content"]
        for line in do.results(batch.output_file_id)
    }


@pytest.mark.parametrize(
    "which",
    [
        pytest.param({"custom_id": "b"}, id="by custom_id"),
        pytest.param({"index": 1}, id="by index"),
        pytest.param({"contains": "weather"}, id="by a text in the body"),
        pytest.param({"model": "gpt-4o-mini", "contains": "weather"}, id="by all that is given"),
        pytest.param({"endpoint": "/v1/chat/completions", "index": 1}, id="by endpoint"),
        pytest.param(
            {"where": lambda line: line.custom_id > "a"}, id="by a predicate", marks=CALLABLE
        ),
    ],
)
def test_a_rule_answers_the_lines_it_selects(
    do: Driver, fakebatch: FakeBatch, which: dict[str, Any]
) -> None:
    """The others echo."""
    fakebatch.on(**which).reply("sunny")

    assert said(do, do.run([chat("a", "one"), chat("b", "weather?")])) == {"a": "one", "b": "sunny"}


def test_of_rules_that_match_the_later_wins(do: Driver, fakebatch: FakeBatch) -> None:
    """A rule that fails a line is overruled by a later one that replies."""
    fakebatch.on(custom_id="a").fail(400)
    fakebatch.on(contains="hi").reply("first")
    fakebatch.on(custom_id="b").reply("second")

    assert said(do, do.run([chat("a"), chat("b")])) == {"a": "first", "b": "second"}


@pytest.mark.fakebatch(unused_rules="ignore")
def test_a_later_rule_does_not_touch_a_batch_that_exists(do: Driver, fakebatch: FakeBatch) -> None:
    """A batch keeps the rules it was created under, though nobody had looked at it yet."""
    batch = do.create([chat("a")])
    fakebatch.on(custom_id="a").fail(500)
    fakebatch.reply("later")

    assert said(do, do.poll(batch, every=600)[-1]) == {"a": "hi"}


def test_a_whole_body_is_handed_out_as_it_is(do: Driver, fakebatch: FakeBatch) -> None:
    """A dict is the response body, whatever it says."""
    fakebatch.on(custom_id="a").reply({"id": "mine", "odd": [None, 1.5, "ü"]})
    (line,) = do.results(do.run([chat("a")]).output_file_id)

    assert line["response"]["body"] == {"id": "mine", "odd": [None, 1.5, "ü"]}


def test_a_line_that_fails_is_in_the_error_file(do: Driver, fakebatch: FakeBatch) -> None:
    """An HTTP failure has a response and no error; one without HTTP the other way round."""
    fakebatch.on(custom_id="b").fail(429, code="busy", message="Later.")
    fakebatch.on(custom_id="c").fail(code="request_timeout")
    done = do.run([chat("a"), chat("b"), chat("c")])
    errors = {line["custom_id"]: line for line in do.results(done.error_file_id)}

    assert (done.request_counts.completed, done.request_counts.failed) == (1, 2)
    assert set(said(do, done)) == {"a"}
    assert errors["b"]["response"]["status_code"] == 429
    assert errors["b"]["response"]["body"]["error"]["code"] == "busy"
    assert errors["b"]["error"] is errors["c"]["response"] is None
    assert errors["c"]["error"] == {
        "code": "request_timeout",
        "message": "This request timed out.",
    }


PAGE = "<html>Bad gateway</html>"


def test_a_failed_line_may_have_a_page_as_body(do: Driver, fakebatch: FakeBatch) -> None:
    """A gateway's answer is no JSON: it is a string in the result line."""
    fakebatch.on().fail(502, body=PAGE)
    batch = do.run([chat("a")])
    [line] = do.results(batch.error_file_id)
    assert (line["response"]["status_code"], line["response"]["body"]) == (502, PAGE)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        pytest.param("body", PAGE, id="a page"),
        pytest.param("no_body", '{"error":"' + PAGE + '"}', id="an error beside no body"),
    ],
)
def test_a_direct_call_gets_the_page_itself(
    do: Driver, fakebatch: FakeBatch, shape: Any, text: str
) -> None:
    """Its response has that text, which is not quoted as JSON."""
    fakebatch.on().fail(502, body=PAGE, shape=shape)
    client = do.client.with_options(max_retries=0)
    with pytest.raises(openai.InternalServerError) as refused:
        do(client.responses.create, model="gpt-4o", input="hi")
    assert (
        refused.value.response.text.replace("\n", "").replace("  ", "").replace('": ', '":') == text
    )


def test_all_lines_failed_is_completed_with_an_error_file_alone(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """A batch of which no line succeeds still completes, without an output file."""
    fakebatch.on(model="gpt-4o-mini").fail(500)
    done = do.run([chat("a")])

    assert (done.status, done.output_file_id) == ("completed", None)
    assert [line["custom_id"] for line in do.results(done.error_file_id)] == ["a"]


@CALLABLE
def test_a_callable_answers_each_line_once_in_line_order(do: Driver, fakebatch: FakeBatch) -> None:
    """Whatever the order of the output, and however often it is downloaded."""
    called: list[str | None] = []

    def answer(line: RequestLine) -> str:
        called.append(line.custom_id)
        return f"for {line.custom_id}"

    fakebatch.reply(answer)
    ids = [f"r{i}" for i in range(5)]
    done = do.run([chat(id_) for id_ in ids])
    texts = [said(do, done) for _ in range(2)]

    assert texts == [{id_: f"for {id_}" for id_ in ids}] * 2
    assert called == ids


@CALLABLE
def test_a_predicate_is_asked_once_a_line(do: Driver, fakebatch: FakeBatch) -> None:
    """So one that counts selects the same lines for the counts and for the files."""
    number = itertools.count()
    fakebatch.on(lambda _: next(number) < 2).fail(500)
    done = do.run([chat(id_) for id_ in "abcd"])

    assert done.request_counts.failed == len(do.results(done.error_file_id)) == 2


@CALLABLE
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(lambda _: str(1 // 0), "raised ZeroDivisionError", id="it raises"),
        pytest.param(lambda _: 3, r"The reply to custom_id 'a' is 3\.", id="it gives no answer"),
    ],
)
def test_a_callable_that_goes_wrong_fails_the_test(
    do: Driver, fakebatch: FakeBatch, answer: Any, message: str
) -> None:
    """No `except Exception` and no retry of the SDK can hide it."""
    fakebatch.reply(answer)
    batch = do.create([chat("a")])
    fakebatch.clock.advance("1h")
    with pytest.raises(UsageError, match=message):
        try:
            do(do.client.batches.retrieve, batch.id)
        except Exception:  # noqa: BLE001  # what careless code does
            pytest.fail("swallowed")

    assert fakebatch.journal.count("batches.retrieve") <= 1


def test_a_schema_that_cannot_be_met_fails_the_test(do: Driver, refused: Refused) -> None:
    """The message names the line and the part of the schema."""
    schema = {"type": "string", "pattern": "^a(?=b)$"}
    text_format = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    with refused() as message:
        do.run([chat("a", response_format=text_format)])

    assert message == [
        "fakebatch: There is no default reply to custom_id 'a': no value fits its schema.",
        'No value was found for {"type": "string", "pattern": "^a(?=b)$"}.',
        "Give the reply yourself: fakebatch.on(...).reply('{...}').",
    ]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A downloaded output file that has an answer for custom_id "a", and a failure for "f"."""
    body = {"choices": [{"message": {"role": "assistant", "content": "as recorded"}}]}
    error = {"error": {"message": "Busy.", "code": "busy"}}
    path = tmp_path / "recorded_output.jsonl"
    path.write_bytes(
        jsonl(
            {"custom_id": id_, "response": {"status_code": status, "body": given}, "error": None}
            for id_, status, given in (("a", 200, body), ("f", 429, error))
        )
    )
    return path


@RECORDING
def test_recorded_answers_come_back_by_custom_id(
    do: Driver, fakebatch: FakeBatch, recorded: Path
) -> None:
    """A real output file answers, failures too; told to, a custom_id it lacks is echoed."""
    fakebatch.reply_from(recorded, missing="echo")
    done = do.run([chat("a"), chat("b", "echoed"), chat("f")])
    (failed,) = do.results(done.error_file_id)

    assert said(do, done) == {"a": "as recorded", "b": "echoed"}
    assert (failed["custom_id"], failed["response"]["status_code"]) == ("f", 429)


@RECORDING
def test_a_rule_comes_before_a_recording(do: Driver, fakebatch: FakeBatch, recorded: Path) -> None:
    """A recording answers where no rule does."""
    fakebatch.on(custom_id="b").reply("by rule")
    fakebatch.reply_from(str(recorded))

    assert said(do, do.run([chat("a"), chat("b")])) == {"a": "as recorded", "b": "by rule"}


@RECORDING
def test_a_custom_id_that_was_not_recorded_fails_the_test(
    do: Driver, fakebatch: FakeBatch, recorded: Path
) -> None:
    """The message names what the recording has, and what to do."""
    fakebatch.reply_from(recorded)
    with pytest.raises(UsageError) as caught:
        do.run([chat("a"), chat("b")])

    assert str(caught.value).split("\n") == [
        "fakebatch: There is no recorded answer for custom_id 'b'.",
        f"{recorded} has 'a' and 'f'.",
        'Record one, or call fakebatch.reply_from(..., missing="echo").',
    ]

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fakebatch import UsageError
from fakebatch.batch.batch import Batch
from fakebatch.batch.output_file import result_files, results
from fakebatch.dialects import OPENAI
from fakebatch.durations import SECOND
from fakebatch.rules.lines import Corrupt, Fail, LineRule, Reply
from fakebatch.rules.scenario import Scenario
from support.batches import CHAT, DAY, OVERDUE, SCHEDULE, batch, failing, jsonl, request, requests

OVER = DAY // SECOND


def output_of(made: Batch) -> bytes:
    return bytes(results(made).output)


def lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def ids(content: bytes) -> list[str]:
    return [line["custom_id"] for line in lines(content)]


def all_to(verb: Reply | Fail, content: bytes | None = None) -> Batch:
    """A batch in which every line comes to the same."""
    otherwise = LineRule(fail=verb) if isinstance(verb, Fail) else LineRule(reply=verb)
    return batch(content, scenario=Scenario(schedule=SCHEDULE, otherwise=otherwise))


ALL = [f"r-{number}" for number in range(10)]

ENDS: dict[str, tuple[Batch, int, int]] = {
    "all succeed": (batch(), 10, 0),
    "some fail": (batch(scenario=failing("r-1", "r-4")), 8, 2),
    "all fail": (batch(scenario=failing(*ALL)), 0, 10),
    "cancelled before the first line is done": (batch(cancelled=10), 0, 10),
    "cancelled midway": (batch(cancelled=60), 5, 5),
    "cancelled while finalizing": (batch(cancelled=112), 10, 0),
    "expired midway": (batch(scenario=Scenario(schedule=OVERDUE)), 5, 5),
    "expired midway, and all that ran failed": (
        batch(scenario=failing(*ALL, schedule=OVERDUE)),
        0,
        10,
    ),
}


@pytest.mark.parametrize(("made", "succeeded", "failed"), ENDS.values(), ids=ENDS)
def test_every_line_of_a_batch_that_ran_is_in_one_file(
    made: Batch, succeeded: int, failed: int
) -> None:
    """Output and error file together hold each line once."""
    left = results(made)
    assert (succeeded, failed) == (len(ids(bytes(left.output))), len(ids(left.errors)))
    assert sorted(ALL) == sorted(ids(bytes(left.output)) + ids(left.errors))


@pytest.mark.parametrize(("made", "succeeded", "failed"), ENDS.values(), ids=ENDS)
def test_a_file_there_is_holds_something(made: Batch, succeeded: int, failed: int) -> None:
    """No output file where no line succeeded, no error file where none failed or was lost."""
    kinds = {file.kind for file in result_files(made)}
    assert (succeeded > 0, failed > 0) == ("output" in kinds, "errors" in kinds)


NOTHING = {
    "invalid": batch(b"{}"),
    "without input file": batch(missing=True),
    "cancelled while validating": batch(cancelled=5),
    "cancelled while validating what is invalid": batch(b"{}", cancelled=5),
    "cancelled while validating without a file": batch(missing=True, cancelled=5),
}


@pytest.mark.parametrize("made", NOTHING.values(), ids=NOTHING)
def test_a_batch_that_never_ran_leaves_nothing(made: Batch) -> None:
    """A failed batch, and one cancelled while validating, leave no file and cost nothing."""
    left = results(made)
    assert (left.output, left.errors, left.usage.input_tokens) == (b"", b"", 0)
    assert [*result_files(made)] == []


def test_a_line_is_written_as_the_service_writes_it() -> None:
    """Keys in the order of the wire, Python's separators, a line end after the last line too."""
    output = output_of(all_to(Reply({"object": "anything", "n": [1, 2]}), requests(1)))
    line = json.loads(output)
    assert output.decode() == (
        f'{{"id": "{line["id"]}", "custom_id": "r-0", "response": {{"status_code": 200, '
        f'"request_id": "{line["response"]["request_id"]}", "body": {{"object": "anything", '
        '"n": [1, 2]}}, "error": null}\n'
    )


REFUSED = {"error": {"message": "Too long.", "code": "context_length_exceeded"}}

FAILURES: dict[str, tuple[Fail, int | None, Mapping[str, Any]]] = {
    "a client error has a response and no error": (Fail(400, body=REFUSED), 400, REFUSED),
    "a server error has a response and no error": (Fail(503, body={}), 503, {}),
    "an error without response": (
        Fail(code="request_timeout", message="Timed out."),
        None,
        {"code": "request_timeout", "message": "Timed out."},
    ),
}


@pytest.mark.parametrize(("fail", "status", "body"), FAILURES.values(), ids=FAILURES)
def test_a_failed_line_says_so_in_one_place(
    fail: Fail, status: int | None, body: Mapping[str, Any]
) -> None:
    """An HTTP error is a response without error, any other failure an error without response."""
    (line,) = lines(results(all_to(fail, requests(1))).errors)
    if status is None:
        assert (None, body) == (line["response"], line["error"])
    else:
        assert line["error"] is None
        assert (status, body) == (line["response"]["status_code"], line["response"]["body"])


CANCELLED = {"code": "batch_cancelled", "message": "This request was cancelled."}
EXPIRED = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}

LOST = {
    "expired": (batch(scenario=Scenario(schedule=OVERDUE)), EXPIRED),
    "cancelled": (batch(cancelled=60), CANCELLED),
    "cancelled while expiring": (
        batch(scenario=Scenario(schedule=OVERDUE), cancelled=OVER + 2),
        CANCELLED,
    ),
}


@pytest.mark.parametrize(("made", "error"), LOST.values(), ids=LOST)
def test_lines_that_never_ran_say_why(made: Batch, error: dict[str, str]) -> None:
    """A lost line has an error, no response, and a custom_id as any other line."""
    assert [(None, error)] * 5 == [
        (line["response"], line["error"]) for line in lines(results(made).errors)
    ]


def test_failed_lines_stand_before_lost_ones() -> None:
    """The error file has what failed while it ran, then what never ran."""
    made = batch(scenario=failing(*ALL), cancelled=60)
    kinds = [line["response"] is None for line in lines(results(made).errors)]
    assert kinds == [False] * 5 + [True] * 5


def test_lines_are_written_in_the_order_they_finished() -> None:
    """Files are shuffled by the seed, and both keep the one order of finishing."""
    unlucky = ("r-1", "r-4", "r-7")
    made = batch(scenario=failing(*unlucky))
    order = [f"r-{index}" for index in made.outcomes.order]
    left = results(made)
    assert order != sorted(order)
    assert [id_ for id_ in order if id_ not in unlucky] == ids(bytes(left.output))
    assert [id_ for id_ in order if id_ in unlucky] == ids(left.errors)


def test_what_finished_before_a_cancel_is_what_would_have_finished_first() -> None:
    """A cancel loses the tail of the order and changes nothing before it."""
    assert ids(output_of(batch()))[:5] == ids(output_of(batch(cancelled=60)))


def test_answers_are_made_in_line_order() -> None:
    """A callable that counts, or remembers, sees the lines in the order of the file."""
    seen: list[str | None] = []

    def answer(line: Any) -> str:
        seen.append(line.custom_id)
        return "ok"

    results(all_to(Reply(answer)))
    assert [f"r-{number}" for number in range(10)] == seen


WRITTEN = {
    "completed: as finalizing begins": (batch(), 110),
    "expired: as finalizing begins": (batch(scenario=Scenario(schedule=OVERDUE)), OVER + 1),
    "cancelled: at the end": (batch(cancelled=60), 60 + 606),
}


@pytest.mark.parametrize(("made", "second"), WRITTEN.values(), ids=WRITTEN)
def test_line_ids_carry_the_second_the_files_were_written(made: Batch, second: int) -> None:
    """The time in the id of a line is that of the result files, not of the line's own run."""
    left = results(made)
    stamps = {int(line["id"][10:18], 16) for line in lines(bytes(left.output) + left.errors)}
    assert {made.created // SECOND + second} == stamps


def test_ids_of_lines_are_their_own() -> None:
    """No two lines share an id or a request id."""
    made = lines(output_of(batch()))
    assert len({line["id"] for line in made}) == 10
    assert len({line["response"]["request_id"] for line in made}) == 10


TEXTS = {
    "non-ASCII is escaped": ("Zürich", b'"Z\\u00fcrich"'),
    "beyond the basic plane as a pair": ("\U0001f600", b'"\\ud83d\\ude00"'),
    "line separators are escaped": ("\u2028\x85", b'"\\u2028\\u0085"'),
    "line ends are escaped": ("a\r\nb", b'"a\\r\\nb"'),
    "quotes and backslashes": ('"\\', b'"\\"\\\\"'),
}


@pytest.mark.parametrize(("text", "written"), TEXTS.values(), ids=TEXTS)
def test_result_lines_are_ascii(text: str, written: bytes) -> None:
    """A result file is ASCII, one line a request, whatever ids and answers hold."""
    output = output_of(all_to(Reply(text), jsonl(request(text))))
    assert output.isascii()
    assert output.count(b"\n") == 1
    assert b'"custom_id": ' + written in output
    assert b'"content": ' + written in output


def test_usage_is_the_sum_over_lines() -> None:
    """A batch has used what its answers say they used; failures may cost nothing."""
    body = {"usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}
    rules, otherwise = (LineRule(index=0, fail=Fail(500)),), LineRule(reply=Reply(body))
    scenario = Scenario(schedule=SCHEDULE, on=rules, otherwise=otherwise)
    used = results(batch(scenario=scenario)).usage
    assert (used.input_tokens, used.output_tokens) == (27, 36)


def test_a_part_that_is_not_there_cannot_be_taken_away() -> None:
    """A provider whose failed lines have no response: they stay as they are."""
    rules = (LineRule(fail=Fail(429)), LineRule(corrupt=Corrupt("no_body")))
    shapes = replace(OPENAI.shapes, failed="id custom_id error=body.error.message")
    dialect = replace(OPENAI, shapes=shapes)
    made = batch(requests(1), scenario=Scenario(schedule=SCHEDULE, on=rules), dialect=dialect)
    (line,) = lines(results(made).errors)
    assert [*line] == ["id", "custom_id", "error"]


BAD_ANSWERS: dict[str, tuple[Any, list[str]]] = {
    "the callable raises": (
        lambda line: line.body["nothing"],
        [
            "fakebatch: The callable given to reply raised KeyError: 'nothing'",
            f"It was called for custom_id 'r-0' ({CHAT}).",
            "Correct the callable; its traceback is above.",
        ],
    ),
    "the callable gives nothing": (
        lambda _: None,
        [
            "fakebatch: The reply to custom_id 'r-0' is None.",
            "A reply is a string or a whole response body (a dict).",
            "Return one of these from the callable. It must not be an async function.",
        ],
    ),
}


@pytest.mark.parametrize(("answer", "message"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_an_answer_that_is_none_is_told(answer: Any, message: list[str]) -> None:
    """What a callable of the test does wrong is a misuse, in three lines, with the line's name."""
    with pytest.raises(UsageError) as caught:
        results(all_to(Reply(answer), requests(1)))
    assert message == str(caught.value).split("\n")


UNWRITABLE = {"a set": {1}, "bytes": b"", "not a number": float("nan"), "infinity": float("inf")}


@pytest.mark.parametrize("value", UNWRITABLE.values(), ids=UNWRITABLE)
def test_a_reply_that_is_no_json_is_told(value: object) -> None:
    """A response body that JSON cannot hold is a misuse that names the line."""
    with pytest.raises(UsageError, match="custom_id 'r-0'"):
        results(all_to(Reply({"value": value}), requests(1)))

"""Lines that go wrong, and what a client finds in the two result files."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat
from support.doors import ONE_IN_PROCESS

pytestmark = [pytest.mark.sync, ONE_IN_PROCESS]
Results = dict[str, list[Any]]

THREE = [chat("a", "one"), chat("b", "two"), chat("c", "three")]


def lines(do: Driver, file_id: str | None) -> list[Any]:
    """The lines of a result file, parsed where that is possible."""
    if file_id is None:
        return []
    return [_parsed(raw) for raw in do(do.client.files.content, file_id).content.split(b"\n")[:-1]]


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw


def both(do: Driver, batch: Any) -> tuple[list[Any], list[Any]]:
    return lines(do, batch.output_file_id), lines(do, batch.error_file_id)


def of(found: list[Any], custom_id: str) -> Any:
    """The one line of a custom_id."""
    (line,) = (one for one in found if isinstance(one, dict) and one.get("custom_id") == custom_id)
    return line


def choice(line: Any) -> Any:
    return line["response"]["body"]["choices"][0]


MALFORMED: dict[str, tuple[Any, str]] = {
    "length": ("t", "length"),
    "refusal": (None, "stop"),
    "content_filter": (None, "content_filter"),
    "tool_calls": (None, "tool_calls"),
    "null": (None, "stop"),
    "empty": ("", "stop"),
    "truncated_json": ('{"answer": "half of an obj', "stop"),
    "wrong_types": (42, "stop"),
}


@pytest.mark.parametrize("how", MALFORMED)
def test_a_success_can_be_of_no_use(do: Driver, fakebatch: FakeBatch, how: Any) -> None:
    """The line is a 200 in the output file and counts as completed; its answer is malformed."""
    fakebatch.on(custom_id="b").malformed(how)
    done = do.run(THREE)
    output, errors = both(do, done)

    assert (done.request_counts.completed, errors) == (3, [])
    malformed = of(output, "b")
    content, reason = MALFORMED[how]
    assert (choice(malformed)["message"]["content"], choice(malformed)["finish_reason"]) == (
        content,
        reason,
    )
    assert choice(of(output, "a"))["message"]["content"] == "one"
    assert (choice(malformed)["message"]["refusal"] is not None) == (
        how in ("refusal", "wrong_types")
    )
    assert ("tool_calls" in choice(malformed)["message"]) == (how == "tool_calls")


@pytest.mark.parametrize(
    ("how", "status", "kinds"),
    [
        pytest.param("length", "incomplete", ["reasoning"], id="no tokens left but for thinking"),
        pytest.param("content_filter", "incomplete", [], id="filtered"),
        pytest.param("tool_calls", "completed", ["function_call"], id="a call of a function"),
        pytest.param("null", "completed", [], id="nothing at all"),
        pytest.param("refusal", "completed", ["message"], id="a refusal"),
    ],
)
def test_a_response_can_be_of_no_use(
    do: Driver, fakebatch: FakeBatch, how: Any, status: str, kinds: list[str]
) -> None:
    """The Responses API says it in another way."""
    fakebatch.on().malformed(how)
    body = {"model": "gpt-4o", "input": "hi"}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": body}
    (found,) = lines(do, do.run([line], endpoint="/v1/responses").output_file_id)
    body = found["response"]["body"]

    assert (body["status"], [item["type"] for item in body["output"]]) == (status, kinds)
    assert (body["incomplete_details"] is None) == (status == "completed")


def test_an_echo_can_be_huge_and_have_other_fields(do: Driver, fakebatch: FakeBatch) -> None:
    """What follows the text is repeated; the body has the fields, known and new, all else stays."""
    fakebatch.on(custom_id="b").echo("!", repeat=70_000)
    fakebatch.on(custom_id="c").echo(fields={"model": "m-2", "x_new": 1})
    output, _ = both(do, do.run(THREE))

    assert choice(of(output, "b"))["message"]["content"] == "two" + 70_000 * "!"
    body = of(output, "c")["response"]["body"]
    assert (body["model"], body["x_new"], body["object"]) == ("m-2", 1, "chat.completion")
    assert choice(of(output, "c"))["message"]["content"] == "three"


def test_a_result_line_can_have_other_fields(do: Driver, fakebatch: FakeBatch) -> None:
    """Other values, new fields, null or none at all; also of a line that failed."""
    fakebatch.on(custom_id="b").fail(400)
    fakebatch.on(custom_id="b").override(without=["response"], fields={"error": {"type": "x"}})
    fakebatch.on(custom_id="c").override(blanks=["error", "id"], fields={"x_new": 1})
    output, [failed] = both(do, do.run(THREE))

    assert {**failed, "id": ""} == {"id": "", "custom_id": "b", "error": {"type": "x"}}
    assert of(output, "a").keys() == {"id", "custom_id", "response", "error"}
    assert {**of(output, "c"), "response": 0} == {
        "id": None,
        "custom_id": "c",
        "response": 0,
        "error": None,
        "x_new": 1,
    }


RATE = {"code": "rate_limit_exceeded", "message": "Rate limit reached. Please try again later."}


@pytest.mark.parametrize(
    ("shape", "status", "error"),
    [
        pytest.param("body", 429, None, id="as the service does"),
        pytest.param("top", None, RATE, id="as the published schema suggests"),
        pytest.param("both", 429, RATE, id="in both places"),
        pytest.param("string", None, RATE["message"], id="a bare text"),
    ],
)
def test_an_error_can_stand_in_four_places(
    do: Driver, fakebatch: FakeBatch, shape: Any, status: int | None, error: Any
) -> None:
    """A failed line is in the error file whichever way it says so."""
    fakebatch.on(custom_id="b").fail(429, shape=shape)
    _, (line,) = both(do, do.run(THREE))

    assert line["custom_id"] == "b"
    assert (line["response"] and line["response"]["status_code"]) == status
    if isinstance(error, dict):
        assert {name: line["error"][name] for name in error} == error
    else:
        assert line["error"] == error


def test_a_line_that_nobody_answered(do: Driver, fakebatch: FakeBatch) -> None:
    """Status 0, no request id, an empty body, no error; a failure in the error file."""
    fakebatch.on(custom_id="b").fail(0)
    done = do.run(THREE)
    _, (line,) = both(do, done)

    assert line["response"] == {"status_code": 0, "request_id": "", "body": {}}
    assert (line["error"], done.request_counts.failed) == (None, 1)


def test_a_failed_line_can_be_in_the_output_file(do: Driver, fakebatch: FakeBatch) -> None:
    """Then nothing but its status tells it from an answer."""
    fakebatch.on(custom_id="b").fail(400, file="output")
    done = do.run(THREE)
    output, _ = both(do, done)

    assert (done.error_file_id, done.request_counts.failed) == (None, 1)
    assert of(output, "b")["response"]["status_code"] == 400


def test_all_lines_failed_can_leave_an_output_file_alone(do: Driver, fakebatch: FakeBatch) -> None:
    """Where failures are in the output file, that file is there."""
    fakebatch.on().fail(400, file="output")
    output, errors = both(do, do.run(THREE))
    assert (len(output), errors) == (3, [])


def test_a_line_heals_when_it_is_submitted_again(do: Driver, fakebatch: FakeBatch) -> None:
    """Twice it fails, under the same custom_id; the third batch has its answer."""
    fakebatch.on(custom_id="b", times=2).fail(500)
    failed = [do.run(THREE).request_counts.failed for _ in range(4)]
    assert failed == [1, 1, 0, 0]


def test_a_line_that_hangs_lets_its_batch_expire(do: Driver, fakebatch: FakeBatch) -> None:
    """All others finish in time; the batch waits for the one, and then for no more."""
    fakebatch.on(custom_id="b").hang()
    batch = do.create(THREE)
    do.sleep(7200)
    waiting = do(do.client.batches.retrieve, batch.id)
    done = do.poll(batch, every=3600)[-1]
    output, (lost,) = both(do, done)

    assert (waiting.status, waiting.request_counts.completed) == ("in_progress", 2)
    assert (done.status, len(output)) == ("expired", 2)
    assert (lost["custom_id"], lost["error"]["code"]) == ("b", "batch_expired")


DAMAGES: dict[str, tuple[Callable[[Any], object], Callable[[list[Any]], bool]]] = {
    "dropped": (
        lambda on: on.drop(),
        lambda found: [one["custom_id"] for one in found] == ["a", "c"],
    ),
    "written twice": (
        lambda on: on.duplicate(),
        lambda found: [one["custom_id"] for one in found] == ["a", "b", "b", "c"],
    ),
    "written three times": (lambda on: on.duplicate(3), lambda found: len(found) == 5),
    "cut off": (lambda on: on.corrupt("cut"), lambda found: found[1].startswith(b'{"id"')),
    "wrapped in a list": (lambda on: on.corrupt("array"), lambda found: type(found[1]) is list),
    "no text at all": (lambda on: on.corrupt("garbage"), lambda found: found[1][:1] == b"\xff"),
    "null": (lambda on: on.corrupt("null"), lambda found: found[1] is None),
    "blank": (lambda on: on.corrupt("blank"), lambda found: found[1] == b""),
    "without custom_id": (
        lambda on: on.corrupt("no_custom_id"),
        lambda found: list(found[1]) == ["id", "response", "error"],
    ),
    "without a response": (
        lambda on: on.corrupt("no_response"),
        lambda found: (found[1]["response"], found[1]["error"]) == (None, None),
    ),
    "without a body": (
        lambda on: on.corrupt("no_body"),
        lambda found: (
            (found[1]["response"]["status_code"], found[1]["response"]["body"]) == (200, None)
        ),
    ),
    "nobody's": (
        lambda on: on.change_custom_id("null"),
        lambda found: found[1]["custom_id"] is None,
    ),
    "another case": (
        lambda on: on.change_custom_id("upper"),
        lambda found: found[1]["custom_id"] == "B",
    ),
    "a number": (lambda on: on.change_custom_id("int"), lambda found: found[1]["custom_id"] == 1),
}


@pytest.mark.parametrize(("damage", "holds"), DAMAGES.values(), ids=DAMAGES)
def test_a_result_line_can_be(
    do: Driver,
    fakebatch: FakeBatch,
    damage: Callable[[Any], object],
    holds: Callable[[list[Any]], bool],
) -> None:
    """The counts know nothing of it, and the other lines are as ever."""
    fakebatch.on_batch().result_files(order="input")
    damage(fakebatch.on(custom_id="b"))
    done = do.run(THREE)

    assert holds(lines(do, done.output_file_id))
    counts = done.request_counts
    assert (counts.total, counts.completed, counts.failed) == (3, 3, 0)


@pytest.mark.parametrize("conflict", ["success", "error"])
def test_a_custom_id_can_have_two_results(do: Driver, fakebatch: FakeBatch, conflict: Any) -> None:
    """Two answers in the output file, or one there and an error in the other."""
    fakebatch.on(custom_id="b").duplicate(conflict=conflict)
    output, errors = both(do, do.run(THREE))
    answers = [choice(one)["message"]["content"] for one in output if one["custom_id"] == "b"]

    assert answers == (["two"] if conflict == "error" else ["two", "two (another answer)"])
    assert [one["custom_id"] for one in errors] == (["b"] if conflict == "error" else [])


def test_two_damages_add_up(do: Driver, fakebatch: FakeBatch) -> None:
    """A line may come twice, under another name."""
    fakebatch.on(custom_id="b").duplicate()
    fakebatch.on(custom_id="b").change_custom_id("upper")
    output, _ = both(do, do.run(THREE))
    assert sorted(one["custom_id"] for one in output) == ["B", "B", "a", "c"]


def test_two_new_names_are_the_later_if_there_is_a_name_left(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """What has no custom_id any more, or a number, keeps what it has."""
    for custom_id, damage in {"a": "no_custom_id", "b": "no_custom_id"}.items():
        fakebatch.on(custom_id=custom_id).corrupt(damage)  # type: ignore[arg-type]
    fakebatch.on(custom_id="c").change_custom_id("int")
    fakebatch.on().change_custom_id("upper")
    output, _ = both(do, do.run(THREE))
    assert sorted(str(one.get("custom_id")) for one in output) == ["2", "None", "None"]


LOST: dict[str, tuple[Callable[[Any], object], Callable[[list[Any]], bool]]] = {
    "in no file": (lambda on: on.drop(), lambda found: len(found) == 0),
    "there twice": (lambda on: on.duplicate(), lambda found: len(found) == 6),
    "nobody's": (
        lambda on: on.change_custom_id("null"),
        lambda found: [one["custom_id"] for one in found] == [None] * 3,
    ),
}


@pytest.mark.parametrize(("damage", "holds"), LOST.values(), ids=LOST)
def test_a_line_that_never_ran_can_be(
    do: Driver,
    fakebatch: FakeBatch,
    damage: Callable[[Any], object],
    holds: Callable[[list[Any]], bool],
) -> None:
    """A server that is told to cancel has lost lines, or whose they are (aqueduct #55)."""
    damage(fakebatch.on())
    batch = do.create(THREE)
    do.sleep(100)
    do(do.client.batches.cancel, batch.id)
    do.sleep(3600)
    _, errors = both(do, do(do.client.batches.retrieve, batch.id))
    assert holds(errors)


@pytest.mark.parametrize(("fraction", "failed"), [(0.1, 2), (0.25, 5), (0.01, 1), (1, 20)])
def test_a_fraction_of_the_lines(
    do: Driver, fakebatch: FakeBatch, fraction: float, failed: int
) -> None:
    """So many of twenty, one at least, and not the first ones."""
    fakebatch.on(fraction=fraction).fail(429)
    done = do.run([chat(f"r{number:02}") for number in range(20)])
    _, errors = both(do, done)

    assert done.request_counts.failed == len(errors) == failed
    assert sorted(one["custom_id"] for one in errors) != [f"r{n:02}" for n in range(failed)] or (
        failed in (1, 20)
    )


def test_two_fractions_take_different_lines(do: Driver, fakebatch: FakeBatch) -> None:
    """Half of them fail in one way and half in another: none is left."""
    fakebatch.on(fraction=0.5).fail(429)
    fakebatch.on(fraction=0.5).fail(500)
    _, errors = both(do, do.run([chat(f"r{number}") for number in range(10)]))
    statuses = [one["response"]["status_code"] for one in errors]
    assert sorted(statuses) == [429] * 5 + [500] * 5

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from fakebatch import FakeBatch, UsageError
from fakebatch.dialects import DIALECTS
from fakebatch.rules.lines import Fail, LineRule, Replay, Reply
from fakebatch.rules.loading import dump, read
from fakebatch.rules.scenario import Scenario
from support.batches import CHAT
from support.providers import line


def error_of(call: Callable[[], object]) -> list[str]:
    """The lines of the error that a call raises."""
    with pytest.raises(UsageError) as caught:
        call()
    return str(caught.value).split("\n")


def recorded(tmp_path: Path, *lines: object) -> Path:
    """A recording: bytes are taken as they are, everything else as JSON."""
    path = tmp_path / "recorded.jsonl"
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"\n".join(raw) + b"\n")
    return path


def result(custom_id: Any, status: Any = 200, body: Any = None) -> dict[str, Any]:
    response = {"status_code": status, "request_id": "x", "body": {} if body is None else body}
    return {"id": "batch_req_1", "custom_id": custom_id, "response": response, "error": None}


def test_a_recording_is_read_by_custom_id(tmp_path: Path) -> None:
    """Answers, HTTP errors and errors without response come back as they were."""
    lost = {"code": "batch_expired", "message": "Too late."}
    path = recorded(
        tmp_path,
        result("a", body={"n": 1}),
        result("b", 429, {"error": {}}),
        b"",
        {"custom_id": "c", "response": None, "error": lost},
    )
    assert Replay(str(path)).lines == {
        "a": Reply({"n": 1}),
        "b": Fail(429, body={"error": {}}),
        "c": Fail(body=lost),
    }


@pytest.mark.parametrize("missing", [None, "echo"])
def test_a_recording_may_answer_where_no_rule_does(
    missing: Literal["echo"] | None, tmp_path: Path
) -> None:
    """A custom_id that it lacks fails the test or is echoed; in a file it is its path."""
    path = recorded(tmp_path, result("a"))
    fake = FakeBatch()
    fake.reply_from(path, missing=missing)
    scenario = Scenario(otherwise=LineRule(replay=Replay(str(path), missing=missing)))

    assert fake.scenario == scenario == read(dump(scenario))
    assert dump(scenario)["otherwise"]["replay"]["path"] == str(path)


def test_any_other_way_to_miss_is_an_error(tmp_path: Path) -> None:
    """`missing` knows two values."""
    lenient: Any = "skip"
    assert error_of(lambda: FakeBatch().reply_from(recorded(tmp_path), missing=lenient)) == [
        "fakebatch: fakebatch.replay.missing: Input should be 'echo'; it was 'skip'.",
        "It takes path, missing.",
        "Write for example replay('output.jsonl').",
    ]


def test_a_recording_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """The message says from where a relative path counts."""
    path = tmp_path / "none.jsonl"
    assert error_of(lambda: Replay(str(path))) == [
        f"fakebatch: replay cannot read {str(path)!r}: No such file or directory.",
        f"Relative paths start at {Path.cwd()}.",
        "Give the path of a downloaded output file.",
    ]


NO_RESULTS: dict[str, tuple[object, str]] = {
    "no JSON": (b"{", "line 2, column 1: EOF while parsing an object"),
    "invalid UTF-8": (b'"\xff"', "it is not UTF-8: byte 0xff in line 2, column 2"),
    "an array": ([], "line 2, column 1: an array is not an object"),
    "a request line": (
        {"custom_id": "a", "method": "POST", "url": CHAT, "body": {}},
        "it has neither a response nor an error",
    ),
    "no custom_id": (
        {"response": {"status_code": 200, "body": {}}, "error": None},
        "it has no custom_id",
    ),
    "a custom_id that cannot be a key": (result(["a"]), "its custom_id is an array, not a string"),
    "a custom_id that is a number": (result(5), "its custom_id is an integer, not a string"),
    "neither response nor error": (
        {"custom_id": "a", "response": None, "error": None},
        "it has neither a response nor an error",
    ),
    "a response that is a list": (
        {"custom_id": "a", "response": []},
        "its response is an array, not an object",
    ),
    "no body": (
        {"custom_id": "a", "response": {"status_code": 200}},
        "its body is null, not an object",
    ),
    "no status and no body": (
        {"custom_id": "a", "response": {}},
        "its body is null, not an object",
    ),
    "an error that is a list": (
        {"custom_id": "a", "error": [1]},
        "its error is an array, not an object",
    ),
    "an infinite number": (
        b'{"custom_id": "a", "response": {"body": {"a": 1e999}}}',
        "1e999 is not a number in JSON",
    ),
    "no number": (
        b'{"custom_id": "a", "response": {"body": {"a": NaN}}}',
        "line 2, column 47: JSON has no NaN",
    ),
    "nested too deep": (b"[" * 100_000, "line 2, column 202: recursion limit exceeded"),
    "a status that is none": (result("a", 999), "its status_code is 999"),
    "a status before all that answer": (result("a", 199), "its status_code is 199"),
    "a success beside an error": (
        result("a") | {"error": {"code": "x"}},
        "its status_code is 200 beside an error",
    ),
    "a text as status": (
        result("a", "200"),
        "its status_code is a string, not an integer",
    ),
    "a truth value as status": (
        result("a", True),
        "its status_code is a boolean, not an integer",
    ),
    "a text as body": (result("a", 200, "hi"), "its body is a string, not an object"),
    "a list as body of a failure": (
        result("a", 400, [1]),
        "its body is an array, not an object",
    ),
    "a list as body without a status": (
        result("a", None, [1]),
        "its body is an array, not an object",
    ),
}


@pytest.mark.parametrize(("bad", "why"), NO_RESULTS.values(), ids=NO_RESULTS)
def test_a_line_that_is_no_result_is_an_error(bad: object, why: str, tmp_path: Path) -> None:
    """The first bad line is named by its number, and why it is bad in words that are not Python's.

    The error of Python, if there was one, is the cause.
    """
    path = recorded(tmp_path, result("ok"), bad)
    with pytest.raises(UsageError) as caught:
        Replay(str(path))
    assert str(caught.value).split("\n") == [
        f"fakebatch: Line 2 of {str(path)!r} is not a result line: {why}.",
        'A result line is {"custom_id": …, "response": {"status_code": …, …}, …}.',
        "Give an output or error file as downloaded, not an input file.",
    ]
    assert isinstance(caught.value.__cause__, (ValueError, RecursionError))


def test_lines_that_have_lost_their_custom_id_are_left_out(tmp_path: Path) -> None:
    """As some providers write a request that never ran: nobody looks for them."""
    lost = [{"custom_id": None, "error": {"code": code}} for code in ("expired", "cancelled")]
    assert Replay(str(recorded(tmp_path, result("a"), *lost))).lines == {"a": Reply({})}


BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
REQUEST = {
    "custom_id": "a",
    "method": "POST",
    "url": CHAT,
    "body": BODY,
}


LOST = {"code": "batch_expired", "message": "Too late."}
REFUSED = {"error": {"message": "No."}}

SHAPES: dict[str, tuple[dict[str, Any], Reply | Fail]] = {
    "no id, no request_id and no error": (
        {"custom_id": "a", "response": {"status_code": 200, "body": {"n": 1}}},
        Reply({"n": 1}),
    ),
    "no status: a success, unless there is an error": (
        {"custom_id": "a", "response": {"body": {"n": 1}}, "error": None},
        Reply({"n": 1}),
    ),
    "a null status, with a null error in the body": (
        {"custom_id": "a", "response": {"status_code": None, "body": {"n": 1, "error": None}}},
        Reply({"n": 1, "error": None}),
    ),
    "no status, with an error in the body": (
        {"custom_id": "a", "response": {"body": REFUSED}},
        Fail(500, body=REFUSED),
    ),
    "an empty error is none": (
        {"custom_id": "a", "response": {"status_code": 200, "body": {"n": 1}}, "error": {}},
        Reply({"n": 1}),
    ),
    "a body that is JSON in a string": (
        {"custom_id": "a", "response": {"status_code": 200, "body": '{"n": 1}'}},
        Reply({"n": 1}),
    ),
    "an error without a response": (
        {"id": "x", "custom_id": "a", "error": {"type": "request_failed", "message": "No."}},
        Fail(body={"type": "request_failed", "message": "No."}),
    ),
    "an error that is a string": (
        {"custom_id": "a", "response": None, "error": "No."},
        Fail(body={"message": "No."}, shape="string"),
    ),
    "status 0": (
        {"custom_id": "a", "response": {"status_code": 0, "request_id": "", "body": {}}},
        Fail(0, body={}),
    ),
    "a null body beside an error": (
        {"custom_id": "a", "response": {"status_code": 400, "body": None}, "error": LOST},
        Fail(400, body={"error": LOST}, shape="no_body"),
    ),
    "a null body alone": (
        {"custom_id": "a", "response": {"status_code": 500, "body": None}, "error": None},
        Fail(500, body={"error": None}, shape="no_body"),
    ),
    "the page of a gateway": (
        {"custom_id": "a", "response": {"status_code": 502, "body": "<html>"}, "error": None},
        Fail(502, body="<html>"),
    ),
    "an error in both places": (
        {"custom_id": "a", "response": {"status_code": 400, "body": REFUSED}, "error": LOST},
        Fail(400, body=REFUSED, shape="both"),
    ),
}


@pytest.mark.parametrize(("line", "outcome"), SHAPES.values(), ids=SHAPES)
def test_a_result_line_of_any_shape_is_read(
    line: dict[str, Any], outcome: Reply | Fail, tmp_path: Path
) -> None:
    """Providers leave out what is null, or the status, and put errors in several places."""
    assert Replay(str(recorded(tmp_path, line))).lines == {"a": outcome}


REPLAYED = {
    "status 0": (0, {}, None),
    "a null body": (400, None, LOST),
    "a null body and a null error": (500, None, None),
    "text": (502, "<html>Bad gateway</html>", None),
    "an error response": (429, REFUSED, None),
}


@pytest.mark.parametrize(("status", "body", "error"), REPLAYED.values(), ids=REPLAYED)
def test_a_failed_line_is_replayed_as_it_was(
    status: int, body: Any, error: Any, tmp_path: Path
) -> None:
    """It is in the error file again, with the same status, body and error."""
    line = result("a", status)
    line["response"]["body"], line["error"] = body, error
    fake = FakeBatch()
    fake.reply_from(recorded(tmp_path, line))
    batch = fake.batches.add([REQUEST])
    assert batch.output_file_id is None
    replayed = json.loads(fake.files[batch.error_file_id].content)
    assert replayed["response"]["status_code"] == status
    assert (replayed["response"]["body"], replayed["error"]) == (body, error)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(lambda fake: fake.on().echo(), id="a success"),
        pytest.param(lambda fake: fake.on().fail(400, message="No."), id="a failure"),
        pytest.param(lambda fake: fake.on().fail(code="request_timeout"), id="no response"),
        pytest.param(lambda fake: fake.on().fail(502, body="<html>"), id="a page"),
    ],
)
def test_what_a_dialect_writes_is_replayed(
    dialect: Any, rule: Callable[[FakeBatch], object], tmp_path: Path
) -> None:
    """A replayed line has the same status, body and error, in the same file."""
    chosen = DIALECTS[dialect]
    request = line(chosen, "a")
    recordings: list[list[tuple[str, Any]]] = []
    for _ in range(2):
        fake = FakeBatch(dialect=dialect)
        if recordings:
            fake.reply_from(tmp_path / "recorded.jsonl")
        else:
            rule(fake)
        batch = fake.batches.add([request], completion_window=chosen.window.usual)
        files = [file for file in fake.files.values() if file.written_by == batch.id]
        files = [file for file in files if file.content]
        (tmp_path / "recorded.jsonl").write_bytes(b"".join(file.content for file in files))
        recordings.append([(file.filename[-12:], without_ids(file.content)) for file in files])
    assert recordings[0] == recordings[1] != []


def without_ids(content: bytes) -> dict[str, Any]:
    """The only line of a result file, without ids of its own."""
    line: dict[str, Any] = json.loads(content)
    response = {**(line.get("response") or {}), "request_id": None}
    return {"custom_id": line["custom_id"], "response": response, "error": line.get("error")}


LAYOUTS = {
    "blank lines": b"\n\n%b\n\n \r\n%b\n",
    "a byte order mark": b"\xef\xbb\xbf%b\n%b\n",
    "CRLF": b"%b\r\n%b\r\n",
    "no last line end": b"%b\n%b",
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_recording_may_have_been_edited(layout: bytes, tmp_path: Path) -> None:
    """Line ends, blank lines and a byte order mark do not matter; U+2028 ends no line."""
    texts = {custom_id: {"text": f"{custom_id}\u2028\u0085"} for custom_id in "ab"}
    lines = [json.dumps(result(i, 200, body), ensure_ascii=False) for i, body in texts.items()]
    path = tmp_path / "recorded.jsonl"
    path.write_bytes(layout % (lines[0].encode(), lines[1].encode()))
    assert Replay(str(path)).lines == {i: Reply(body) for i, body in texts.items()}


OTHER_FILES = {
    "gzip": (b"\x1f\x8b\x08\x00", "it is compressed by gzip"),
    "a JSON array": (b'[{"custom_id": "a"}]', "it is one array of 1 item; write each"),
    "UTF-16": ("\ufeff{}".encode("utf-16-le"), "it is encoded in UTF-16"),
}


@pytest.mark.parametrize(("content", "fault"), OTHER_FILES.values(), ids=OTHER_FILES)
def test_the_message_names_another_kind_of_file(content: bytes, fault: str, tmp_path: Path) -> None:
    """A file in another format is named by its format."""
    first, *_ = error_of(lambda: Replay(str(recorded(tmp_path, content))))
    assert fault in first


def test_two_results_for_one_custom_id_are_an_error(tmp_path: Path) -> None:
    """It would be unclear which to replay; the message names both lines."""
    path = recorded(tmp_path, result("a"), result("b"), result("a", 500, REFUSED))
    assert error_of(lambda: Replay(str(path))) == [
        "fakebatch: There are two different results for custom_id 'a'.",
        f"They are line 1 of {str(path)!r} and line 3 of {str(path)!r}.",
        "Delete the line that the test does not need.",
    ]


def test_two_results_may_be_the_same(tmp_path: Path) -> None:
    """Then it does not matter which is replayed."""
    other = {**result("a"), "id": "batch_req_2"}
    assert Replay(str(recorded(tmp_path, result("a"), other))).lines == {"a": Reply({})}


def test_a_recording_may_be_both_files_of_a_batch(tmp_path: Path) -> None:
    """The output file and the error file are read together, and compared."""
    (tmp_path / "errors.jsonl").write_text(json.dumps(result("b", 500, REFUSED)))
    paths = str(recorded(tmp_path, result("a"))), str(tmp_path / "errors.jsonl")
    assert Replay(paths).lines == {"a": Reply({}), "b": Fail(500, body=REFUSED)}
    fake = FakeBatch()
    fake.reply_from(*paths)
    assert fake.scenario == read(dump(fake.scenario))

    (tmp_path / "errors.jsonl").write_text(json.dumps(result("a", 500, REFUSED)))
    assert error_of(lambda: fake.reply_from(*paths))[1] == (
        f"They are line 1 of {paths[0]!r} and line 1 of {paths[1]!r}."
    )

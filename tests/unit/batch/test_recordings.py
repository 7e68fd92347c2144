from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from fakebatch import FakeBatch, UsageError
from fakebatch.rules.lines import Fail, LineRule, Replay, Reply
from fakebatch.rules.loading import dump, read
from fakebatch.rules.scenario import Scenario
from support.batches import CHAT


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


NO_RESULTS: dict[str, object] = {
    "no JSON": b"{",
    "invalid UTF-8": b'"\xff"',
    "an array": [],
    "a request line": {"custom_id": "a", "method": "POST", "url": CHAT, "body": {}},
    "no custom_id": {"response": {"status_code": 200, "body": {}}, "error": None},
    "neither response nor error": {"custom_id": "a", "response": None, "error": None},
    "no body": {"custom_id": "a", "response": {"status_code": 200}},
    "no status": {"custom_id": "a", "response": {"body": {}}},
    "a text as status": result("a", "200"),
    "a text as body": result("a", 200, "hi"),
}


@pytest.mark.parametrize("bad", NO_RESULTS.values(), ids=NO_RESULTS)
def test_a_line_that_is_no_result_is_an_error(bad: object, tmp_path: Path) -> None:
    """A recording is read when it is given, and the first bad line is named by its number."""
    path = recorded(tmp_path, result("ok"), bad)
    first, *rest = error_of(lambda: Replay(str(path)))
    assert first.startswith(f"fakebatch: Line 2 of {str(path)!r} is not a result line: ")
    assert rest == [
        'A result line is {"custom_id": …, "response": {"status_code": …, "body": …}, …}.',
        "Give an output or error file as downloaded, not an input file.",
    ]


def test_a_custom_id_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    """A custom_id that cannot be a key is a bad line as any other."""
    path = recorded(tmp_path, result(["a"]))
    assert len(error_of(lambda: Replay(str(path)))) == 3

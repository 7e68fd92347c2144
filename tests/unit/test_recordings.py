from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plans import CHAT

from fakebatch import UsageError
from fakebatch.scenario import Echoes, Fails, Says
from fakebatch.testing.on_line import recording


def told(call: Callable[[], object]) -> list[str]:
    """The lines of what a misuse says."""
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
    expected = {"a": Says({"n": 1}), "b": Fails(429, {"error": {}}), "c": Fails(None, lost)}
    assert expected == recording(path, None).lines


MISSING: dict[str, tuple[str | None, Echoes | None]] = {
    "nothing: the test is told": (None, None),
    "an echo": ("echo", Echoes()),
}


@pytest.mark.parametrize(("missing", "expected"), MISSING.values(), ids=MISSING)
def test_what_a_recording_lacks_is_decided_beforehand(
    missing: str | None, expected: Echoes | None, tmp_path: Path
) -> None:
    """A custom_id that is not in the recording fails the test or is echoed."""
    assert expected == recording(recorded(tmp_path), missing).missing


def test_any_other_way_to_miss_is_told(tmp_path: Path) -> None:
    """`missing` knows two values."""
    assert told(lambda: recording(recorded(tmp_path), "skip")) == [
        "fakebatch: reply_from(missing='skip') is unknown.",
        "Known are None (a missing custom_id fails the test) and 'echo'.",
        "Leave it out, or write missing='echo'.",
    ]


def test_a_recording_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The message says from where a relative path counts."""
    path = tmp_path / "none.jsonl"
    assert told(lambda: recording(path, None)) == [
        f"fakebatch: reply_from cannot read {str(path)!r}: No such file or directory.",
        f"Relative paths count from {Path.cwd()}.",
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
def test_a_line_that_is_no_result_is_told(bad: object, tmp_path: Path) -> None:
    """A recording is read when it is given, and the first bad line is named by its number."""
    path = recorded(tmp_path, result("ok"), bad)
    first, *rest = told(lambda: recording(path, None))
    assert first.startswith(f"fakebatch: Line 2 of {str(path)!r} is no result line: ")
    assert rest == [
        'A result line is {"custom_id": …, "response": {"status_code": …, "body": …}, …}.',
        "Give an output or error file as downloaded, not an input file.",
    ]


def test_a_custom_id_that_is_no_text_is_told(tmp_path: Path) -> None:
    """A custom_id that cannot be a key is a bad line as any other."""
    path = recorded(tmp_path, result(["a"]))
    assert len(told(lambda: recording(path, None))) == 3

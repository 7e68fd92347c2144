"""Parameters of the incidents of results, and what each changes on the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat
from support.doors import ONE_IN_PROCESS, TIME, rows

pytestmark = [pytest.mark.sync, pytest.mark.untyped, ONE_IN_PROCESS]
TEN = [chat(f"r{number}", f"question {number}") for number in range(10)]

Look = Callable[[Driver, Any], object]


def content(do: Driver, batch: Any) -> bytes:
    """The output file."""
    sent: bytes = do(do.client.files.content, batch.output_file_id).content
    return sent


def failed(do: Driver, batch: Any) -> tuple[str, object, str]:
    """Where a line failed: its file, its status, and the type of its `error`."""
    files = {"error": batch.error_file_id, "output": batch.output_file_id}
    [(name, line)] = [
        (name, line)
        for name, file_id in files.items()
        for line in (do.results(file_id) if file_id else ())
        if line["error"] or line["response"]["status_code"] != 200
    ]
    status = line["response"] and line["response"]["status_code"]
    return name, status, type(line["error"]).__name__


def broken(do: Driver, batch: Any) -> list[object]:
    """What the lines are that are not as usual: a type, or keys."""
    kinds: list[object] = []
    for raw in content(do, batch).split(b"\n")[:-1]:
        try:
            line = json.loads(raw)
        except ValueError as error:
            kinds.append(type(error))
        else:
            if not isinstance(line, dict):
                kinds.append(type(line))
            elif len(line) != 4 or not (line["response"] and line["response"]["body"]):
                kinds.append(sorted(line))
    return kinds


def found_after(seconds: float) -> Look:
    """Whether the output file is found at once, and then."""

    def look(do: Driver, batch: Any) -> list[bool]:
        seen: list[bool] = []
        for wait in (0, seconds):
            do.sleep(wait)
            try:
                seen.append(bool(content(do, batch)))
            except openai.NotFoundError:
                seen.append(False)
        return seen

    return look


def longest(do: Driver, batch: Any) -> int:
    return max(map(len, content(do, batch).split(b"\n"))) // 1_000


def models(do: Driver, batch: Any) -> set[str]:
    lines = do.results(batch.output_file_id)
    return {batch.model} | {line["response"]["body"]["model"] for line in lines}


def codes(do: Driver, batch: Any) -> list[str]:
    lines = do.results(batch.error_file_id)
    return sorted(str(line["response"] and line["response"]["status_code"]) for line in lines)


def ids_twice(do: Driver, batch: Any) -> tuple[int, int]:
    """How many ids a batch of these requests lacks, and a second one."""
    again = do.run(TEN)
    lines = (do.results(each.output_file_id) for each in (batch, again))
    first, second = (len(TEN) - len(each) for each in lines)
    return first, second


def waits(do: Driver, batch: Any) -> bool:
    return len(content(do, batch)) > 0


ONE = {"fraction": 0.1}
CASES: dict[str, tuple[str, dict[str, Any], Look, object]] = {
    "an error at the top": (
        "line-error-in-body-not-error",
        {**ONE, "shape": "top"},
        failed,
        ("error", None, "dict"),
    ),
    "an error in both places": (
        "line-error-in-body-not-error",
        {**ONE, "shape": "both"},
        failed,
        ("error", 400, "dict"),
    ),
    "an error as a string": (
        "line-error-in-body-not-error",
        {**ONE, "shape": "string"},
        failed,
        ("error", None, "str"),
    ),
    "an error in the body, in the output file": (
        "line-error-in-body-not-error",
        {**ONE, "file": "output"},
        failed,
        ("output", 400, "NoneType"),
    ),
    "an error beside a null body, in the error file": (
        "error-beside-null-body",
        {"file": "error"},
        failed,
        ("error", 400, "dict"),
    ),
    "a line that is an array": ("malformed-output-line", {"how": "array"}, broken, [list]),
    "a line that is null": ("malformed-output-line", {"how": "null"}, broken, [type(None)]),
    "bytes that are no text": (
        "malformed-output-line",
        {"how": "garbage"},
        broken,
        [json.JSONDecodeError],
    ),
    "two lines without custom_id": (
        "malformed-output-line",
        {"how": "no_custom_id", "fraction": 0.2},
        broken,
        [["error", "id", "response"]] * 2,
    ),
    "lines of five megabytes": ("huge-lines", {"characters": 5_000_000}, longest, 5_000),
    "the name of a deployment": ("model-name-resolved", {"model": "mine"}, models, {"mine"}),
    "more errors of servers": (
        "server-error-lines",
        {"fraction": 0.2},
        codes,
        ["429", "429", "500", "500", "None", "None"],
    ),
    "ids that are missing again": ("missing-custom-ids", {"times": 2}, ids_twice, (1, 1)),
    "ids that are missing once": ("missing-custom-ids", {"fraction": 0.3}, ids_twice, (3, 0)),
    "a file of one blank line": ("empty-output-file", {"trailing": 1}, content, b"\n"),
    "a mark alone": (
        "crlf-and-blank-lines",
        {"newline": "lf", "trailing": 0},
        lambda do, batch: (content(do, batch)[:3], content(do, batch)[-3:]),
        (b"\xef\xbb\xbf", b"l}\n"),
    ),
    "a file that is found five minutes late": (
        "output-404-after-completed",
        {"late": "5m"},
        found_after(300),
        [False, True],
    ),
    "a file that expires after an hour": (
        "output-expired-or-deleted",
        {"after": "1h"},
        found_after(3600),
        [True, False],
    ),
    "another charset": (
        "encoding-mojibake",
        {"content_type": "text/plain; charset=cp1252", "then": "é"},
        lambda do, batch: "Ã©" in do(do.client.files.content, batch.output_file_id).text,
        True,
    ),
    "a pause that the SDK survives": (
        "read-timeout-on-content",
        {"first_byte": "5m"},
        waits,
        True,
    ),
}


@pytest.mark.parametrize("case", rows(CASES, {"a pause that the SDK survives": TIME}))
def test_a_parameter_changes_what_comes(
    do: Driver, fakebatch: FakeBatch, case: tuple[str, dict[str, Any], Look, object]
) -> None:
    """Others keep the values of the catalogue."""
    name, parameters, look, expected = case
    fakebatch.incident(name, **parameters)
    assert look(do, do.run(TEN)) == expected

from __future__ import annotations

import json
from typing import Any

import pytest

from fakebatch.batch.input_file import Validation, find_lines, looks_like_jsonl, parsed, validate
from fakebatch.dialects import OPENAI, ErrorCode
from fakebatch.request_lines import json_type
from support.batches import CHAT, jsonl, request

GOOD = json.dumps(request("r-1")).encode()
BOM = b"\xef\xbb\xbf"


def judged(content: bytes) -> Validation:
    return validate(content, CHAT, OPENAI, None)


def flaws(content: bytes) -> list[tuple[ErrorCode, int | None]]:
    return [(entry.code, entry.line) for entry in judged(content).errors]


def saying(text: bytes) -> bytes:
    """A good request whose content is these raw bytes."""
    return GOOD.replace(b'"content": "r-1"', b'"content": "' + text + b'"')


LINES: dict[str, tuple[bytes, list[tuple[int, bytes]]]] = {
    "nothing": (b"", []),
    "no line end": (b"{}", [(1, b"{}")]),
    "a line end": (b"{}\n", [(1, b"{}")]),
    "CRLF leaves its CR to the line": (b"{}\r\n[]\r\n", [(1, b"{}\r"), (2, b"[]\r")]),
    "a lone CR ends no line": (b"{}\r{}", [(1, b"{}\r{}")]),
    "blank lines count but are none": (b"\n{}\n\n\t \n\r\n{}", [(2, b"{}"), (6, b"{}")]),
    "line separators of Unicode end no line": (
        '{"a": "\u2028\u2029\x85\x0b\x0c\x1c"}\n{}'.encode(),
        [(1, '{"a": "\u2028\u2029\x85\x0b\x0c\x1c"}'.encode()), (2, b"{}")],
    ),
    "a NUL is no blank": (b"\x00\n", [(1, b"\x00")]),
    "a closing brace alone": (b"}\n", [(1, b"}")]),
}


@pytest.mark.parametrize(("content", "expected"), LINES.values(), ids=LINES)
def test_lines_end_at_line_feeds_alone(content: bytes, expected: list[tuple[int, bytes]]) -> None:
    """Every line that is not blank is found, with its number as an editor counts."""
    lines = find_lines(content)
    assert expected == [(number, lines.raw(index)) for index, number in enumerate(lines.numbers)]


ACCEPTED: dict[str, tuple[bytes, object]] = {
    "raw U+2028 in a text": (saying("\u2028".encode()), "\u2028"),
    "raw U+0085 in a text": (saying("\x85".encode()), "\x85"),
    "CRLF at the end": (GOOD + b"\r\n", "r-1"),
    "no line end": (GOOD, "r-1"),
    "blanks around": (b" \t" + GOOD + b" \n", "r-1"),
    "blank lines after": (GOOD + b"\n\n\n", "r-1"),
    "a pair of surrogates": (saying(rb"\ud83d\ude00"), "\U0001f600"),
    "an escaped NUL": (saying(rb"\u0000"), "\x00"),
    "a raw delete": (saying(b"\x7f"), "\x7f"),
    "of duplicate keys the last": (
        GOOD.replace(b'"content": "r-1"', b'"content": "first", "content": "last"'),
        "last",
    ),
    "an integer of 300 digits": (
        GOOD.replace(b'"content": "r-1"', b'"content": ' + b"9" * 300),
        int("9" * 300),
    ),
}


@pytest.mark.parametrize(("content", "expected"), ACCEPTED.values(), ids=ACCEPTED)
def test_odd_bytes_that_are_json_are_accepted(content: bytes, expected: object) -> None:
    """What a JSON parser reads is a request, at upload and when validated."""
    found = judged(content)
    assert looks_like_jsonl(content)
    assert found.errors == ()
    assert expected == found.lines.request(0).body["messages"][0]["content"]


REFUSED = {
    "a byte order mark": BOM + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "invalid UTF-8": saying(b"\xff"),
    "Latin-1": saying(b"\xe9"),
    "an encoded surrogate": saying(b"\xed\xa0\x80"),
    "an overlong encoding": saying(b"\xc0\xaf"),
    "a lone surrogate": saying(rb"\ud800"),
    "surrogates in the wrong order": saying(rb"\ude00\ud83d"),
    "a raw tab in a text": saying(b"\t"),
    "a raw NUL": saying(b"\x00"),
    "NaN": GOOD.replace(b'"r-1"}]', b"NaN}]"),
    "Infinity": GOOD.replace(b'"r-1"}]', b"-Infinity}]"),
    "single quotes": GOOD.replace(b'"', b"'"),
    "a comma too many": GOOD[:-1] + b",}",
    "a comment": GOOD + b" // why",
    "two objects": GOOD + GOOD,
    "cut off": GOOD[:-1],
    "a JSON array of all requests": b"[" + GOOD + b"]",
    "nested without end": b"[" * 100_000 + b"]" * 100_000,
    "an integer beyond 4,300 digits": GOOD.replace(b'"r-1"}]', b"9" * 5_000 + b"}]"),
    "a lone CR": GOOD + b"\r" + GOOD,
}


@pytest.mark.parametrize("line", REFUSED.values(), ids=REFUSED)
def test_what_is_no_json_object_is_refused_as_first_line(line: bytes) -> None:
    """An upload whose first line is no JSON object is no batch input."""
    assert not looks_like_jsonl(line + b"\n" + GOOD)


@pytest.mark.parametrize("line", REFUSED.values(), ids=REFUSED)
def test_what_is_no_json_object_fails_validation_as_later_line(line: bytes) -> None:
    """A bad later line is not looked at before the batch validates; then it is invalid JSON."""
    content = GOOD + b"\n" + line + b"\n"
    assert looks_like_jsonl(content)
    assert flaws(content) == [(ErrorCode.BAD_JSON, 2)]


@pytest.mark.xfail(reason="1e400 is read as infinity, and written into result files as such")
def test_a_number_beyond_every_float_is_not_infinity() -> None:
    """No way of writing infinity is JSON, whichever way the number was written."""
    with pytest.raises(ValueError, match="number out of range"):
        parsed(b"1e400")


FIRST_LINES = {
    "nothing": (b"", False),
    "a blank first line": (b"\n" + GOOD, False),
    "an empty object": (b"{}", True),
    "an object of any other kind": (b'{"prompt": "hi", "completion": "ho"}\n', True),
    "a later line that is broken": (GOOD + b"\n{", True),
    "CSV": (b"custom_id,method\n", False),
}


@pytest.mark.parametrize(("content", "expected"), FIRST_LINES.values(), ids=FIRST_LINES)
def test_an_upload_is_judged_by_its_first_line(content: bytes, *, expected: bool) -> None:
    """The first line must be a JSON object; nothing else of an upload is looked at."""
    assert expected is looks_like_jsonl(content)


def test_entries_count_blank_lines() -> None:
    """The line of an entry is the one an editor shows, blank lines and CRLF included."""
    assert flaws(b"\r\n" + GOOD + b"\r\n\r\n{\r\n") == [(ErrorCode.BAD_JSON, 4)]


def test_requests_count_without_blank_lines() -> None:
    """The index of a request is its place among requests, from 0."""
    lines = find_lines(b"\n" + jsonl(request("a")) + b"\n\n" + jsonl(request("b")))
    found = [lines.request(index) for index in range(len(lines))]
    assert [(one.index, one.custom_id) for one in found] == [(0, "a"), (1, "b")]


TYPES: dict[str, Any] = {
    "null": None,
    "a boolean": False,
    "an integer": 10**30,
    "a decimal number": 1.0,
    "a string": "",
    "an array": [],
    "an object": {},
}


@pytest.mark.parametrize(("expected", "value"), TYPES.items(), ids=TYPES)
def test_types_are_named_as_the_service_names_them(expected: str, value: object) -> None:
    """Every JSON value has a type with an article."""
    assert expected == json_type(value)

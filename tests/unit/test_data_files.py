"""What is wrong with a file, wherever one is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fakebatch import FakeBatch, UsageError
from fakebatch.data_files import jsonl_problem
from support.client import chat, jsonl

LINE = json.dumps(chat("a")).encode()

PROBLEMS = {
    "an empty file": (b"", "it is empty"),
    "blank lines": (b"\n \r\n", "it is empty"),
    "a byte order mark": (b"\xef\xbb\xbf" + LINE, "it begins with a byte order mark; save it"),
    "UTF-16 of Windows": (LINE.decode().encode("utf-16"), "UTF-16 (little endian); save it as"),
    "UTF-16 without a mark": (LINE.decode().encode("utf-16-be"), "it is encoded in UTF-16 (big e"),
    "UTF-32": (LINE.decode().encode("utf-32"), "it is encoded in UTF-32"),
    "Latin-1": (LINE + b'\n{"a": "\xe9"}', "it is not UTF-8: byte 0xe9 in line 2, column 8"),
    "gzip": (b"\x1f\x8b\x08\x00", "it is compressed by gzip"),
    "a spreadsheet": (b"PK\x03\x04...", "it is a zip archive"),
    "a binary file": (b"abc\0def", "it is binary"),
    "lines of old Macs": (LINE + b"\r" + LINE, r"its lines end with \r; end them with \n"),
    "a JSON array": (b"[\n" + LINE + b",\n" + LINE + b"\n]\n", "it is one array of 2 items"),
    "an array that breaks off": (b"[\n" + LINE + b",\n", "its objects go over several lines"),
    "an object over several lines": (b'{\n "a": 1\n}\n', "it is one object over several lines"),
    "several of them": (b'{\n "a": 1\n}\n{\n "a": 2\n}', "its objects go over several lines"),
    "CSV": (b"custom_id,prompt\na,hi\n", "it is CSV or other text"),
    "HTML": (b"<!doctype html>", "it is HTML or XML"),
    "a comma after a line": (LINE + b",\n", f"line 1, column {len(LINE) + 1}: after the object"),
    "a comma in a line": (b'\n{"a": 1,}', "line 2, column 9: trailing comma"),
    "a dict of Python": (b"{'a': True}", "line 1, column 2: this is Python, not JSON; write"),
    "NaN": ('{"é": NaN}'.encode(), "line 1, column 7: JSON has no NaN"),
    "infinity": (b'{"a": -Infinity}', "line 1, column 8: JSON has no Infinity"),
    "objects in a row": (LINE + LINE, f"line 1, column {len(LINE) + 1}: another object begins"),
    "a string": (LINE + b'\n"a"', "line 2, column 1: a string is not an object"),
    "a line that breaks off": (LINE + b"\n" + LINE[:-1], f"line 2, column {len(LINE) - 1}: EOF"),
    "too deep": (b"[" * 10_000, "recursion limit exceeded"),
}


@pytest.mark.parametrize(("content", "problem"), PROBLEMS.values(), ids=PROBLEMS)
def test_the_fault_of_a_file_is_named(content: bytes, problem: str) -> None:
    """Of the whole file where it is of another format, else with line and column."""
    assert problem in jsonl_problem(content)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"])
def test_jsonl_has_no_fault(end: bytes) -> None:
    """Whatever ends its lines."""
    assert jsonl_problem(LINE + end + LINE) == ""


READERS: dict[str, tuple[str, Callable[[FakeBatch, Path], object]]] = {
    "files.add": ("x.jsonl", lambda fake, path: fake.files.add(path)),
    "batches.add": ("x.jsonl", lambda fake, path: fake.batches.add(path)),
    "reply_from": ("x.jsonl", lambda fake, path: fake.reply_from(path)),
    "a scenario in TOML": ("x.toml", lambda fake, path: fake.incident(path)),
    "a scenario in JSON": ("x.json", lambda fake, path: fake.incident(path)),
    "a dialect": ("x.toml", lambda _, path: FakeBatch(dialect=path)),
}


@pytest.mark.parametrize(("name", "read"), READERS.values(), ids=READERS)
@pytest.mark.parametrize("fault", ["UTF-16 of Windows", "a byte order mark", "gzip"])
def test_every_reader_names_it(
    name: str, read: Callable[[FakeBatch, Path], object], fault: str, tmp_path: Path
) -> None:
    """In an error of three lines."""
    content, problem = PROBLEMS[fault]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read(FakeBatch(), path)
    if fault == "a byte order mark" and "is not a result line" in str(caught.value):
        return  # a recording may have one: editors write it
    assert problem in str(caught.value)
    assert str(caught.value).count("\n") == 2


@pytest.mark.parametrize(("name", "read"), READERS.values(), ids=READERS)
def test_a_directory_is_named_too(
    name: str, read: Callable[[FakeBatch, Path], object], tmp_path: Path
) -> None:
    """By every reader, in the words of the system."""
    (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match="Is a directory"):
        read(FakeBatch(), tmp_path / name)


def test_a_later_line_is_named(tmp_path: Path) -> None:
    """Where it makes the batch fail, beside what the service says of it."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(jsonl([chat("a")]) + b"{'custom_id': 'b'}\n")
    with pytest.raises(UsageError, match=r"its file: line 2, column 2: this is Python, not JSON"):
        FakeBatch().batches.add(path)


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("x.toml", "a = 1\nb = ", "at end of document"),
        ("x.toml", "a = 1\nb = ]\n", "at line 2, column 5"),
        ("x.json", '{\n "a": }', "line 2 column 7"),
        ("x.json", " \n", "it is empty"),
        ("x.json", "[" * 100_000, "recursion|Stack overflow"),
    ],
)
def test_a_scenario_has_a_place_too(name: str, text: str, place: str, tmp_path: Path) -> None:
    """Where its syntax is broken."""
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=place):
        FakeBatch(incident=tmp_path / name)

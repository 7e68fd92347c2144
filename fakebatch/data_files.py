"""What is wrong with a file of data that a person wrote, exported or downloaded."""

from __future__ import annotations

import ast
import json
import re
import warnings
from contextlib import suppress
from typing import cast

from pydantic_core import from_json

from fakebatch.request_lines import json_type

_SIGNATURES = {
    b"\x1f\x8b": "it is compressed by gzip",
    b"PK\x03\x04": "it is a zip archive, as of a spreadsheet",
    b"BZh9": "it is compressed by bzip2",
    b"\xfd7zXZ": "it is compressed by xz",
    b"\x28\xb5\x2f\xfd": "it is compressed by zstd",
    b"PAR1": "it is a Parquet file",
    b"%PDF": "it is a PDF",
    b"\xff\xfe\0\0": "it is encoded in UTF-32; save it as UTF-8",
    b"\0\0\xfe\xff": "it is encoded in UTF-32; save it as UTF-8",
    b"\xff\xfe": "it is encoded in UTF-16 (little endian); save it as UTF-8",
    b"\xfe\xff": "it is encoded in UTF-16 (big endian); save it as UTF-8",
    b"\xef\xbb\xbf": "it begins with a byte order mark; save it as UTF-8 without one",
}
_AT = re.compile(r"(.*) at line \d+ column (\d+)")
_CONSTANT = re.compile("NaN|Infinity")


def decoded(content: bytes) -> str:
    """The text of a file in UTF-8.

    Raises:
        ValueError: it is another kind of file, or begins with a byte order mark.
    """
    for signature, problem in _SIGNATURES.items():
        if content.startswith(signature):
            raise ValueError(problem)
    if b"\0" in content[:2]:
        endian = "little" if content[1:2] == b"\0" else "big"
        raise ValueError(f"it is encoded in UTF-16 ({endian} endian); save it as UTF-8")
    if b"\0" in content:
        raise ValueError("it is binary: it has zero bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        byte = f"byte {content[error.start]:#04x} in line {line}, column {column}"
        raise ValueError(f"it is not UTF-8: {byte}") from None


def jsonl_problem(content: bytes) -> str:
    """What is wrong with a file that should have an object in each line; empty if nothing is."""
    try:
        lines = decoded(content).split("\n")
    except ValueError as error:
        return str(error)
    if not content.strip():
        return "it is empty"
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    for number, line in filled:
        if problem := line_problem(line):
            is_first = number == filled[0][0]
            another = _another_format(content, line.strip(), problem) if is_first else ""
            return another or f"line {number}, {problem}"
    return ""


def _another_format(content: bytes, first: str, problem: str) -> str:
    """The format that a file has in place of JSONL, seen from its first line; empty if unknown."""
    has_more = len(content.strip()) > len(first.encode())
    with suppress(ValueError, RecursionError):
        value = from_json(content, allow_inf_nan=False)
        if isinstance(value, list):
            count = len(cast("list[object]", value))
            items = f"{count} item{'s' * (count != 1)}"
            return f"it is one array of {items}; write each item in its own line"
        if isinstance(value, dict) and has_more:
            return "it is one object over several lines; write it in one line"
    if b"\r" in content and b"\n" not in content:
        return r"its lines end with \r; end them with \n"
    if first[0] in "{[":
        begins = "EOF" in problem and has_more
        return "its objects go over several lines; write each in one line" if begins else ""
    if first[0] == "<":
        return "it is HTML or XML"
    return "it is CSV or other text" if re.search(r"[,;\t]", first) else ""


def line_problem(line: str) -> str:
    """Why a line is not a JSON object, with the column; empty if it is one."""
    line = line.rstrip()
    raw = line.encode(errors="surrogatepass")
    try:
        value = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        problem, byte = match.groups() if (match := _AT.fullmatch(str(error))) else (error, "1")
        column = len(raw[: int(byte) - 1].decode(errors="ignore"))
        rest = line[column:].lstrip()
        if problem == "trailing characters":
            begins = rest.startswith(("{", "["))
            problem = "another object begins" if begins else f"after the object comes {rest[:9]!r}"
        elif constant := _CONSTANT.match(rest):
            problem = f"JSON has no {constant[0]}"
        elif problem in ("key must be a string", "expected value") and _is_python(line):
            problem = "this is Python, not JSON; write lines by json.dumps"
        return f"column {column + 1}: {problem}"
    return "" if isinstance(value, dict) else f"column 1: {json_type(value)} is not an object"


def _is_python(line: str) -> bool:
    if len(line) > 100_000:  # reading it as Python takes 100 times its size
        return False
    with suppress(ValueError, SyntaxError, RecursionError, MemoryError), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes
        return isinstance(ast.literal_eval(line.strip()), dict)
    return False


def parsed_json(text: str) -> object:
    """The value of a JSON file.

    Raises:
        ValueError: it is empty, or no JSON; the message names the line and column.
    """
    if not text.strip():
        raise ValueError("it is empty")
    return json.loads(text)

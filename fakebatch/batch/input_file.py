"""The input file of a batch: where its request lines are, and what is wrong with them."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pydantic_core import from_json

from fakebatch.dialects import Dialect, ErrorCode, canonical
from fakebatch.request_line import JSON_TYPES, RequestLine, json_type

ENVELOPE: dict[str, type] = {"custom_id": str, "method": str, "url": str, "body": dict}
"""The keys of a request line, and the type of each."""

ASKS = {
    "/v1/chat/completions": ("messages",),
    "/v1/responses": ("input", "prompt", "conversation", "previous_response_id"),
    "/v1/embeddings": ("input",),
    "/v1/completions": ("prompt",),
    "/v1/moderations": ("input",),
    "/v1/images/generations": ("prompt",),
    "/v1/images/edits": ("prompt",),
    "/v1/videos": ("prompt",),
}
"""What the body of a line must hold: one of these. Where none is there the first is missing."""

_PLAUSIBLE_MODEL = re.compile(r"[A-Za-z0-9][\w.:/@+-]{0,255}")
_BRACE = ord("}")

# of all strings only the keys come again; to remember the others takes half as long again
parsed: Callable[[bytes], Any] = partial(from_json, allow_inf_nan=False, cache_strings="keys")
"""The JSON value of a line, or a ValueError.

Strict, as the service's own parser is: no NaN, no byte order mark, no lone surrogate. Of duplicate
keys the last counts."""


def parsed_object(raw: bytes) -> dict[str, Any] | None:
    """The JSON object of a line; None where it is not JSON, or not an object."""
    try:
        value = parsed(raw)
    except ValueError:
        return None
    return value if value.__class__ is dict else None


def looks_like_jsonl(content: bytes) -> bool:
    """Whether an upload passes for batch input: its first line is a JSON object.

    Names are not looked at, and later lines only when a batch validates (observed Aug 2025).
    """
    end = content.find(b"\n")
    return parsed_object(content if end < 0 else content[:end]) is not None


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the request lines of a file are: offsets, not objects. Blank lines are none."""

    content: bytes
    starts: array[int]
    ends: array[int]
    numbers: array[int]
    url: str = ""
    """The endpoint of a line that does not name one."""
    model: str = ""
    """Answers all lines, whatever they name, if it is not empty."""

    def __len__(self) -> int:
        return len(self.starts)

    def raw(self, index: int) -> bytes:
        """The bytes of a request line, without its line end."""
        return self.content[self.starts[index] : self.ends[index]]

    def request(self, index: int) -> RequestLine:
        """A request line that validation has passed."""
        line = parsed(self.raw(index))
        body = {**line["body"], "model": self.model} if self.model else line["body"]
        return RequestLine(index, line["custom_id"], line.get("url") or self.url, body)

    def only(self, indices: Sequence[int]) -> Lines:
        """The same without the other lines."""
        offsets = self.starts, self.ends, self.numbers
        starts, ends, numbers = (array("Q", map(of.__getitem__, indices)) for of in offsets)
        return replace(self, starts=starts, ends=ends, numbers=numbers)


def find_lines(content: bytes) -> Lines:
    r"""Split at `\n` alone: U+2028, U+2029 and U+0085 may stand raw inside a JSON string."""
    starts, ends, numbers = array("Q"), array("Q"), array("Q")
    start, number, size = 0, 0, len(content)
    while start < size:
        end = content.find(b"\n", start)
        end = size if end < 0 else end
        number += 1
        # most lines end in "}" at once: only the rest is worth a copy to see whether it is blank
        if end > start and (content[end - 1] == _BRACE or content[start:end].strip()):
            starts.append(start)
            ends.append(end)
            numbers.append(number)
        start = end + 1
    return Lines(content, starts, ends, numbers)


NO_LINES = find_lines(b"")


@dataclass(frozen=True, slots=True)
class BatchError:
    """One entry of `batch.errors`: what is wrong, and with which line (from 1)."""

    code: ErrorCode
    values: Mapping[str, Any]
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Validation:
    """The request lines of an input file that run, or all where the batch fails; and its errors."""

    lines: Lines
    errors: tuple[BatchError, ...]
    model: str | None
    """The model of the first request."""
    fails: bool
    """Whether the batch fails; else the errors are about lines that are left out."""


def validate(
    content: bytes, endpoint: str, dialect: Dialect, models: frozenset[str] | None, model: str = ""
) -> Validation:
    """Judge every line of an input file: each bad one gives one error, in line order.

    Args:
        content: the input file.
        endpoint: what the batch is for.
        dialect: what it may hold.
        models: the models that exist; None: every plausible name does.
        model: takes the place of the model of every line, if it is not empty.
    """
    lines = replace(find_lines(content), url=endpoint, model=model)
    checks = _LineChecks(lines, dialect, models)
    bad: list[BatchError] = []
    good = array("Q")
    for index, (start, end) in enumerate(zip(lines.starts, lines.ends, strict=True)):
        problem = checks.problem(parsed_object(content[start:end]))
        if problem is None:
            good.append(index)
        else:
            bad.append(BatchError(*problem, lines.numbers[index]))

    def exceeded(code: ErrorCode, count: int, limit: int) -> list[BatchError]:
        values = {"limit": limit, "model": checks.first_model or "requested"}
        return [BatchError(code, values)] if count > limit else []

    errors = (
        *([] if len(lines) else [BatchError(ErrorCode.EMPTY, {})]),
        *exceeded(ErrorCode.TOO_MANY_LINES, len(lines), dialect.limits.batch_lines),
        *exceeded(ErrorCode.TOO_LARGE, len(content), dialect.limits.batch_bytes),
        *bad,
        *exceeded(ErrorCode.TOO_MANY_INPUTS, checks.inputs, dialect.limits.batch_inputs),
    )
    skips = dialect.skips_bad_lines and len(good) > 0 and len(errors) == len(bad)
    fails = bool(errors) and not skips
    return Validation(lines.only(good) if skips else lines, errors, checks.first_model, fails)


Problem = tuple[ErrorCode, dict[str, Any]] | None


class _LineChecks:
    """What is wrong with a line, given the lines before it."""

    def __init__(self, lines: Lines, dialect: Dialect, models: frozenset[str] | None) -> None:
        self.keys, self.ignored_errors = dialect.line_keys, dialect.ignored_errors
        self.model, self.models = lines.model, models
        self.endpoint = canonical(lines.url)
        self.urls = [url for url in dialect.endpoints if canonical(url) == self.endpoint]
        self.required: tuple[str, ...] = ASKS.get(self.endpoint, ())
        self.custom_ids: set[str] = set()
        self.first_model: str | None = None
        self.inputs = 0

    def problem(self, line: dict[str, Any] | None) -> Problem:
        """The first thing that is wrong with a line; None: nothing."""
        if line is None:
            return ErrorCode.BAD_JSON, {}
        problem = _problem_of_types(line, self.keys)
        if problem is not None:
            return problem
        custom_id, url = line["custom_id"], line.get("url")
        if custom_id in self.custom_ids and ErrorCode.DUPLICATE_ID not in self.ignored_errors:
            return ErrorCode.DUPLICATE_ID, {}
        self.custom_ids.add(custom_id)
        if line.get("method") not in ("POST", None):
            return ErrorCode.BAD_METHOD, {"value": line["method"]}
        if url is not None and url not in self.urls:
            return ErrorCode.BAD_URL, {"value": url}
        return self.problem_of_body(line["body"])

    def problem_of_body(self, body: dict[str, Any]) -> Problem:
        """What is wrong with the parameters of a request."""
        model = self.model or body.get("model")
        if body.get("stream") and ErrorCode.STREAMING not in self.ignored_errors:
            return ErrorCode.STREAMING, {}
        if not model:
            return ErrorCode.MODEL_REQUIRED, {}
        missing = [*map(body.get, self.required)].count(None)
        if missing and missing == len(self.required):
            name = self.required[0]
            return ErrorCode.MISSING, {"name": name, "param": f"body.{name}"}
        if model != self.first_model:
            if self.models is None:
                exists = is_plausible_model(model)
            else:
                exists = isinstance(model, str) and model in self.models
            if not exists:
                return ErrorCode.UNKNOWN_MODEL, {"model": model}
            if self.first_model is None:
                self.first_model = model
            elif ErrorCode.OTHER_MODEL not in self.ignored_errors:
                return ErrorCode.OTHER_MODEL, {"model": model}
        if self.endpoint == "/v1/embeddings":
            inputs = body["input"]
            # a list of token ids is one input; a list of texts or of token lists is one each
            is_single = json_type(inputs) != "an array" or (inputs and isinstance(inputs[0], int))
            self.inputs += 1 if is_single else len(inputs)
        return None


def _problem_of_types(line: dict[str, Any], required: Sequence[str]) -> Problem:
    """A key that is missing, or has a value of another type."""
    for name, kind in ENVELOPE.items():
        value = line.get(name)
        if value is None:
            if name in required:
                return ErrorCode.MISSING, {"name": name, "param": name}
        elif not isinstance(value, kind):
            values = {"name": name, "wanted": JSON_TYPES[kind], "got": json_type(value)}
            return ErrorCode.BAD_TYPE, values
    return None


def is_plausible_model(name: object) -> bool:
    """Whether a model could have this name, where nobody says which models exist."""
    return isinstance(name, str) and _PLAUSIBLE_MODEL.fullmatch(name) is not None

"""Validation of an input file: what each request line must hold, and what is wrong with it."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fakebatch.batch.input_file import Lines, find_lines, parsed
from fakebatch.dialects import Dialect, ErrorCode, canonical
from fakebatch.request_line import JSON_TYPES, json_type

ENVELOPE = ("custom_id", "method", "url", "body")

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
"""What the body of a line must hold: one of these, the first is named when none is there."""

_PLAUSIBLE_MODEL = re.compile(r"[A-Za-z0-9][\w.:/@+-]{0,255}")


@dataclass(frozen=True, slots=True)
class BatchError:
    """One entry of `batch.errors`: what is wrong, and with which line (from 1)."""

    code: ErrorCode
    facts: Mapping[str, Any]
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Validation:
    """The request lines of an input file, and its errors. Where there are any nothing runs."""

    lines: Lines
    errors: tuple[BatchError, ...]
    model: str | None
    """The model of the first request."""
    skipped: bool = False
    """Whether the errors are about lines that have been left out, and the others run."""

    @property
    def fails(self) -> bool:
        """Whether the batch fails."""
        return bool(self.errors) and not self.skipped


def validate(
    content: bytes,
    endpoint: str,
    dialect: Dialect,
    models: frozenset[str] | None,
    *,
    model: str = "",
) -> Validation:
    """Look at every line of an input file: each bad one gives one error, in line order.

    Args:
        content: the input file.
        endpoint: what the batch is for.
        dialect: what it may hold.
        models: the models that exist; None: every plausible name does.
        model: takes the place of the model of every line, if it is not empty.
    """
    lines = replace(find_lines(content), url=endpoint, model=model)
    checks = _Checks(lines, dialect, models)
    bad: list[BatchError] = []
    good = array("Q")
    for index, (start, end, number) in enumerate(
        zip(lines.starts, lines.ends, lines.numbers, strict=True)
    ):
        try:
            line = parsed(content[start:end])
        except ValueError:
            line = None
        problem = checks.problem(line)
        if problem is None:
            good.append(index)
        else:
            bad.append(BatchError(*problem, number))
    sizes, totals = [*_size_errors(lines, dialect)], [*_total_errors(checks, dialect)]
    errors = (*sizes, *bad, *totals)
    if dialect.skips_bad_lines and bad and good and not (sizes or totals):
        return Validation(lines.only(good), errors, checks.first_model, skipped=True)
    return Validation(lines, errors, checks.first_model)


def _size_errors(lines: Lines, dialect: Dialect) -> Iterator[BatchError]:
    limits = dialect.limits
    if not len(lines):
        yield BatchError(ErrorCode.EMPTY, {})
    if len(lines) > limits.batch_lines:
        yield BatchError(ErrorCode.TOO_MANY_LINES, {"limit": limits.batch_lines})
    if len(lines.content) > limits.batch_bytes:
        yield BatchError(
            ErrorCode.TOO_LARGE, {"limit": limits.batch_bytes, "model": _first_model(lines)}
        )


def _first_model(lines: Lines) -> str:
    try:
        return str(parsed(lines.raw(0))["body"]["model"])
    except (ValueError, LookupError, TypeError):
        return "requested"


def _total_errors(checks: _Checks, dialect: Dialect) -> Iterator[BatchError]:
    if checks.inputs > dialect.limits.batch_inputs:
        yield BatchError(ErrorCode.TOO_MANY_INPUTS, {"limit": dialect.limits.batch_inputs})


Problem = tuple[ErrorCode, dict[str, Any]] | None


class _Checks:
    """What is wrong with a line, given the lines before it."""

    def __init__(self, lines: Lines, dialect: Dialect, models: frozenset[str] | None) -> None:
        self.endpoint = canonical(lines.url)
        self.model = lines.model
        self.required = dialect.line_keys
        self.models = models
        self.ignored_errors = dialect.ignored_errors
        self.urls = [url for url in dialect.endpoints if canonical(url) == self.endpoint]
        self.first_model: str | None = None
        self.inputs = 0
        self._asks = ASKS.get(self.endpoint, ())
        self._seen: set[str] = set()

    def problem(self, line: Any) -> Problem:
        if line.__class__ is not dict:
            return ErrorCode.BAD_JSON, {}
        return self._envelope(line) or self._body(line["body"])

    def _envelope(self, line: dict[str, Any]) -> Problem:
        id_, body = line.get("custom_id"), line.get("body")
        usual = line.get("method") == "POST" and line.get("url") in self.urls
        if usual and isinstance(id_, str) and isinstance(body, dict):
            return self._repeats(id_)  # as nearly every line is
        return self._misshapen(line) or self._repeats(line["custom_id"]) or self._strays(line)

    def _misshapen(self, line: dict[str, Any]) -> Problem:
        for name in ENVELOPE:
            if line.get(name) is None:
                if name not in self.required:
                    continue
                return ErrorCode.MISSING, {"name": name, "param": name}
            wanted = dict if name == "body" else str
            if not isinstance(line[name], wanted):
                return ErrorCode.BAD_TYPE, _type_facts(name, wanted, line[name])
        return None

    def _repeats(self, custom_id: str) -> Problem:
        if custom_id in self._seen and ErrorCode.DUPLICATE_ID not in self.ignored_errors:
            return ErrorCode.DUPLICATE_ID, {}
        self._seen.add(custom_id)
        return None

    def _strays(self, line: dict[str, Any]) -> Problem:
        if (line.get("method") or "POST") != "POST":
            return ErrorCode.BAD_METHOD, {"value": line["method"]}
        if line.get("url") is not None and line["url"] not in self.urls:
            return ErrorCode.BAD_URL, {"value": line["url"]}
        return None

    def _body(self, body: dict[str, Any]) -> Problem:
        if body.get("stream") and ErrorCode.STREAMING not in self.ignored_errors:
            return ErrorCode.STREAMING, {}
        model = self.model or body.get("model")
        if not model:
            return ErrorCode.MODEL_REQUIRED, {}
        if self._asks and not any(map(body.get, self._asks)) and self._says_nothing(body):
            return ErrorCode.MISSING, {"name": self._asks[0], "param": f"body.{self._asks[0]}"}
        if model != self.first_model and not self._knows(model):
            return ErrorCode.UNKNOWN_MODEL, {"model": model}
        if self.first_model is None:
            self.first_model = model
        elif model != self.first_model and ErrorCode.OTHER_MODEL not in self.ignored_errors:
            return ErrorCode.OTHER_MODEL, {"model": model}
        if self.endpoint == "/v1/embeddings":
            self.inputs += _inputs(body["input"])
        return None

    def _says_nothing(self, body: dict[str, Any]) -> bool:
        return all(body.get(name) is None for name in self._asks)

    def _knows(self, model: object) -> bool:
        if self.models is None:
            return is_plausible_model(model)
        return isinstance(model, str) and model in self.models


def is_plausible_model(name: object) -> bool:
    """Whether a model could have this name. Which models exist is known only where told."""
    return isinstance(name, str) and _PLAUSIBLE_MODEL.fullmatch(name) is not None


def _type_facts(name: str, wanted: type, value: object) -> dict[str, Any]:
    return {"name": name, "wanted": JSON_TYPES[wanted], "got": json_type(value)}


def _inputs(value: Any) -> int:
    # a list of token ids is one input; a list of texts or of token lists is one each
    if json_type(value) != "an array" or (value and isinstance(value[0], int)):
        return 1
    return len(value)

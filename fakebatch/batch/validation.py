"""Validation of an input file: what each request line must hold, and what is wrong with it."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fakebatch.batch.input_file import Lines, find_lines, parsed, parsed_or_none
from fakebatch.batch.quotes import Quotes
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
class Entry:
    """One entry of `batch.errors`: what is wrong, and with which line (from 1)."""

    flaw: ErrorCode
    facts: Mapping[str, Any]
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What validation found. Where a batch fails, nothing of it runs."""

    lines: Lines
    entries: tuple[Entry, ...]
    model: str | None
    """The model of the first request."""
    quotes: Quotes | None = None
    """What is noted of each line for its result, if that was wanted."""
    skipped: bool = False
    """Whether the entries are about lines that have been left out, and the others run."""

    @property
    def fails(self) -> bool:
        """Whether the batch fails."""
        return bool(self.entries) and not self.skipped


def judge(
    content: bytes,
    endpoint: str,
    dialect: Dialect,
    models: frozenset[str] | None,
    *,
    model: str = "",
    quotes: Quotes | None = None,
) -> Judgement:
    """Validate every line: each bad one gives one entry, in line order.

    Args:
        content: the input file.
        endpoint: what the batch is for.
        dialect: what it may hold.
        models: the models that exist; None: every plausible name does.
        model: takes the place of the model of every line, if it is not empty.
        quotes: notes of each good line what its result will need.
    """
    lines = replace(find_lines(content), url=endpoint, model=model)
    checks = _Checks(lines, dialect, models)
    bad: list[Entry] = []
    good = array("Q")
    for index, number in enumerate(lines.numbers):
        raw = lines.raw(index)
        said = parsed_or_none(raw)
        found = checks.flaw(said)
        if found is not None:
            bad.append(Entry(found[0], found[1], number))
            continue
        good.append(index)
        if quotes is not None:
            quotes.note(lines.starts[index], raw, said)
    sizes, totals = [*_size_entries(lines, dialect)], [*_total_entries(checks, dialect)]
    entries = (*sizes, *bad, *totals)
    if dialect.skips_bad_lines and bad and good and not (sizes or totals):
        return Judgement(lines.only(good), entries, checks.first_model, quotes, skipped=True)
    return Judgement(lines, entries, checks.first_model, quotes)


def _size_entries(lines: Lines, dialect: Dialect) -> Iterator[Entry]:
    limits = dialect.limits
    if not len(lines):
        yield Entry(ErrorCode.EMPTY, {})
    if len(lines) > limits.batch_lines:
        yield Entry(ErrorCode.TOO_MANY_LINES, {"limit": limits.batch_lines})
    if len(lines.content) > limits.batch_bytes:
        yield Entry(
            ErrorCode.TOO_LARGE, {"limit": limits.batch_bytes, "model": _first_model(lines)}
        )


def _first_model(lines: Lines) -> str:
    try:
        return str(parsed(lines.raw(0))["body"]["model"])
    except (ValueError, LookupError, TypeError):
        return "requested"


def _total_entries(checks: _Checks, dialect: Dialect) -> Iterator[Entry]:
    if checks.inputs > dialect.limits.batch_inputs:
        yield Entry(ErrorCode.TOO_MANY_INPUTS, {"limit": dialect.limits.batch_inputs})


Found = tuple[ErrorCode, dict[str, Any]] | None


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

    def flaw(self, said: Any) -> Found:
        if json_type(said) != "an object":
            return ErrorCode.BAD_JSON, {}
        return self._envelope(said) or self._body(said["body"])

    def _envelope(self, said: dict[str, Any]) -> Found:
        id_, body = said.get("custom_id"), said.get("body")
        usual = said.get("method") == "POST" and said.get("url") in self.urls
        if usual and isinstance(id_, str) and isinstance(body, dict):
            return self._repeats(id_)  # as nearly every line is
        return self._misshapen(said) or self._repeats(said["custom_id"]) or self._strays(said)

    def _misshapen(self, said: dict[str, Any]) -> Found:
        for name in ENVELOPE:
            if said.get(name) is None:
                if name not in self.required:
                    continue
                return ErrorCode.MISSING, {"name": name, "param": name}
            wanted = dict if name == "body" else str
            if not isinstance(said[name], wanted):
                return ErrorCode.BAD_TYPE, _type_facts(name, wanted, said[name])
        return None

    def _repeats(self, custom_id: str) -> Found:
        if custom_id in self._seen and ErrorCode.DUPLICATE_ID not in self.ignored_errors:
            return ErrorCode.DUPLICATE_ID, {}
        self._seen.add(custom_id)
        return None

    def _strays(self, said: dict[str, Any]) -> Found:
        if (said.get("method") or "POST") != "POST":
            return ErrorCode.BAD_METHOD, {"value": said["method"]}
        if said.get("url") is not None and said["url"] not in self.urls:
            return ErrorCode.BAD_URL, {"value": said["url"]}
        return None

    def _body(self, body: dict[str, Any]) -> Found:
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


def _inputs(asked: Any) -> int:
    # a list of token ids is one input; a list of texts or of token lists is one each
    if json_type(asked) != "an array" or (asked and isinstance(asked[0], int)):
        return 1
    return len(asked)

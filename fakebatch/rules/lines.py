"""Request lines: what `on` selects, and what its verbs make of a line or of its result line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge
from pydantic import Field, JsonValue, Strict
from pydantic.json_schema import SkipJsonSchema

from fakebatch.errors import UsageError
from fakebatch.request_line import RequestLine
from fakebatch.rules.rule import (
    IN_PYTHON_ALONE,
    Count,
    Rule,
    Selection,
    Share,
    method,
    verb,
)

Answer = (
    str
    | Mapping[str, Any]
    | Annotated[Callable[[RequestLine], str | Mapping[str, Any]], IN_PYTHON_ALONE]
)
"""What a model answers: a text, a whole response body, or a callable that makes either."""


@verb("reply('A short summary.')")
class Reply:
    """The lines succeed with a text, a whole response body, or what a callable makes of them."""

    answer: Answer = field(repr=False)


@verb("fail(429)")
class Fail:
    """The lines fail with an HTTP status, or without one with a code such as `request_timeout`.

    What is left out is in the provider's words. Status 0 is a line without an answer: its body is
    empty (ellmer #830).
    """

    status: Annotated[int, Strict()] | None = None
    """400 to 599, or 0."""
    _: KW_ONLY
    code: str | None = None
    """The code in the error; without a status it is the code of the result line's `error`."""
    message: str | None = None
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    """The whole response body; without a status, the whole `error` of the result line."""
    file: Literal["error", "output"] = "error"
    """The result file that has the line."""
    shape: Literal["body", "top", "both", "string"] = "body"
    """Where the error is: in the response body, in `error`, in both, or in `error` as a string."""

    def __post_init__(self) -> None:
        is_code_alone = self.status is None and (self.code is not None or bool(self.body))
        if not is_code_alone and self.status not in (0, *range(400, 600)):
            raise UsageError(
                f"fail(status={self.status!r}, code={self.code!r}) does not describe a failure.",
                "A line fails with an HTTP status of 400 to 599, with 0, or with a code alone.",
                "Write for example .fail(429) or .fail(code='request_timeout').",
            )


@verb("echo()")
class Echo:
    """The lines succeed and answer with what they were sent, followed by a text."""

    then: str = ""


@verb("malformed('length')")
class Malformed:
    """The lines succeed with an answer that a client cannot use."""

    how: Literal[
        "length",
        "refusal",
        "content_filter",
        "tool_calls",
        "null",
        "empty",
        "truncated_json",
        "wrong_types",
    ]


@verb("hang()")
class Hang:
    """The lines never finish, so their batch expires."""


@verb("replay('output.jsonl')")
class Replay:
    """The lines get what a downloaded output or error file has for their custom_id.

    Raises:
        UsageError: no such file, or it has a line that is not a result line.
    """

    path: str
    _: KW_ONLY
    missing: Literal["echo"] | None = None
    """How to answer a custom_id that the file lacks; by default the test fails."""
    lines: Annotated[SkipJsonSchema[dict[str, Reply | Fail]], Field(exclude=True)] = field(
        init=False, repr=False, default_factory=dict[str, Reply | Fail]
    )
    """What the file has for each custom_id; a scenario file holds the path alone."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", _recorded(Path(self.path)))


@verb("drop()")
class Drop:
    """The lines run and count, but neither result file has them."""


@verb("duplicate(copies=2)")
class Duplicate:
    """The result lines are written `copies` times; with `conflict` once, beside a different one."""

    copies: Annotated[int, Strict(), Ge(2)] = 2
    _: KW_ONLY
    conflict: Literal["success", "error"] | None = None
    """Write a second result line for the same custom_id, with this outcome."""


@verb("corrupt('cut')")
class Corrupt:
    """The result lines are broken."""

    how: Literal[
        "cut", "array", "garbage", "null", "blank", "no_custom_id", "no_response", "no_body"
    ]


@verb("change_custom_id('upper')")
class ChangeCustomId:
    """The result lines have another custom_id than their requests."""

    how: Literal["int", "trim", "upper", "lower", "null"]


Outcome = Reply | Fail | Echo | Malformed | Hang | Replay
"""How a request line can end."""

Corruption = Drop | Duplicate | Corrupt | ChangeCustomId
"""What can become of a result line after it was made."""


@dataclass(frozen=True, slots=True)
class LineSelector:
    """Selects request lines: every condition must hold."""

    example: ClassVar[str] = "on(custom_id='row-1').fail(429)"

    where: Annotated[Callable[[RequestLine], bool], IN_PYTHON_ALONE] | None = field(
        default=None, repr=False
    )
    """A predicate."""
    _: KW_ONLY
    custom_id: str | None = None
    times: Count | None = None
    """How many batches, the first ones created that contain the line's custom_id."""
    index: Annotated[int, Strict(), Ge(0)] | None = None
    """The line's place among the requests of the file, from 0."""
    model: str | None = None
    endpoint: str | None = None
    contains: str | None = None
    """A text that some string of the request body contains."""
    fraction: Share | None = None
    """A part of each batch, at least one line; the seed decides which. Rules that each take a
    fraction take different lines, as long as there are any."""

    def matches(self, line: RequestLine) -> bool:
        """Whether this line is selected, apart from `fraction` and `times`."""
        return (
            self.custom_id in (None, line.custom_id)
            and self.index in (None, line.index)
            and (self.model is None or self.model == line.model)
            and self.endpoint in (None, line.url)
            and (self.contains is None or _contains(line.body, self.contains))
            and (self.where is None or bool(self.where(line)))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRule(LineSelector, Rule):
    """Request lines that end in an outcome, or result lines that are corrupted."""

    family = "on"

    reply: Reply | None = None
    fail: Fail | None = None
    echo: Echo | None = None
    malformed: Malformed | None = None
    hang: Hang | None = None
    replay: Replay | None = None
    drop: Drop | None = None
    duplicate: Duplicate | None = None
    corrupt: Corrupt | None = None
    change_custom_id: ChangeCustomId | None = None


class On(Selection[LineRule]):
    """The request lines a test has selected."""

    rule = LineRule
    reply = method(Reply)
    fail = method(Fail)
    echo = method(Echo)
    malformed = method(Malformed)
    hang = method(Hang)
    replay = method(Replay)
    drop = method(Drop)
    duplicate = method(Duplicate)
    corrupt = method(Corrupt)
    change_custom_id = method(ChangeCustomId)


def _contains(value: JsonValue | Mapping[str, Any], text: str) -> bool:
    match value:
        case str():
            return text in value
        case Mapping():
            return any(_contains(part, text) for part in value.values())
        case list():
            return any(_contains(part, text) for part in value)
        case _:
            return False


def _recorded(path: Path) -> dict[str, Reply | Fail]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(
            f"replay cannot read {str(path)!r}: {error.strerror}.",
            f"Relative paths start at {Path.cwd()}.",
            "Give the path of a downloaded output file.",
        ) from error
    return dict(
        _recorded_line(line, number, path) for number, line in enumerate(lines, 1) if line.strip()
    )


def _recorded_line(raw: bytes, number: int, path: Path) -> tuple[str, Reply | Fail]:
    try:
        result = json.loads(raw)
        response, custom_id = result["response"], result["custom_id"]
        hash(custom_id)  # it becomes a key
        if response is None:
            return custom_id, Fail(body={**result["error"]})
        if response["status_code"] >= 400:
            return custom_id, Fail(response["status_code"], body=response["body"])
        return custom_id, Reply({**response["body"]})
    except (ValueError, LookupError, TypeError) as error:
        raise UsageError(
            f"Line {number} of {str(path)!r} is not a result line: {error!r}.",
            'A result line is {"custom_id": …, "response": {"status_code": …, "body": …}, …}.',
            "Give an output or error file as downloaded, not an input file.",
        ) from error

"""Request lines: the selector `on`, and its verbs, which answer lines or change result lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

from annotated_types import Ge
from pydantic import Field, JsonValue, Strict
from pydantic.json_schema import SkipJsonSchema

from fakebatch.data_files import jsonl_problem
from fakebatch.errors import UsageError, first_of
from fakebatch.request_lines import RequestLine, json_type, label
from fakebatch.rules.rule import (
    PYTHON_ONLY,
    Count,
    Names,
    OtherFields,
    PositiveRatio,
    Rule,
    Selection,
    holds,
    method,
    verb,
)

Answer = (
    str
    | Mapping[str, Any]
    | Annotated[Callable[[RequestLine], str | Mapping[str, Any]], PYTHON_ONLY]
)
"""A reply: a string, a whole response body, or a callable that returns either for a line."""


@verb("reply('A short summary.')")
class Reply:
    """The lines succeed with a string, a whole response body, or what a callable returns."""

    answer: Answer = field(repr=False)


@verb("fail(429)")
class Fail:
    """The lines fail with an HTTP status, or without a status, by a code as `request_timeout`.

    What is left out has the provider's values. Status 0 is a line without an HTTP response, whose
    body is empty (ellmer #830).
    """

    status: Annotated[int, Strict()] | None = None
    """400 to 599, or 0."""
    _: KW_ONLY
    code: str | None = None
    """The code of the error; without a status, that of the result line's `error`."""
    message: str | None = None
    body: Mapping[str, Any] | str | None = field(default=None, repr=False)
    """The whole response body, an object or text such as the HTML page of a gateway; without a
    status, the whole `error` of the result line."""
    file: Literal["error", "output"] = "error"
    """The result file that the line is written to."""
    shape: Literal["body", "top", "both", "string", "no_body"] = "body"
    """Where the error is: the response body, the line's `error`, both, `error` as a string, or
    `error` beside a response whose body is null."""

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
    """The lines succeed with the text of the last user message, followed by `then`."""

    then: str = ""
    _: KW_ONLY
    repeat: Count = 1
    """How often `then` follows; many times make a huge line."""
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """Values by field of the response body, which may be a new field."""

    @property
    def is_default(self) -> bool:
        """Whether the reply is the default one."""
        return not self.then and not self.fields


@verb("malformed('length')")
class Malformed:
    """The lines succeed with a reply that is hard to use, or of no use.

    "split" is a response with half of the message in an item before the whole one (mira #70),
    "reversed" has its choices or embeddings in reverse order, each with its index.
    """

    how: Literal[
        "length",
        "refusal",
        "content_filter",
        "tool_calls",
        "null",
        "empty",
        "truncated_json",
        "wrong_types",
        "split",
        "reversed",
    ]


@verb("hang()")
class Hang:
    """The lines never finish, so their batch expires."""


@verb("replay('output.jsonl')")
class Replay:
    """The lines get the results that downloaded output or error files have for their custom_id.

    Raises:
        UsageError: there is no such file, one of its lines is not a result line, or two lines with
            the same custom_id differ.
    """

    path: str | tuple[str, ...]
    """The path of a file, or those of several."""
    _: KW_ONLY
    missing: Literal["echo"] | None = None
    """What to do for a custom_id that the file lacks; by default the test fails."""
    lines: Annotated[SkipJsonSchema[dict[str, Reply | Fail]], Field(exclude=True)] = field(
        init=False, repr=False, default_factory=dict[str, Reply | Fail]
    )
    """The results by custom_id, read from the file; a scenario file has only the path."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", _recorded(self.paths))

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the files."""
        return (self.path,) if isinstance(self.path, str) else self.path

    def recorded(self, line: RequestLine) -> Reply | Fail | Echo:
        """The recorded outcome of a line.

        Raises:
            UsageError: there is none for its custom_id.
        """
        recorded = self.lines.get(line.custom_id or "")
        if recorded is not None:
            return recorded
        if line.custom_id is None or self.missing is not None:
            return Echo()
        raise UsageError(
            f"There is no recorded answer for custom_id {line.custom_id!r}.",
            f"{', '.join(self.paths)} has {first_of(map(repr, self.lines)) or 'no lines'}.",
            'Record one, or call fakebatch.reply_from(..., missing="echo").',
        )


@verb("drop()")
class Drop:
    """The lines run and are counted, but neither result file has them."""


@verb("duplicate(copies=2)")
class Duplicate:
    """The result lines are written `copies` times, or once with a second, conflicting line."""

    copies: Annotated[int, Strict(), Ge(2)] = 2
    _: KW_ONLY
    conflict: Literal["success", "error"] | None = None
    """The outcome of the second line for the same custom_id; `copies` does not count then."""


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


@verb("override(without=['error'])")
class Override(OtherFields):
    """The result lines have other fields than they should."""


Outcome = Reply | Fail | Echo | Malformed | Hang | Replay
"""The verbs that decide the outcome of a line."""

Corruption = Drop | Duplicate | Corrupt | ChangeCustomId | Override
"""The verbs that change a result line after it was made."""


@dataclass(frozen=True, slots=True)
class LineSelector:
    """Selects request lines: all conditions must hold."""

    example: ClassVar[str] = "on(custom_id='row-1').fail(429)"

    where: Annotated[Callable[[RequestLine], bool], PYTHON_ONLY] | None = field(
        default=None, repr=False
    )
    """A predicate, called once for each line."""
    _: KW_ONLY
    custom_id: str | Names | None = None
    """A custom_id, or several."""
    times: Count | None = None
    """Only in the first `times` batches that contain the line's custom_id."""
    index: Annotated[int, Strict(), Ge(0)] | None = None
    """The index of the line among the requests of the file, from 0."""
    model: str | None = None
    endpoint: str | None = None
    contains: str | None = None
    """A substring of any string in the request body."""
    fraction: PositiveRatio | None = None
    """This fraction of each batch, at least one line, drawn by the seed. Several rules with a
    fraction select different lines, as long as there are enough."""

    def matches(self, line: RequestLine) -> bool:
        """Whether all conditions but `fraction` and `times` hold for a line.

        Raises:
            UsageError: the predicate raised.
        """
        custom_id = self.custom_id
        return (
            (
                custom_id in (None, line.custom_id)
                or (isinstance(custom_id, tuple) and line.custom_id in custom_id)
            )
            and self.index in (None, line.index)
            and (self.model is None or self.model == line.model)
            and self.endpoint in (None, line.url)
            and (self.contains is None or contains(line.body, self.contains))
            and (self.where is None or holds(self.where, line, "on", f"{label(line)} ({line.url})"))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRule(LineSelector, Rule):
    """A rule about request lines or their result lines."""

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
    override: Override | None = None


class On(Selection[LineRule]):
    """The request lines that a test selected."""

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
    override = method(Override)


def contains(value: JsonValue | Mapping[str, Any], text: str) -> bool:
    """Whether any string in a JSON value contains a text; keys do not count."""
    if isinstance(value, str):
        return text in value
    parts = value.values() if isinstance(value, Mapping) else value
    return isinstance(parts, Iterable) and any(contains(part, text) for part in parts)


def _recorded(paths: Iterable[str]) -> dict[str, Reply | Fail]:
    """The outcomes by custom_id in result files of any dialect."""
    recorded: dict[str, tuple[Reply | Fail, str]] = {}
    for path in paths:
        try:
            content = Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf")
        except OSError as error:
            raise UsageError(
                f"replay cannot read {path!r}: {error.strerror}.",
                f"Relative paths start at {Path.cwd()}.",
                "Give the path of a downloaded output file.",
            ) from error
        for number, line in enumerate(content.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                custom_id, result = _recorded_line(_parsed(line))
            except (ValueError, RecursionError) as error:
                raise UsageError(
                    f"Line {number} of {path!r} is not a result line: "
                    f"{jsonl_problem(content) or error}.",
                    'A result line is {"custom_id": …, "response": {"status_code": …, …}, …}.',
                    "Give an output or error file as downloaded, not an input file.",
                ) from error
            if custom_id is None:
                continue  # some providers lose it where a request never ran
            outcome = result, f"line {number} of {path!r}"
            first = recorded.setdefault(custom_id, outcome)
            if first[0] != outcome[0]:
                raise UsageError(
                    f"There are two different results for custom_id {custom_id!r}.",
                    f"They are {first[1]} and {outcome[1]}.",
                    "Delete the line that the test does not need.",
                )
    return {custom_id: outcome for custom_id, (outcome, _) in recorded.items()}


def _parsed(text: bytes | str) -> Any:
    return json.loads(text, parse_float=_finite, parse_constant=_finite)


def _finite(number: str) -> float:
    value = float(number)
    if not isfinite(value):
        raise ValueError(f"{number} is not a number in JSON")
    return value


def _recorded_line(line: object) -> tuple[str | None, Reply | Fail]:
    """The custom_id of a result line, and its outcome.

    Providers leave out what is null, the status, or the response of a failure; some write the body
    as JSON in a string.

    Raises:
        ValueError: it is not a result line.
    """
    result = _object(line, "it")
    if "custom_id" not in result:
        raise ValueError("it has no custom_id")
    custom_id = result["custom_id"]
    if not isinstance(custom_id, str | None):
        raise ValueError(f"its custom_id is {json_type(custom_id)}, not a string")  # noqa: TRY004
    response, error = result.get("response"), result.get("error") or None
    if response is None and error is None:
        raise ValueError("it has neither a response nor an error")
    if response is None and isinstance(error, str):
        return custom_id, Fail(body={"message": error}, shape="string")
    if response is None:
        return custom_id, Fail(body=_object(error, "its error"))
    return custom_id, _recorded_response(_object(response, "its response"), error)


def _recorded_response(response: Mapping[str, Any], error: Any) -> Reply | Fail:
    body, status = (cast("Any", response.get(name)) for name in ("body", "status_code"))
    if isinstance(body, str):
        with suppress(ValueError):
            body = _object(_parsed(body), "its body")
    if status is None:
        has_failed = isinstance(body, str) or _object(body or {}, "its body").get("error")
        status = 500 if has_failed or error is not None else 200
    if type(status) is not int:
        raise ValueError(f"its status_code is {json_type(status)}, not an integer")
    if 200 <= status < 400 and error is None:
        return Reply(_object(body, "its body"))
    if status != 0 and not 400 <= status <= 599:
        beside = " beside an error" if 200 <= status < 400 else ""
        raise ValueError(f"its status_code is {status}{beside}")
    if body is None:
        return Fail(status, body={"error": error}, shape="no_body")
    body = body if isinstance(body, str) else _object(body, "its body")
    return Fail(status, body=body, shape="body" if error is None else "both")


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is {json_type(value)}, not an object")  # noqa: TRY004
    return cast("Mapping[str, Any]", value)

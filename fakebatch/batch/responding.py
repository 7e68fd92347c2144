"""From a request line to its response, and to the result line that holds the response."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic_core import to_json

from fakebatch import replies
from fakebatch.batch.batch import Batch
from fakebatch.batch.input_file import has_overflow, parsed
from fakebatch.batch.matching import Result
from fakebatch.dialects import Dialect, canonical, render
from fakebatch.durations import SECOND
from fakebatch.errors import UsageError
from fakebatch.ids import IdFactory, format_id
from fakebatch.replies import ModelRequest
from fakebatch.request_lines import RequestLine, label
from fakebatch.rules.lines import (
    ChangeCustomId,
    Corrupt,
    Corruption,
    Drop,
    Duplicate,
    Echo,
    Fail,
    Hang,
    Malformed,
    Override,
    Reply,
)
from fakebatch.rules.rule import callable_error


@dataclass(frozen=True, slots=True)
class LineResponse:
    """The response to a request; with status None an error that came without a response."""

    status: int | None
    body: Mapping[str, Any] | str | None
    error: Mapping[str, Any] | str | None = None
    """The `error` of the result line, where it is not null as usual."""

    @property
    def succeeded(self) -> bool:
        """Whether it is a success."""
        return self.status is not None and 200 <= self.status < 400


NO_RESPONSE = Fail(
    504, body={"error": {"message": "The request timed out.", "type": "server_error"}}
)
"""What a direct call gets if a rule lets it hang."""


def respond(
    line: RequestLine, result: Result, dialect: Dialect, id_factory: IdFactory, now: int
) -> LineResponse:
    """The response to a request whose outcome is `result`, made at `now`.

    Raises:
        UsageError: a callable of the test raised, or returned neither a string nor a dict.
    """
    if isinstance(result, Fail | Hang):
        return _error_response(NO_RESPONSE if isinstance(result, Hang) else result, dialect)
    request = ModelRequest(
        endpoint=canonical(dialect.aliases.get(line.url, line.url)),
        body=dict(line.body),
        key=id_factory.line(line.index)[32:],
        created=now // SECOND,
        model=dialect.snapshots.get(line.model, line.model),
        name=label(line),
    )
    added = dict[str, Any]()  # to the body of a default reply; one of the test is left alone
    if dialect.shapes.added:
        request_id = format_id(dialect.ids.request, id_factory.line(line.index), now)
        values = {"custom_id": line.custom_id or request_id, "request_id": request_id}
        added = render(dialect.shapes.added, values)
    if isinstance(result, Echo):
        trial = dialect.trial_replies.get(line.url)
        then = result.then * result.repeat
        body = replies.with_text(request, trial) if trial else replies.echo(request, then)
        return LineResponse(200, body | added | dict(result.fields))
    if isinstance(result, Malformed):
        return LineResponse(200, replies.malform(request, result.how) | added)
    answer = replied(result, line)
    if isinstance(answer, str):
        return LineResponse(200, replies.with_text(request, answer) | added)
    return LineResponse(200, answer)


def replied(reply: Reply, line: RequestLine) -> str | Mapping[str, Any]:
    """The text or the body that a rule gives to a line.

    Raises:
        UsageError: the callable of the test raised, or returned neither.
    """
    answer: object = reply.answer
    if callable(answer):
        try:
            answer = answer(line)
        except Exception as error:
            where = f"{label(line)} ({line.url})"
            raise callable_error("The callable given to reply", where, error) from error
    match answer:
        case str() | Mapping():
            return answer  # pyright: ignore[reportUnknownVariableType]
        case _:
            raise UsageError(
                f"The reply to {label(line)} is {answer!r}.",
                "A reply is a string or a whole response body (a dict).",
                "Return one of these from the callable. It must not be an async function.",
            )


def _error_response(fail: Fail, dialect: Dialect) -> LineResponse:
    """The error response of `fail`; what the test left out is the provider's own."""
    body: Mapping[str, Any] | str
    if fail.body is not None:
        body = fail.body
    elif fail.status is None:
        default = f"The request failed: {fail.code}."
        message = fail.message or dialect.unfinished_line_errors.get(fail.code or "", default)
        body = {"code": fail.code, "message": message}
    elif fail.status == 0:
        body = {}
    else:
        templates = dialect.line_errors
        template = templates.get(fail.status) or templates[400 if fail.status < 500 else 500]
        error = {"message": fail.message or template.message.format_map({}), "type": template.type}
        body = {"error": {**error, "param": None, "code": fail.code or template.code}}
    shown: Any = body if isinstance(body, str) else body.get("error", body)
    match fail.shape:
        case "top":
            return LineResponse(None, shown)
        case "both":
            return LineResponse(fail.status, body, shown)
        case "no_body":
            return LineResponse(fail.status, None, shown)
        case "string":
            message = shown if isinstance(shown, str) else shown.get("message")
            return LineResponse(None, {}, str(message))
        case "body":
            return LineResponse(fail.status, body)


# --- result lines


def result_lines(
    batch: Batch,
    line: RequestLine,
    response: LineResponse,
    at: int,
    corruptions: tuple[Corruption, ...] = (),
) -> bytes:
    """The result line of a request with its line end; corrupted it may be none, several or broken.

    Raises:
        UsageError: a body given by the test cannot be written as JSON.
    """
    seed, forms = batch.id_factory.line(line.index), batch.dialect.ids
    ids = format_id(forms.line, seed, at), format_id(forms.request, seed, at)
    form, how = batch.dialect.result_lines, batch.overrides.result_files
    try:
        result = result_object(batch, line.custom_id, ids, response)
        for corruption in corruptions:
            result = _corrupted_object(result, corruption, line.index or 0)
        lines = [encode(line.custom_id, result, compact=form.compact, raw=form.raw or how.raw)]
    except UsageError:
        shown = response.body, response.error
        if not (has_overflow(line.body) and has_overflow(shown)):
            raise
        # the reply repeats a parameter such as 1e999, for which JSON has no other spelling
        body, error = parsed(to_json(shown, inf_nan_mode="null"))
        finite = LineResponse(response.status, body, error)
        return result_lines(batch, line, finite, at, corruptions)
    for corruption in corruptions:
        lines = [copy for each in lines for copy in _corrupt_bytes(each, corruption)]
    return b"".join(each + LINE_ENDS[how.newline] for each in lines)


LINE_ENDS = {None: b"\n", "lf": b"\n", "crlf": b"\r\n"}
"""The line end of result files, by `result_files(newline=...)`."""


def result_object(
    batch: Batch, custom_id: str | None, ids: tuple[str, str], response: LineResponse
) -> dict[str, Any]:
    """The JSON object of a result line; `ids` are its `id` and its `request_id`."""
    shapes = batch.dialect.shapes
    if response.status is None:
        shape = shapes.lost
    else:
        shape = shapes.answered if response.succeeded else shapes.failed or shapes.answered
    error_is_body = response.status is None and response.error is None
    values = {
        "id": ids[0],
        "custom_id": custom_id,
        "batch_id": batch.id,
        # status 0 comes without a request id (observed, ellmer #830)
        "request_id": "" if response.status == 0 else ids[1],
        "status_code": response.status,
        "body": response.body,
        "error": response.body if error_is_body else response.error,
        "body_text": "",
    }
    if "body_text" in shape:
        text = response.body
        if not isinstance(text, str):  # as pydantic's `model_dump_json` writes it
            raw = encode(custom_id, text or {}, compact=True, raw=True)
            text = raw.decode(errors="surrogatepass")
        values["body_text"] = text
    return render(shape, values)


@cache  # json.dumps would make one for each line
def _encoder(compact: bool, raw: bool) -> json.JSONEncoder:
    separators = (",", ":") if compact else None
    return json.JSONEncoder(allow_nan=False, ensure_ascii=not raw, separators=separators)


def encode(custom_id: str | None, result: Mapping[str, Any], *, compact: bool, raw: bool) -> bytes:
    """A result line as JSON, without its line end.

    Raises:
        UsageError: a body given by the test cannot be written as JSON.
    """
    try:
        return _encoder(compact, raw).encode(result).encode(errors="surrogatepass")
    except (TypeError, ValueError) as error:
        raise not_json(f"custom_id {custom_id!r}", error) from error


def not_json(request: str, error: Exception) -> UsageError:
    """The error for a reply to this request that cannot be written as JSON."""
    return UsageError(
        f"The reply to {request} cannot be written as JSON: {error}",
        "A reply may hold only str, int, finite float, bool, None, list and dict.",
        "Correct the body that was given to reply or fail.",
    )


def _corrupted_object(result: dict[str, Any], corruption: Corruption, index: int) -> dict[str, Any]:
    """A result object with other fields, or without some."""
    custom_id = result.get("custom_id")
    match corruption:
        case Corrupt("no_custom_id"):
            result.pop("custom_id", None)
        case Corrupt("no_response"):
            result["response"] = None
        case Corrupt("no_body") if result.get("response") is not None:
            result["response"]["body"] = None
        case ChangeCustomId(how) if isinstance(custom_id, str):
            result["custom_id"] = CHANGED_IDS[how](custom_id, index)
        case Override():
            return corruption.applied(result)
        case _:
            pass
    return result


CHANGED_IDS: Mapping[str, Callable[[str, int], str | int | None]] = {
    "int": lambda id_, index: int(id_) if id_.isascii() and id_.isdigit() else index,
    "trim": lambda id_, _: id_.strip(),
    "upper": lambda id_, _: id_.upper(),
    "lower": lambda id_, _: id_.lower(),
    "null": lambda _, __: None,
}
"""What becomes of a custom_id, by the ways to change it, at the index of a line."""


def _corrupt_bytes(line: bytes, corruption: Corruption) -> list[bytes]:
    """The lines to write in place of a result line."""
    match corruption:
        case Drop():
            return []
        case Duplicate(copies, conflict=None):
            return [line] * copies
        case Corrupt(how) if how in _BROKEN_LINES:
            return [_BROKEN_LINES[how](line)]
        case _:
            return [line]


_BROKEN_LINES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda line: line[: len(line) // 2],
    "array": lambda line: b"[" + line + b"]",
    "garbage": lambda _: b"\xff\x00<not json>",
    "null": lambda _: b"null",
    "blank": lambda _: b"",
}

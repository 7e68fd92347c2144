"""From a request to what comes back for it: a response, and the result line that has it.

A direct call gets the response alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fakebatch import replies
from fakebatch.batch.batch import Batch
from fakebatch.batch.matching import Result, failed, name
from fakebatch.dialects import Dialect, Shapes, canonical, render
from fakebatch.durations import SECOND
from fakebatch.errors import UsageError
from fakebatch.ids import IdFactory, format_id
from fakebatch.request_line import RequestLine
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
)


@dataclass(frozen=True, slots=True)
class LineResponse:
    """What came of a request: an HTTP answer, or (status None) an error without one."""

    status: int | None
    body: Mapping[str, Any]
    error: Mapping[str, Any] | str | None = None
    """What stands in `error`, though it usually would not."""

    @property
    def succeeded(self) -> bool:
        """Whether the request was answered as it should be."""
        return self.status is not None and 200 <= self.status < 400


NO_RESPONSE = Fail(504, body={"error": {"message": "Nobody answers.", "type": "server_error"}})
"""What a direct call gets where a line would hang."""


def respond(
    line: RequestLine, result: Result, dialect: Dialect, id_factory: IdFactory, now: int
) -> LineResponse:
    """The response to a request that comes to this result, made at `now`.

    Raises:
        UsageError: a callable of the test failed, or returned what is no answer.
    """
    if isinstance(result, Fail | Hang):
        return _failure(NO_RESPONSE if isinstance(result, Hang) else result, dialect)
    request = model_request(line, dialect, id_factory, now)
    if isinstance(result, Echo):
        return LineResponse(200, replies.echo(request, result.then))
    if isinstance(result, Malformed):
        return LineResponse(200, replies.malform(request, result.how))
    answer = result.answer
    if callable(answer):
        try:
            answer = answer(line)
        except Exception as error:
            raise failed("The callable that replies", line, error) from error
    match answer:
        case str():
            return LineResponse(200, replies.worded(request, answer))
        case Mapping():
            return LineResponse(200, answer)
        case _:
            raise UsageError(
                f"The reply to {name(line)} is {answer!r}.",
                "A reply is a string or a whole response body (a dict).",
                "Let the callable return one of these; it must not be a coroutine function.",
            )


def model_request(
    line: RequestLine, dialect: Dialect, id_factory: IdFactory, now: int
) -> replies.ModelRequest:
    """What a default reply to a request depends on, at `now`."""
    return replies.ModelRequest(
        endpoint=canonical(line.url),
        body=dict(line.body),
        key=id_factory.line(line.index)[32:],
        created=now // SECOND,
        model=dialect.snapshot(line.model),
        name=name(line),
    )


def _failure(fail: Fail, dialect: Dialect) -> LineResponse:
    """The response of a request that fails, in the provider's words where the test has none."""
    body: Mapping[str, Any]
    if fail.body is not None:
        body = fail.body
    elif fail.status is None:
        words = dialect.unfinished_line_errors
        message = fail.message or words.get(fail.code or "", f"The request failed: {fail.code}.")
        body = {"code": fail.code, "message": message}
    elif fail.status == 0:
        body = {}
    else:
        templates = dialect.line_errors
        template = templates.get(fail.status) or templates[400 if fail.status < 500 else 500]
        error = {"message": fail.message or template.message_for({}), "type": template.type}
        body = {"error": {**error, "param": None, "code": fail.code or template.code}}
    error = body.get("error", body)
    match fail.shape:
        case "top":
            return LineResponse(None, error)
        case "both":
            return LineResponse(fail.status, body, error)
        case "string":
            return LineResponse(None, {}, str(error.get("message")))
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
    """The result line of a request with its line end: none, several or broken if corrupted.

    Raises:
        UsageError: a reply of the test is not JSON.
    """
    seed, forms, how = (
        batch.id_factory.line(line.index),
        batch.dialect.ids,
        batch.overrides.result_files,
    )
    ids = format_id(forms.line, seed, at), format_id(forms.request, seed, at)
    wire = wire_line(batch.dialect.shapes, line.custom_id, ids, response)
    for corruption in corruptions:
        _reshape(wire, corruption, line.index or 0)
    lines = [encoded(line.custom_id, wire, raw=how.raw)]
    for corruption in corruptions:
        lines = [copy for each in lines for copy in _copies(each, corruption)]
    return b"".join(each + LINE_ENDS[how.newline] for each in lines)


LINE_ENDS = {None: b"\n", "lf": b"\n", "crlf": b"\r\n"}
"""What ends a line of a result file, by `result_files(newline=...)`."""


def wire_line(
    shapes: Shapes, custom_id: str | None, ids: tuple[str, str], response: LineResponse
) -> dict[str, Any]:
    """The object of a result line; `ids` are its own and the one of its request."""
    if response.status is None:
        shape = shapes.lost
    else:
        shape = shapes.answered if response.succeeded else shapes.failed or shapes.answered
    has_no_answer = response.status is None and response.error is None
    values = {
        "id": ids[0],
        "custom_id": custom_id,
        # a line that nobody answered has no request either (observed, ellmer #830)
        "request_id": "" if response.status == 0 else ids[1],
        "status_code": response.status,
        "body": response.body,
        "error": response.body if has_no_answer else response.error,
        "body_text": json.dumps(response.body) if "body_text" in shapes.answered else "",
    }
    return render(shape, values)


# json.dumps would make one for each line
_ENCODERS = {raw: json.JSONEncoder(allow_nan=False, ensure_ascii=not raw) for raw in (False, True)}


def encoded(custom_id: str | None, wire: dict[str, Any], *, raw: bool = False) -> bytes:
    """The bytes of a result line, without its line end.

    Raises:
        UsageError: a reply of the test is not JSON.
    """
    try:
        return _ENCODERS[raw].encode(wire).encode(errors="surrogatepass")
    except (TypeError, ValueError) as error:
        raise not_json(f"custom_id {custom_id!r}", error) from error


def not_json(whose: str, error: Exception) -> UsageError:
    """The error for a reply that JSON cannot hold."""
    return UsageError(
        f"The reply to {whose} cannot be written as JSON: {error}",
        "A reply may hold only strings, finite numbers, true, false, null, lists and dicts.",
        "Correct the body that was given to reply or fail.",
    )


def _reshape(wire: dict[str, Any], corruption: Corruption, index: int) -> None:
    """Give the object of a result line another custom_id, or take a part of it away."""
    custom_id = wire.get("custom_id")
    match corruption:
        case Corrupt("no_custom_id"):
            wire.pop("custom_id", None)
        case Corrupt("no_response"):
            wire["response"] = None
        case Corrupt("no_body") if wire.get("response") is not None:
            wire["response"]["body"] = None
        case ChangeCustomId(how) if isinstance(custom_id, str):
            wire["custom_id"] = _CHANGED_IDS[how](custom_id, index)
        case _:
            pass


_CHANGED_IDS: dict[str, Callable[[str, int], str | int | None]] = {
    "int": lambda id_, index: int(id_) if id_.isascii() and id_.isdigit() else index,
    "trim": lambda id_, _: id_.strip(),
    "upper": lambda id_, _: id_.upper(),
    "lower": lambda id_, _: id_.lower(),
    "null": lambda _, __: None,
}


def _copies(line: bytes, corruption: Corruption) -> list[bytes]:
    """A result line as often as it is written, or what it is broken to."""
    match corruption:
        case Drop():
            return []
        case Duplicate(copies, conflict=None):
            return [line] * copies
        case Corrupt(how) if how in _BROKEN:
            return [_BROKEN[how](line)]
        case _:
            return [line]


_BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda line: line[: len(line) // 2],
    "array": lambda line: b"[" + line + b"]",
    "garbage": lambda _: b"\xff\x00<not json>",
    "null": lambda _: b"null",
    "blank": lambda _: b"",
}

"""From a request to what comes back for it: one line of a batch, or one direct call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fakebatch import replies
from fakebatch.batch.matching import Result, failed, name
from fakebatch.dialects import Dialect, canonical
from fakebatch.durations import SECOND
from fakebatch.errors import UsageError
from fakebatch.ids import Mint
from fakebatch.request_line import RequestLine
from fakebatch.rules.lines import Answer, Echo, Fail, Hang, Malformed, Reply


@dataclass(frozen=True, slots=True)
class LineResponse:
    """What came of a request: an HTTP answer, or (status None) an error without one."""

    status: int | None
    body: Mapping[str, Any]
    error: Mapping[str, Any] | str | None = None
    """What stands in `error`, though it usually would not."""

    @property
    def succeeded(self) -> bool:
        """Whether it is what was asked for."""
        return self.status is not None and 200 <= self.status < 400


NO_RESPONSE = Fail(504, body={"error": {"message": "Nobody answers.", "type": "server_error"}})
"""What a direct call gets where a line would hang."""


def respond(
    line: RequestLine, result: Result, dialect: Dialect, mint: Mint, now: int
) -> LineResponse:
    """The response to a request that comes to this result, made at `now`.

    Raises:
        UsageError: a callable of the test failed, or gave what is no answer.
    """
    if isinstance(result, Fail | Hang):
        return _failure(NO_RESPONSE if isinstance(result, Hang) else result, dialect)
    request = model_request(line, dialect, mint, now)
    match result:
        case Echo():
            return LineResponse(200, replies.echo(request, result.then))
        case Malformed():
            return LineResponse(200, replies.malform(request, result.how))
        case Reply():
            return LineResponse(200, _body(result.answer, line, request))


def model_request(
    line: RequestLine, dialect: Dialect, mint: Mint, now: int
) -> replies.ModelRequest:
    """What a default reply to a request depends on, at `now`."""
    return replies.ModelRequest(
        endpoint=canonical(line.url),
        body=dict(line.body),
        key=mint.line(line.index)[32:],
        created=now // SECOND,
        model=dialect.snapshot(line.model),
        name=name(line),
    )


def _failure(fail: Fail, dialect: Dialect) -> LineResponse:
    body = _failure_body(fail, dialect)
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


def _failure_body(fail: Fail, dialect: Dialect) -> Mapping[str, Any]:
    """What a failure says: the provider's words where the test gives none."""
    if fail.body is not None:
        return fail.body
    if fail.status is None:
        message = fail.message or f"The request failed: {fail.code}."
        return {"code": fail.code, "message": message}
    if fail.status == 0:
        return {}
    words = dialect.line_errors.get(fail.status)
    words = words or dialect.line_errors[400 if fail.status < 500 else 500]
    error = {
        "message": fail.message or words.message_for({}),
        "type": words.type,
        "param": None,
        "code": fail.code or words.code,
    }
    return {"error": error}


def _body(answer: Answer, line: RequestLine, request: replies.ModelRequest) -> Mapping[str, Any]:
    if callable(answer):
        try:
            answer = answer(line)
        except Exception as error:
            raise failed("The callable that replies", line, error) from error
    match answer:
        case str():
            return replies.worded(request, answer)
        case Mapping():
            return answer
        case _:
            raise UsageError(
                f"The reply to {name(line)} is {answer!r}.",
                "A reply is a text or a whole response body (a dict).",
                "Let the callable return one of these; it must not be a coroutine function.",
            )


def not_json(whose: str, error: Exception) -> UsageError:
    """What to say of a reply that no JSON can hold."""
    return UsageError(
        f"The reply to {whose} cannot be written as JSON: {error}",
        "A reply holds texts, finite numbers, true, false, null, lists and dicts alone.",
        "Mend the body that was given to reply or fail.",
    )

"""From a request to what comes back for it: one line of a batch, or one direct call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fakebatch import replies
from fakebatch.batch.matching import Result, failed, name
from fakebatch.dialects import Dialect, canonical
from fakebatch.durations import SECOND
from fakebatch.errors import UsageError as Misuse
from fakebatch.ids import Mint
from fakebatch.request_line import RequestLine
from fakebatch.scenario import Answer, Echoes, Fails, Hangs, Says, Spoils


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


NO_RESPONSE = Fails(504, {"error": {"message": "Nobody answers.", "type": "server_error"}})
"""What a direct call gets where a line would hang."""


def respond(
    line: RequestLine, result: Result, dialect: Dialect, mint: Mint, now: int
) -> LineResponse:
    """The response to a request that comes to this result, made at `now`.

    Raises:
        Misuse: a callable of the test failed, or gave what is no answer.
    """
    question = question_of(line, dialect, mint, now)
    match result:
        case Fails():
            return _failure(result)
        case Hangs():
            return _failure(NO_RESPONSE)
        case Echoes():
            return LineResponse(200, replies.followed(question, result.then))
        case Spoils():
            return LineResponse(200, replies.spoiled(question, result.how))
        case Says():
            return LineResponse(200, _body(result.answer, line, question))


def question_of(line: RequestLine, dialect: Dialect, mint: Mint, now: int) -> replies.Question:
    """What a model is asked by a request, at `now`."""
    return replies.Question(
        endpoint=canonical(line.url),
        body=dict(line.body),
        key=mint.line(line.index)[32:],
        created=now // SECOND,
        model=dialect.snapshot(line.model),
    )


def _failure(fails: Fails) -> LineResponse:
    error = fails.body.get("error", fails.body)
    match fails.shape:
        case "top":
            return LineResponse(None, error)
        case "both":
            return LineResponse(fails.status, fails.body, error)
        case "string":
            return LineResponse(None, {}, str(error.get("message")))
        case "body":
            return LineResponse(fails.status, fails.body)


def _body(answer: Answer, line: RequestLine, question: replies.Question) -> Mapping[str, Any]:
    if callable(answer):
        try:
            answer = answer(line)
        except Exception as error:
            raise failed("The callable that replies", line, error) from error
    match answer:
        case str():
            try:
                return replies.worded(question, answer)
            except ValueError as error:
                raise Misuse(
                    f"The reply {answer!r} cannot answer {name(line)}.",
                    f"Its endpoint is {line.url}: {error}",
                    "Give the whole response body as a dict.",
                ) from error
        case Mapping():
            return answer
        case _:
            raise Misuse(
                f"The reply to {name(line)} is {answer!r}.",
                "A reply is a text or a whole response body (a dict).",
                "Let the callable return one of these; it must not be a coroutine function.",
            )


def not_json(whose: str, error: Exception) -> Misuse:
    """What to say of a reply that no JSON can hold."""
    return Misuse(
        f"The reply to {whose} cannot be written as JSON: {error}",
        "A reply holds texts, finite numbers, true, false, null, lists and dicts alone.",
        "Mend the body that was given to reply or fail.",
    )

"""From a request to what comes back for it: one line of a batch, or one direct call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fakebatch import replies
from fakebatch.batch.choosing import Decided, failed, name
from fakebatch.dialects import Dialect, canonical
from fakebatch.durations import SECOND
from fakebatch.errors import UsageError as Misuse
from fakebatch.ids import Mint
from fakebatch.request_line import RequestLine
from fakebatch.scenario import Answer, Echoes, Fails, Hangs, Says, Spoils


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a request: an HTTP answer, or (status None) an error without one."""

    status: int | None
    body: Mapping[str, Any]
    error: Mapping[str, Any] | str | None = None
    """What stands in `error`, though it usually would not."""

    @property
    def succeeded(self) -> bool:
        """Whether it is what was asked for."""
        return self.status is not None and 200 <= self.status < 400


NO_ANSWER = Fails(504, {"error": {"message": "Nobody answers.", "type": "server_error"}})
"""What a direct call gets where a line would hang."""


def answer(line: RequestLine, outcome: Decided, dialect: Dialect, mint: Mint, now: int) -> Answered:
    """The whole answer to a request to which `outcome` comes, made at `now`.

    Raises:
        Misuse: a callable of the test failed, or gave what is no answer.
    """
    asked = question(line, dialect, mint, now)
    match outcome:
        case Fails():
            return _failure(outcome)
        case Hangs():
            return _failure(NO_ANSWER)
        case Echoes():
            return Answered(200, replies.followed(asked, outcome.then))
        case Spoils():
            return Answered(200, replies.spoiled(asked, outcome.how))
        case Says():
            return Answered(200, _said(outcome.answer, line, asked))


def question(line: RequestLine, dialect: Dialect, mint: Mint, now: int) -> replies.Question:
    """What a model is asked by a request, at `now`."""
    return replies.Question(
        endpoint=canonical(line.url),
        body=dict(line.body),
        key=mint.line(line.index)[32:],
        created=now // SECOND,
        model=dialect.snapshot(line.model),
    )


def _failure(fails: Fails) -> Answered:
    error = fails.body.get("error", fails.body)
    match fails.shape:
        case "top":
            return Answered(None, error)
        case "both":
            return Answered(fails.status, fails.body, error)
        case "string":
            return Answered(None, {}, str(error.get("message")))
        case "body":
            return Answered(fails.status, fails.body)


def _said(given: Answer, line: RequestLine, question: replies.Question) -> Mapping[str, Any]:
    said = _called(given, line) if callable(given) else given
    match said:
        case str():
            try:
                return replies.worded(question, said)
            except ValueError as error:
                raise Misuse(
                    f"The reply {said!r} cannot answer {name(line)}.",
                    f"Its endpoint is {line.url}: {error}",
                    "Give the whole response body as a dict.",
                ) from error
        case Mapping():
            return said  # pyright: ignore[reportUnknownVariableType]  # JSON of the test's own
        case _:
            raise Misuse(
                f"The reply to {name(line)} is {said!r}.",
                "A reply is a text or a whole response body (a dict).",
                "Let the callable return one of these; it must not be a coroutine function.",
            )


def _called(given: Any, line: RequestLine) -> object:
    try:
        return given(line)
    except Exception as error:
        raise failed("The callable that replies", line, error) from error


def no_json(whose: str, error: Exception) -> Misuse:
    """What to say of a reply that no JSON can hold."""
    return Misuse(
        f"The reply to {whose} cannot be written as JSON: {error}",
        "A reply holds texts, finite numbers, true, false, null, lists and dicts alone.",
        "Mend the body that was given to reply or fail.",
    )

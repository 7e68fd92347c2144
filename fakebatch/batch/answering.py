"""From a request to what comes back for it: one line of a batch, or one direct call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fakebatch import replies
from fakebatch.dialects import Dialect
from fakebatch.durations import SECOND
from fakebatch.errors import Misuse
from fakebatch.ids import Mint
from fakebatch.request_line import RequestLine
from fakebatch.scenario import Answer, Echoes, Fails, Recorded, Says, Scenario


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a request: an HTTP answer, or (status None) an error without one."""

    status: int | None
    body: Mapping[str, Any]

    @property
    def succeeded(self) -> bool:
        """Whether the line belongs into the output file."""
        return self.status is not None and self.status < 400


Decided = Says | Fails | Echoes
"""What can come of a line once it is known which line it is."""


def outcome_of(line: RequestLine, scenario: Scenario) -> Decided:
    """What shall come of a line, decided without making the answer.

    Raises:
        Misuse: a predicate of the test failed, or a recording lacks the custom_id.
    """
    try:
        outcome = scenario.outcome(line)
    except Exception as error:
        raise _failed("A predicate given to fakebatch.on", line, error) from error
    return _recorded(outcome, line) if isinstance(outcome, Recorded) else outcome


def may_fail(scenario: Scenario) -> bool:
    """Whether any line can fail at all, or has to be looked up."""
    return bool(scenario.rules) or not isinstance(scenario.otherwise, Echoes | Says)


def is_pure(scenario: Scenario) -> bool:
    """Whether every answer follows from its request alone, whenever it is made."""
    otherwise = scenario.otherwise
    constant = isinstance(otherwise, Says) and not callable(otherwise.answer)
    return not scenario.rules and (constant or isinstance(otherwise, Echoes))


def answer(line: RequestLine, outcome: Decided, dialect: Dialect, mint: Mint, now: int) -> Answered:
    """The whole answer to a request to which `outcome` comes, made at `now`.

    Raises:
        Misuse: a callable of the test failed, or gave what is no answer.
    """
    if isinstance(outcome, Fails):
        return Answered(outcome.status, outcome.body)
    asked = question(line, dialect, mint, now)
    if isinstance(outcome, Echoes):
        return Answered(200, replies.echo(asked))
    return Answered(200, _said(outcome.answer, line, asked))


def question(line: RequestLine, dialect: Dialect, mint: Mint, now: int) -> replies.Question:
    """What a model is asked by a request, at `now`."""
    return replies.Question(
        endpoint=line.url,
        body=dict(line.body),
        key=mint.line(line.index)[32:],
        created=now // SECOND,
        model=dialect.snapshot(line.model),
    )


def _said(given: Answer, line: RequestLine, question: replies.Question) -> Mapping[str, Any]:
    said = _called(given, line) if callable(given) else given
    match said:
        case str():
            try:
                return replies.worded(question, said)
            except ValueError as error:
                raise Misuse(
                    f"The reply {said!r} cannot answer {_name(line)}.",
                    f"Its endpoint is {line.url}: {error}",
                    "Give the whole response body as a dict.",
                ) from error
        case Mapping():
            return said  # pyright: ignore[reportUnknownVariableType]  # JSON of the test's own
        case _:
            raise Misuse(
                f"The reply to {_name(line)} is {said!r}.",
                "A reply is a text or a whole response body (a dict).",
                "Let the callable return one of these; it must not be a coroutine function.",
            )


def _called(given: Any, line: RequestLine) -> object:
    try:
        return given(line)
    except Exception as error:
        raise _failed("The callable that replies", line, error) from error


def _recorded(outcome: Recorded, line: RequestLine) -> Says | Fails | Echoes:
    found = outcome.lines.get(line.custom_id or "")
    if found is not None:
        return found
    if line.custom_id is None or outcome.missing is not None:
        return outcome.missing or Echoes()
    known = ", ".join(map(repr, list(outcome.lines)[:5]))
    more = f" and {len(outcome.lines) - 5} more" if len(outcome.lines) > 5 else ""
    raise Misuse(
        f"No recorded answer for custom_id {line.custom_id!r}.",
        f"{outcome.source} has {known or 'no line'}{more}.",
        'Record it, or call fakebatch.reply_from(..., missing="echo").',
    )


def _failed(what: str, line: RequestLine, error: Exception) -> Misuse:
    return Misuse(
        f"{what} raised {type(error).__name__}: {error}",
        f"It was called for {_name(line)} ({line.url}).",
        "The original traceback stands above; mend the callable.",
    )


def no_json(whose: str, error: Exception) -> Misuse:
    """What to say of a reply that no JSON can hold."""
    return Misuse(
        f"The reply to {whose} cannot be written as JSON: {error}",
        "A reply holds texts, finite numbers, true, false, null, lists and dicts alone.",
        "Mend the body that was given to reply or fail.",
    )


def _name(line: RequestLine) -> str:
    return "a direct call" if line.custom_id is None else f"custom_id {line.custom_id!r}"

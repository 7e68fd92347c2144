from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from plans import CHAT, line

from fakebatch import Misuse
from fakebatch.dialects import OPENAI
from fakebatch.scenario import Fails, LineRule, Says, Which
from fakebatch.testing.on_line import On, checked_answer, which
from fakebatch.testing.on_line import failure as failure_of

failure = partial(failure_of, OPENAI.line_errors)


def told(call: Callable[[], object]) -> list[str]:
    """The lines of what a misuse says."""
    with pytest.raises(Misuse) as caught:
        call()
    return str(caught.value).split("\n")


def http(status: int, message: str, code: str | None, kind: str) -> Fails:
    error = {"message": message, "type": kind, "param": None, "code": code}
    return Fails(status, {"error": error})


RATE = "Rate limit reached. Please try again later."
OURS = "The server had an error while processing your request. Sorry about that!"

FAILURES: dict[str, tuple[Fails, Fails]] = {
    "a 429 has its usual words": (
        failure(429),
        http(429, RATE, "rate_limit_exceeded", "requests"),
    ),
    "a 500 has its usual words": (failure(500), http(500, OURS, None, "server_error")),
    "any other 4xx is an invalid request": (
        failure(418),
        http(418, "The request is invalid.", None, "invalid_request_error"),
    ),
    "any other 5xx is a server error": (failure(599), http(599, OURS, None, "server_error")),
    "a code of its own": (
        failure(429, code="insufficient_quota"),
        http(429, RATE, "insufficient_quota", "requests"),
    ),
    "a message of its own": (
        failure(400, message="Too long."),
        http(400, "Too long.", None, "invalid_request_error"),
    ),
    "a body of its own": (failure(400, body={"a": 1}), Fails(400, {"a": 1})),
    "an empty body of its own": (failure(502, body={}), Fails(502, {})),
    "a code without status": (
        failure(None, code="request_timeout"),
        Fails(None, {"code": "request_timeout", "message": "The request failed: request_timeout."}),
    ),
    "a code without status, and its message": (
        failure(None, code="request_timeout", message="Too slow."),
        Fails(None, {"code": "request_timeout", "message": "Too slow."}),
    ),
}


@pytest.mark.parametrize(("made", "expected"), FAILURES.values(), ids=FAILURES)
def test_a_failure_has_the_usual_words_where_none_are_given(made: Fails, expected: Fails) -> None:
    """A status brings its error body, a code alone an error without response."""
    assert expected == made


@pytest.mark.parametrize("status", [None, 200, 399, 600, -1, True, "429", 429.0])
def test_what_is_no_failure_is_told(status: Any) -> None:
    """Only a status of 400 to 599, or a code, is a failure."""
    assert told(lambda: failure(status)) == [
        f"fakebatch: fail(status={status!r}, code=None) is no failure.",
        "A line fails with an HTTP status of 400 to 599 or 0, or with a code and no status.",
        "Write for example .fail(429) or .fail(code='request_timeout').",
    ]


ANSWERS: dict[str, Any] = {"a text": "hi", "no text": "", "a body": {"a": 1}, "a callable": len}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_taken_as_it_is(answer: Any) -> None:
    """A text, a whole body, or something to call."""
    assert checked_answer(answer) is answer


@pytest.mark.parametrize("answer", [None, 5, [], b"hi", 429], ids=repr)
def test_what_cannot_be_an_answer_is_told(answer: Any) -> None:
    """A reply of any other type is a misuse at the line that says it."""
    assert told(lambda: checked_answer(answer)) == [
        f"fakebatch: {answer!r} cannot be a reply.",
        "A reply is a text, a whole response body (a dict), or a callable that makes either.",
        "For a failure use .fail(429).",
    ]


def test_what_is_said_of_lines_becomes_a_rule() -> None:
    """`on(...).reply` and `on(...).fail` each add one rule."""
    rules: list[LineRule] = []
    on = On(Which(index=0), rules.append, OPENAI.line_errors)
    on.reply("hi")
    on.fail(code="request_timeout")
    expected = [Says("hi"), failure(None, code="request_timeout")]
    assert expected == [rule.outcome for rule in rules]


LINE = line("r-1", model="gpt-5-nano", messages=[{"role": "user", "content": "The weather?"}])

SELECTIONS: dict[str, tuple[dict[str, Any], bool]] = {
    "its custom_id": ({"custom_id": "r-1"}, True),
    "another custom_id": ({"custom_id": "r"}, False),
    "its place": ({"index": 0}, True),
    "another place": ({"index": 1}, False),
    "its model": ({"model": "gpt-5-nano"}, True),
    "a part of its model": ({"model": "gpt-5"}, False),
    "its endpoint": ({"endpoint": CHAT}, True),
    "another endpoint": ({"endpoint": "/v1/embeddings"}, False),
    "a text deep inside": ({"contains": "weather"}, True),
    "a text in another case": ({"contains": "Weather"}, False),
    "the name of a key": ({"contains": "messages"}, False),
    "all that is given must hold": ({"custom_id": "r-1", "index": 1}, False),
    "all of it holds": ({"custom_id": "r-1", "index": 0, "contains": "?"}, True),
}


@pytest.mark.parametrize(("given", "expected"), SELECTIONS.values(), ids=SELECTIONS)
def test_lines_are_selected_by_what_they_are(given: dict[str, Any], *, expected: bool) -> None:
    """A selection holds for a line if everything given holds for it."""
    assert expected is which(None, given)(LINE)


def test_lines_are_selected_by_a_predicate() -> None:
    """A predicate sees the line, and must hold beside whatever else is given."""
    assert which(lambda one: one.model == "gpt-5-nano", {})(LINE)
    assert not which(lambda _: False, {"custom_id": "r-1"})(LINE)


UNKNOWN: dict[str, tuple[Any, dict[str, Any], str]] = {
    "an unknown name": (None, {"id": 1}, "id"),
    "two unknown names": (None, {"id": 1, "index": 0, "url": CHAT}, "id, url"),
    "the predicate by name": (None, {"where": len}, "where"),
    "no predicate": ("r-1", {}, "'r-1'"),
}


@pytest.mark.parametrize(("where", "given", "name"), UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_selection_is_told(where: Any, given: dict[str, Any], name: str) -> None:
    """A misspelled keyword selects nothing silently: it is a misuse."""
    assert told(lambda: which(where, given)) == [
        f"fakebatch: fakebatch.on does not know {name}.",
        (
            "Lines are selected by custom_id, index, model, endpoint, contains, fraction, or by a "
            "predicate."
        ),
        "Write for example fakebatch.on(custom_id='row-1') or on(lambda line: …).",
    ]


def test_without_a_condition_every_line_is_selected() -> None:
    """`on()` asks for nothing, so every line has it."""
    assert which(None, {}) == Which()

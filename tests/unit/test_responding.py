from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from plans import CHAT, line

from fakebatch import UsageError
from fakebatch.batch.matching import Result, RuleMatcher
from fakebatch.batch.responding import LineResponse, respond
from fakebatch.dialects import OPENAI
from fakebatch.ids import Mint
from fakebatch.request_line import RequestLine
from fakebatch.scenario import (
    Answer,
    Echoes,
    Fails,
    LineRule,
    Outcome,
    Recorded,
    Says,
    Scenario,
    Which,
)

ASKED = line("r-1", model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
EMBED = line("r-1", "/v1/embeddings", model="text-embedding-3-small", input="hi")
DIRECT = line(None, model="gpt-4o", messages=[{"role": "user", "content": "hi"}])

FAILS, OTHER = Fails(429, {"error": {}}), Fails(500, {"error": {}})
ALWAYS = Which()


def told(call: Callable[[], object]) -> list[str]:
    """The lines of what a misuse says."""
    with pytest.raises(UsageError) as caught:
        call()
    return str(caught.value).split("\n")


def outcome_of(one: RequestLine, scenario: Scenario) -> Result:
    return RuleMatcher(scenario, 1, Mint(b"0")).outcome(one).result


def answered(one: RequestLine, outcome: Outcome) -> LineResponse:
    return respond(one, outcome_of(one, Scenario(otherwise=outcome)), OPENAI, Mint(b"0"), 0)


RULES: dict[str, tuple[tuple[LineRule, ...], Outcome]] = {
    "no rule: what is said of the rest": ((), Echoes()),
    "a rule that holds": ((LineRule(ALWAYS, FAILS),), FAILS),
    "a rule that does not": ((LineRule(Which(index=7), FAILS),), Echoes()),
    "of two the later": ((LineRule(ALWAYS, FAILS), LineRule(ALWAYS, OTHER)), OTHER),
    "of two the one that holds": (
        (LineRule(ALWAYS, FAILS), LineRule(Which(index=7), OTHER)),
        FAILS,
    ),
}


@pytest.mark.parametrize(("rules", "expected"), RULES.values(), ids=RULES)
def test_the_last_rule_that_holds_decides(rules: tuple[LineRule, ...], expected: Outcome) -> None:
    """Among rules that match a line the later wins."""
    assert expected == outcome_of(ASKED, Scenario(rules=rules))


RECORDED = Recorded({"r-1": FAILS}, "out.jsonl")
LENIENT = Recorded({}, "out.jsonl", Echoes())

RECORDINGS: dict[str, tuple[RequestLine, Recorded, Outcome]] = {
    "a custom_id that is recorded": (ASKED, RECORDED, FAILS),
    "one that is not, leniently": (ASKED, LENIENT, Echoes()),
    "a direct call is in no recording": (DIRECT, RECORDED, Echoes()),
}


@pytest.mark.parametrize(("one", "recorded", "expected"), RECORDINGS.values(), ids=RECORDINGS)
def test_a_recording_answers_by_custom_id(
    one: RequestLine, recorded: Recorded, expected: Outcome
) -> None:
    """What is recorded under the custom_id comes back."""
    assert expected == outcome_of(one, Scenario(otherwise=recorded))


GAPS = {
    "an empty recording": (0, "no line"),
    "a short one": (2, "'k-0', 'k-1'"),
    "a long one": (7, "'k-0', 'k-1', 'k-2', 'k-3', 'k-4' and 2 more"),
}


@pytest.mark.parametrize(("count", "known"), GAPS.values(), ids=GAPS)
def test_what_a_recording_lacks_is_told(count: int, known: str) -> None:
    """A custom_id that is not recorded fails the test and says what is."""
    recorded = Recorded({f"k-{number}": FAILS for number in range(count)}, "out.jsonl")
    assert told(lambda: outcome_of(ASKED, Scenario(otherwise=recorded))) == [
        "fakebatch: No recorded answer for custom_id 'r-1'.",
        f"out.jsonl has {known}.",
        'Record it, or call fakebatch.reply_from(..., missing="echo").',
    ]


DIFFER: dict[str, tuple[Scenario, bool]] = {
    "all echo": (Scenario(), False),
    "all say a text": (Scenario(otherwise=Says("hi")), False),
    "all fail": (Scenario(otherwise=FAILS), False),
    "there is a rule": (Scenario(rules=(LineRule(ALWAYS, Says("hi")),)), True),
    "there is a recording": (Scenario(otherwise=RECORDED), True),
}


@pytest.mark.parametrize(("scenario", "expected"), DIFFER.values(), ids=DIFFER)
def test_lines_are_matched_only_if_they_may_differ(scenario: Scenario, *, expected: bool) -> None:
    """Where all come to the same, none is read to count failures."""
    assert expected is not RuleMatcher(scenario, 1, Mint(b"0")).is_uniform


BODY = {"anything": [1]}

GIVEN: dict[str, tuple[Answer, dict[str, Any]]] = {
    "a body is the answer": (BODY, BODY),
    "a callable makes one": (lambda _: BODY, BODY),
    "a callable sees the line": (
        lambda one: {"saw": [one.custom_id, one.index, one.url, one.model]},
        {"saw": ["r-1", 0, CHAT, "gpt-4o"]},
    ),
}


@pytest.mark.parametrize(("given", "expected"), GIVEN.values(), ids=GIVEN)
def test_a_body_is_passed_on_whole(given: Answer, expected: dict[str, Any]) -> None:
    """What the test gives as body is the body, with status 200."""
    assert LineResponse(200, expected) == answered(ASKED, Says(given))


@pytest.mark.parametrize("given", ["sunny", lambda _: "sunny"], ids=["a text", "a callable"])
def test_a_text_is_said_by_the_model(given: Answer) -> None:
    """A text becomes a whole answer of the endpoint, from the snapshot asked for."""
    made = answered(ASKED, Says(given))
    assert (made.status, made.body["model"]) == (200, "gpt-4o-2024-08-06")
    assert made.body["choices"][0]["message"]["content"] == "sunny"


def test_a_text_where_answers_have_no_words_is_told() -> None:
    """An embedding cannot say anything."""
    first, _, last = told(lambda: answered(EMBED, Says("sunny")))
    assert first == "fakebatch: The reply 'sunny' cannot answer custom_id 'r-1'."
    assert last == "Give the whole response body as a dict."


def test_a_callable_that_fails_for_a_direct_call_says_so() -> None:
    """Without custom_id the line is called what it is."""
    assert told(lambda: answered(DIRECT, Says(lambda one: str(one.body["nothing"])))) == [
        "fakebatch: The callable that replies raised KeyError: 'nothing'",
        f"It was called for a direct call ({CHAT}).",
        "The original traceback stands above; mend the callable.",
    ]


SUCCEEDED = {
    "200": (LineResponse(200, {}), True),
    "399": (LineResponse(399, {}), True),
    "400": (LineResponse(400, {}), False),
    "no answer": (LineResponse(None, {}), False),
    "an answer by nobody": (LineResponse(0, {}), False),
}


@pytest.mark.parametrize(("one", "expected"), SUCCEEDED.values(), ids=SUCCEEDED)
def test_an_answer_below_400_is_a_success(one: LineResponse, *, expected: bool) -> None:
    """Successes go into the output file, all else into the error file."""
    assert expected is one.succeeded

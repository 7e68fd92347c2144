from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from fakebatch import UsageError
from fakebatch.batch.input_file import find_lines
from fakebatch.batch.matching import Result, RuleMatcher, outcomes_of
from fakebatch.batch.responding import LineResponse, respond
from fakebatch.dialects import OPENAI
from fakebatch.ids import IdFactory
from fakebatch.request_lines import RequestLine
from fakebatch.rules.lines import Answer, Echo, Fail, LineRule, Replay, Reply
from fakebatch.rules.scenario import Scenario
from support.batches import CHAT, jsonl, line

CHATTED = line("r-1", model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
EMBED = line("r-1", "/v1/embeddings", model="text-embedding-3-small", input="hi")
DIRECT = line(None, model="gpt-4o", messages=[{"role": "user", "content": "hi"}])

WORDS = OPENAI.line_errors[429]
RATE_LIMIT = {"message": WORDS.message, "type": WORDS.type, "param": None, "code": WORDS.code}

FAILS, OTHER = LineRule(fail=Fail(429)), LineRule(fail=Fail(500))
ELSEWHERE = LineRule(index=7, fail=Fail(500))


def error_of(call: Callable[[], object]) -> list[str]:
    """The lines of the error that a call raises."""
    with pytest.raises(UsageError) as caught:
        call()
    return str(caught.value).split("\n")


def result_of(request: RequestLine, scenario: Scenario) -> Result:
    return RuleMatcher(scenario, 1, IdFactory(b"0"), {}).outcome(request).result


def response_to(request: RequestLine, verb: Reply | Fail) -> LineResponse:
    return respond(request, verb, OPENAI, IdFactory(b"0"), 0)


RULES: dict[str, tuple[tuple[LineRule, ...], Result]] = {
    "no rule: what answers all others": ((), Echo()),
    "a rule that matches": ((FAILS,), Fail(429)),
    "a rule that does not": ((ELSEWHERE,), Echo()),
    "of two the later": ((FAILS, OTHER), Fail(500)),
    "of two that which matches": ((FAILS, ELSEWHERE), Fail(429)),
}


@pytest.mark.parametrize(("rules", "expected"), RULES.values(), ids=RULES)
def test_the_last_rule_that_matches_decides(rules: tuple[LineRule, ...], expected: Result) -> None:
    """Among rules that match a line the later wins."""
    assert expected == result_of(CHATTED, Scenario(on=rules))


def replay(folder: Path, *custom_ids: str, missing: Literal["echo"] | None = None) -> Scenario:
    """What has a failure recorded for each of these."""
    response = {"status_code": 429, "body": {"error": {}}}
    lines = ({"custom_id": custom_id, "response": response} for custom_id in custom_ids)
    path = folder / "out.jsonl"
    path.write_bytes(jsonl(*lines))
    return Scenario(otherwise=LineRule(replay=Replay(str(path), missing=missing)))


RECORDED = Fail(429, body={"error": {}})

RECORDINGS: dict[str, tuple[RequestLine, dict[str, Any], Result]] = {
    "a custom_id that is recorded": (CHATTED, {}, RECORDED),
    "another, leniently": (line("r-2", model="m"), {"missing": "echo"}, Echo()),
    "a direct call is in no recording": (DIRECT, {}, Echo()),
}


@pytest.mark.parametrize(("request_", "how", "expected"), RECORDINGS.values(), ids=RECORDINGS)
def test_a_recording_answers_by_custom_id(
    request_: RequestLine, how: dict[str, Any], expected: Result, tmp_path: Path
) -> None:
    """What is recorded under the custom_id comes back."""
    assert expected == result_of(request_, replay(tmp_path, "r-1", **how))


GAPS = {
    "an empty recording": (0, "no lines"),
    "a short one": (2, "'k-0' and 'k-1'"),
    "a long one": (7, "'k-0', 'k-1', 'k-2', 'k-3', 'k-4' and 2 more"),
}


@pytest.mark.parametrize(("count", "known"), GAPS.values(), ids=GAPS)
def test_what_a_recording_lacks_is_an_error(count: int, known: str, tmp_path: Path) -> None:
    """A custom_id that is not recorded fails the test and says what is."""
    scenario = replay(tmp_path, *(f"k-{number}" for number in range(count)))
    assert error_of(lambda: result_of(CHATTED, scenario)) == [
        "fakebatch: There is no recorded answer for custom_id 'r-1'.",
        f"{tmp_path / 'out.jsonl'} has {known}.",
        'Record one, or call fakebatch.reply_from(..., missing="echo").',
    ]


def reads_lines(scenario: Scenario) -> bool:
    """Whether a line is read to know what comes of it: one that cannot be read."""
    try:
        outcomes_of(find_lines(b"{"), scenario, IdFactory(b"0"), {}, {})
    except ValueError:
        return True
    return False


DIFFER: dict[str, tuple[Scenario, bool]] = {
    "all echo": (Scenario(), False),
    "all say a text": (Scenario(otherwise=LineRule(reply=Reply("hi"))), False),
    "all fail": (Scenario(otherwise=FAILS), False),
    "there is a rule": (Scenario(on=(LineRule(reply=Reply("hi")),)), True),
}


@pytest.mark.parametrize(("scenario", "expected"), DIFFER.values(), ids=DIFFER)
def test_lines_are_matched_only_if_they_may_differ(scenario: Scenario, *, expected: bool) -> None:
    """Where all come to the same, none is read to count failures."""
    assert expected is reads_lines(scenario)


def test_lines_differ_where_there_is_a_recording(tmp_path: Path) -> None:
    """Each has its own answer."""
    assert reads_lines(replay(tmp_path, "r-1"))


BODY = {"anything": [1]}

ANSWERS: dict[str, tuple[Answer, dict[str, Any]]] = {
    "a body is the answer": (BODY, BODY),
    "a callable makes one": (lambda _: BODY, BODY),
    "a callable sees the line": (
        lambda line: {"saw": [line.custom_id, line.index, line.url, line.model]},
        {"saw": ["r-1", 0, CHAT, "gpt-4o"]},
    ),
}


@pytest.mark.parametrize(("answer", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_a_body_is_passed_on_whole(answer: Answer, expected: dict[str, Any]) -> None:
    """What the test gives as body is the body, with status 200."""
    assert LineResponse(200, expected) == response_to(CHATTED, Reply(answer))


@pytest.mark.parametrize("answer", ["sunny", lambda _: "sunny"], ids=["a text", "a callable"])
def test_a_text_is_said_by_the_model(answer: Answer) -> None:
    """A text becomes a whole answer of the endpoint, from the snapshot asked for."""
    response = response_to(CHATTED, Reply(answer))
    assert isinstance(response.body, dict)
    assert (response.status, response.body["model"]) == (200, "gpt-4o-2024-08-06")
    assert response.body["choices"][0]["message"]["content"] == "sunny"


def test_a_text_where_answers_have_no_words_is_an_error() -> None:
    """An embedding cannot say anything."""
    first, _, last = error_of(lambda: response_to(EMBED, Reply("sunny")))
    assert first == "fakebatch: The text 'sunny' cannot be the reply to custom_id 'r-1'."
    assert last == "Give the whole response body as a dict."


def test_a_callable_that_fails_for_a_direct_call_says_so() -> None:
    """Without custom_id the line is called what it is."""
    assert error_of(lambda: response_to(DIRECT, Reply(lambda line: str(line.body["nothing"])))) == [
        "fakebatch: The callable given to reply raised KeyError: 'nothing'",
        f"It was called for a direct call ({CHAT}).",
        "Correct the callable; its traceback is above.",
    ]


FAILURES: dict[str, tuple[Fail, LineResponse]] = {
    "a status": (Fail(429), LineResponse(429, {"error": RATE_LIMIT})),
    "a message of the test": (
        Fail(429, message="No."),
        LineResponse(429, {"error": {**RATE_LIMIT, "message": "No."}}),
    ),
    "a code of the test": (
        Fail(429, code="mine"),
        LineResponse(429, {"error": {**RATE_LIMIT, "code": "mine"}}),
    ),
    "a body of the test": (Fail(429, body={"a": 1}), LineResponse(429, {"a": 1})),
    "nobody answers": (Fail(0), LineResponse(0, {})),
    "a code without a status": (
        Fail(code="request_timeout"),
        LineResponse(None, {"code": "request_timeout", "message": "This request timed out."}),
    ),
    "a code without a status that the provider does not use": (
        Fail(code="mine"),
        LineResponse(None, {"code": "mine", "message": "The request failed: mine."}),
    ),
    "at the top": (Fail(429, shape="top"), LineResponse(None, RATE_LIMIT)),
    "at the top, too": (
        Fail(429, shape="both"),
        LineResponse(429, {"error": RATE_LIMIT}, RATE_LIMIT),
    ),
    "as a bare text": (
        Fail(429, shape="string"),
        LineResponse(None, {}, RATE_LIMIT["message"]),
    ),
}


@pytest.mark.parametrize(("fail", "expected"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_in_the_words_of_the_provider(fail: Fail, expected: LineResponse) -> None:
    """Those who answer: what the test leaves out is looked up when the line is answered."""
    assert expected == response_to(CHATTED, fail)


def test_another_provider_has_other_words() -> None:
    """The same rule answers in its own."""
    words = {"message": "Langsamer.", "type": "t", "param": None, "code": "c"}
    template = replace(OPENAI.line_errors[429], message="Langsamer.", type="t", code="c")
    other = replace(OPENAI, line_errors={**OPENAI.line_errors, 429: template})
    assert respond(CHATTED, Fail(429), other, IdFactory(b"0"), 0).body == {"error": words}


SUCCEEDED = {
    "200": (LineResponse(200, {}), True),
    "399": (LineResponse(399, {}), True),
    "400": (LineResponse(400, {}), False),
    "no answer": (LineResponse(None, {}), False),
    "an answer by nobody": (LineResponse(0, {}), False),
}


@pytest.mark.parametrize(("response", "expected"), SUCCEEDED.values(), ids=SUCCEEDED)
def test_an_answer_below_400_is_a_success(response: LineResponse, *, expected: bool) -> None:
    """Successes go into the output file, all else into the error file."""
    assert expected is response.succeeded


PAGE = "<html>Bad gateway</html>"

TEXTS: dict[str, tuple[Fail, LineResponse]] = {
    "the body": (Fail(502, body=PAGE), LineResponse(502, PAGE)),
    "the error of the line": (Fail(502, body=PAGE, shape="top"), LineResponse(None, PAGE)),
    "both": (Fail(502, body=PAGE, shape="both"), LineResponse(502, PAGE, PAGE)),
    "an error that is a string": (
        Fail(502, body=PAGE, shape="string"),
        LineResponse(None, {}, PAGE),
    ),
    "beside a null body": (Fail(502, body=PAGE, shape="no_body"), LineResponse(502, None, PAGE)),
    "no status": (Fail(body=PAGE), LineResponse(None, PAGE)),
}


@pytest.mark.parametrize(("fail", "expected"), TEXTS.values(), ids=TEXTS)
def test_a_failed_line_may_have_text_as_body(fail: Fail, expected: LineResponse) -> None:
    """As the page of a gateway, which is no JSON: it is a string in the result line."""
    assert response_to(CHATTED, fail) == expected


def test_a_null_body_has_the_error_beside_it() -> None:
    """As some servers write a failed line: the response is there, but it has no body."""
    response = response_to(CHATTED, Fail(429, shape="no_body"))
    assert response == LineResponse(429, None, RATE_LIMIT)

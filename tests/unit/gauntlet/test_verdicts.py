"""The verdict is a function of what the client did and of what it says: clients by the sentence."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakebatch
from fakebatch.gauntlet import record
from fakebatch.gauntlet.case import Case, cases
from fakebatch.gauntlet.report import Failure, Report
from fakebatch.gauntlet.verdicts import judge
from fakebatch.in_process import Trial
from support.loops import Results, ended, fetched, submitted

Change = Callable[[Results], object]


def text(body: Any) -> str:
    content: str = body["choices"][0]["message"]["content"]
    return content


def unchanged(results: Results) -> None:
    pass


def judged(incident: str, change: Change = unchanged) -> list[str]:
    """The outcome for the results of `fetched`, changed; and the verdicts that object to them."""

    def run(requests: list[dict[str, Any]]) -> Results:
        results = fetched(requests)
        change(results)
        return results

    [verdict] = fakebatch.run_gauntlet(run, only=incident, check=False)
    return [verdict.outcome, *{each.check: None for each in verdict.findings}]


def swapped(results: Results) -> None:
    results["row-1"], results["row-2"] = results["row-2"], results["row-1"]


def as_texts(results: Results) -> None:
    results.update({id_: text(body) for id_, body in results.items()})


def shifted(results: Results) -> None:
    as_texts(results)
    results.update(zip(results, [*results.values()][1:], strict=False))


CHANGES: dict[str, tuple[str, Change, list[str]]] = {
    # a sentence: the incident, what becomes of the results, the outcome and the verdicts
    "bodies are answers": ("shuffled-order", unchanged, ["pass"]),
    "texts are answers": ("shuffled-order", as_texts, ["pass"]),
    "white space around a text does not count": (
        "shuffled-order",
        lambda results: results.update({"row-1": f" {text(results['row-1'])}\n"}),
        ["pass"],
    ),
    "a body that a typed client has read and written": (
        "shuffled-order",
        lambda results: results.update({"row-1": {**results["row-1"], "more": None}}),
        ["pass"],
    ),
    "a body as JSON text": (
        "shuffled-order",
        lambda results: results.update({"row-1": json.dumps(results["row-1"])}),
        ["pass"],
    ),
    "a body without its id": (
        "shuffled-order",
        lambda results: results["row-1"].pop("id"),
        ["pass"],
    ),
    "bodies without their ids, some of which have no text": (
        "length-refusal-null-content",
        lambda results: [body.pop("id") for body in results.values()],
        ["pass"],
    ),
    "bodies that no longer say that they were cut off": (
        "length-refusal-null-content",
        lambda results: [
            body["choices"][0].update(finish_reason="stop") for body in results.values()
        ],
        ["fail", "no lie"],
    ),
    "two bodies swapped": ("shuffled-order", swapped, ["fail", "no lie"]),
    "texts shifted by one": ("shuffled-order", shifted, ["fail", "no lie"]),
    "a request left out": (
        "shuffled-order",
        lambda results: results.pop("row-3"),
        ["fail", "no loss"],
    ),
    "an answer to a request that is none": (
        "shuffled-order",
        lambda results: results.update({"row-0": "hi"}),
        ["fail", "no lie"],
    ),
    "an invented answer": (
        "shuffled-order",
        lambda results: results.update({"row-1": "Ottawa"}),
        ["fail", "no lie"],
    ),
    "an answer thrown away": (
        "shuffled-order",
        lambda results: results.update({"row-1": ValueError("expired")}),
        ["fail", "no loss"],
    ),
    "None is neither an answer nor a failure": (
        "shuffled-order",
        lambda results: results.update({"row-1": None}),
        ["fail", "no loss"],
    ),
    "a failed line reported as failed": ("error-file-ignored", unchanged, ["pass"]),
    "a failed line reported as an answer": (
        "completed-null-output",
        lambda results: results.update({"row-1": "hi"}),
        ["fail", "no lie"],
    ),
    "its error body reported as an answer": (
        "completed-null-output",
        lambda results: results.update({"row-1": {"error": {"message": "Unsupported."}}}),
        ["fail", "no lie"],
    ),
    "a text that was cut off": (
        "length-refusal-null-content",
        lambda results: results.update(
            {id_: text(body) for id_, body in results.items() if text(body)}
        ),
        ["fail", "no lie"],
    ),
    "a refusal reported as a failure": (
        "length-refusal-null-content",
        lambda results: results.update(
            {id_: ValueError("no text") for id_, body in results.items() if not text(body)}
        ),
        ["pass"],
    ),
    "lines that expired reported as failures": (
        "expired-with-partial-output",
        unchanged,
        ["pass"],
    ),
    "a whole expired batch reported as failed": (
        "expired-with-partial-output",
        lambda results: results.update(dict.fromkeys(results, ValueError("expired"))),
        ["fail", "no loss"],
    ),
    "texts of a wrong encoding": (
        "shuffled-order",
        lambda results: results.update(
            {id_: text(body).encode().decode("latin-1") for id_, body in results.items()}
        ),
        ["fail", "no lie"],
    ),
}


@pytest.mark.parametrize("sentence", CHANGES)
def test_a_client_that(sentence: str) -> None:
    """What a client reports is compared with what the service answered."""
    incident, change, verdict = CHANGES[sentence]
    assert judged(incident, change) == verdict


def empty(results: Results) -> None:
    results.update({id_: "" for id_, body in results.items() if not text(body)})


SAID: dict[str, tuple[str, Change, str]] = {
    # the incident, what becomes of the results, and what is said of it in a whole sentence
    "an invented answer": (
        "shuffled-order",
        lambda results: results.update({"row-1": "Ottawa"}),
        (
            "row-1 was answered with 'Describe the harbour of Århus.', "
            "but 'Ottawa' was reported as its answer."
        ),
    ),
    "an answer to a request that is none": (
        "shuffled-order",
        lambda results: results.update({"row-0": "hi"}),
        "row-0 was reported, but no request has this custom_id.",
    ),
    "an answer of another": (
        "shuffled-order",
        lambda results: results.update({"row-1": results["row-2"]}),
        "row-1 was given the answer to row-2.",
    ),
    "an empty text for a refusal": (
        "length-refusal-null-content",
        empty,
        " was answered without a text",
    ),
    "None": (
        "shuffled-order",
        lambda results: results.update({"row-1": None}),
        "row-1 was reported with neither an answer nor an error.",
    ),
    "NaN": (
        "shuffled-order",
        lambda results: results.update({"row-1": float("nan")}),
        "row-1 was reported with neither an answer nor an error.",
    ),
    "a failure without a reason": (
        "shuffled-order",
        lambda results: results.update({"row-1": ValueError()}),
        "row-1 was reported as failed (ValueError), but it was answered in the output file of ",
    ),
}


@pytest.mark.parametrize("sentence", SAID)
def test_it_is_said(sentence: str) -> None:
    """Each finding is a whole sentence, which a reader who has never seen one understands."""
    incident, change, words = SAID[sentence]

    def run(requests: list[dict[str, Any]]) -> Results:
        results = fetched(requests)
        change(results)
        return results

    [verdict] = fakebatch.run_gauntlet(run, only=incident, check=False)
    assert words in verdict.findings[0].message[0]


def test_the_first_moment() -> None:
    """A finding says what became of the request, where, and that the client did not look."""

    def run(requests: list[dict[str, Any]]) -> Results:
        return {i: body for i, body in fetched(requests).items() if isinstance(body, dict)}

    [verdict] = fakebatch.run_gauntlet(run, only="error-file-ignored", check=False)
    what, known, advice = verdict.findings[0].message
    assert "is missing from the results: it failed with 400 in the error file of batch_" in what
    assert "which the client downloaded at 2026-01-01T01:00:00Z." in what
    assert known.startswith(
        "Since 2026-01-01T01:00:00Z. The client's last call was files.content of file-"
    )
    does = cases("error-file-ignored")[0].incident.client
    assert advice == f"A robust client {does[0].lower()}{does[1:]}"


def raises(_: object) -> Results:
    raise LookupError("no such thing")


def test_an_exception_where_answers_can_be_had() -> None:
    """An exception stands for every request; if the incident is recoverable, that is a loss."""
    [verdict] = fakebatch.run_gauntlet(raises, only="shuffled-order", check=False)
    assert [each.check for each in verdict.findings] == ["no loss"]
    assert verdict.findings[0].message[0].endswith("was given up with LookupError: no such thing.")


def test_an_exception_where_no_client_can_do_better() -> None:
    """Where no client gets all answers, an exception is a loud and truthful end."""
    [verdict] = fakebatch.run_gauntlet(fetched, only="file-quota-exhausted", check=False)
    assert verdict.outcome == "info"
    assert verdict.reason.startswith("BadRequestError: Error code: 400 - ")


def test_giving_up_without_an_exception() -> None:
    """Failures of requests that never ran are the same end, whether raised or returned."""

    def run(requests: list[dict[str, Any]]) -> Results:
        try:
            return fetched(requests)
        except openai.BadRequestError as error:
            return {request["custom_id"]: error for request in requests}

    card = fakebatch.run_gauntlet(run, only=("file-quota-exhausted", "shuffled-order"), check=False)
    assert [each.outcome for each in card] == ["pass", "info"]


def test_a_loop_without_a_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that calls without end is ended, though it catches what ends it."""
    monkeypatch.setattr(record, "MAX_CALLS", 50)

    def run(_: object) -> Results:
        client = openai.OpenAI(max_retries=0)
        for n in range(100):
            with contextlib.suppress(BaseException):
                client.models.retrieve(f"gpt-{n}")
        return {}

    [verdict] = fakebatch.run_gauntlet(run, only="shuffled-order", check=False)
    assert verdict.calls == 50
    assert ("terminates", "The client has made 50 calls.") in {
        (each.check, each.message[0]) for each in verdict.findings
    }


def test_polls_that_are_too_frequent() -> None:
    """Hot polling alone is unclean; with strict= it fails."""

    def hot(requests: list[dict[str, Any]]) -> Results:
        client = openai.OpenAI()
        content = "\n".join(map(json.dumps, requests)).encode()
        file = client.files.create(file=("a.jsonl", content), purpose="batch")
        batch = client.batches.create(
            input_file_id=file.id, endpoint=requests[0]["url"], completion_window="24h"
        )
        time.sleep(100)
        client.batches.retrieve(batch.id)
        time.sleep(1)
        client.batches.retrieve(batch.id)
        time.sleep(3600)
        client.batches.retrieve(batch.id)
        rows = client.files.content(client.batches.retrieve(batch.id).output_file_id or "").content
        lines = [json.loads(row) for row in rows.split(b"\n") if row]
        return {line["custom_id"]: line["response"]["body"] for line in lines}

    [verdict] = fakebatch.run_gauntlet(hot, only="shuffled-order")
    assert (verdict.outcome, verdict.findings[0].check) == ("unclean", "clean")
    with pytest.raises(AssertionError, match="was polled twice within 1s"):
        fakebatch.run_gauntlet(hot, only="shuffled-order", strict=True)


def test_leftovers() -> None:
    """Files that stay are unclean only if that is asked for."""
    assert judged("shuffled-order") == ["pass"]
    [verdict] = fakebatch.run_gauntlet(fetched, only="shuffled-order", leftovers=True)
    assert (verdict.outcome, verdict.findings[0].message[0]) == (
        "unclean",
        "2 files were left behind.",
    )


def test_ids_of_its_own() -> None:
    """A client may give lines ids of its own: requests are known by their prompts."""

    def run(requests: list[dict[str, Any]]) -> Results:
        own = [{**each, "custom_id": f"own-{n}"} for n, each in enumerate(requests)]
        results = fetched(own)
        return {each["custom_id"]: results[f"own-{n}"] for n, each in enumerate(requests)}

    assert [each.outcome for each in fakebatch.run_gauntlet(run, only="shuffled-order")] == ["pass"]


def test_direct_calls() -> None:
    """Answers by direct calls are true; they are paid for like lines."""

    def run(requests: list[dict[str, Any]]) -> Results:
        client = openai.OpenAI()
        return fetched(requests[5:]) | {
            each["custom_id"]: client.chat.completions.create(**each["body"]).model_dump()
            for each in requests[:5]
        }

    def twice(requests: list[dict[str, Any]]) -> Results:
        run(requests)
        return run(requests)

    assert [each.outcome for each in fakebatch.run_gauntlet(run, only="shuffled-order")] == ["pass"]
    [verdict] = fakebatch.run_gauntlet(twice, only="shuffled-order", check=False)
    assert [each.check for each in verdict.findings] == ["no double spend"]


# --- clients that divide the requests


def divided(requests: list[dict[str, Any]], size: int = 4) -> Results:
    """The answers of batches of a few requests, and of a second batch for those without."""
    results: Results = {}
    for start in range(0, len(requests), size):
        part = requests[start : start + size]
        results |= fetched(part)
        left = [each for each in part if each["custom_id"] not in results]
        results |= fetched(left) if left else {}
    return results


def all_twice(requests: list[dict[str, Any]]) -> Results:
    divided(requests)
    return divided(requests)


def a_part_twice(requests: list[dict[str, Any]]) -> Results:
    fetched(requests[:4])
    return divided(requests)


def a_part_created_twice(requests: list[dict[str, Any]]) -> Results:
    client = openai.OpenAI(max_retries=0)
    content = "\n".join(map(json.dumps, requests[:4])).encode()
    file = client.files.create(file=("a.jsonl", content), purpose="batch")
    client.batches.create(
        input_file_id=file.id, endpoint=requests[0]["url"], completion_window="24h"
    )
    time.sleep(60)
    return divided(requests)


LOOK = "Before you repeat a create, look for the first batch in the list of batches."
ONCE = "Submit only requests that have no answer yet."
DIVIDED = {
    # the client, the incident, and what it is advised; empty: it passes
    "each request once": (divided, "shuffled-order", ""),
    "those without a result a second time": (divided, "missing-custom-ids", ""),
    "all a second time": (all_twice, "shuffled-order", ONCE),
    "a part a second time": (a_part_twice, "shuffled-order", ONCE),
    "a part a second time, while the first runs": (a_part_created_twice, "shuffled-order", LOOK),
}


@pytest.mark.parametrize("sentence", DIVIDED)
def test_a_client_that_divides_the_requests(sentence: str) -> None:
    """Small batches cost nothing; a request that is submitted again without need does."""
    run, incident, advice = DIVIDED[sentence]
    [verdict] = fakebatch.run_gauntlet(run, only=incident, check=False)
    assert [(each.check, each.message[2]) for each in verdict.findings] == (
        [("no double spend", advice)] if advice else []
    )
    assert verdict.outcome == ("fail" if advice else "pass")


def test_the_moment_of_a_double_spend() -> None:
    """It names the first batch that need not be, and when that was created."""
    [verdict] = fakebatch.run_gauntlet(all_twice, only="shuffled-order", check=False)
    [finding] = verdict.findings
    assert finding.message[1].startswith(f"{finding.objects[0]} was created at ")


def test_a_restart_takes_time() -> None:
    """A client that is started again may poll at once: it was not the one that polled before."""

    def run(requests: list[dict[str, Any]]) -> Results:
        client, state = openai.OpenAI(max_retries=0), Path("ids.json")
        if not state.exists():
            state.write_text(submitted(requests).id)
        while True:
            batch = client.batches.retrieve(state.read_text())
            client.batches.list()  # killed here
            if batch.status == "completed":
                break
            time.sleep(600)
        rows = client.files.content(batch.output_file_id or "").content.split(b"\n")
        lines = [json.loads(row) for row in rows if row]
        return {line["custom_id"]: line["response"]["body"] for line in lines}

    [verdict] = fakebatch.run_gauntlet(run, only="killed-while-polling")
    assert verdict.outcome == "pass"


@pytest.mark.parametrize(("tries", "outcome"), [(True, "pass"), (False, "unclean")])
def test_a_download_in_vain(tries: bool, outcome: str) -> None:
    """A result file that cannot be had is not left behind by a client that has asked for it."""

    def run(requests: list[dict[str, Any]]) -> Results:
        batch = ended(submitted(requests))
        if tries:
            with pytest.raises(openai.NotFoundError):
                openai.OpenAI(max_retries=0).files.content(batch.output_file_id or "")
        return {each["custom_id"]: ValueError("the file is gone") for each in requests}

    [verdict] = fakebatch.run_gauntlet(run, only="output-expired-or-deleted", check=False)
    assert verdict.outcome == outcome


def test_a_probe() -> None:
    """A direct call with a prompt of its own, as inspect-ai makes it first, is no spent request."""

    def run(requests: list[dict[str, Any]]) -> Results:
        hello: Any = [{"role": "user", "content": "Say hello."}]
        openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=hello)
        return fetched(requests)

    assert [each.outcome for each in fakebatch.run_gauntlet(run, only="shuffled-order")] == ["pass"]


# --- laws


def _run_of(incident: str) -> tuple[Case, Any, Results]:
    [case] = cases(incident)
    trial, results = Trial(case), dict[str, Any]()

    def run(requests: list[dict[str, Any]]) -> Results:
        results.update(fetched(requests))
        return results

    trial.run(run)
    return case, trial.watch.record(), results


CASE, RECORD, TRUE = _run_of("shuffled-order")
IDS = [*TRUE]


@given(st.permutations(IDS), st.lists(st.sampled_from(IDS), unique=True))
def test_any_wrong_report_is_noticed(order: list[str], lost: list[str]) -> None:
    """Of permuted answers and left out requests exactly the wrong ones are named."""
    results = tuple((id_, TRUE[of]) for id_, of in zip(IDS, order, strict=True) if id_ not in lost)
    verdict = judge(CASE, RECORD, Report(results))
    named: dict[str, set[str]] = {"no lie": set(), "no loss": set()}
    for finding in verdict.findings:
        named[finding.check] |= {*finding.objects}
    wrong = {id_ for id_, of in zip(IDS, order, strict=True) if id_ != of} - {*lost}
    assert named == {"no lie": wrong, "no loss": {*lost}}
    assert verdict.outcome == ("fail" if wrong or lost else "pass")


@given(st.lists(st.sampled_from(IDS), min_size=1), st.integers(2, 4))
def test_a_request_is_reported_once(twice: list[str], times: int) -> None:
    """A request that is reported several times is no longer accounted for."""
    again = [(id_, TRUE[id_]) for id_ in {*twice}] * (times - 1)
    verdict = judge(CASE, RECORD, Report((*TRUE.items(), *again)))
    assert {id_ for each in verdict.findings for id_ in each.objects} == {*twice}
    assert verdict.outcome == "fail"


def test_an_exception_after_all_results() -> None:
    """An exception stands for requests that were not reported, and here there are none."""
    assert judge(CASE, RECORD, Report((*TRUE.items(),), "exit status 1")).outcome == "pass"


def test_a_failure_in_words() -> None:
    """A failure that a command reports is the same as an exception."""
    results = tuple((id_, Failure("no") if id_ == "row-1" else TRUE[id_]) for id_ in IDS)
    assert judge(CASE, RECORD, Report(results)).outcome == "fail"

"""The gauntlet says in whole sentences what became of a request."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import openai
import pytest

import fakebatch
from support.loops import Requests, Results, ended, fetched, submitted


def forgetful(requests: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A client that looks at its batch for a while, and then reports nothing."""
    client = openai.OpenAI()
    lines = "".join(json.dumps(request) + "\n" for request in requests).encode()
    file = client.files.create(file=("requests.jsonl", lines), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    for _ in range(9):
        client.batches.retrieve(batch.id)
    return {}


@pytest.mark.parametrize(
    ("incident", "fate"),
    {
        "create-ok-then-failed": "it was in a batch that failed: invalid_json_line",
        "bad-json-line": "it was in a batch that failed: invalid_json_line",
        "input-deleted-too-early": "it was in no batch whose input file could be read",
        "stuck-in-progress": "it is in a batch that stays 'in_progress'",
        "batch-disappears": "it was in a batch that disappeared",
    }.items(),
)
def test_what_became_of_a_request_is_a_sentence(incident: str, fate: str) -> None:
    """A finding goes on after `it` with a verb."""
    with pytest.raises(AssertionError) as failure:
        fakebatch.run_gauntlet(forgetful, only=incident)
    assert f"is missing from the results: {fate}." in str(failure.value)


def id_of(request: Mapping[str, Any]) -> str:
    return str(request["custom_id"])


def changed(change: Callable[[Results], Results]) -> Callable[[Requests], Results]:
    """A client whose results are changed at the end."""
    return lambda requests: change(fetched(requests))


def text(body: Any) -> str:
    content: str = body["choices"][0]["message"]["content"]
    return content


def shifted(results: Results) -> Results:
    return dict(zip(results, [*[*results.values()][1:], *results.values()], strict=False))


def misread(results: Results) -> Results:
    return json.loads(json.dumps(results, ensure_ascii=False).encode().decode("latin-1"))  # type: ignore[no-any-return]


def with_reasons(results: Results) -> Results:
    return {id_: ValueError(text(body)) for id_, body in results.items()}


def failed_at_a_short_file(requests: Requests) -> Results:
    openai.OpenAI().files.content(ended(submitted(requests)).output_file_id or "")
    error = ValueError("the file is too short")
    return dict.fromkeys(map(id_of, requests), error)


SENTENCES: dict[str, tuple[Callable[[Requests], Results], str, str]] = {
    # a rule: the client, the incident, and what the only finding says
    "others of the same kind are named after the first": (
        changed(shifted),
        "shuffled-order",
        (
            r"row-\d+ was given the answer to row-\d+\. "
            r"It is similar with each of row-\d+, row-\d+, row-\d+ and 6 more\."
        ),
    ),
    "failures with reasons of their own are one finding": (
        changed(with_reasons),
        "shuffled-order",
        (
            r"row-1 was reported as failed \(ValueError: Describe the harbour of Århus\.\), "
            r"but it was answered in the output file of batch_\w+, which the client downloaded at "
            r"[\d:TZ-]+\. It is similar with each of row-2, row-3, row-4 and 6 more\."
        ),
    ),
    "a body that is reported is known by its text": (
        changed(misread),
        "shuffled-order",
        (
            r"row-1 was answered with 'Describe the harbour of Århus\.', but a body with the text "
            r"'Describe the harbour of Ã rhus\.' was reported as its answer\. It is similar .*"
        ),
    ),
    "a result line that cannot be read was no answer": (
        lambda requests: dict.fromkeys(map(id_of, requests), "none") | fetched(requests),
        "missing-custom-ids",
        (
            r"row-\d+ was answered \(its result line was left out\) in the output file of "
            r"batch_\w+, which the client downloaded at \S+, "
            r"but 'none' was reported as its answer\."
        ),
    ),
    "an answer is a text or a body": (
        changed(lambda results: results | {"row-1": results["row-1"]["choices"]}),
        "shuffled-order",
        (
            r"row-1 was answered with '.*', but \[.* was reported as its answer, "
            r"which is neither a text nor a response body\."
        ),
    ),
    "a download that broke off is none that was never made": (
        failed_at_a_short_file,
        "download-truncated",
        (
            r"each of .* was reported as failed \(ValueError: the file is too short\), but it was "
            r"answered in the output file of batch_\w+, which the client asked for, but never got "
            r"whole\."
        ),
    ),
}


@pytest.mark.parametrize("rule", SENTENCES)
def test_a_sentence_of_many(rule: str) -> None:
    """Requests that went wrong in the same way are one finding, which a reader understands."""
    run, incident, sentence = SENTENCES[rule]
    [verdict] = fakebatch.run_gauntlet(run, only=incident, check=False)
    [finding] = verdict.findings
    assert re.fullmatch(sentence, finding.message[0]), finding.message[0]

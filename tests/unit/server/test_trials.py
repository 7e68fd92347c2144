"""The gauntlet over HTTP: a harness opens cases, runs a client, and posts what it got."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import openai
import pytest
import requests

from fakebatch.server.handler import Handler
from fakebatch.server.server import Server
from fakebatch.server.worlds import Worlds


@pytest.fixture
def url() -> Generator[str]:
    with Server(Handler(Worlds())) as server:
        yield server.url


def control(url: str, path: str, body: Any = None) -> Any:
    return requests.request(
        "GET" if body is None else "POST", f"{url}/_fakebatch/{path}", json=body, timeout=30
    ).json()


def opened(url: str, *only: str) -> list[Any]:
    cases: list[Any] = control(url, "gauntlet", {"only": only})["cases"]
    return cases


def created(client: openai.OpenAI, lines: list[Any]) -> str:
    content = "\n".join(map(json.dumps, lines)).encode()
    file = client.files.create(file=("a.jsonl", content), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint=lines[0]["url"], completion_window="24h"
    ).id


def results(client: openai.OpenAI, batch_id: str) -> list[dict[str, Any]]:
    batch = client.batches.retrieve(batch_id)
    while batch.status != "completed":
        batch = client.batches.retrieve(batch.id)
    rows = client.files.content(batch.output_file_id or "").content.split(b"\n")
    lines = [json.loads(row) for row in rows if row]
    return [{"custom_id": row["custom_id"], "answer": row["response"]["body"]} for row in lines]


def test_a_client_that_sleeps_in_real_time_need_not_sleep_for_minutes(url: str) -> None:
    """Where it obeys Retry-After."""
    [case] = opened(url, "rate-limited-429")
    with pytest.raises(openai.RateLimitError) as caught:
        openai.OpenAI(base_url=url + case["path"], api_key=case["key"], max_retries=0).files.create(
            file=("a.jsonl", b"{}"), purpose="batch"
        )
    assert caught.value.response.headers["retry-after"] == "1"


def test_a_case(url: str) -> None:
    """A world with a base URL and requests; results are posted, and the verdict comes back."""
    [case] = opened(url, "shuffled-order")
    assert (case["id"], case["kill"], len(case["requests"])) == ("results/shuffled-order", [], 10)
    client = openai.OpenAI(base_url=url + case["path"], api_key=case["key"])
    found = results(client, created(client, case["requests"]))
    world = f"{url}/w/{case['world']}"
    assert control(world, "case") == case
    assert control(world, "results", {"results": found})["outcome"] == "pass"
    wrong = control(world, "results", {"results": [*found[1:], {**found[0], "answer": "no"}]})
    assert [(each["check"], each["objects"]) for each in wrong["findings"]] == [
        ("no lie", [found[0]["custom_id"]])
    ]


def test_what_is_no_answer(url: str) -> None:
    """NaN, which other languages write as null, is as little an answer as null or nothing is."""
    [case] = opened(url, "shuffled-order")
    address = f"{url}/w/{case['world']}/_fakebatch/results"
    said = []
    for answer in ('"answer": NaN', '"answer": null', '"error": null'):
        sent = f'{{"results": [{{"custom_id": "row-1", {answer}}}]}}'
        verdict: Any = requests.post(address, sent.encode(), timeout=30).json()
        said.append(verdict["findings"][0]["message"][0])
    assert said == ["row-1 was reported with neither an answer nor an error."] * 3


def test_the_lines_of_a_case(url: str) -> None:
    """JSON has no NaN, and the lines of a client may: a harness gets them as text, too."""
    [case] = opened(url, "bad-json-line")
    lines = [json.loads(line) for line in case["jsonl"].split("\n") if line]
    contents = [line["body"]["messages"][0]["content"] for line in lines]
    assert [each == each for each in contents] == [True, False, True]  # noqa: PLR0124
    assert [each["body"]["messages"][0]["content"] for each in case["requests"]] == [
        contents[0],
        None,
        contents[2],
    ]


def test_an_incident_that_did_not_happen(url: str) -> None:
    """The verdict has the reason."""
    [case] = opened(url, "webhook-before-output")
    client = openai.OpenAI(base_url=url + case["path"], api_key=case["key"])
    found = results(client, created(client, case["requests"]))
    verdict = control(f"{url}/w/{case['world']}", "results", {"results": found})
    reason = "No webhook was delivered: the client registered no endpoint."
    assert (verdict["outcome"], verdict["unmet"]) == ("pass", reason)


def test_a_failure_and_an_exception(url: str) -> None:
    """An error stands for one request, `raised` for all that are left."""
    [case] = opened(url, "file-quota-exhausted")
    client = openai.OpenAI(base_url=url + case["path"], api_key=case["key"])
    with pytest.raises(openai.BadRequestError):
        created(client, case["requests"])
    world = f"{url}/w/{case['world']}"
    sent = {"results": [{"custom_id": "row-1", "error": "no room"}], "raised": "no room"}
    assert control(world, "results", sent)["outcome"] == "info"


def test_a_client_that_is_killed(url: str) -> None:
    """After the operation all calls fail, until the harness has started the client again."""
    [case] = opened(url, "restart-resubmits")
    assert case["kill"] == ["batches.create"]
    client = openai.OpenAI(base_url=url + case["path"], api_key=case["key"], max_retries=0)
    batch_id = created(client, case["requests"])
    for _ in range(2):
        with pytest.raises(openai.APIConnectionError):
            client.batches.retrieve(batch_id)
    world = f"{url}/w/{case['world']}"
    control(world, "restart", {})
    found = results(client, batch_id)
    assert control(world, "results", {"results": found})["outcome"] == "pass"


def test_cases_are_opened_again(url: str) -> None:
    """A second run has new worlds of the same names."""
    [case] = opened(url, "shuffled-order")
    client = openai.OpenAI(base_url=url + case["path"], api_key=case["key"])
    created(client, case["requests"])
    assert opened(url, "shuffled-order") == [case]
    assert client.batches.list().data == []


def test_a_world_that_is_no_case(url: str) -> None:
    """Other worlds have no verdict."""
    assert control(url, "results", {})["error"]["code"] == "not_found"

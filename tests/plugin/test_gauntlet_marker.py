"""The marker and fixture `fakebatch_gauntlet`, in a pytest of their own."""

from __future__ import annotations

import pytest

CLIENT = """
import json, time, openai, pytest

def run(requests):
    client = openai.OpenAI()
    content = "\\n".join(map(json.dumps, requests)).encode()
    file = client.files.create(file=("a.jsonl", content), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint=requests[0]["url"], completion_window="24h"
    )
    while batch.status != "completed":
        time.sleep(600)
        batch = client.batches.retrieve(batch.id)
    rows = client.files.content(batch.output_file_id).content.split(b"\\n")
    lines = [json.loads(row) for row in rows if row]
    return {line["custom_id"]: line["response"]["body"] for line in lines}
"""
TEST = """
def test_client(fakebatch_gauntlet):
    fakebatch_gauntlet.check(run(fakebatch_gauntlet.requests))
"""


def run_pytest(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(CLIENT + code)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return pytester.runpytest_inprocess("-p", "no:randomly", *options)


def marked(arguments: str) -> str:
    return f"@pytest.mark.fakebatch_gauntlet({arguments}){TEST}"


def test_a_test_for_each_incident(pytester: pytest.Pytester) -> None:
    """Each incident is a test of its own, with its id."""
    result = run_pytest(pytester, marked('"shuffled-order", "wait/stuck-finalizing"'), "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "*::test_client?wait/stuck-finalizing? PASSED*",
            "*::test_client?results/shuffled-order? PASSED*",
        ]
    )


def test_all_incidents(pytester: pytest.Pytester) -> None:
    """Without arguments there is a test for every incident of the catalogue."""
    result = run_pytest(pytester, f"@pytest.mark.fakebatch_gauntlet{TEST}", "--collect-only", "-q")
    result.stdout.fnmatch_lines(["*::test_client?upload/*", "*::test_client?webhook/*"])


def test_a_failure(pytester: pytest.Pytester) -> None:
    """A failing test says what went wrong, and shows the timeline of the case."""
    result = run_pytest(pytester, marked('"error-file-ignored"'))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*results/error-file-ignored: fail",
            "*no loss: * is missing from the results: it failed with 400 in the error file of *",
            "*Alone: pytest -k 'results/error-file-ignored'",
            "*fakebatch timeline*",
        ]
    )
    result.stdout.no_fnmatch_line("*During handling*")


WITH_WEBHOOKS = """
@pytest.mark.fakebatch_gauntlet("webhook/*")
def test_client(fakebatch_gauntlet):
    fakebatch_gauntlet.fake.webhooks.deliver_to(lambda body, headers: None)
    fakebatch_gauntlet.check(run(fakebatch_gauntlet.requests))
"""

OUTCOMES = {
    "an exception where no client can do better": (marked('"completed-null-output"'), "passed"),
    "an exception where one can": (marked('"poll-5xx-kills-loop"'), "failed"),
    "a wait without end": (marked('"create-ok-then-failed"'), "failed"),
    "a known failure": (
        marked('"error-file-ignored", known={"results/error-file-ignored": "12"}'),
        "xfailed",
    ),
    "a known failure by an exception": (
        marked('"poll-5xx-kills-loop", known={"wait/poll-5xx-kills-loop": "12"}'),
        "xfailed",
    ),
    "a known wait without end": (
        marked('"create-ok-then-failed", known={"create/create-ok-then-failed": "12"}'),
        "xfailed",
    ),
    "a known failure that is mended": (
        marked('"shuffled-order", known={"results/shuffled-order": "12"}'),
        "failed",
    ),
    "a client that submits again after it was killed": (marked('"restart-resubmits"'), "failed"),
    "a test that checks nothing": (
        (
            '@pytest.mark.fakebatch_gauntlet("shuffled-order")\n'
            "def test_client(fakebatch_gauntlet): run(fakebatch_gauntlet.requests)"
        ),
        "failed",
    ),
    "a failing assertion of the test itself": (
        (
            '@pytest.mark.fakebatch_gauntlet("shuffled-order")\n'
            "def test_client(fakebatch_gauntlet):\n"
            "    fakebatch_gauntlet.check(run(fakebatch_gauntlet.requests))\n"
            "    assert fakebatch_gauntlet.verdict.batches == 2"
        ),
        "failed",
    ),
    "leftovers, strictly": (marked('"shuffled-order", strict=True, leftovers=True'), "failed"),
    "a marker without the fixture": (
        '@pytest.mark.fakebatch_gauntlet("shuffled-order")\ndef test_client(): pass',
        "errors",
    ),
    "a fixture without the marker": (TEST, "errors"),
    "an unknown keyword": (marked("only=3"), "errors"),
}


def test_an_endpoint_for_webhooks(pytester: pytest.Pytester) -> None:
    """A test that takes webhooks meets their incidents."""
    run_pytest(pytester, WITH_WEBHOOKS).assert_outcomes(passed=2)


def test_a_handler_of_webhooks_that_raises(pytester: pytest.Pytester) -> None:
    """An exception of the handler is one of the client, and no wait without end."""
    raises = WITH_WEBHOOKS.replace("headers: None", "headers: {}['no id']")
    waits = raises.replace("fakebatch_gauntlet.check(", "results = (").replace("*", "*output")
    result = run_pytest(pytester, f"{waits}    time.sleep(7200)\n    assert results")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no loss: *was given up with KeyError: 'no id'."])
    result.stdout.no_fnmatch_line("*terminates: *")


@pytest.mark.parametrize("sentence", OUTCOMES)
def test_the_outcome_of(pytester: pytest.Pytester, sentence: str) -> None:
    """What a verdict means for the test."""
    code, outcome = OUTCOMES[sentence]
    run_pytest(pytester, code).assert_outcomes(**{outcome: 1})


def test_not_run(pytester: pytest.Pytester) -> None:
    """What is out of the scope of a client is skipped, with the reason."""
    pytester.makefile(".toml", known='[not_run]\n"webhook/*" = "It has no webhooks."')
    result = run_pytest(pytester, marked('"webhook", known="known.toml"'), "-rs")
    assert result.parseoutcomes()["skipped"] >= 2
    result.stdout.fnmatch_lines(["*It has no webhooks.*"])


RESUMING = """
from pathlib import Path

@pytest.mark.fakebatch_gauntlet("restart-resubmits")
def test_client(fakebatch_gauntlet):
    client, id_ = openai.OpenAI(), Path("id")
    if not id_.exists():
        content = "\\n".join(map(json.dumps, fakebatch_gauntlet.requests)).encode()
        file = client.files.create(file=("a.jsonl", content), purpose="batch")
        batch = client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        id_.write_text(batch.id)
    time.sleep(3600)
    batch = client.batches.retrieve(id_.read_text())
    rows = client.files.content(batch.output_file_id).content.split(b"\\n")
    lines = [json.loads(row) for row in rows if row]
    fakebatch_gauntlet.check({line["custom_id"]: line["response"]["body"] for line in lines})
"""


def test_a_client_that_is_killed(pytester: pytest.Pytester) -> None:
    """The test is run again in the same working directory, which is one of its own."""
    run_pytest(pytester, RESUMING).assert_outcomes(passed=1)
    assert not (pytester.path / "id").exists()


ASYNC = """
import asyncio

@pytest.mark.asyncio
@pytest.mark.fakebatch_gauntlet("shuffled-order", "restart-resubmits")
async def test_client(fakebatch_gauntlet):
    fakebatch_gauntlet.check(await asyncio.to_thread(run, fakebatch_gauntlet.requests))
"""


def test_an_async_test(pytester: pytest.Pytester) -> None:
    """Async tests are judged alike."""
    run_pytest(pytester, ASYNC, "-p", "asyncio").assert_outcomes(passed=1, failed=1)

"""The verdict on a client to which the incident did not happen says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import openai
import pytest

import fakebatch
from fakebatch.gauntlet.card import Card
from support.loops import Results, downloaded, fetched, submitted

pytestmark = [pytest.mark.sync]

Client = Callable[[list[dict[str, Any]]], Results]


def polls_once(requests: list[dict[str, Any]]) -> Results:
    client, batch = openai.OpenAI(max_retries=0), submitted(requests)
    time.sleep(4 * 3600)
    return downloaded(client.batches.retrieve(batch.id))


def polls_twice(requests: list[dict[str, Any]]) -> Results:
    client, batch = openai.OpenAI(max_retries=0), submitted(requests)
    for _ in range(2):
        time.sleep(2 * 3600)
        batch = client.batches.retrieve(batch.id)
    return downloaded(batch)


def polls_by_the_list(requests: list[dict[str, Any]]) -> Results:
    client, batch = openai.OpenAI(max_retries=0), submitted(requests)
    while batch.status != "completed":
        time.sleep(600)
        batch = client.batches.list().data[0]
    return downloaded(batch)


def polls_in_parts(requests: list[dict[str, Any]]) -> Results:
    results: Results = {}
    for request in requests:
        results |= fetched([request])
    return results


def calls_directly(requests: list[dict[str, Any]]) -> Results:
    create = openai.OpenAI().chat.completions.create
    return {each["custom_id"]: create(**each["body"]).model_dump() for each in requests}


def raises(_: object) -> Results:
    raise LookupError("no such thing")


NO_BATCH = "The client created no batch."
CASES: dict[str, tuple[Client, str, str]] = {
    # a sentence: the client, the incident, and why it did not happen; empty: it did
    "a webhook that nobody takes": (
        fetched,
        "webhook-before-output",
        "No webhook was delivered: the client registered no endpoint.",
    ),
    "lists that nobody asks for": (
        fetched,
        "pagination-traps",
        "The client never called batches.list.",
    ),
    "lists that somebody asks for": (polls_by_the_list, "pagination-traps", ""),
    "polls of another operation": (
        polls_by_the_list,
        "poll-5xx-kills-loop",
        "The client never called batches.retrieve.",
    ),
    "a poll that is never made": (
        polls_twice,
        "poll-5xx-kills-loop",
        "The client called batches.retrieve 2 times; the incident begins with call 3.",
    ),
    "a poll that is made once": (
        polls_once,
        "poll-5xx-kills-loop",
        "The client called batches.retrieve 1 time; the incident begins with call 3.",
    ),
    "a kill at a call that is never made": (
        polls_by_the_list,
        "killed-while-polling",
        "The client was not killed: it never called batches.retrieve.",
    ),
    "a kill at a call that never succeeds": (
        calls_directly,
        "restart-resubmits",
        "The client was not killed: it never called batches.create.",
    ),
    "a batch that is never created": (calls_directly, "expired-with-partial-output", NO_BATCH),
    "lines of a batch that is never created": (calls_directly, "custom-id-shape", NO_BATCH),
    "a file that is never uploaded": (
        calls_directly,
        "fresh-file-not-visible",
        "The client uploaded no file for a batch.",
    ),
    "a quota of files that are never uploaded": (
        calls_directly,
        "file-quota-exhausted",
        "The client uploaded no file.",
    ),
    "an end before anything happens": (
        raises,
        "create-ok-then-failed",
        NO_BATCH,
    ),
    "a limit of size that the client stays below": (polls_in_parts, "upload-too-large", ""),
    "a limit of a gateway that the client stays below": (polls_in_parts, "upload-413-html", ""),
    "a limit of number that the client stays below": (fetched, "too-many-batches", ""),
    "models that the client does not mix": (polls_in_parts, "mixed-model-in-file", ""),
    "one rule of several": (fetched, "model-name-resolved", ""),
}


@pytest.mark.parametrize("sentence", CASES)
def test_it_happens(sentence: str) -> None:
    """A pass says whether the incident happened, unless the client did not bring it on itself."""
    client, incident, unmet = CASES[sentence]
    [verdict] = fakebatch.run_gauntlet(client, only=incident, check=False)
    outcome = "info" if client is raises else "pass"
    assert (verdict.outcome, verdict.unmet) == (outcome, unmet), verdict.findings


def test_a_client_that_fails_first() -> None:
    """Where all answers can be had, a client that gives up at once fails all the same."""
    card = fakebatch.run_gauntlet(raises, only=("shuffled-order", "webhook"), check=False)
    assert {each.outcome for each in card} == {"fail"}


def test_the_card() -> None:
    """What did not happen is counted, and in the card and in JUnit with the reason."""
    card: Card = fakebatch.run_gauntlet(fetched, only=("webhook-before-output", "shuffled-order"))
    reason = "No webhook was delivered: the client registered no endpoint."
    assert card.summary() == "2 pass (1 without the incident)"
    assert f"webhook/webhook-before-output: pass: {reason}" in card.text()
    assert reason in card.junit()

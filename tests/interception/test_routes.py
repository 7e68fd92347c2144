"""What the respx routes of the operations show, and what a test can do with them."""

from __future__ import annotations

import httpx
import openai
import pytest
from conftest import chat, jsonl

from fakebatch import FakeBatch, RefusedRequest


def test_calls_are_counted_exactly_and_the_last_hundred_kept(fakebatch: FakeBatch) -> None:
    """`call_count` knows all calls; `calls` keeps the last 100."""
    client = openai.OpenAI()
    for _ in range(150):
        client.batches.list()
    route = fakebatch.router["batches.list"]

    assert (route.called, route.call_count, len(route.calls)) == (True, 150, 100)
    assert fakebatch.router["batches.create"].called is False


def test_keys_and_large_bodies_are_not_kept(fakebatch: FakeBatch) -> None:
    """Nobody finds a key or 64 kB of upload in a recorded call."""
    large = jsonl([chat("a", "x" * 70_000)])
    openai.OpenAI(api_key="sk-secret").files.create(file=large, purpose="batch")
    request = fakebatch.router["files.create"].calls.last.request

    assert request.headers["authorization"] == "[redacted]"
    assert request.content == b""
    assert fakebatch.files.only().content == large


@pytest.mark.parametrize("status", [404, 418])
def test_a_route_the_test_mocks_answers_instead(fakebatch: FakeBatch, status: int) -> None:
    """An operation's route takes respx's own vocabulary, and is still counted."""
    fakebatch.router["batches.list"].respond(status, json={"error": {"message": "mine"}})
    with pytest.raises(openai.APIStatusError, match="mine"):
        openai.OpenAI().batches.list()

    assert fakebatch.router["batches.list"].call_count == 1


def test_a_side_effect_of_the_test_comes_first(fakebatch: FakeBatch) -> None:
    """Responses in a row, then the emulator again once the mock is taken back."""
    route = fakebatch.router["batches.list"]
    route.side_effect = [httpx.Response(500), httpx.Response(502)]
    client = openai.OpenAI(max_retries=0)
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            client.batches.list()
    route.side_effect = None

    assert client.batches.list().data == []


def test_a_route_added_to_the_router_answers_too(fakebatch: FakeBatch) -> None:
    """The router is a respx router: it takes routes of other hosts."""
    fakebatch.router.get("https://example.com/").respond(204)
    assert httpx.get("https://example.com/").status_code == 204


def test_an_endpoint_that_is_not_emulated_is_refused_loudly(fakebatch: FakeBatch) -> None:
    """The real service has it, fakebatch has not: the test is told which operations there are."""
    with pytest.raises(RefusedRequest, match=r"POST /images/generations is not emulated.\nKnown"):
        openai.OpenAI().images.generate(prompt="a cat", model="m")


def test_a_url_that_no_service_has_is_answered_as_the_service_would(fakebatch: FakeBatch) -> None:
    """An unknown path is 404, a wrong method 405, in the words of the service."""
    key = {"Authorization": "Bearer k"}
    unknown = httpx.get("https://api.openai.com/v1/nope", headers=key)
    wrong = httpx.put("https://api.openai.com/v1/files", headers=key)

    assert unknown.json()["error"]["message"] == "Invalid URL (GET /v1/nope)"
    assert (unknown.status_code, wrong.status_code) == (404, 405)

"""The test's own routes for what a provider serves and fakebatch does not emulate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import ExitStack
from types import ModuleType
from typing import Any

import httpcore
import httpcore2
import httpx
import httpx2
import openai
import pytest
import respx

from fakebatch import FakeBatch, RefusedRequest
from support.respx_copies import copy_of_respx

SPEECH = "https://api.openai.com/v1/audio/speech"
BATCHES = "https://api.openai.com/v1/batches"
ELSEWHERE = "https://example.com/things"
KEY = {"Authorization": "Bearer sk-some-key"}


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, ModuleType]]:
    """Copies of respx for both libraries."""
    folder = tmp_path_factory.mktemp("copies")
    with copy_of_respx(folder, "httpx") as for_httpx, copy_of_respx(folder, "httpx2") as for_httpx2:
        yield {"httpx": for_httpx, "httpx2": for_httpx2}


MOCKS: dict[str, Callable[[dict[str, ModuleType]], Any]] = {
    "respx, httpcore": lambda _: respx.mock(assert_all_called=False),
    "respx, httpx": lambda _: respx.mock(assert_all_called=False, using="httpx"),
    "respx, httpcore2": lambda _: respx.mock(assert_all_called=False, using="httpcore2"),
    "a copy of respx, httpcore": lambda copies: copies["httpx"].mock(assert_all_called=False),
    "a copy of respx, httpcore2": lambda copies: copies["httpx2"].mock(assert_all_called=False),
    "a copy of respx, httpx2": lambda copies: copies["httpx2"].mock(
        assert_all_called=False, using="httpx"
    ),
    "the router of the fake": lambda _: None,
}


def _httpx(_: FakeBatch, method: str, url: str) -> int:
    return httpx.request(method, url, headers=KEY).status_code


def _httpx2(_: FakeBatch, method: str, url: str) -> int:
    return httpx2.request(method, url, headers=KEY).status_code


async def _on_loop(library: Any, method: str, url: str, **options: Any) -> int:
    async with library.AsyncClient(**options) as client:
        response = await client.request(method, url, headers=KEY)
    status: int = response.status_code
    return status


def _httpx_on_loop(_: FakeBatch, method: str, url: str) -> int:
    return asyncio.run(_on_loop(httpx, method, url))


def _httpx2_on_loop(_: FakeBatch, method: str, url: str) -> int:
    return asyncio.run(_on_loop(httpx2, method, url))


def _transport(fake: FakeBatch, method: str, url: str) -> int:
    with httpx.Client(transport=fake.transport(httpx)) as client:
        return client.request(method, url, headers=KEY).status_code


def _transport_on_loop(fake: FakeBatch, method: str, url: str) -> int:
    return asyncio.run(_on_loop(httpx2, method, url, transport=fake.transport(httpx2)))


CLIENTS = [_httpx, _httpx2, _httpx_on_loop, _httpx2_on_loop, _transport, _transport_on_loop]


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "theirs first"])
@pytest.mark.parametrize("mock", MOCKS.values(), ids=MOCKS)
@pytest.mark.parametrize("send", CLIENTS)
def test_a_route_answers_what_is_not_emulated(
    send: Callable[[FakeBatch, str, str], int],
    mock: Callable[[dict[str, ModuleType]], Any],
    ours_first: bool,
    copies: dict[str, ModuleType],
) -> None:
    """In whichever mock it stands; emulated operations are the emulator's, the rest is refused."""
    fake, theirs = FakeBatch(), mock(copies)
    with ExitStack() as stack:
        for each in (fake, theirs) if ours_first else (theirs, fake):
            if each is not None:
                stack.enter_context(each)
        router = fake.router if theirs is None else theirs
        router.post(SPEECH).respond(201)
        if theirs is not None:
            router.get(BATCHES).respond(418)
        assert send(fake, "POST", SPEECH) == 201
        assert send(fake, "GET", BATCHES) == 200
        with pytest.raises(RefusedRequest, match="GET /audio/speech is not emulated"):
            send(fake, "GET", SPEECH)
    assert [call.operation for call in fake.journal] == ["batches.list"]


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "theirs first"])
@pytest.mark.parametrize("ends_first", ["ours", "theirs"])
@pytest.mark.parametrize("library", [httpx, httpx2])
def test_the_methods_that_a_copy_of_respx_patches_too_are_restored(
    library: Any, ends_first: str, ours_first: bool, copies: dict[str, ModuleType]
) -> None:
    """Whichever of the two starts first, and whichever ends first."""
    pools = httpcore.ConnectionPool, httpcore2.ConnectionPool
    before = [pool.handle_request for pool in pools]
    ours, theirs = FakeBatch(), copies[library.__name__].mock()
    for each in (ours, theirs) if ours_first else (theirs, ours):
        each.__enter__()
    for each in (ours, theirs) if ends_first == "ours" else (theirs, ours):
        each.__exit__(None, None, None)
    assert [pool.handle_request for pool in pools] == before


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "theirs first"])
@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_copy_of_respx_answers_other_hosts(
    library: Any, ours_first: bool, copies: dict[str, ModuleType]
) -> None:
    """Of its own library, as respx does; what it passes through is a request to this machine."""
    theirs = copies[library.__name__].mock()
    both: list[Any] = [FakeBatch(), theirs] if ours_first else [theirs, FakeBatch()]
    with both[0], both[1]:
        theirs.get(ELSEWHERE).respond(204)
        theirs.get("http://localhost:9/").pass_through()
        assert library.get(ELSEWHERE).status_code == 204
        with pytest.raises(library.ConnectError):
            library.get("http://localhost:9/")
        with pytest.raises(RefusedRequest, match=r"https://example\.com/others was refused"):
            library.get("https://example.com/others")


def test_a_copy_of_respx_gets_errors_and_streams_of_its_own_library(
    fakebatch: FakeBatch, copies: dict[str, ModuleType]
) -> None:
    """A fault of a rule is an exception of httpx2, also in the mock that patches its clients."""
    fakebatch.on_call("batches.list").reset()
    fakebatch.on_call("files.list").slow(gap="1s")
    with copies["httpx2"].mock(using="httpx"):
        with pytest.raises(httpx2.ReadError):
            httpx2.get(BATCHES, headers=KEY)
        response = httpx2.get("https://api.openai.com/v1/files", headers=KEY)
    assert (response.json()["data"], type(response)) == ([], httpx2.Response)


@pytest.mark.parametrize("ready", [True, False], ids=["ready client", "own client"])
def test_the_sdk_reaches_a_route_of_the_test(
    ready: bool, respx_mock: respx.MockRouter, fakebatch: FakeBatch
) -> None:
    """`audio.speech` of a client on httpx2, by a route of respx."""
    route = respx_mock.post(SPEECH).respond(content=b"RIFF")
    client = fakebatch.openai() if ready else openai.OpenAI()
    speech = client.audio.speech.create(input="hello", model="tts-1", voice="alloy")
    assert (speech.content, route.call_count) == (b"RIFF", 1)


def test_a_long_form_reaches_a_route_whole(
    httpx2_mock: respx.MockRouter, fakebatch: FakeBatch
) -> None:
    """A ready client streams it; the route gets it read."""
    route = httpx2_mock.post("https://api.openai.com/v1/audio/transcriptions")
    route.respond(json={"text": "hello"})
    fakebatch.openai().audio.transcriptions.create(file=b"a" * 100_000, model="whisper-1")
    assert b"a" * 100_000 in route.calls.last.request.content


def test_a_route_that_passes_through_a_ready_client_is_refused(
    respx_mock: respx.MockRouter, fakebatch: FakeBatch
) -> None:
    """Its transport has no network below it."""
    respx_mock.post(SPEECH).pass_through()
    with pytest.raises(RefusedRequest, match="was refused: nothing leaves this machine"):
        fakebatch.openai().audio.speech.create(input="hello", model="tts-1", voice="alloy")


def test_a_ready_client_for_another_host_reaches_its_route(
    httpx2_mock: respx.MockRouter, fakebatch: FakeBatch
) -> None:
    """With a base_url of its own it is a client like any other."""
    httpx2_mock.get("https://example.com/v1/models").respond(json={"object": "list", "data": []})
    assert fakebatch.openai(base_url="https://example.com/v1").models.list().data == []


def test_a_router_that_answers_everything_answers_no_emulated_operation(
    fakebatch: FakeBatch,
) -> None:
    """It answers the rest of the provider's host, as it answers other hosts."""
    with respx.mock(assert_all_mocked=False):
        assert httpx.post(SPEECH, headers=KEY).content == b""
        assert httpx.get(BATCHES, headers=KEY).json()["data"] == []


def test_an_inner_fake_leaves_paths_to_the_test_and_keeps_the_answer(respx_mock: Any) -> None:
    """Of two fakes for one host: the routes of the test and of both routers, then the inner one."""
    respx_mock.post(SPEECH).respond(201)
    with FakeBatch() as outer, FakeBatch() as inner:
        outer.router.get(SPEECH).respond(202)
        assert httpx.post(SPEECH, headers=KEY).status_code == 201
        assert httpx.get(SPEECH, headers=KEY).status_code == 202
        assert httpx.get("https://api.openai.com/v1/nope", headers=KEY).status_code == 404
        assert (inner.journal.count(), outer.journal.count()) == (1, 0)

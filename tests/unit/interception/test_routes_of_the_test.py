"""The test's own routes at an emulated host, for what fakebatch emulates and what it does not."""

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

from fakebatch import FakeBatch, RefusedRequest, UsageError, request_line
from support.respx_copies import copy_of_respx

SPEECH = "https://api.openai.com/v1/audio/speech"
FILES = "https://api.openai.com/v1/files"
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
def test_a_route_answers_whether_it_is_emulated_or_not(
    send: Callable[[FakeBatch, str, str], int],
    mock: Callable[[dict[str, ModuleType]], Any],
    ours_first: bool,
    copies: dict[str, ModuleType],
) -> None:
    """In whichever mock it stands; the emulator has what no route is for, the rest is refused."""
    fake, theirs = FakeBatch(), mock(copies)
    with ExitStack() as stack:
        for each in (fake, theirs) if ours_first else (theirs, fake):
            if each is not None:
                stack.enter_context(each)
        router = fake.router if theirs is None else theirs
        router.post(SPEECH).respond(201)
        router.get(BATCHES).respond(418)
        assert send(fake, "POST", SPEECH) == 201
        assert send(fake, "GET", BATCHES) == 418
        assert send(fake, "GET", FILES) == 200
        with pytest.raises(RefusedRequest, match="GET /audio/speech is not emulated"):
            send(fake, "GET", SPEECH)
    assert [call.operation for call in fake.journal] == ["files.list"]


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
    """A ready client streams it; the route gets it read, for an emulated operation as well."""
    client, content = fakebatch.openai(), b"a" * 100_000
    route = httpx2_mock.post("https://api.openai.com/v1/audio/transcriptions")
    route.respond(json={"text": "hello"})
    client.audio.transcriptions.create(file=content, model="whisper-1")
    assert content in route.calls.last.request.content
    route = httpx2_mock.post(FILES).respond(json={"id": "mine"})
    assert client.files.create(file=content, purpose="batch").id == "mine"
    assert content in route.calls.last.request.content


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


BLOCKS: dict[str, Callable[[respx.MockRouter], object]] = {
    "a router that answers everything": lambda _: None,
    "a route without a pattern": lambda router: router.route().respond(204),
    "a route for a method": lambda router: router.get().respond(204),
    "a route for every address": lambda router: router.route(url__regex=".*").respond(204),
    "a route for a host": lambda router: router.route(host="api.openai.com").respond(204),
    "a route for a base URL": lambda router: router.get(
        url__startswith="https://api.openai.com/v1/"
    ).respond(204),
    "a route that passes through": lambda router: router.get(BATCHES).pass_through(),
    "a function that passes through": lambda router: router.get(BATCHES).mock(
        side_effect=lambda request: request
    ),
    "a function that has no answer": lambda router: router.get(BATCHES).mock(
        side_effect=lambda _: None
    ),
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_what_is_for_a_whole_host_answers_no_emulated_operation(
    block: Callable[[respx.MockRouter], object], fakebatch: FakeBatch
) -> None:
    """As a mock that blocks the network; it answers the rest, as it answers other hosts."""
    everything = block is BLOCKS["a router that answers everything"]
    with respx.mock(assert_all_called=False, assert_all_mocked=not everything) as router:
        block(router)
        assert httpx.get(BATCHES, headers=KEY).json()["data"] == []
        if everything:
            assert httpx.post(SPEECH, headers=KEY).content == b""


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("ready", [True, False], ids=["ready client", "own client"])
def test_a_route_for_one_batch_fails_it_as_it_says(
    ready: bool, library: Any, respx_mock: respx.MockRouter, fakebatch: FakeBatch
) -> None:
    """Response after response, and faults; other batches are the emulator's."""
    one, other = (fakebatch.batches.add([request_line("a", "hi")]).id for _ in range(2))
    route = respx_mock.get(f"{BATCHES}/{one}")
    route.mock(side_effect=[httpx.Response(500), httpx.ReadTimeout])
    with library.Client(transport=fakebatch.transport(library) if ready else None) as client:
        assert client.get(f"{BATCHES}/{one}", headers=KEY).status_code == 500
        with pytest.raises(library.ReadTimeout):
            client.get(f"{BATCHES}/{one}", headers=KEY)
        assert client.get(f"{BATCHES}/{other}", headers=KEY).json()["id"] == other
    assert (route.call_count, fakebatch.journal.count()) == (2, 1)


UNSTARTED = {"an emulated operation": BATCHES, "another host": ELSEWHERE}


@pytest.mark.parametrize("url", UNSTARTED.values(), ids=UNSTARTED)
def test_a_route_that_has_no_effect_is_told(url: str, fakebatch: FakeBatch) -> None:
    """`respx.get(...)` adds to a router that somebody has to start."""
    respx.mock.snapshot()
    respx.get(url).respond(418)
    try:
        with pytest.raises(UsageError) as caught:
            httpx.get(f"{url}?limit=1", headers=KEY)
        with respx.mock:
            assert httpx.get(f"{url}?limit=1", headers=KEY).status_code == 418
    finally:
        respx.mock.rollback()
    assert str(caught.value).split("\n") == [
        f"fakebatch: A route of respx for GET {url} has no effect.",
        "respx.get(...) and the like add it to respx.mock, which has not been started.",
        "Add it to the fixture respx_mock, or within `with respx.mock:` or @respx.mock.",
    ]


def test_a_route_of_before_is_no_mistake_of_this_test() -> None:
    """A module may add routes when it is imported, and some of its tests start `respx.mock`."""
    respx.mock.snapshot()
    respx.get(BATCHES).respond(418)
    try:
        with FakeBatch():
            assert httpx.get(BATCHES, headers=KEY).status_code == 200
    finally:
        respx.mock.rollback()


def test_an_inner_fake_leaves_paths_to_the_test_and_keeps_the_answer(respx_mock: Any) -> None:
    """Of two fakes for one host: the routes of the test and of both routers, then the inner one.

    Operations are the inner one's, whatever routes the router of the outer one has.
    """
    respx_mock.post(SPEECH).respond(201)
    with FakeBatch() as outer, FakeBatch() as inner:
        outer.router.get(SPEECH).respond(202)
        assert httpx.post(SPEECH, headers=KEY).status_code == 201
        outer.router.get(BATCHES).respond(418)
        assert httpx.get(SPEECH, headers=KEY).status_code == 202
        assert httpx.get(BATCHES, headers=KEY).status_code == 200
        assert httpx.get("https://api.openai.com/v1/nope", headers=KEY).status_code == 404
        assert (inner.journal.count(), outer.journal.count()) == (2, 0)

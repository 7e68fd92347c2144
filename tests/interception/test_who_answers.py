"""Who answers a request, and that nothing leaves the machine."""

from __future__ import annotations

import asyncio
import os
import threading
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import aiohttp
import httpx
import httpx2
import openai
import pytest
import requests
import respx

from fakebatch import FakeBatch, RefusedRequest

BATCHES = "https://api.openai.com/v1/batches"
KEY = {"Authorization": "Bearer sk-some-key"}
ELSEWHERE = "https://example.com/things"

Get = Callable[[str], Any]


def _async(module: Any) -> Get:
    async def get(url: str) -> Any:
        async with module.AsyncClient() as client:
            return await client.get(url, headers=KEY)

    return lambda url: asyncio.run(get(url))


def _wrapped(module: Any) -> Get:
    class Wrapping(module.BaseTransport):  # type: ignore[misc]
        """A transport of one's own that ends in the library's."""

        def __init__(self) -> None:
            self.inner = module.HTTPTransport()

        def handle_request(self, request: Any) -> Any:
            return self.inner.handle_request(request)

    def get(url: str) -> Any:
        return module.Client(transport=Wrapping()).get(url, headers=KEY)

    return get


def _plain(module: Any) -> Get:
    def get(url: str) -> Any:
        return module.get(url, headers=KEY)

    return get


CLIENTS = [
    pytest.param(_plain(httpx), id="httpx"),
    pytest.param(_plain(httpx2), id="httpx2"),
    pytest.param(_async(httpx), id="httpx, async"),
    pytest.param(_async(httpx2), id="httpx2, async"),
    pytest.param(_wrapped(httpx), id="httpx with a transport of one's own"),
    pytest.param(_wrapped(httpx2), id="httpx2 with a transport of one's own"),
]


@pytest.mark.parametrize("get", CLIENTS)
def test_what_goes_to_the_base_url_is_answered(get: Get, fakebatch: FakeBatch) -> None:
    """Both HTTP stacks, sync and async, with any transport that ends in their core."""
    assert get(BATCHES).json()["data"] == []
    assert fakebatch.router["batches.list"].call_count == 1


@pytest.mark.parametrize("get", CLIENTS)
def test_what_goes_elsewhere_is_refused_in_three_lines(get: Get, fakebatch: FakeBatch) -> None:
    """The message says what came, what was known, what to do; a query is not shown."""
    with pytest.raises(RefusedRequest) as caught:
        get(ELSEWHERE + "?token=secret")

    assert str(caught.value).split("\n") == [
        f"fakebatch: GET {ELSEWHERE} was refused: nothing leaves this machine.",
        "Emulated are: https://api.openai.com/v1; no respx router of yours answered.",
        "Mock it with respx, or give the client an emulated base_url.",
    ]


def test_clients_made_before_are_intercepted_too() -> None:
    """It is the stack that is intercepted, not the client."""
    clients: list[Any] = [httpx.Client(headers=KEY), httpx2.Client(headers=KEY)]
    with FakeBatch():
        assert [client.get(BATCHES).status_code for client in clients] == [200, 200]


def test_no_except_exception_hides_a_refusal(fakebatch: FakeBatch) -> None:
    """It is a BaseException: neither the SDK's retries nor a careless loop swallow it."""
    client = openai.OpenAI(base_url="https://elsewhere.example/v1")
    with pytest.raises(RefusedRequest):
        try:
            client.batches.list()
        except Exception:  # noqa: BLE001  # what careless code does
            pytest.fail("swallowed")


@pytest.mark.parametrize("order", ["theirs first", "ours first"])
@pytest.mark.parametrize("using", ["httpcore", "httpx"])
def test_a_router_of_the_test_answers_other_hosts_alone(order: str, using: str) -> None:
    """Emulated base URLs come first and the test's own routers next, whichever began first."""
    theirs = respx.mock(assert_all_called=False, using=using)
    theirs.get(ELSEWHERE).respond(204)
    theirs.get(BATCHES).respond(418)
    first, second = (theirs, FakeBatch()) if order == "theirs first" else (FakeBatch(), theirs)
    with first, second:
        assert httpx.get(ELSEWHERE).status_code == 204
        assert httpx.get(BATCHES, headers=KEY).status_code == 200


def test_the_innermost_fake_answers() -> None:
    """Of two for the same base URL the inner one; for another base URL the outer one still."""
    with FakeBatch(base_url="https://outer.example/v1") as outer, FakeBatch() as middle:
        with FakeBatch() as inner:
            httpx.get(BATCHES, headers=KEY)
            httpx.get("https://outer.example/v1/batches", headers=KEY)
            counts = [fake.router["batches.list"].call_count for fake in (outer, middle, inner)]
        assert counts == [1, 0, 1]


def test_in_process_transports_pass(fakebatch: FakeBatch) -> None:
    """What never comes near a socket is nobody's business."""
    transport = httpx.MockTransport(lambda _: httpx.Response(202))
    assert httpx.Client(transport=transport).get(ELSEWHERE).status_code == 202


def test_loopback_passes(fakebatch: FakeBatch) -> None:
    """A request to this machine goes through; here nobody listens."""
    with pytest.raises(httpx.ConnectError):
        httpx.get("http://127.0.0.1:9/")


@pytest.mark.parametrize(
    ("look_up", "client"),
    [
        pytest.param(requests.get, "urllib3, called by requests", id="requests"),
        pytest.param(urllib.request.urlopen, "http.client", id="urllib"),
    ],
)
def test_other_clients_are_named_and_refused(
    look_up: Callable[[str], Any], client: str, fakebatch: FakeBatch
) -> None:
    """The name of an emulated host does not resolve; the message names who asked."""
    with pytest.raises(RefusedRequest, match=f"{client} looked up api.openai.com"):
        look_up(BATCHES)


def test_aiohttp_is_named_and_refused(fakebatch: FakeBatch) -> None:
    """A client that resolves names by the event loop is caught there."""

    async def get() -> None:
        async with aiohttp.ClientSession() as session:
            await session.get(BATCHES)

    with pytest.raises(RefusedRequest, match=r"aiohttp looked up api\.openai\.com"):
        asyncio.run(get())


def _lost_in_a_thread() -> None:
    def work() -> None:
        with suppress(BaseException):  # the worst a thread can do
            httpx.get(ELSEWHERE)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def _lost_in_a_future() -> None:
    with ThreadPoolExecutor() as pool:
        pool.submit(httpx.get, ELSEWHERE)


def _lost_in_a_task() -> None:
    async def main() -> None:
        task = asyncio.create_task(httpx.AsyncClient().get(ELSEWHERE))
        await asyncio.wait([task])

    asyncio.run(main())


@pytest.mark.parametrize(
    "lose",
    [
        pytest.param(_lost_in_a_thread, id="in a thread that swallows everything"),
        pytest.param(_lost_in_a_future, id="in a future nobody asks"),
        pytest.param(_lost_in_a_task, id="in a task nobody awaits"),
    ],
)
def test_a_refusal_that_got_lost_is_raised_at_the_end(lose: Callable[[], None]) -> None:
    """What nobody saw fails the test at the end of the block."""
    with pytest.raises(RefusedRequest, match=r"example\.com"), FakeBatch():
        lose()


def _seen_here() -> None:
    httpx.get(ELSEWHERE)


def _seen_by_asking_a_future() -> None:
    with ThreadPoolExecutor() as pool:
        pool.submit(httpx.get, ELSEWHERE).result()


def _seen_by_awaiting_a_task() -> None:
    async def main() -> None:
        await asyncio.create_task(httpx.AsyncClient().get(ELSEWHERE))

    asyncio.run(main())


@pytest.mark.parametrize(
    "see",
    [
        pytest.param(_seen_here, id="in this thread"),
        pytest.param(_seen_by_asking_a_future, id="through a future"),
        pytest.param(_seen_by_awaiting_a_task, id="through a task"),
    ],
)
def test_a_refusal_that_was_seen_is_not_raised_again(see: Callable[[], None]) -> None:
    """A test that expects a refusal passes."""
    with FakeBatch(), pytest.raises(RefusedRequest):
        see()


def test_the_environment_has_a_dummy_key_and_points_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A real key is out of reach while a fake is active; all is put back."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/v1")
    monkeypatch.delenv("OPENAI_ORG_ID", raising=False)
    before = dict(os.environ)
    with FakeBatch():
        assert "fakebatch" in os.environ["OPENAI_API_KEY"]
        assert "OPENAI_BASE_URL" not in os.environ
        assert str(openai.OpenAI().base_url) == "https://api.openai.com/v1/"

    assert dict(os.environ) == before

"""Which clients are answered, which pass, and which are refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import httpx2
import openai
import pytest
import requests

from fakebatch import FakeBatch, RefusedRequest

BATCHES = "https://api.openai.com/v1/batches"
ELSEWHERE = "https://example.com/things"
KEY = {"Authorization": "Bearer sk-some-key"}

Get = Callable[[str], Any]


def plain(module: Any) -> Get:
    return lambda url: module.get(url, headers=KEY)


def by_proxy(module: Any) -> Get:
    client = module.Client(headers=KEY, proxy="http://proxy.example:3128")
    get: Get = client.get
    return get


def in_a_loop(module: Any) -> Get:
    async def get(url: str) -> Any:
        async with module.AsyncClient(headers=KEY) as client:
            return await client.get(url)

    return lambda url: asyncio.run(get(url))


def wrapped(module: Any) -> Get:
    class Wrapping(module.BaseTransport):  # type: ignore[misc]
        """A transport of one's own that ends in the library's."""

        inner = module.HTTPTransport()

        def handle_request(self, request: Any) -> Any:
            return self.inner.handle_request(request)

    return lambda url: module.Client(transport=Wrapping(), headers=KEY).get(url)


KINDS = {
    "plain": plain,
    "async": in_a_loop,
    "with a transport of one's own": wrapped,
    "behind a proxy": by_proxy,
}
CLIENTS = [
    pytest.param(kind(module), id=f"{module.__name__}, {name}")
    for module in (httpx, httpx2)
    for name, kind in KINDS.items()
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
        "fakebatch emulates https://api.openai.com/v1; no route of yours matched.",
        "Mock it with respx, or give the client an emulated base_url.",
    ]


OF_ANOTHER = {
    "Azure": ("https://mine.openai.azure.com/openai/batches", "azure"),
    "Azure's Foundry": ("https://mine.services.ai.azure.com/openai/v1/batches", "azure"),
    "Azure, by its older name": ("https://a.cognitiveservices.azure.com/openai/files", "azure"),
    "Groq": ("https://api.groq.com/openai/v1/batches", "groq"),
}


@pytest.mark.parametrize(("url", "dialect"), OF_ANOTHER.values(), ids=OF_ANOTHER)
def test_what_goes_to_another_provider_is_refused_with_its_dialect(
    url: str, dialect: str, fakebatch: FakeBatch
) -> None:
    """The advice is the keyword that emulates it; of the one that is emulated there is none."""
    with pytest.raises(RefusedRequest, match=f"Emulate this provider: .*dialect='{dialect}'"):
        httpx.get(url, headers=KEY)
    with pytest.raises(RefusedRequest, match="Mock it with respx"):
        httpx.get("https://api.openai.com/v9/batches", headers=KEY)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://api.openai.com/v1/batches", id="without TLS"),
        pytest.param("https://api.openai.com:8443/v1/batches", id="at another port"),
        pytest.param("https://api.openai.com/v2/batches", id="of another version"),
        pytest.param("https://eu.api.openai.com/v1/batches", id="of another region"),
        pytest.param("https://api.openai.com.example/v1/batches", id="with a longer name"),
    ],
)
def test_another_address_of_the_service_is_elsewhere(url: str, fakebatch: FakeBatch) -> None:
    """Scheme, host, port and path must be those of the base URL."""
    with pytest.raises(RefusedRequest, match="was refused: nothing leaves"):
        httpx.get(url, headers=KEY)


@pytest.mark.parametrize("url", ["https://API.OpenAI.com:443/v1/batches", BATCHES + "?limit=1"])
def test_another_spelling_of_the_same_address_is_answered(url: str, fakebatch: FakeBatch) -> None:
    """The host in capitals, the usual port, a query."""
    assert httpx.get(url, headers=KEY).status_code == 200


@pytest.mark.parametrize(
    "base_url", ["http://localhost:8080/v1/", "http://[::1]:1/v1", "https://a.b"]
)
def test_the_service_can_be_put_elsewhere(base_url: str) -> None:
    """`base_url` takes the place of the provider's own, which is elsewhere then."""
    with FakeBatch(base_url=base_url) as fake:
        assert openai.OpenAI(base_url=fake.base_url).batches.list().data == []
        with pytest.raises(RefusedRequest):
            openai.OpenAI().batches.list()


def test_clients_made_before_are_intercepted_too() -> None:
    """It is the stack that is intercepted, not the client."""
    clients: list[Any] = [httpx.Client(headers=KEY), httpx2.Client(headers=KEY)]
    with FakeBatch():
        assert [client.get(BATCHES).status_code for client in clients] == [200, 200]


def test_a_client_finds_its_request_unchanged(fakebatch: FakeBatch) -> None:
    """What is kept of a call is a copy: the key is still in the client's own request."""
    response = httpx.get(BATCHES, headers=KEY)
    assert response.request.headers["authorization"] == KEY["Authorization"]


async def _hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 202, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def _ask_asgi(module: Any) -> int:
    async with module.AsyncClient(transport=module.ASGITransport(app=_hello)) as client:
        response = await client.get(ELSEWHERE)
        return int(response.status_code)


@pytest.mark.parametrize("module", [httpx, httpx2])
def test_in_process_transports_pass(module: Any, fakebatch: FakeBatch) -> None:
    """What never comes near a socket is nobody's business."""
    transport = module.MockTransport(lambda _: module.Response(202))
    assert module.Client(transport=transport).get(ELSEWHERE).status_code == 202
    assert asyncio.run(_ask_asgi(module)) == 202


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Generator[int]:
    """The port of a real server on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hello) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


# in real time: virtual time may jump over the timeout of a real socket (docs/time.md)
@pytest.mark.fakebatch(clock="real")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize(
    "get",
    [
        pytest.param(plain(httpx), id="httpx"),
        pytest.param(in_a_loop(httpx), id="httpx, async"),
        pytest.param(plain(httpx2), id="httpx2"),
        pytest.param(in_a_loop(httpx2), id="httpx2, async"),
        pytest.param(plain(requests), id="requests"),
    ],
)
def test_loopback_passes(get: Get, host: str, port: int, fakebatch: FakeBatch) -> None:
    """A server of the test's own on this machine is reached by every client."""
    assert get(f"http://{host}:{port}/").text == "hello"


def test_loopback_passes_beside_a_service_on_localhost(port: int) -> None:
    """Another port of this machine is another server."""
    with FakeBatch(base_url="http://localhost:8080/v1"):
        assert httpx.get(f"http://localhost:{port}/").text == "hello"

"""Clients behind a proxy: what is emulated never reaches it, and this machine is still reached."""

from __future__ import annotations

import asyncio
import socket
import threading
import urllib.request
from collections.abc import Callable, Generator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3

from fakebatch import FakeBatch, RefusedRequest

BATCHES = "https://api.openai.com/v1/batches"
KEY = {"Authorization": "Bearer sk-some-key"}
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class _Proxy(BaseHTTPRequestHandler):
    """Notes what it is asked for, and answers it by itself."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        self.send_response(403 if self.command == "CONNECT" else 203)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.do_GET()

    def do_CONNECT(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Proxy:
    """A real proxy on this machine."""

    def __init__(self, port: int, asked: list[str]) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.asked = asked


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Generator[Proxy]:
    """The proxy that the environment names."""
    handler = type("Handler", (_Proxy,), {"asked": list[str]()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        proxy = Proxy(server.server_port, handler.asked)  # type: ignore[attr-defined]
        for name in VARIABLES:
            monkeypatch.setenv(name, proxy.address)
            monkeypatch.setenv(name.lower(), proxy.address)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield proxy
        server.shutdown()
        thread.join()


def _requests(url: str, _: Proxy) -> int:
    return requests.get(url, timeout=9).status_code


def _urllib3(url: str, proxy: Proxy) -> int:
    return urllib3.ProxyManager(proxy.address, retries=False).request("GET", url).status


def _urllib(url: str, _: Proxy) -> int:
    opener = urllib.request.build_opener()
    status: int = opener.open(url).status
    return status


async def _on_loop(url: str, proxy: str | None) -> int:
    async with (
        aiohttp.ClientSession(trust_env=proxy is None) as session,
        session.post(url, data=b"x", proxy=proxy) as response,
    ):
        return response.status


def _aiohttp(url: str, _: Proxy) -> int:
    return asyncio.run(_on_loop(url, None))


def _aiohttp_with_its_own(url: str, proxy: Proxy) -> int:
    return asyncio.run(_on_loop(url, proxy.address))


OTHERS = {
    "urllib3, called by requests": _requests,
    "urllib3": _urllib3,
    "http.client": _urllib,
    "aiohttp": _aiohttp,
    "aiohttp, its own proxy": _aiohttp_with_its_own,
}
EMULATED = {
    "by CONNECT": "https://api.openai.com/v1/batches",
    "of any host of a domain": "https://me.openai.azure.com/openai/v1/files",
    "without TLS": "http://gateway.example/v1/batches",
}

Send = Callable[[str, Proxy], int]


@pytest.fixture
def fakes() -> Generator[FakeBatch]:
    """Three providers, in real time: a real socket answers."""
    with (
        FakeBatch(clock="real", base_url="http://gateway.example/v1"),
        FakeBatch(clock="real", dialects=["openai", "azure"]) as fake,
    ):
        yield fake


@pytest.mark.parametrize("url", EMULATED.values(), ids=EMULATED)
@pytest.mark.parametrize(("client", "send"), OTHERS.items(), ids=OTHERS)
def test_another_client_does_not_reach_the_proxy(
    client: str, send: Send, url: str, proxy: Proxy, fakes: FakeBatch
) -> None:
    """The same three lines as without a proxy."""
    with pytest.raises(RefusedRequest) as caught:
        send(url, proxy)
    came, known, to_do = str(caught.value).split("\n")
    came = came.replace(urlsplit(url).netloc, "HOST")
    name = client.partition(", its")[0]
    came = came.replace(f"{name},", "CLIENT").replace(name, "CLIENT")
    assert came == (
        "fakebatch: CLIENT asked a proxy for HOST: its request was about to leave this machine."
    )
    assert known == "fakebatch only intercepts httpx and httpx2, down to httpcore and httpcore2."
    assert to_do == "Use one of these clients in this test, or give this one another base_url."
    assert proxy.asked == []


@pytest.mark.parametrize("send", OTHERS.values(), ids=OTHERS)
def test_another_client_reaches_other_hosts_by_its_proxy(
    send: Send, proxy: Proxy, fakes: FakeBatch
) -> None:
    """As it would without fakebatch."""
    assert send("http://other.example/", proxy) == 203
    assert [asked.partition(" ")[2] for asked in proxy.asked] == ["http://other.example/"]


async def _async_get(library: Any, url: str) -> int:
    async with library.AsyncClient(headers=KEY) as client:
        status: int = (await client.get(url)).status_code
        return status


GETS: dict[str, Callable[[Any, str], int]] = {
    "sync": lambda library, url: library.get(url, headers=KEY).status_code,
    "async": lambda library, url: asyncio.run(_async_get(library, url)),
}


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("get", GETS.values(), ids=GETS)
def test_httpx_behind_a_proxy(
    get: Callable[[Any, str], int], library: Any, proxy: Proxy, fakes: FakeBatch
) -> None:
    """Emulated hosts are answered, others refused; a server on this machine is reached by it."""
    assert get(library, BATCHES) == 200
    for url in ("https://other.example/", "http://other.example/"):
        with pytest.raises(RefusedRequest, match="nothing leaves this machine"):
            get(library, url)
    assert proxy.asked == []
    assert get(library, "http://127.0.0.1:9/things") == 203
    with pytest.raises(library.ProxyError, match="403"):
        get(library, "https://localhost:9/things")
    assert proxy.asked == ["GET http://127.0.0.1:9/things", "CONNECT localhost:9"]


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_elsewhere_is_not_asked_for_this_machine(
    scheme: str, library: Any, fakebatch: FakeBatch
) -> None:
    """The request would leave it; the message names the proxy, and what keeps it out."""
    client = library.Client(proxy="http://proxy.example:3128")
    with pytest.raises(RefusedRequest) as caught:
        client.get(f"{scheme}://127.0.0.1:9/things")
    method = {"http": "GET", "https": "CONNECT"}[scheme]
    came = f"{method} 127.0.0.1:9 was refused: the proxy proxy.example:3128 is not on this machine."
    assert str(caught.value).split("\n") == [
        f"fakebatch: {came}",
        "It is the client's own, or that of HTTP_PROXY, HTTPS_PROXY or ALL_PROXY.",
        "Set NO_PROXY=localhost,127.0.0.1 for servers on this machine.",
    ]


def connecting() -> Iterator[bytes]:
    yield b"CONNECT api.openai.com:443 HTTP/1.1\r\n"
    yield b"x"


SOCKS = b"\x05\x01\x00\x03\x0eapi.openai.com\x01\xbb"
SENT: dict[str, Callable[[socket.socket], object]] = {
    "send": lambda sock: sock.send(b"CONNECT API.openai.com.:443 HTTP/1.1\r\n"),
    "sendall": lambda sock: sock.sendall(bytearray(b"GET http://api.openai.com/ HTTP/1.1\r\n")),
    "with a user": lambda sock: sock.sendall(b"GET http://a:b@api.openai.com/ HTTP/1.1\r\n"),
    "sendmsg": lambda sock: sock.sendmsg(connecting()),
    "SOCKS": lambda sock: sock.sendall(SOCKS),
}


@pytest.mark.fakebatch(clock="real")
@pytest.mark.parametrize("send", SENT.values(), ids=SENT)
def test_whatever_is_sent_to_a_proxy_is_read(
    send: Callable[[socket.socket], object], fakebatch: FakeBatch
) -> None:
    """However the client sends it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(RefusedRequest, match=r"asked a proxy for api\.openai\.com"):
            send(ours)
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)


def pieces() -> Iterator[bytes]:
    yield b"INSERT 'CONNECT api.openai.com'"
    yield b"GET http://api.openai.com/"


@pytest.mark.fakebatch(clock="real")
def test_other_bytes_are_sent_as_they_are(fakebatch: FakeBatch) -> None:
    """What only mentions the host, or another one."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert ours.sendmsg(pieces()) == ours.sendmsg(pieces()) == 57
        ours.sendall(b"")
        ours.sendall(b"GET http://other.example/ HTTP/1.1\r\n")
        ours.send(b"GET /v1/batches HTTP/1.1\r\nhost: api.openai.com\r\n", 0)
        assert b"api.openai.com" in theirs.recv(1_000)


@pytest.mark.parametrize("host", ["a.localhost", "a.b.LOCALHOST", "localhost.", "a.localhost."])
def test_names_below_localhost_are_this_machine(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6761: no DNS server is asked for them."""
    asked: list[object] = []
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with FakeBatch():
        for library in (httpx, httpx2):
            with pytest.raises(library.ConnectError):
                library.get(f"http://{host}:9/", headers={"host": "x"})
        socket.getaddrinfo(host=host, port=9)
    assert {str(name).rstrip(".") for name in asked} == {"localhost"}

"""Clients that cannot be intercepted do not find the service, and are told so by name."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from collections.abc import Callable

import aiohttp
import pytest
import requests

from fakebatch import FakeBatch, RefusedRequest

HOST = "api.openai.com"
BATCHES = f"https://{HOST}/v1/batches"


async def _aiohttp() -> None:
    async with aiohttp.ClientSession() as session:
        await session.get(BATCHES)


async def _streams() -> None:
    await asyncio.open_connection(HOST, 443)


async def _loop() -> None:
    await asyncio.get_running_loop().getaddrinfo(host=HOST, port=443)


@pytest.mark.parametrize(
    ("ask", "client"),
    [
        pytest.param(
            lambda: requests.get(BATCHES, timeout=9), "urllib3, called by requests,", id="requests"
        ),
        pytest.param(lambda: urllib.request.urlopen(BATCHES), "http.client", id="urllib"),
        pytest.param(lambda: asyncio.run(_aiohttp()), "aiohttp", id="aiohttp"),
    ],
)
def test_another_client_is_named_and_refused(
    ask: Callable[[], object], client: str, fakebatch: FakeBatch
) -> None:
    """Three lines: who asked for the address, who can be intercepted, what to do."""
    with pytest.raises(RefusedRequest) as caught:
        ask()

    assert str(caught.value).split("\n") == [
        f"fakebatch: {client} looked up {HOST}: its request was about to leave this machine.",
        "fakebatch only intercepts httpx and httpx2, down to httpcore and httpcore2.",
        "Use one of these clients in this test, or give this one another base_url.",
    ]


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda: socket.create_connection((HOST, 443)), id="a socket"),
        pytest.param(lambda: socket.getaddrinfo(HOST, 443), id="a look-up"),
        pytest.param(lambda: socket.getaddrinfo(port=443, host=HOST), id="by keywords"),
        pytest.param(lambda: socket.getaddrinfo(HOST.encode(), 443), id="in bytes"),
        pytest.param(lambda: asyncio.run(_streams()), id="a stream of asyncio"),
        pytest.param(lambda: asyncio.run(_loop()), id="a look-up of a loop"),
    ],
)
def test_no_look_up_finds_an_emulated_host(ask: Callable[[], object], fakebatch: FakeBatch) -> None:
    """However the name is asked for."""
    with pytest.raises(RefusedRequest, match=f"looked up {HOST}"):
        ask()


def test_a_runner_of_tasks_is_not_blamed(pytester: pytest.Pytester) -> None:
    """A name that aiohttp looks up in a task of its own, which the plugin's event loop runs."""
    pytester.makepyfile(
        f"""
        import aiohttp, pytest

        @pytest.mark.asyncio
        async def test_it(fakebatch):
            async with aiohttp.ClientSession() as session:
                await session.get("{BATCHES}")
        """
    )
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.stdout.fnmatch_lines([f"*fakebatch: aiohttp looked up {HOST}: *"])


@pytest.mark.parametrize("spelled", ["API.OpenAI.com", f"{HOST}."])
def test_no_other_spelling_of_the_name_leaves(
    monkeypatch: pytest.MonkeyPatch, spelled: str
) -> None:
    """In capitals, or as an absolute name, it is the same host."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("it was looked up"))
    with FakeBatch(), pytest.raises(RefusedRequest):
        socket.getaddrinfo(spelled, 443)


def test_other_names_are_found_as_ever(fakebatch: FakeBatch) -> None:
    """This machine has its address."""
    assert socket.getaddrinfo("127.0.0.1", 80) == asyncio.run(_own_address())


async def _own_address() -> list[object]:
    return [*await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)]


@pytest.mark.parametrize("host", ["http://a.example/v1", "https://b.example"])
def test_every_emulated_host_is_out_of_reach(host: str) -> None:
    """Those of an outer fake too, and only while it is active."""
    with FakeBatch(base_url=host), FakeBatch(), pytest.raises(RefusedRequest):
        requests.get(host, timeout=9)

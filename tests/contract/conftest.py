"""The contract runs over three doors: see support/doors.py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import openai
import pytest

from conftest_plugin import _options as options_of
from fakebatch import FakeBatch, RefusedRequest, Remote, UsageError
from fakebatch.interception.environment import shared_tls_context
from fakebatch.server.fixture import TestServer, serving
from support.client import Driver
from support.doors import DOORS, Refused
from support.live import client, wanted

KINDS = {"sync": openai.OpenAI, "async": openai.AsyncOpenAI}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "door" in metafunc.fixturenames:
        only = metafunc.config.getoption("door")
        metafunc.parametrize("door", (only,) if only else DOORS, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if _has_its_door(item, live=wanted(config))]


def _has_its_door(item: pytest.Item, *, live: bool) -> bool:
    """Whether a test runs over its door.

    Not if a mark says why not. What arrives at a socket is the same from both kinds of clients, so
    the synchronous one alone is tested there. The real service has one door.
    """
    params = (
        item.callspec.params
        if isinstance(item, pytest.Function) and "callspec" in vars(item)
        else {}
    )
    door = params.get("door")
    for mark in item.iter_markers("not_over") if door else ():
        assert mark.kwargs["reason"]
        assert {*mark.args} < {*DOORS}
        if door in mark.args:
            return False
    if door is None:
        return True
    return door == DOORS[0] if live else (door, params.get("do")) != ("socket", "async")


@pytest.fixture
def door(request: pytest.FixtureRequest) -> str:
    """How the clients of a test reach the emulator."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def _fakebatch_server() -> Generator[TestServer]:
    # for a session as in the plugin its threads would be alive in tests of the virtual clock
    with serving() as server:
        yield server


@pytest.fixture
def fakebatch(
    request: pytest.FixtureRequest, door: str, monkeypatch: pytest.MonkeyPatch
) -> Generator[FakeBatch | Remote]:
    """The emulator: in this process, or a world of the server that the tests of a module share."""
    options = options_of(request)
    if door != "socket":
        with FakeBatch(**options) as fake:
            yield fake
        return
    request.node.add_marker(pytest.mark.fakebatch_server(clock="manual", **options))
    world: Remote = request.getfixturevalue("fakebatch_server")
    real_sleep = asyncio.sleep

    async def sleep_on_loop(seconds: float) -> None:
        world.clock.advance(seconds)
        await real_sleep(0)

    for module, sleep in (
        (time, world.clock.advance),
        (asyncio, sleep_on_loop),
        (anyio, sleep_on_loop),
    ):
        monkeypatch.setattr(module, "sleep", sleep)
    for name, value in world.env.items():
        monkeypatch.setenv(name, value)
    with shared_tls_context():  # to make one for each client takes longer than a test
        yield world


@pytest.fixture(params=KINDS)
def do(request: pytest.FixtureRequest, door: str, fakebatch: Any) -> Generator[Driver]:
    """The real SDK at a door."""
    yield from _driving(_client(request.param, door, fakebatch))


@pytest.fixture(params=KINDS)
def service(request: pytest.FixtureRequest, door: str) -> Generator[Driver]:
    """The real SDK at a door or, with --live, against the real service."""
    if wanted(request.config):
        yield from _driving(client(KINDS[request.param]))
    else:
        fake = request.getfixturevalue("fakebatch")
        yield from _driving(_client(request.param, door, fake))


@pytest.fixture
def async_client(door: str, fakebatch: Any) -> Any:
    """The asynchronous client of the SDK at a door; the test closes it on its own loop."""
    return _client("async", door, fakebatch)


def _client(kind: str, door: str, fake: Any) -> Any:
    if door == "transport":
        return fake.openai() if kind == "sync" else fake.async_openai()
    return KINDS[kind]()  # both the address of the provider and that of the server are its default


def _driving(client: Any) -> Generator[Driver]:
    driver = Driver(client)
    yield driver
    driver(client.close)
    driver.runner.close()


@pytest.fixture
def refused(door: str, fakebatch: Any) -> Refused:
    """Catches a refusal: our own error in process; a 501 at the socket, and an error at the end."""

    @contextmanager
    def catching() -> Generator[list[str]]:
        lines: list[str] = []
        if door != "socket":
            with pytest.raises(UsageError) as own:
                yield lines
            lines += str(own.value).split("\n")
            return
        with pytest.raises(openai.InternalServerError) as caught:
            yield lines
        assert caught.value.status_code == 501
        lines += caught.value.response.json()["error"]["message"].split("\n")
        with pytest.raises(RefusedRequest) as told:
            fakebatch.check_rules()
        assert str(told.value).split("\n") == lines
        fakebatch.reset()

    return catching

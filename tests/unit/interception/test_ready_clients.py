"""Ready clients have nothing of the environment, and do not touch it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch

REAL = {
    "OPENAI_API_KEY": "sk-real",
    "OPENAI_ADMIN_KEY": "sk-real-admin",
    "OPENAI_BASE_URL": "https://real.example/v1",
    "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer sk-real\nX-Gateway: real",
    "OPENAI_ORG_ID": "org-real",
    "OPENAI_PROJECT_ID": "proj-real",
    "OPENAI_WEBHOOK_SECRET": "whsec_real",
}


class Environment(MutableMapping[str, str]):
    """Stands in for `os.environ`: notes what is read, and lets nothing be changed."""

    def __init__(self) -> None:
        self.variables = {**os.environ, **REAL}
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.read.add(name)
        return self.variables[name]

    def __setitem__(self, name: str, _: str) -> None:
        raise AssertionError(f"{name} was set")

    def __delitem__(self, name: str) -> None:
        raise AssertionError(f"{name} was unset")

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)


@contextmanager
def replaced_environment() -> Generator[Environment]:
    """The environment of somebody who works with the real service."""
    with pytest.MonkeyPatch.context() as patches:  # in the test alone: pytest sets variables, too
        patches.setattr(os, "environ", environment := Environment())
        yield environment


KINDS = ("openai", "async_openai")


def call(client: Any) -> None:
    """Ask a client of either kind for something."""
    page = client.batches.list()
    if isinstance(client, openai.AsyncOpenAI):
        asyncio.run(_awaited(page))


async def _awaited(page: Any) -> None:
    await page


@pytest.mark.parametrize("kind", KINDS)
def test_the_environment_is_neither_changed_nor_asked_for_a_secret(
    kind: str,
) -> None:
    """The headers alone are read by the SDK whatever it is told, and left out afterwards."""
    with replaced_environment() as environment:
        call(getattr(FakeBatch(), kind)())

    assert environment.read & REAL.keys() <= {"OPENAI_CUSTOM_HEADERS"}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_it_is_in_a_client_or_its_copies(kind: str) -> None:
    """Neither in what they hold nor in what they send."""
    fake = FakeBatch()
    with replaced_environment():
        client = getattr(fake, kind)()
        clients = (client, client.copy(), client.with_options(max_retries=0))
    for each in clients:
        call(each)
        sent = fake.router.calls.last.request
        held = {name: value for name, value in vars(each).items() if "real" in str(value)}
        assert held.keys() <= {"api_key"}
        assert each.api_key == "sk-fakebatch-this-is-not-a-real-key"
        assert str(sent.url) == "https://api.openai.com/v1/batches"
        assert {"openai-organization", "openai-project", "x-gateway"}.isdisjoint(sent.headers)


GIVEN: dict[str, dict[str, Any]] = {
    "api_key": {"api_key": "sk-mine"},
    "organization": {"organization": "org-mine"},
    "project": {"project": "proj-mine"},
    "webhook_secret": {"webhook_secret": "whsec_mine"},
    "max_retries": {"max_retries": 7},
    "no timeout": {"timeout": None},
    "several": {"organization": "org-mine", "project": "proj-mine", "max_retries": 0},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", GIVEN.values(), ids=GIVEN)
def test_options_win(kind: str, options: dict[str, Any]) -> None:
    """Each is what the client has then."""
    client = getattr(FakeBatch(), kind)(**options)

    assert {name: getattr(client, name) for name in options} == options


@pytest.mark.parametrize("kind", KINDS)
def test_headers_that_are_given_are_sent(kind: str) -> None:
    """And a base URL that is given is where they go."""
    with FakeBatch(base_url="https://a.example/v1") as fake:
        call(getattr(fake, kind)(default_headers={"X-Mine": "yes"}, base_url=fake.base_url))
        sent = fake.router.calls.last.request

    assert (sent.headers["x-mine"], sent.url.host) == ("yes", "a.example")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["api_key", "base_url", "organization", "webhook_secret"])
def test_none_is_as_if_it_was_left_out(kind: str, name: str) -> None:
    """To the SDK it means: see the environment."""
    make = getattr(FakeBatch(), kind)
    with replaced_environment():
        plain, client = make(), make(**{name: None})

    assert getattr(client, name) == getattr(plain, name)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_client_of_the_sdk(kind: str) -> None:
    """To whoever asks for its class, or shows it."""
    client = getattr(FakeBatch(), kind)()

    assert isinstance(client, openai.OpenAI if kind == "openai" else openai.AsyncOpenAI)
    assert type(client).__name__ == kind.replace("async_openai", "AsyncOpenAI").replace(
        "openai", "OpenAI"
    )


def test_threads_that_make_clients_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """However they race, the real key is there at the end, and all the time."""
    for name, value in REAL.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    fake = FakeBatch()

    def work(_: int) -> bool:
        for _ in range(25):
            fake.openai()
            if dict(os.environ) != before:
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert dict(os.environ) == before

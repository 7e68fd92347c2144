"""Nothing stays: neither a patch nor a change of the environment."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import httpcore
import httpcore2
import openai
import pytest
from respx.mocks import AbstractRequestMocker, Mocker

from fakebatch import FakeBatch
from fakebatch.vtime.clock import Mode

NAMES: list[tuple[Any, str]] = [
    *((time, name) for name in ("time", "time_ns", "monotonic", "perf_counter", "sleep")),
    *((time, name) for name in ("gmtime", "localtime", "strftime", "monotonic_ns")),
    *((dt, name) for name in ("datetime", "date")),
    *((asyncio.BaseEventLoop, name) for name in ("time", "_run_once", "getaddrinfo")),
    (socket, "getaddrinfo"),
    (os, "environ"),
    (importlib.import_module("httpx._transports.default"), "create_ssl_context"),
    (importlib.import_module("httpx2._transports.default"), "create_ssl_context"),
    *((mocker, "routers") for mocker in Mocker.registry.values()),
    *(
        (getattr(core, name), method)
        for core in (httpcore, httpcore2)
        for name, method in (
            ("HTTPConnection", "handle_request"),
            ("ConnectionPool", "handle_request"),
            ("HTTPProxy", "handle_request"),
            ("AsyncHTTPConnection", "handle_async_request"),
            ("AsyncConnectionPool", "handle_async_request"),
            ("AsyncHTTPProxy", "handle_async_request"),
        )
    ),
]
SAID = {
    "OPENAI_API_KEY": "sk-real",
    "OPENAI_ADMIN_KEY": "sk-admin",
    "OPENAI_BASE_URL": "https://proxy.example/v1",
    "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer sk-real",
    "OPENAI_ORG_ID": "org-real",
    "OPENAI_PROJECT_ID": "proj-real",
}


def _objects() -> list[object]:
    return [getattr(owner, name) for owner, name in NAMES]


def _routers() -> dict[str, list[object]]:
    return {name: [*mocker.routers] for name, mocker in Mocker.registry.items()}


@pytest.mark.parametrize("clock", ["virtual", "manual", "real"])
@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt, SystemExit])
def test_every_patched_name_is_itself_again(clock: Mode, error: type[BaseException] | None) -> None:
    """After the block each name is the very object it was, whatever ended the block."""
    objects, routers, environment = _objects(), _routers(), dict(os.environ)
    mocker = dict(vars(AbstractRequestMocker))
    outer, inner = FakeBatch(clock=clock), FakeBatch(clock=clock)
    with suppress(ValueError, KeyboardInterrupt, SystemExit), outer, inner:
        openai.OpenAI().batches.list()
        if error is not None:
            raise error

    others = [
        name for name, old, new in zip(NAMES, objects, _objects(), strict=True) if old is not new
    ]
    assert others == []
    assert routers == _routers()
    assert mocker == dict(vars(AbstractRequestMocker))
    assert environment == dict(os.environ)


def test_the_last_fake_to_end_puts_all_back() -> None:
    """Whichever began first; until then the other one works."""
    objects, mocker = _objects(), dict(vars(AbstractRequestMocker))
    outer, inner = FakeBatch(), FakeBatch()
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    openai.OpenAI().batches.list()
    inner.__exit__(None, None, None)

    assert [*map(id, objects)] == [*map(id, _objects())]
    assert mocker == dict(vars(AbstractRequestMocker))
    assert (outer.journal.count(), inner.journal.count()) == (0, 1)


def test_a_fake_inside_itself_leaves_nothing_either() -> None:
    """Entered while it is active, a fake is refused or entered twice; never left half open."""
    code = (
        "import time; from contextlib import suppress; from fakebatch import FakeBatch\n"
        "before, fake = [time.time], FakeBatch()\n"
        "with suppress(BaseException), fake, fake: pass\n"
        "print([time.time] == before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == "True\n"


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("value", [None, "something"], ids=["unset before", "set before"])
def test_the_environment_is_put_back(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    """What was set is set again, what was not is not, also when the block changed or failed."""
    monkeypatch.delenv(name, raising=False)
    if value is not None:
        monkeypatch.setenv(name, value)
    with suppress(ValueError), FakeBatch():
        os.environ[name] = "changed inside"
        raise ValueError

    assert os.environ.get(name) == value


def test_a_client_made_inside_has_a_dummy_key_and_no_other_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A real key is out of reach while a fake is active, and so is a proxy."""
    for name, value in SAID.items():
        monkeypatch.setenv(name, value)
    with FakeBatch():
        client = openai.OpenAI()
        assert [name for name in SAID if name in os.environ] == ["OPENAI_API_KEY"]

    assert "fakebatch" in client.api_key
    assert (client.organization, client.project) == (None, None)
    assert str(client.base_url) == "https://api.openai.com/v1/"

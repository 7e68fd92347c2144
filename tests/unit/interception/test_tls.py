"""Clients share a TLS context while a fake is active, and only then."""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import certifi
import httpx
import httpx2
import openai
import pytest

from fakebatch import FakeBatch
from fakebatch.interception import environment


def context(client: Any) -> ssl.SSLContext:
    """The context that a client or a transport would use."""
    transport = getattr(client, "_transport", client)
    made: ssl.SSLContext = transport._pool._ssl_context
    return made


MADE: dict[str, Callable[[], Any]] = {
    "httpx.Client": httpx.Client,
    "httpx.AsyncClient": httpx.AsyncClient,
    "a transport of httpx": httpx.HTTPTransport,
    "httpx2.Client": httpx2.Client,
    "httpx2.AsyncClient": httpx2.AsyncClient,
    "an async transport of httpx2": httpx2.AsyncHTTPTransport,
    "openai.OpenAI": lambda: openai.OpenAI()._client,
    "openai.AsyncOpenAI": lambda: openai.AsyncOpenAI()._client,
}


@pytest.mark.parametrize("made", MADE)
def test_clients_share_a_context(made: str, fakebatch: FakeBatch) -> None:
    """A client for each call, as many libraries make it, costs one context in all."""
    assert context(MADE[made]()) is context(MADE[made]())


@pytest.mark.parametrize("made", [name for name in MADE if "openai" not in name])
def test_outside_each_has_its_own(made: str) -> None:
    """Before, after, and not that of inside either."""
    before = context(MADE[made]())
    with FakeBatch(), FakeBatch():
        inside = context(MADE[made]())
    after = [context(MADE[made]()) for _ in range(2)]

    assert len({id(each) for each in (before, inside, *after)}) == 4


OTHERS: dict[str, dict[str, Any]] = {
    "without verification": {"verify": False},
    "without the environment": {"trust_env": False},
}


@pytest.mark.parametrize("module", [httpx, httpx2])
@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS)
def test_who_wants_something_else_does_not_get_the_shared_one(
    module: Any, options: dict[str, Any], fakebatch: FakeBatch
) -> None:
    """The default one stays as it is."""
    shared = context(module.Client())
    other = context(module.Client(**options))

    assert other is not shared
    assert other.verify_mode == (ssl.CERT_NONE if "verify" in options else ssl.CERT_REQUIRED)
    assert context(module.Client()) is shared
    assert shared.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize("module", [httpx, httpx2])
def test_a_context_of_ones_own_is_used(module: Any, fakebatch: FakeBatch) -> None:
    """It is the very object."""
    mine = ssl.create_default_context()

    assert context(module.Client(verify=mine)) is mine


@pytest.mark.parametrize("module", [httpx, httpx2])
def test_what_the_library_makes_for_the_test_is_the_test_s_own(
    module: Any, fakebatch: FakeBatch
) -> None:
    """It may load a certificate of a client into it."""
    made = [module.create_ssl_context(), module.create_ssl_context(), context(module.Client())]

    assert len({*map(id, made)}) == 3


@pytest.mark.parametrize("module", [httpx, httpx2])
def test_other_certificates_of_the_environment_make_another_context(
    module: Any, fakebatch: FakeBatch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where the file that is named was written anew."""
    file = tmp_path / "ca.pem"
    file.write_bytes(Path(certifi.where()).read_bytes())
    usual = context(module.Client())
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    of_file = context(module.Client())
    assert context(module.Client()) is of_file
    file.write_bytes(file.read_bytes() + b"\n")
    of_file_written_anew = context(module.Client())

    assert len({*map(id, (usual, of_file, of_file_written_anew))}) == 3


def test_the_names_it_goes_by_are_there() -> None:
    """In the versions of the HTTP stacks that are installed."""
    for module, name in environment.MAKERS:
        if find_spec(module.partition(".")[0]):
            assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("made", MADE)
def test_where_they_are_not_each_has_its_own(made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that is made otherwise costs time, and nothing else."""
    gone = (
        ("httpx", "no_such_name"),
        ("httpx.no_such_module", "name"),
        ("no_such_package", "name"),
    )
    monkeypatch.setattr(environment, "MAKERS", gone)
    with FakeBatch():
        assert context(MADE[made]()) is not context(MADE[made]())

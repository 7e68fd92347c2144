"""Which app answers which address."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fakebatch import UsageError
from fakebatch.dialects import DIALECTS, OPENAI, Dialect
from fakebatch.emulator import providers
from fakebatch.service import Service
from fakebatch.wire import Request
from fakebatch.wire.app import App, Sites, Target
from support.batches import T0


def at(*base_urls: str) -> Dialect:
    """A provider with other addresses."""
    return OPENAI.set(base_urls=base_urls)


def sites(*dialects: Dialect, prefix: str = "") -> Sites:
    services = [Service(dialect, seed=b"0") for dialect in dialects]
    apps = [App(service, clock=lambda: T0, api_keys=None) for service in services]
    return Sites(apps, prefix)


def find(among: Sites, url: str, query: Mapping[str, str] | None = None) -> Target | None:
    """What a GET finds at an address."""
    scheme, _, rest = url.partition("://")
    authority, _, path = rest.partition("/")
    host, _, port = authority.partition(":")
    request = Request(
        "GET",
        "/" + path,
        query or {},
        {},
        scheme=scheme,
        host=host,
        port=int(port) if port else None,
    )
    return among.find(request)


BASE = ("https://api.example.com/v1",)
WILD = ("https://*.example.com/openai/v1", "https://*.example.com/openai?api-version")
LOCAL = ("http://localhost:4000/v1", "http://localhost:4000")

ADDRESSES: dict[str, tuple[tuple[str, ...], str, dict[str, str], str | None]] = {
    "below the base": (BASE, "https://api.example.com/v1/batches", {}, "/batches"),
    "the base itself": (BASE, "https://api.example.com/v1", {}, None),
    "a slash below it": (BASE, "https://api.example.com/v1/", {}, "/"),
    "beside the base": (BASE, "https://api.example.com/v11/batches", {}, None),
    "another host": (BASE, "https://example.com/v1/batches", {}, None),
    "another scheme": (BASE, "http://api.example.com/v1/batches", {}, None),
    "another port": (BASE, "https://api.example.com:8443/v1/batches", {}, None),
    "the usual port, written out": (
        ("https://api.example.com:443/v1/",),
        "https://api.example.com/v1/batches",
        {},
        "/batches",
    ),
    "the usual port in a request": (BASE, "https://api.example.com:443/v1/files", {}, "/files"),
    "the usual port of another scheme": (BASE, "https://api.example.com:80/v1/files", {}, None),
    "a host that ends with a dot": (BASE, "https://api.example.com./v1/files", {}, "/files"),
    "a host in capitals": (BASE, "https://API.example.com/v1/files", {}, "/files"),
    "a base that ends with a dot": (
        ("https://api.example.com./v1",),
        "https://api.example.com/v1/files",
        {},
        "/files",
    ),
    "two slashes": (BASE, "https://api.example.com/v1//files", {}, "//files"),
    "any host of a domain": (WILD, "https://mine.example.com/openai/v1/files", {}, "/files"),
    "the domain itself": (WILD, "https://example.com/openai/v1/files", {}, None),
    "two labels": (WILD, "https://a.b.example.com/openai/v1/files", {}, None),
    "a query that has to be there": (
        WILD,
        "https://mine.example.com/openai/files",
        {"api-version": "2024-10-21"},
        "/files",
    ),
    "a query that is missing": (WILD, "https://mine.example.com/openai/files", {}, None),
    "the longer of two bases": (LOCAL, "http://localhost:4000/v1/files", {}, "/files"),
    "the shorter of two bases": (LOCAL, "http://localhost:4000/files", {}, "/files"),
    "a path that is decoded": (
        ("https://api.example.com/a%20b/v1",),
        "https://api.example.com/a b/v1/files",
        {},
        "/files",
    ),
}


@pytest.mark.parametrize(("base_urls", "url", "query", "path"), ADDRESSES.values(), ids=ADDRESSES)
def test_an_app_is_found_by_its_base_urls(
    base_urls: tuple[str, ...], url: str, query: dict[str, str], path: str | None
) -> None:
    """Scheme, host, port, path and query; what is below the base is the app's."""
    target = find(sites(at(*base_urls)), url, query)
    assert path == (target and target.path)


def test_a_target_knows_operation_and_id() -> None:
    """They are looked up once."""
    target = find(sites(OPENAI), "https://api.openai.com/v1/batches/batch_1")
    assert target is not None
    assert target.operation is not None
    assert (target.operation.name, target.id) == ("batches.retrieve", "batch_1")


BELOW = {
    "a provider's path below the prefix": ("http://127.0.0.1:1234/w/name/v1/files", "/files"),
    "on any host": ("https://elsewhere.example/w/name/v1/files", "/files"),
    "without the prefix": ("http://127.0.0.1:1234/v1/files", None),
    "another prefix": ("http://127.0.0.1:1234/w/other/v1/files", None),
    "the prefix without the path": ("http://127.0.0.1:1234/w/name/files", None),
    "the address of the provider": ("https://api.openai.com/v1/files", "/files"),
}


@pytest.mark.parametrize(("url", "path"), BELOW.values(), ids=BELOW)
@pytest.mark.parametrize("prefix", ["/w/name", "/w/name/"])
def test_an_app_may_answer_below_a_prefix(prefix: str, url: str, path: str | None) -> None:
    """On whatever host, as a server that has several of them needs it."""
    target = find(sites(OPENAI, prefix=prefix), url)
    assert path == (target and target.path)


def test_several_providers_share_a_prefix_by_their_paths() -> None:
    """As they share a process by their addresses."""
    among = sites(OPENAI, DIALECTS["groq"], prefix="/w")
    targets = [find(among, f"http://h/w{path}/files") for path in ("/v1", "/openai/v1")]
    names = [target and target.app.service.state.dialect.name for target in targets]
    assert names == ["openai", "groq"]


def test_two_providers_of_one_address_are_refused() -> None:
    """Nobody could tell which was meant."""
    with pytest.raises(
        UsageError, match=r"Two dialects have the address https://api\.openai\.com/v1"
    ):
        sites(OPENAI, OPENAI)
    with pytest.raises(UsageError, match=r"Two dialects have the path /v1 below /w\."):
        sites(OPENAI, DIALECTS["moonshot"], prefix="/w")


def test_a_query_that_is_required_is_not_another_address() -> None:
    """Hosts are those of the base URLs, each once."""
    assert sites(at(*WILD)).hosts == {"*.example.com"}
    assert [each.name for each in providers(None, ["openai", "groq"], None, None)] == [
        "openai",
        "groq",
    ]

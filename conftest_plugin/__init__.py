"""The pytest plugin: fixture and marker `fakebatch`. Until one is used, it imports only pytest."""

from __future__ import annotations

import sys
from collections.abc import Collection, Generator
from typing import TYPE_CHECKING, Any

import pytest

from conftest_plugin import failures, gauntlet, randomly, report

if TYPE_CHECKING:
    from fakebatch import FakeBatch, Remote
    from fakebatch.server.fixture import TestServer

MARKER = (
    "fakebatch(seed=..., clock=..., start=..., dialect=..., dialects=..., base_url=..., "
    "api_keys=..., organizations=..., models=..., limits=..., strict_bodies=..., incident=..., "
    "unused_rules=..., max_idle=..., max_sleeps=..., max_elapsed=..., io_wait=...): emulate the "
    "OpenAI Batch API in this test; keywords of several markers merge, the closest wins"
)
SERVER_MARKER = (
    "fakebatch_server(clock=..., start=..., schedule=..., seed=..., dialect=..., dialects=..., "
    "base_url=..., api_keys=..., organizations=..., models=..., limits=..., strict_bodies=..., "
    "incident=..., scenario=..., unused_rules=..., max_idle=...): options of the world of this "
    "test on the server of the fixture fakebatch_server; keywords of several markers merge, the "
    "closest wins"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the ini option."""
    parser.addini("fakebatch_clock", "default of clock= of the marker: virtual, manual or real")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the hooks for failing tests and for pytest-randomly."""
    config.addinivalue_line("markers", MARKER)
    config.addinivalue_line("markers", SERVER_MARKER)
    config.pluginmanager.register(report, "fakebatch-report")
    config.pluginmanager.register(gauntlet, "fakebatch-gauntlet")
    config.pluginmanager.register(failures, "fakebatch-failures")
    config.pluginmanager.register(randomly, "fakebatch-randomly")
    failures.clean_up_after_groups()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Activate the fixture in tests that have only the marker."""
    names: list[str] | None = getattr(item, "fixturenames", None)
    if names is not None and "fakebatch" not in names and item.get_closest_marker("fakebatch"):
        names.insert(0, "fakebatch")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """Leave no dummy key behind where a fixture of the test has put it back."""
    __tracebackhide__ = True  # an error of any fixture passes through here
    try:
        return (yield)
    finally:
        if module := sys.modules.get("fakebatch.interception.environment"):
            module.put_back()


@pytest.fixture
def fakebatch(request: pytest.FixtureRequest) -> Generator[FakeBatch]:
    """An emulated OpenAI Batch API. It answers all httpx and httpx2 requests to its base URL."""
    from fakebatch.fake import FakeBatch  # noqa: PLC0415  # heavy: only where it is used

    with FakeBatch(**_options(request)) as fake:
        yield fake


@pytest.fixture(scope="session")
def _fakebatch_server() -> Generator[TestServer]:
    try:
        from fakebatch.server.fixture import serving  # noqa: PLC0415  # needs the extra
    except ModuleNotFoundError as error:
        if error.name != "h11":
            raise
        pytest.fail(
            "The fixture fakebatch_server needs h11: pip install 'fakebatch[server]'", False
        )
    with serving() as server:
        yield server


@pytest.fixture
def fakebatch_server(
    request: pytest.FixtureRequest, _fakebatch_server: TestServer
) -> Generator[Remote]:
    """A world of its own on a real server, for clients in other processes and other libraries."""
    from fakebatch.server.fixture import KEYWORDS  # noqa: PLC0415

    world = _fakebatch_server.new_world(_keywords(request, "fakebatch_server", KEYWORDS))
    yield world
    world.finish()


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    from fakebatch.fake import KEYWORDS  # noqa: PLC0415

    options = _keywords(request, "fakebatch", KEYWORDS)
    if mode := request.config.getini("fakebatch_clock"):
        options.setdefault("clock", mode)
    parameter = getattr(request, "param", None)  # of parametrize("fakebatch", …, indirect=True)
    return options if parameter is None else {**options, "incident": parameter}


def _keywords(request: pytest.FixtureRequest, name: str, known: Collection[str]) -> dict[str, Any]:
    """The keywords of the markers of a name, merged."""
    from fakebatch.errors import UsageError  # noqa: PLC0415

    options: dict[str, Any] = {}
    for marker in request.node.iter_markers(name):  # the closest comes first
        unknown = [*map(repr, marker.args), *(key for key in marker.kwargs if key not in known)]
        if unknown:
            raise UsageError(
                f"@pytest.mark.{name} does not know {', '.join(unknown)}.",
                f"It takes the keywords {', '.join(known)}.",
                f"Write for example @pytest.mark.{name}(seed=7).",
            )
        options = {**marker.kwargs, **options}
    return options

"""The fixtures of every test."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import HealthCheck, settings

from fakebatch import FakeBatch
from fakebatch.dialects import OPENAI, Dialect
from fakebatch.vtime import Clock, watchdog
from support.client import Driver
from support.doors import DOORS
from support.live import Record, client, today, wanted
from support.projects import Project
from support.typed import every_reply_checked, unchecked

with suppress(ModuleNotFoundError):  # openai 1 and 2 do without
    # else a run of pytester imports it, and takes it out of sys.modules again
    import httpcore2  # noqa: F401

settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")  # a slow machine is no failure

gc.set_threshold(20_000, 10, 10)  # what a test leaves behind is found before it grows old


@pytest.fixture(scope="session", autouse=True)
def _every_reply_is_what_the_sdk_declares() -> Generator[None]:
    if openai.__version__.startswith("1."):  # its types know less than the service says by now
        yield
        return
    with every_reply_checked():
        yield


@pytest.fixture(autouse=True)
def _untyped(request: pytest.FixtureRequest) -> Generator[None]:
    if request.node.get_closest_marker("untyped") is None:
        yield
        return
    with unchecked(request.node.nodeid):
        yield


CLIENTS: dict[str, Any] = {"sync": openai.OpenAI, "async": openai.AsyncOpenAI}


@pytest.fixture
def dialect(fakebatch: FakeBatch) -> Dialect:
    """The provider that is emulated."""
    return fakebatch.dialect


@pytest.fixture(params=CLIENTS)
def do(request: pytest.FixtureRequest, fakebatch: FakeBatch, dialect: Dialect) -> Generator[Driver]:
    """The real SDK against the emulator."""
    # what goes to OpenAI finds it without being told where
    base_url = None if dialect.name == OPENAI.name else fakebatch.base_url
    yield from _driving(CLIENTS[request.param](base_url=base_url), dialect)


@pytest.fixture(params=CLIENTS)
def service(request: pytest.FixtureRequest) -> Generator[Driver]:
    """The real SDK against the emulator or, with --live, against the real service."""
    kind = CLIENTS[request.param]
    if not wanted(request.config):
        request.getfixturevalue("fakebatch")
    yield from _driving(client(kind) if wanted(request.config) else kind())


def _driving(
    client: openai.OpenAI | openai.AsyncOpenAI, dialect: Dialect = OPENAI
) -> Generator[Driver]:
    driver = Driver(client, dialect)
    yield driver
    driver.runner.close()


@pytest.fixture(scope="session")
def record(request: pytest.FixtureRequest) -> Generator[Record]:
    """What the real service says otherwise than the table; written only by a live run."""
    differences = Record(today() if wanted(request.config) else None)
    yield differences
    differences.write()


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "do" in metafunc.fixturenames and metafunc.definition.get_closest_marker("sync"):
        metafunc.definition.add_marker(pytest.mark.parametrize("do", ["sync"], indirect=True))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--blind", action="store_true", help="as on a system that tells nothing of its threads"
    )
    parser.addoption("--live", action="store_true", help="the contract table, on the real API")
    parser.addoption("--door", choices=DOORS, help="the contract, over this door alone")


def _work_of_all(ident: int) -> float:
    return round(watchdog.work_of_others(), 3)


def _traced(trace: Any, function: Any, *args: Any) -> None:
    sys.settrace(trace)
    function(*args)


def pytest_configure(config: pytest.Config) -> None:
    if trace := threading.gettrace():  # coverage does not see a thread below `threading`
        start: Any = watchdog._start_new_thread
        begin: Any = lambda function, args: start(_traced, (trace, function, *args))  # noqa: E731
        watchdog._start_new_thread = begin
    if config.getoption("--blind"):
        watchdog.kernel_says = lambda *_: ""
        watchdog.work_of = _work_of_all


def pytest_collection_finish() -> None:
    """What is there by now stays to the end: no collection of garbage looks through it again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if wanted(config):
        items[:] = [item for item in items if item.get_closest_marker("live")]


@pytest.fixture
def pytester(pytester: pytest.Pytester) -> pytest.Pytester:
    """Runs of pytest without the plugin of hypothesis: at their end it imports hypothesis."""
    pytester.plugins = ["no:hypothesispytest"]
    return pytester


@pytest.fixture
def clock() -> Generator[Clock]:
    """A virtual clock by itself, without the emulator."""
    with Clock() as clock:
        yield clock


@pytest.fixture
def manual() -> Generator[Clock]:
    """A clock that only the test moves."""
    with Clock("manual") as clock:
        yield clock


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Project]:
    """Modules of the user's in a folder of their own; those that were loaded are there again."""
    monkeypatch.syspath_prepend(tmp_path)
    before = sys.modules.copy()
    yield Project(tmp_path)
    for name in sys.modules.keys() - before.keys():
        del sys.modules[name]
    sys.modules.update(before)

"""One client for every test of the contract: the same calls, sync or async."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import HealthCheck, settings
from live import Record, client, today, wanted
from projects import Project
from typed import every_reply_checked, strictly, unchecked

from fakebatch import FakeBatch
from fakebatch.dialects import OPENAI, Dialect
from fakebatch.vtime import Clock, watchdog

settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")  # a slow machine is no failure

ENDED = ("completed", "failed", "expired", "cancelled")


class Driver:
    """Calls the real SDK; what an async client returns is awaited on a loop of its own."""

    def __init__(
        self, client: openai.OpenAI | openai.AsyncOpenAI, dialect: Dialect = OPENAI
    ) -> None:
        self.client = client
        self.runner = asyncio.Runner()
        self.checked = strictly if dialect.name == OPENAI.name else _as_it_is
        self.usual = {
            "endpoint": dialect.endpoints[0],
            "completion_window": dialect.window.usual,
        }

    def __call__(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make one call: `do(client.files.list, limit=2)` is the first page."""
        answer = call(*args, **kwargs)
        return self.checked(self.runner.run(_awaited(answer)) if self.is_async else answer)

    @property
    def is_async(self) -> bool:
        return isinstance(self.client, openai.AsyncOpenAI)

    def all(self, call: Callable[..., Any], **kwargs: Any) -> list[Any]:
        """Every item of a listing, page after page."""
        pages = call(**kwargs)
        items = self.runner.run(_collected(pages)) if self.is_async else [*pages]
        return [self.checked(item) for item in items]

    def wire(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The JSON of an answer as it was sent: `do.wire(client.files.with_raw_response.list)`."""
        sent: dict[str, Any] = json.loads(self(call, *args, **kwargs).content)
        return sent

    def sleep(self, seconds: float) -> None:
        if self.is_async:
            self.runner.run(asyncio.sleep(seconds))
        else:
            time.sleep(seconds)

    def upload(self, lines: Iterable[dict[str, Any]] | bytes, **kwargs: Any) -> Any:
        content = lines if isinstance(lines, bytes) else jsonl(lines)
        return self(self.client.files.create, file=("in.jsonl", content), purpose="batch", **kwargs)

    def create(self, lines: Iterable[dict[str, Any]] | bytes, **kwargs: Any) -> Any:
        given: dict[str, Any] = {**self.usual, **kwargs}
        return self(self.client.batches.create, input_file_id=self.upload(lines).id, **given)

    def poll(self, batch: Any, every: float = 60) -> list[Any]:
        """The batch as it is at each poll until it has ended."""
        seen = [batch]
        while seen[-1].status not in ENDED:
            self.sleep(every)
            seen.append(self(self.client.batches.retrieve, batch.id))
        return seen

    def run(self, lines: Iterable[dict[str, Any]] | bytes, **kwargs: Any) -> Any:
        """A batch after its end."""
        return self.poll(self.create(lines, **kwargs), every=600)[-1]

    def results(self, file_id: str | None) -> list[dict[str, Any]]:
        content = self(self.client.files.content, file_id).content
        return [json.loads(line) for line in content.split(b"\n") if line]


def _as_it_is(answer: Any) -> Any:
    return answer


async def _awaited(answer: Any) -> Any:
    return await answer


async def _collected(pages: Any) -> list[Any]:
    return [item async for item in pages]


def jsonl(lines: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def chat(custom_id: str, text: str = "hi", **body: Any) -> dict[str, Any]:
    asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **body}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": asked}


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
    return fakebatch.dialects[0]


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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--blind", action="store_true", help="as on a system that tells nothing of its threads"
    )
    parser.addoption("--live", action="store_true", help="the contract table, on the real API")


def _work_of_all(ident: int) -> float:
    return round(watchdog.work_of_others(), 3)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--blind"):
        watchdog.kernel_says = lambda *_: ""
        watchdog.work_of = _work_of_all


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if wanted(config):
        items[:] = [item for item in items if item.get_closest_marker("live")]


@pytest.fixture
def clock() -> Generator[Clock]:
    """A virtual clock by itself, without the emulator."""
    yield from _running(Clock())


@pytest.fixture
def manual() -> Generator[Clock]:
    """A clock that only the test moves."""
    yield from _running(Clock("manual"))


def _running(clock: Clock) -> Generator[Clock]:
    clock.start()
    yield clock
    clock.stop()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Project]:
    """Modules of the user's in a folder of their own; those that were loaded are there again."""
    monkeypatch.syspath_prepend(tmp_path)
    before = sys.modules.copy()
    yield Project(tmp_path)
    for name in sys.modules.keys() - before.keys():
        del sys.modules[name]
    sys.modules.update(before)

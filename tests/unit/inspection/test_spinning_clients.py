"""A loop of a real client in which no time passes gets an error that says so."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import suppress

import anyio
import openai
import pytest

from fakebatch import FakeBatch, FakeBatchError
from fakebatch.inspection import endless
from fakebatch.vtime.clock import Mode
from support.client import chat, created
from support.waiting import only


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as many calls, which would take seconds."""
    monkeypatch.setattr(endless, "CALLS", 200)


def spins(client: openai.OpenAI, id_: str) -> None:
    while client.batches.retrieve(id_).status != "completed":
        pass


def spins_with_a_sleep_of_nothing(_: openai.OpenAI, id_: str) -> None:
    async def main() -> None:
        async with openai.AsyncOpenAI() as client:
            while (await client.batches.retrieve(id_)).status != "completed":  # noqa: ASYNC110
                await asyncio.sleep(0)

    asyncio.run(main())


def spins_on_trio(_: openai.OpenAI, id_: str) -> None:
    async def main() -> None:
        async with openai.AsyncOpenAI() as client:
            while (await client.batches.retrieve(id_)).status != "completed":  # noqa: ASYNC110
                await anyio.sleep(0)  # noqa: ASYNC115 - they do

    anyio.run(main, backend="trio")


def spins_through_an_outage(client: openai.OpenAI, id_: str) -> None:
    while True:
        with suppress(openai.APIError):
            client.with_options(max_retries=0).files.content(id_)


SPINS = {
    "no sleep": spins,
    "asyncio.sleep(0)": spins_with_a_sleep_of_nothing,
    "trio": spins_on_trio,
    "errors that are caught": spins_through_an_outage,
}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("loop", SPINS.values(), ids=SPINS)
@pytest.mark.parametrize("clock", ["virtual", "manual"])
def test_a_loop_that_takes_no_time_is_ended(
    loop: Callable[[openai.OpenAI, str], None], clock: Mode
) -> None:
    """The message names the line that calls, what is polled, and what to do."""
    with FakeBatch(clock=clock) as fake:
        client = fake.openai()
        id_ = created(client, chat("a"))
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - the next lines say which
            loop(client, id_)
    first, _, third = str(only(caught.value)).split("\n")
    line = re.escape(__file__) + r":\d+"
    assert re.match(rf"fakebatch: the loop at {line} never ends: 200 calls of \S+, ", first)
    assert third.startswith("Sleep between calls")


@pytest.mark.usefixtures("few")
def test_a_sleep_that_the_test_has_patched_away_takes_no_time(
    fakebatch: FakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many suites do, so that they need not wait."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    client = openai.OpenAI()
    id_ = created(client, chat("a"))
    with pytest.raises(FakeBatchError, match="do not patch sleep away"):
        while client.batches.retrieve(id_).status != "completed":
            time.sleep(60)


@pytest.mark.usefixtures("few")
def test_in_real_time_it_is_left_alone() -> None:
    """There each call takes time."""
    with FakeBatch(clock="real") as fake:
        client = fake.openai()
        id_ = created(client, chat("a"))
        for _ in range(400):
            assert client.batches.retrieve(id_).status == "validating"


SWALLOWS = """
import openai
from fakebatch.inspection import endless

endless.CALLS, endless.SWALLOWED = 200, 50

def test_it(fakebatch):
    client = openai.OpenAI()
    while True:
        try:
            if client.batches.list().data:
                break
        except:
            continue
"""


def test_a_test_that_swallows_every_error_fails(pytester: pytest.Pytester) -> None:
    """With the same message, instead of a run that hangs."""
    pytester.makepyfile(test_it=SWALLOWS)
    run = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=60)
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["*fakebatch: the loop at *test_it.py:* never ends: 200 calls of *"])

"""What virtual time costs, beside the same work without it in the same run.

    python benchmarks/clock.py

Each figure is the median of several rounds that take turns with their floor. The bounds are ratios:
a busy machine slows both down. A figure that misses its bound is marked, and the exit status is 1.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from statistics import median
from types import ModuleType

import httpcore
import httpcore2
import openai
import respx
from freezegun import freeze_time

from fakebatch import FakeBatch, FakeBatchError
from fakebatch.vtime import Clock

DAY_OF_MINUTES = 1_440
IGNORED = [
    *("openai", "httpx", "httpx2", "httpcore", "httpcore2", "respx", "pydantic", "anyio"),
    *("_pytest", "pytest", "pluggy", "threading", "queue", "selectors", "concurrent"),
    *("multiprocessing", "subprocess", "xdist", "execnet", "pytest_timeout"),
]
LINE = (
    b'{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": '
    b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}}\n'
)


# A default argument is the one place where nobody exchanges a clock.
def real(read: Callable[[], float] = time.perf_counter) -> float:
    """The real clock in seconds."""
    return read()


def took(work: Callable[[], object]) -> float:
    """Real seconds."""
    begin = real()
    work()
    return real() - begin


def create(fake: FakeBatch) -> str:
    """The id of a batch that is in progress all day."""
    fake.schedule(validating=0, in_progress="23h")
    client = openai.OpenAI()
    file = client.files.create(file=("in.jsonl", LINE), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    ).id


def polls(*, sleeping: bool) -> float:
    """Seconds for a day of polls, of a client that is made before."""
    with FakeBatch(clock="virtual" if sleeping else "real") as fake:
        id_, client = create(fake), openai.OpenAI()

        def poll() -> None:
            for _ in range(DAY_OF_MINUTES):
                client.batches.retrieve(id_)
                if sleeping:
                    time.sleep(60)

        return took(poll)


def polls_in_a_task(*, sleeping: bool) -> float:
    """The same on a loop of asyncio."""

    async def main(id_: str) -> float:
        async with openai.AsyncOpenAI() as client:
            # the first request asks for the platform in a thread
            await client.batches.retrieve(id_)
            begin = real()
            for _ in range(DAY_OF_MINUTES):
                await client.batches.retrieve(id_)
                if sleeping:
                    await asyncio.sleep(60)
            return real() - begin

    with FakeBatch(clock="virtual" if sleeping else "real") as fake:
        return asyncio.run(main(create(fake)))


def told() -> float:
    """Seconds until a loop that knows only "completed" hears that its batch has failed."""
    with FakeBatch() as fake:
        fake.schedule(validating="1m")
        client = openai.OpenAI()
        id_ = client.batches.create(
            input_file_id="file-none", endpoint="/v1/embeddings", completion_window="24h"
        ).id

        def poll() -> None:
            with suppress(FakeBatchError):
                while client.batches.retrieve(id_).status != "completed":
                    time.sleep(60)

        return took(poll)


def two_days_of_polls() -> float:
    """Seconds for as many polls without a clock."""
    return polls(sleeping=False) * 2


def enters() -> None:
    """What the fixture does around a test."""
    with FakeBatch():
        pass


def enters_by_hand() -> None:
    """Freezegun, with what must be left alone, and a mocker for each HTTP core."""
    with ExitStack() as stack:
        stack.enter_context(freeze_time("2026-01-01", ignore=IGNORED))
        for core in (httpcore, httpcore2):
            stack.enter_context(respx.mock(using=core.__name__, assert_all_called=False))


def sleeps() -> float:
    """Seconds for one sleep of a single thread."""
    with Clock():
        return took(lambda: [time.sleep(1) for _ in range(10_000)]) / 10_000


def ticks() -> float:
    """Seconds for one tick of freezegun."""
    with freeze_time("2026-01-01", ignore=IGNORED) as frozen:
        return took(lambda: [frozen.tick(1) for _ in range(10_000)]) / 10_000


def modules(folder: str) -> dict[str, ModuleType]:
    """A thousand modules of 31 names each, none of which has to do with time."""
    names = [f"def f{n}(): pass\nclass C{n}: pass\nN{n} = {n * 1000}\n" for n in range(7)]
    loaded = {f"extra_modules.m{n}": ModuleType(f"extra_modules.m{n}") for n in range(1_000)}
    for name, module in loaded.items():
        module.__file__ = f"{folder}/{name.replace('.', '/')}.py"
        exec("import os, sys\n" + "".join(names), vars(module))  # noqa: S102 - in place of files
    return loaded


def starts() -> None:
    """What the clock alone does around a test."""
    clock = Clock()
    clock.__enter__()
    clock.__exit__()


def adds(loaded: dict[str, ModuleType]) -> float:
    """Seconds that loaded modules add to a test; the least of ten, for a difference is small."""
    without = min(took(starts) for _ in range(10))
    sys.modules.update(loaded)
    try:
        starts()  # what is new is looked at once
        return min(took(starts) for _ in range(10)) - without
    finally:
        for name in loaded:
            del sys.modules[name]


def looks(loaded: dict[str, ModuleType]) -> None:
    """The least that shows what has changed: to take all values, as time stops and afterwards."""
    for module in [*loaded.values()] * 2:
        list(vars(module).values())


def first(enter: str) -> Callable[[], float]:
    """Measures the first entry of a process that has openai loaded."""
    code = f"import clock, openai.resources, openai.types; print(clock.took(clock.{enter}))"

    def measure() -> float:
        command = [sys.executable, "-c", code]
        run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=sys.path[0])  # noqa: S603
        return float(run.stdout)

    return measure


def compare(
    what: str, rounds: int, ours: Callable[[], float], floor: Callable[[], float], bound: float
) -> bool:
    """Print the medians of two measures that take turns; whether their ratio keeps its bound."""
    samples = [(ours(), floor()) for _ in range(rounds)]
    figure, at_least = (median(column) for column in zip(*samples, strict=True))
    ratio = figure / at_least
    kept = ratio <= bound
    print(
        f"{what:36} {figure * 1e3:9.4f} ms  floor {at_least * 1e3:9.4f} ms"
        f"  ratio {ratio:5.2f} <= {bound:.2f} {'' if kept else 'MISSED'}"
    )
    return kept


def main() -> int:
    """Print all figures."""
    print(f"Python {sys.version.split()[0]}, openai {openai.__version__}")
    own, libs = modules("/home/user/project"), modules(sysconfig.get_path("purelib"))
    kept = [
        compare(
            "24 h of one-minute polls, sync",
            5,
            lambda: polls(sleeping=True),
            lambda: polls(sleeping=False),
            1.5,
        ),
        compare(
            "24 h of one-minute polls, asyncio",
            5,
            lambda: polls_in_a_task(sleeping=True),
            lambda: polls_in_a_task(sleeping=False),
            2.5,
        ),
        compare("a failed batch, until it is told", 5, told, two_days_of_polls, 2.0),
        # 12 ms beside about 5 ms
        compare("enter and exit", 40, lambda: took(enters), lambda: took(enters_by_hand), 2.4),
        # 1.5 us a module beside 0.6 us; it shall be 2 us at most
        compare(
            "1,000 loaded modules", 21, lambda: adds(own), lambda: took(lambda: looks(own)), 3.3
        ),
        # 0.5 us a module
        compare(
            "1,000 installed ones", 21, lambda: adds(libs), lambda: took(lambda: looks(libs)), 1.5
        ),
        # 120 ms beside about 30 ms
        compare("the first in a process", 7, first("enters"), first("enters_by_hand"), 4.0),
        # 5 us beside about 2 us
        compare("a sleep of one thread", 21, sleeps, ticks, 2.5),
    ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    raise SystemExit(main())

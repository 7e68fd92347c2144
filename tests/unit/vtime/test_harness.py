"""Whatever runs the tests keeps real time, and works as ever."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

CLOCK = """
import pytest
from fakebatch.vtime import Clock

@pytest.fixture
def clock():
    clock = Clock()
    clock.__enter__()
    yield clock
    clock.__exit__()
"""
DURATIONS = """
import time

def test_day(clock):
    time.sleep(86_400)
    assert time.monotonic() and time.perf_counter()
"""
TIMEOUTS = """
import threading, time
import pytest

def days(clock):
    time.sleep(86_400)
    threading.Event().wait(86_400)
    assert clock.elapsed == 172_800

@pytest.mark.timeout(30, method="signal")
def test_signal(clock): days(clock)

@pytest.mark.timeout(30, method="thread")
def test_thread(clock): days(clock)

@pytest.mark.timeout(30, method="signal", func_only=True)
def test_signal_of_the_function_alone(clock): days(clock)

@pytest.mark.timeout(30, method="thread", func_only=True)
def test_thread_of_the_function_alone(clock): days(clock)
"""
HANGS = """
import threading
import pytest

@pytest.mark.timeout(1, method="signal")
def test_hang(clock):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
"""
THREADS = """
import threading, time
import pytest

@pytest.mark.parametrize("hours", range(4))
def test_hours(clock, hours):
    thread = threading.Thread(target=time.sleep, args=(3600 * hours,))
    thread.start()
    thread.join()
    assert clock.elapsed == 3600 * hours
"""
RANDOM = """
import random, time
import pytest

@pytest.mark.parametrize("n", range(5))
def test_sleep(clock, n):
    time.sleep(random.randrange(1, 10))
    assert 1 <= clock.elapsed < 10
"""
ASYNCIO = """
import asyncio, time
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="{scope}")

async def sleeps_in_real_time():
    begin = time.monotonic()
    await asyncio.sleep(0.01)
    assert 0.005 < time.monotonic() - begin < 30

async def test_before():
    await sleeps_in_real_time()

async def test_hour(clock):
    await asyncio.sleep(1800)
    await asyncio.to_thread(time.sleep, 1800)
    assert clock.elapsed == 3600

async def test_hour_again(clock):
    await asyncio.wait_for(asyncio.to_thread(time.sleep, 1800), 3000)
    await asyncio.sleep(1800)
    assert clock.elapsed == 3600

async def test_after():
    await sleeps_in_real_time()
"""
ANYIO = """
import time
import anyio, anyio.to_thread
import pytest

@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

@pytest.fixture(scope="module")
async def service(anyio_backend):
    await anyio.sleep(0.001)
    yield
    await anyio.sleep(0.001)

@pytest.mark.anyio
async def test_hour(service, clock):
    with anyio.move_on_after(3600):
        await anyio.sleep_forever()
    async with anyio.create_task_group() as tasks:
        for seconds in (60, 40):
            tasks.start_soon(anyio.to_thread.run_sync, time.sleep, seconds)
        tasks.start_soon(anyio.sleep, 50)
    assert clock.elapsed == 3660

@pytest.mark.anyio
async def test_after(service):
    begin = time.monotonic()
    await anyio.sleep(0.01)
    assert 0.005 < time.monotonic() - begin < 30
"""
HYPOTHESIS = """
import time
from hypothesis import HealthCheck, given, settings, strategies

@given(strategies.integers(1, 86_400))
@settings(
    deadline=10_000,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_days(clock, seconds):
    before = clock.elapsed
    time.sleep(seconds)
    assert clock.elapsed - before == seconds
"""
HARNESSES = {
    "durations": (DURATIONS, {"PASSED": 1}),
    "timeouts": (TIMEOUTS, {"PASSED": 4}),
    "hangs": (HANGS, {"FAILED": 1}),
    "threads": (THREADS, {"PASSED": 4}),
    "random": (RANDOM, {"PASSED": 5}),
    "asyncio_by_test": (ASYNCIO.format(scope="function"), {"PASSED": 4}),
    "asyncio_by_session": (ASYNCIO.format(scope="session"), {"PASSED": 4}),
    "anyio": (ANYIO, {"PASSED": 4}),
    "hypothesis": (HYPOTHESIS, {"PASSED": 1}),
}
"""By the file that a harness runs: its text, and how its tests end."""


class Run(NamedTuple):
    """What pytest has said of the files, in one process for all: each takes a second to start."""

    outcomes: Counter[tuple[str, str]]
    """How many tests of each file ended so."""
    output: str


def run(folder: Path, *options: str) -> Run:
    (folder / "conftest.py").write_text(CLOCK)
    (folder / "pytest.ini").write_text(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\nfaulthandler_timeout = 100\n"
    )
    for name, (text, _) in HARNESSES.items():
        (folder / f"test_{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-rA", "--durations=0", "-vv", *options]
    environment = {**os.environ, "PYTEST_ADDOPTS": "", "NO_COLOR": "1"}
    finished = subprocess.run(  # noqa: S603
        command, cwd=folder, env=environment, check=False, timeout=120, stdout=subprocess.PIPE
    )
    output = finished.stdout.decode()
    ended = re.findall(r"^(PASSED|FAILED|ERROR) test_(\w+)\.py", output, re.MULTILINE)
    return Run(Counter((name, outcome) for outcome, name in ended), output)


RUNS = {
    "in one process": ("-p", "no:randomly", "-o", "asyncio_mode=strict"),
    # pytest-asyncio and anyio's plugin cannot both have all coroutines
    "at random, in two workers": ("-n2", "-o", "asyncio_mode=auto", "--ignore=test_anyio.py"),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """What each of the two runs has said; not a fixture by run, which randomly would make often."""
    return cache(lambda how: run(tmp_path_factory.mktemp("harness"), *RUNS[how]))


RULES = {
    "pytest-timeout counts real seconds: 30 of them outlive virtual days": "timeouts",
    "pytest-timeout still ends a thread that is blocked in real time": "hangs",
    "threads of execnet live beside the clock, and each worker has a clock of its own": "threads",
    "pytest-randomly seeds and shuffles as ever": "random",
    "pytest-asyncio sleeps in virtual time, on a loop for each test": "asyncio_by_test",
    "and on a loop that lives longer than the clock": "asyncio_by_session",
    "anyio's plugin does, on both backends, with threads, in a runner that lives longer": "anyio",
    "Hypothesis measures real time: sleeps of days miss no deadline and stop no search": (
        "hypothesis"
    ),
}


@pytest.mark.parametrize(
    ("how", "harness"),
    [
        pytest.param(how, harness, id=f"{rule}, {how}")
        for how, options in RUNS.items()
        for rule, harness in RULES.items()
        if f"--ignore=test_{harness}.py" not in options
    ],
)
def test_a_harness_works_as_ever(how: str, harness: str, ran: Callable[[str], Run]) -> None:
    """Its tests end as they should, whatever sleeps in them."""
    outcomes, output = ran(how)

    ended = {outcome: number for (name, outcome), number in outcomes.items() if name == harness}
    assert ended == HARNESSES[harness][1], output


@pytest.mark.parametrize("how", RUNS)
def test_durations_are_real(how: str, ran: Callable[[str], Run]) -> None:
    """A test that sleeps for a day is reported as the instant it took."""
    outcomes, output = ran(how)

    durations = re.findall(r"^(\d+\.\d+)s (?:call|setup|teardown)", output, re.MULTILINE)
    assert len(durations) == 3 * sum(outcomes.values())
    assert max(map(float, durations)) < 30
    assert float(re.findall(r"in (\d+\.\d+)s", output)[-1]) < 100

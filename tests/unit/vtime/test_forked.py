"""A process that is forked while the clock runs lives in real time."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from fakebatch.vtime import Clock

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


def in_a_fork(look: Callable[[], Any]) -> Any:
    """What a function returns in a forked process."""
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writes, json.dumps(look()).encode())
        finally:
            os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text)


def sleeps() -> tuple[float, float]:
    began = time.time()
    time.sleep(0.01)
    threading.Event().wait(0.01)
    thread = threading.Thread(target=time.sleep, args=(0.01,))
    thread.start()
    thread.join()
    return began, time.time() - began


def test_a_forked_process_lives_in_real_time(clock: Clock) -> None:
    """It shows the real date and sleeps for real, although threads were asleep around the fork."""
    sleeper = threading.Thread(target=time.sleep, args=(3600,))
    sleeper.start()
    began, took = in_a_fork(sleeps)
    sleeper.join()

    assert began > clock.now.timestamp() + 86_400
    assert 0.03 <= took < 30
    assert clock.elapsed == 3600.0


def of_a_pool(_: int) -> float:
    return time.time()


def test_workers_of_a_forked_pool_live_in_real_time(clock: Clock) -> None:
    """Whoever waits for them does so in virtual time, which stands still meanwhile."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        seen = pool.map_async(of_a_pool, range(4)).get(timeout=60)

    assert min(seen) > clock.now.timestamp() + 86_400
    assert clock.elapsed == 0.0


def test_a_clock_can_be_started_in_a_forked_process(clock: Clock) -> None:
    """It is another one: its time begins anew, and nobody else moves it."""
    time.sleep(60)

    def look() -> tuple[float, float]:
        inner = Clock(start=0)
        inner.__enter__()
        time.sleep(30)
        return inner.elapsed, time.time()

    assert in_a_fork(look) == [30.0, 30.0]
    assert clock.elapsed == 60.0


def test_a_child_process_of_another_program_knows_nothing(clock: Clock) -> None:
    """Only what Python forks is a copy."""
    code = "import time; print(time.time())"
    ran = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE)  # noqa: S603

    assert float(ran.stdout) > clock.now.timestamp() + 86_400
    assert clock.elapsed == 0.0

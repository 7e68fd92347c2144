"""Errors that Python raises by itself are the same in virtual time, and leave nothing behind."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from fakebatch.vtime import Clock, threads


def waits_without_its_lock() -> None:
    threading.Condition().wait(1)


def starts_twice() -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    thread.start()


ERRORS: dict[str, tuple[Callable[[], object], str]] = {
    "a sleep of less than nothing": (lambda: time.sleep(-1), "must be non-negative"),
    "a wait without the lock": (waits_without_its_lock, "un-acquired lock"),
    "a thread that has run": (starts_twice, "threads can only be started once"),
}


@pytest.mark.parametrize(("misuse", "message"), ERRORS.values(), ids=ERRORS)
def test_an_error_of_python_is_raised(
    misuse: Callable[[], object], message: str, clock: Clock
) -> None:
    """And time goes on after it."""
    with pytest.raises((ValueError, RuntimeError), match=message):
        misuse()
    time.sleep(60)
    assert clock.elapsed == 60.0


def test_a_thread_that_cannot_start_is_not_waited_for(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system may have no more threads."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    name = next(
        name for name in ("_start_joinable_thread", "_start_new_thread") if hasattr(threading, name)
    )
    with monkeypatch.context() as patch:
        patch.setattr(threading, name, fails)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            threading.Thread(target=time.sleep, args=(60,)).start()
    time.sleep(60)
    assert clock.elapsed == 60.0
    assert not threads._alive


def test_a_pool_that_is_shut_down_takes_no_job() -> None:
    """One that was there before the clock too: its job is not waited for."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
    with Clock() as clock:
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.submit(int)
        asyncio.run(asyncio.sleep(60))
        assert clock.elapsed == 60.0

"""Afterwards everything is as it was: the very objects, whatever happened in between."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from time import sleep as bound_sleep
from time import time as bound_time  # noqa: F401
from typing import Any

import freezegun.api
import pytest
import time_machine
import trio

from fakebatch.errors import UsageError
from fakebatch.vtime import Clock, rebinding, session, watchdog
from fakebatch.vtime import trio as vtime_trio
from fakebatch.vtime.clock import Mode

ABSENT = object()
PATCHED: list[tuple[Any, str]] = [
    *((owner, name) for owner, name, _ in session.replacements()),
    *((owner, name) for owner, name, _ in vtime_trio.replacements()),
    *((time, name) for name in ("sleep", "time", "time_ns", "monotonic", "monotonic_ns")),
    *((time, name) for name in ("perf_counter", "perf_counter_ns", "gmtime", "localtime")),
    *((dt, name) for name in ("datetime", "date")),
    (freezegun.api, "_should_use_real_time"),
    (freezegun.api.FakeDatetime, "_time_to_freeze"),
    (time_machine.travel, "start"),
    (sys.modules[__name__], "bound_sleep"),
    (sys.modules[__name__], "bound_time"),
]
NAMES = [f"{owner.__name__}.{name}" for owner, name in PATCHED]


def present() -> list[object]:
    return [vars(owner).get(name, ABSENT) for owner, name in PATCHED]


def nothing() -> None:
    pass


def raises() -> None:
    raise ValueError


def cancels_a_task() -> None:
    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(1)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())


def leaks_a_thread() -> None:
    def poll() -> None:
        while True:
            time.sleep(60)

    threading.Thread(target=poll).start()
    time.sleep(600)


def leaks_a_timer() -> None:
    threading.Timer(3600, lambda: pytest.fail("fired early")).start()


HAPPENINGS = [nothing, raises, cancels_a_task, leaks_a_thread, leaks_a_timer]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("mode", ["virtual", "manual"])
@pytest.mark.parametrize("happening", HAPPENINGS)
def test_every_name_means_again_what_it_meant(
    mode: Mode, happening: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens while the clock runs, each patched name is the same object afterwards."""
    monkeypatch.setattr(watchdog, "_PATIENCE_WITH_OTHERS", 0.2)
    before = present()
    threads = set(threading.enumerate())

    clock = Clock(mode)
    clock.__enter__()
    during = present()
    with suppress(ValueError, UsageError):
        happening()
    clock.__exit__()

    same = [name for name, a, b in zip(NAMES, before, during, strict=True) if a is b]
    assert {*same} <= {"trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING"}  # Hypothesis sets it too
    assert [name for name, a, b in zip(NAMES, before, present(), strict=True) if a is not b] == []

    for thread in set(threading.enumerate()) - threads:
        thread.join(10)
        assert not thread.is_alive()


def test_a_start_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error half way through the start undoes the first half."""
    before = present()

    def fail(_: object) -> None:
        raise ValueError

    monkeypatch.setattr(rebinding.Rebinding, "apply", fail)
    with pytest.raises(ValueError, match=r"^$"):
        Clock().__enter__()

    assert present() == before


def test_a_sleep_of_the_tests_own_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has patched time.sleep before the clock starts keeps that patch."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    clock = Clock()
    clock.__enter__()
    time.sleep(60)
    clock.__exit__()

    assert slept == [60]
    assert time.sleep == slept.append
    assert clock.elapsed == 0.0


def test_a_patch_of_the_tests_own_that_outlives_the_clock_does_not_keep_it_alive() -> None:
    """What a monkeypatch puts back is the clock's sleep; the next clock begins as the first."""
    early = bound_sleep
    patch = pytest.MonkeyPatch()
    with Clock():
        patch.setattr("time.sleep", lambda _: None)
    patch.undo()
    with Clock() as clock:
        bound_sleep(60)
        assert clock.elapsed == 60
    assert time.sleep is bound_sleep is early


def test_a_name_kept_too_long_works_for_real(clock: Clock) -> None:
    """Somebody who kept our sleep in a place no one can see sleeps in real time afterwards."""
    kept = time.sleep
    clock.__exit__()
    begin = time.monotonic()
    kept(0.001)

    assert time.monotonic() - begin >= 0.001


@pytest.mark.timeout(60)
def test_a_loop_that_outlives_the_clock_keeps_its_remaining_time() -> None:
    """A timer that had a moment to go has that moment to go in real time."""
    loop = asyncio.new_event_loop()
    clock = Clock()
    clock.__enter__()
    timer = loop.create_task(asyncio.sleep(3600.01))
    loop.run_until_complete(asyncio.sleep(3600))
    clock.__exit__()

    loop.run_until_complete(asyncio.wait_for(timer, 30))
    loop.close()

    assert timer.done()


@pytest.mark.timeout(60)
def test_a_run_of_trio_around_the_clock_keeps_its_remaining_time() -> None:
    """A run that began before the clock sleeps in its time, and afterwards in real time again."""
    clock = Clock()

    async def main() -> None:
        await trio.sleep(0.001)
        with trio.move_on_after(3600.01):
            clock.__enter__()
            await trio.sleep(3600)
            clock.__exit__()
            with trio.fail_after(30):
                await trio.sleep_forever()

    trio.run(main)

    assert clock.elapsed == 3600.0

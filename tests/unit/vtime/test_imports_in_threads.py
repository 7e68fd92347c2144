"""Imports that take place in several threads while the clock runs."""

from __future__ import annotations

import datetime as dt
import importlib
import importlib.resources
import sys
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from freezegun.api import FakeDatetime

from fakebatch.vtime import Clock
from fakebatch.vtime.rebinding import Rebinding
from support.projects import (
    AT,
    REAL,
    REAL_CLASSES,
    SEES,
    Project,
    is_real,
)


@pytest.fixture
def slow(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module whose import takes until `gate` is opened, in a thread outside the clock."""
    slow: Any = ModuleType("slow")
    slow.begin, slow.begun, slow.gate = (threading.Event() for _ in range(3))
    monkeypatch.setitem(sys.modules, "slow", slow)
    project.write("late", f"{SEES}import slow\nslow.begun.set()\nslow.gate.wait(30)\n{SEES}")

    def load() -> None:
        slow.begin.wait(30)
        slow.module = importlib.import_module("late")

    slow.thread = threading.Thread(target=load)
    slow.thread.start()
    yield slow
    slow.begin.set()
    slow.gate.set()
    slow.thread.join()


@pytest.mark.timeout(60)
class TestThreads:
    """Imports that take place at the same time."""

    def test_each_thread_settles_its_own_modules(self, slow: Any, project: Project) -> None:
        """A module is virtual once its own import has ended, whoever still imports something."""
        with Clock():
            slow.begin.set()
            slow.begun.wait()
            fast = project.load("fast", SEES)

            assert fast.seen == REAL_CLASSES * 2
            assert fast.datetime.now(dt.UTC) == AT
            assert dt.datetime is REAL["datetime"]

            slow.gate.set()
            slow.thread.join()

            assert slow.module.seen == REAL_CLASSES * 2
            assert slow.module.datetime is dt.datetime is FakeDatetime

        assert is_real(fast)
        assert is_real(slow.module)

    def test_an_import_that_outlives_the_clock(self, slow: Any) -> None:
        """What it has bound is real when it ends."""
        with Clock():
            slow.begin.set()
            slow.begun.wait()
        slow.gate.set()
        slow.thread.join()

        assert is_real(slow.module)
        assert (dt.datetime, dt.date) == (REAL["datetime"], REAL["date"])

    def test_nothing_is_called_for_an_import_that_ends_afterwards(self, slow: Any) -> None:
        """Who waited for the module is gone by then."""
        imported: list[ModuleType] = []
        made = Rebinding({}, {"late": imported.append})
        made.apply()
        slow.begin.set()
        slow.begun.wait()
        made.undo()
        slow.gate.set()
        slow.thread.join()

        assert slow.module
        assert imported == []

    def test_a_module_that_changes_at_the_same_moment(self) -> None:
        """Its names are bound and deleted by a thread while clocks start and stop."""
        busy: Any = ModuleType("busy")
        sys.modules["busy"] = busy
        done = threading.Event()

        def change() -> None:
            while not done.is_set():
                for n in range(1_000):
                    setattr(busy, f"name_{n}", time.time)
                for n in range(1_000):
                    delattr(busy, f"name_{n}")

        thread = threading.Thread(target=change)
        thread.start()
        try:
            for _ in range(20):
                with Clock():
                    pass
        finally:
            done.set()
            thread.join()
            del sys.modules["busy"]

        left = [value for name, value in vars(busy).items() if name.startswith("name_")]
        assert all(value is REAL["now"] for value in left)

"""Who owns the wall clock: freezegun, started here or by the test, or a time-machine on its way.

The one place that touches freezegun and time-machine. Tried with freezegun 1.5 and time-machine 3.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import freezegun
import freezegun.api

from fakebatch.durations import SECOND
from fakebatch.errors import Misuse

UNTOUCHED = (
    *("openai", "httpx", "httpx2", "httpcore", "httpcore2", "h11", "respx", "pydantic", "anyio"),
    *("numpy", "pandas", "_pytest", "pytest", "pluggy", "threading", "queue", "selectors"),
    *("concurrent", "multiprocessing", "subprocess", "xdist", "execnet", "pytest_timeout"),
    *("asyncio", "hypothesis"),
)
"""Modules freezegun need not scan: with the SDK among them its first start takes 0.02 s, not 1 s,
and what pytest bound by name (`from time import perf_counter`) goes on measuring real time."""


class Owner(Protocol):
    """Whoever decides what `time.time()` says."""

    def move(self, microseconds: int) -> None:
        """Move the wall clock forward."""
        ...


class Freezegun:
    """The clock is frozen by freezegun. A freeze of the test's own moves along."""

    def move(self, microseconds: int) -> None:
        """Move every freeze there is, the test's nested ones too."""
        for factory in freezegun.api.freeze_factories:
            factory.tick(timedelta(microseconds=microseconds))


class TimeMachine:
    """A time-machine was travelling already: it is followed, nothing is frozen."""

    def __init__(self, traveller: Any) -> None:
        self._traveller = traveller

    def move(self, microseconds: int) -> None:
        """Shift the traveller."""
        self._traveller.shift(microseconds / SECOND)


@contextmanager
def owner_of_the_wall_clock(start: datetime) -> Generator[Owner]:
    """Freeze the wall clock at `start`, unless somebody has done so already."""
    traveller = _travelling()
    if traveller is not None:
        yield TimeMachine(traveller)
    elif freezegun.api.freeze_factories:
        yield Freezegun()
    else:
        _import_before_freezing()
        with no_later_time_machine(), freezegun.freeze_time(start, ignore=[*UNTOUCHED]):
            # at run time the list would show real time to whatever is called from these modules
            freezegun.api.ignore_lists[-1] = ()
            yield Freezegun()


@contextmanager
def no_later_time_machine() -> Generator[None]:
    """Tell a test that starts to travel while the clock is frozen what it can do instead."""
    if find_spec("time_machine") is None:
        yield
        return
    travel = import_module("time_machine").travel
    start = travel.start
    travel.start = _refuse_to_travel
    try:
        yield
    finally:
        travel.start = start


def _refuse_to_travel(_: object) -> None:
    raise Misuse(
        "A time-machine was started while fakebatch has the clock frozen.",
        "Two cannot own the clock; one that travels before fakebatch begins is followed.",
        "Start it first, or use @pytest.mark.fakebatch(clock='real').",
    )


def _travelling() -> Any | None:
    module = sys.modules.get("time_machine")
    # the name since time-machine 3; in 2 it was coordinates_stack
    stack: list[Any] = getattr(module, "traveller_stack", getattr(module, "coordinates_stack", []))
    return stack[-1] if stack else None


def _import_before_freezing() -> None:
    # a module first imported while the clock is frozen would keep fakes of what it binds by name
    for name in ("httpx", "httpx2", "anyio", "concurrent.futures.thread"):
        if find_spec(name):
            import_module(name)
    if find_spec("anyio"):
        import_module("anyio._backends._asyncio")

"""The virtual world: one scheduler, one owner of the wall clock, and all names in their places."""

from __future__ import annotations

import asyncio
import importlib
import queue
import sys
import threading
import time
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Any, Protocol

from fakebatch.errors import FakeBatchError, Misuse
from fakebatch.vtime import owners, quarantine, refusals, running
from fakebatch.vtime.clock import Sleep
from fakebatch.vtime.names import Exchange
from fakebatch.vtime.patches import Patches
from fakebatch.vtime.quarantine import of_threading, of_trio
from fakebatch.vtime.scheduling.scheduler import Scheduler
from fakebatch.vtime.stand_ins import conditions, loops, sleeping, threads


class Member(Protocol):
    """A clock that lives in the world."""

    def limit(self, sleep: Sleep) -> FakeBatchError | None:
        """What to raise instead of a sleep, whose end is a point on the line of time."""
        ...

    def tell(self, duration: int) -> None:
        """A sleep of so many microseconds is over."""
        ...


class World:
    """Everything that is different while virtual clocks run, shared by all that do."""

    _current: World | None = None

    def __init__(self, *, manual: bool, start: int | None) -> None:
        _import_what_must_not_be_imported_frozen()
        quarantine.self_test()
        refusals.check()
        self._owner = owners.choose(start)
        self._clocks: list[Member] = []
        self._undo = ExitStack()
        self.scheduler = Scheduler(
            manual=manual, move_wall=self._owner.move, limit=self._limit, tell=self._tell
        )

    @classmethod
    def join(cls, clock: Member, mode: str | None, start: int | None) -> World:
        """The world that exists, or else a new one.

        Raises:
            Misuse: the world is of another mode, or already has a time.
        """
        world = cls._current
        if world is None:
            world = cls(manual=mode == "manual", start=start)
            world._begin()
        elif start is not None or mode not in {None, world._mode}:
            raise Misuse(
                f"a clock with mode {mode!r} and start {start!r} was started inside another.",
                f"A {world._mode} clock is running; there is only one time.",
                "Leave mode and start out to join it, or stop it first.",
            )
        world._clocks.append(clock)
        return world

    def leave(self, clock: Member) -> None:
        """The last to leave puts everything back."""
        self._clocks.remove(clock)
        if not self._clocks:
            self._undo.close()

    @property
    def _mode(self) -> str:
        return "manual" if self.scheduler.manual else "virtual"

    def _limit(self, sleep: Sleep) -> FakeBatchError | None:
        first = None
        for clock in self._clocks:  # each counts
            error = clock.limit(sleep)
            first = first or error
        return first

    def _tell(self, duration: int) -> None:
        for clock in self._clocks:
            clock.tell(duration)

    def _begin(self) -> None:
        with ExitStack() as undo:
            undo.callback(self.scheduler.dismiss)
            undo.callback(self._become_current, None)
            self._become_current(self)
            patches = Patches()
            exchange = Exchange(self._owner.fakes | _sleep())
            undo.callback(exchange.undo)
            undo.callback(self._owner.stop)
            undo.callback(patches.undo)
            self._owner.start(patches)
            for owner, name, value in _replacements():
                patches.set(owner, name, value)
            exchange.make()
            self._undo = undo.pop_all()

    @staticmethod
    def _become_current(world: World | None) -> None:
        World._current = world
        running.scheduler = world.scheduler if world else None


def _sleep() -> dict[Any, Any]:
    if getattr(time.sleep, "__self__", None) is not time:
        return {}  # A test that has put its own in the place of time.sleep knows why.
    sleeping.real_sleep = time.sleep
    return {time.sleep: sleeping.sleep}


def _replacements() -> list[tuple[Any, str, Any]]:
    loop_classes = [asyncio.BaseEventLoop]
    if "time" in vars(asyncio.SelectorEventLoop):  # freezegun's real_asyncio was here first
        loop_classes.append(asyncio.SelectorEventLoop)
    replacements: list[tuple[Any, str, Any]] = [
        *((time, "sleep", fake) for fake in _sleep().values()),
        *((loop_class, "time", loops.time) for loop_class in loop_classes),
        (asyncio.BaseEventLoop, "_run_once", loops.run_once),
        *refusals.replacements(),
        (threading.Condition, "wait", conditions.wait),
        (threading.Thread, "join", threads.join),
        (threading.Thread, "_bootstrap_inner", threads.run),
        # Their timeouts are remainders of these clocks, so both must move together.
        (threading, "_time", conditions.monotonic),
        (queue, "time", conditions.monotonic),
        (queue, "SimpleQueue", of_threading.simple_queue),
    ]
    if of_trio.loaded():
        from fakebatch.vtime.stand_ins import trios  # noqa: PLC0415 - trio may be absent

        replacements += trios.replacements()
    return replacements


def _import_what_must_not_be_imported_frozen() -> None:
    """Import the event loops: what binds a frozen clock at import may keep it for good."""
    modules = [name for name in ("asyncio", "trio") if find_spec(name)]
    if "anyio" in sys.modules:
        modules += [f"anyio._backends._{name}" for name in modules]
    for module in modules:
        importlib.import_module(module)

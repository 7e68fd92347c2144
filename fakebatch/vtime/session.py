"""A session of virtual time: one scheduler, one wall clock, and all patches in their places."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from fakebatch.durations import SECOND
from fakebatch.errors import FakeBatchWarning, UsageError
from fakebatch.vtime import asyncio as loops
from fakebatch.vtime import io, scheduler, threads, unsupported, wall_clock
from fakebatch.vtime.io import Patch
from fakebatch.vtime.rebinding import Rebinding
from fakebatch.vtime.scheduler import Hooks, Scheduler

_ABSENT = object()


class Session:
    """Everything that is different while virtual clocks run, shared by all that do."""

    _current: Session | None = None

    def __init__(self, *, manual: bool, start: int | None, io_wait: int) -> None:
        unsupported.check()
        _tell_what_is_missing()
        self._wall_clock = wall_clock.choose(start)
        self._patched: list[tuple[Any, str, object]] = []
        self._undo = ExitStack()
        self.scheduler = Scheduler(
            manual=manual,
            io_wait=io_wait / SECOND,
            move_wall=self._wall_clock.move,
            read_wall=self._wall_clock.now,
        )

    @classmethod
    def join(cls, mode: str | None, start: int | None, io_wait: int) -> Session:
        """The session that runs, or else a new one.

        Raises:
            UsageError: the session is of another mode, already has a time, or is another thread's.
        """
        session = cls._current
        if session is None:
            session = cls(manual=mode == "manual", start=start, io_wait=io_wait)
            session._begin()
        elif scheduler.for_this_thread() is None:
            raise UsageError(
                "a clock was started in a thread that keeps real time.",
                "Another thread has started one, and there is only one time in a process.",
                "Start the clock in one thread, and the other threads after it.",
            )
        elif start is not None or mode not in {None, session._mode}:
            raise UsageError(
                f"a clock with mode {mode!r} and start {start!r} was started inside another.",
                f"A {session._mode} clock is running; there is only one time.",
                "Leave mode and start out to join it, or stop it first.",
            )
        return session

    def leave(self, hooks: Hooks) -> None:
        """The last to leave puts everything back."""
        self.scheduler.hooks.remove(hooks)
        if not self.scheduler.hooks:
            self._undo.close()

    @property
    def _mode(self) -> str:
        return "manual" if self.scheduler.manual else "virtual"

    def _begin(self) -> None:
        io.forget_all()
        with ExitStack() as undo:
            undo.callback(self.scheduler.dismiss)
            undo.callback(self._become_current, None)
            self._become_current(self)
            sleeps = _sleeps()
            later = {name: self._patching(patches) for name, patches in _LATER.items()}
            rebinding = Rebinding(self._wall_clock.fakes | sleeps, on_import=later)
            undo.callback(rebinding.undo)
            undo.callback(self._wall_clock.stop)
            undo.callback(self._restore)
            self._patch(self._wall_clock.start())
            self._patch([(time, "sleep", fake) for fake in sleeps.values()])
            self._patch(replacements())
            for name in [*_LATER]:
                if name in sys.modules:
                    later[name](sys.modules[name])
            self._patch(rebinding.replacements())
            rebinding.make()
            threads.adopt_workers(self.scheduler)
            self._undo = undo.pop_all()

    def _patch(self, patches: list[Patch]) -> None:
        for owner, name, value in patches:
            # Not getattr: a name that is only inherited has to go again afterwards.
            original: object = owner.__dict__.get(name, _ABSENT)
            self._patched.append((owner, name, original))
            setattr(owner, name, value)

    def _patching(self, patches: Callable[[Any], list[Patch]]) -> Callable[[Any], None]:
        return lambda module: self._patch(patches(module))

    def _restore(self) -> None:
        while self._patched:
            owner, name, original = self._patched.pop()
            if original is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, original)

    @staticmethod
    def _become_current(session: Session | None) -> None:
        Session._current = session
        scheduler.current = session.scheduler if session else None

    @classmethod
    def end_in_child(cls) -> None:
        """In a process that was forked from one with a clock, let time be real."""
        if cls._current is not None:
            cls._current.abandon()

    def abandon(self) -> None:
        """Put everything back where of all threads only the calling one is there."""
        self.scheduler.abandon()
        self._undo.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Session.end_in_child)


def _of_trio(module: Any) -> list[Patch]:
    # trio may be absent, and slow to import: only where the code under test has imported it.
    from fakebatch.vtime import trio  # noqa: PLC0415

    if missing := _missing(trio.PRIVATE):
        return unsupported.of_unknown_trio(module, missing)
    return trio.replacements()


_LATER: dict[str, Callable[[Any], list[Patch]]] = {
    **io.LATER,
    **unsupported.LATER,
    "anyio._backends._asyncio": loops.of_anyio,
    "trio": _of_trio,
    "time_machine": wall_clock.of_time_machine,
}
"""What to patch in modules that may be imported at any moment, by their names."""


def _sleeps() -> dict[Any, Any]:
    if time.sleep is threads.sleep:
        # Left by a monkeypatch that was undone after the clock it was made under had ended.
        time.sleep = threads.real_sleep
    if getattr(time.sleep, "__self__", None) is not time:
        return {}  # A test that has put its own in the place of time.sleep knows why.
    threads.real_sleep = time.sleep
    return {time.sleep: threads.sleep}


def replacements() -> list[Patch]:
    """What to patch in modules that are always there."""
    return [
        (asyncio.Runner, "run", unsupported.run),
        *loops.replacements(),
        *io.replacements(),
        *(() if _missing(threads.PRIVATE) else threads.replacements()),
    ]


def _tell_what_is_missing() -> None:
    if missing := _missing(wall_clock.PRIVATE):
        raise UsageError(
            f"the virtual clock does not find {', '.join(missing)}.",
            f"It knows freezegun 1.5.5; this is Python {sys.version.split()[0]}.",
            "Use clock='real', and tell us the versions you have.",
        )
    if missing := _missing(threads.PRIVATE):
        _warn(missing, "timeouts of threading and of queues are real")


_warned: set[str] = set()


def _warn(missing: list[str], consequence: str) -> None:
    if consequence not in _warned:
        _warned.add(consequence)
        warnings.warn(
            f"fakebatch: the virtual clock does not find {', '.join(missing)}.\n"
            f"So {consequence} on Python {sys.version.split()[0]}.\n"
            "Tell us the versions you have.",
            FakeBatchWarning,
            stacklevel=2,
        )


def _missing(private: list[tuple[Any, str]]) -> list[str]:
    """The names that are no longer there."""
    return [
        f"{getattr(owner, '__name__', 'a module')}.{name}"
        for owner, name in private
        if not hasattr(owner, name)
    ]

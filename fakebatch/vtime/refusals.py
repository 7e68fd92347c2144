"""What the virtual clock cannot move, told apart before it half works."""

from __future__ import annotations

import asyncio
import sys
from asyncio import AbstractEventLoop, BaseEventLoop
from typing import Any

from fakebatch.errors import Misuse
from fakebatch.vtime import running
from fakebatch.vtime.quarantine import of_asyncio

_real_run = asyncio.Runner.run


def check() -> None:
    """Look at what is in force where the clock is started.

    Raises:
        Misuse: a running loop, a loop policy or a monkey patch owns sleeping.
    """
    for package in ("gevent", "eventlet"):
        if _is_monkey_patched(package):
            raise _refusal(f"{package} has patched time.sleep", "Do not monkey-patch here")
    policy = type(of_asyncio.policy())
    if policy.__module__.partition(".")[0] == "uvloop":
        raise _refusal("uvloop is asyncio's loop policy", "Do not install uvloop in this test")
    if loop := asyncio._get_running_loop():  # noqa: SLF001 - the public one raises
        check_loop(loop)


def check_loop(loop: AbstractEventLoop, *_: object) -> None:
    """Look at an event loop.

    Raises:
        Misuse: it is not one of asyncio's own.
    """
    if not isinstance(loop, BaseEventLoop):
        kind = f"{type(loop).__module__}.{type(loop).__qualname__}"
        raise _refusal(f"the event loop is a {kind}", "Run this test on asyncio's own loop")


def check_run_of_uvloop(loop: AbstractEventLoop, *awaitables: Any) -> None:
    """Stands in the place of what runs a loop of uvloop; what it was to run is closed."""
    for coroutine in filter(asyncio.iscoroutine, awaitables):
        coroutine.close()
    check_loop(loop)


def check_run(clock: object) -> None:
    """Look at a run of trio.

    Raises:
        Misuse: its clock is not trio's own, or it is a guest of asyncio.
    """
    if clock is not None:
        kind = f"{type(clock).__module__}.{type(clock).__qualname__}"
        raise _refusal(f"the clock of the trio run is a {kind}", "Leave its clock= out")
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the public one raises
        raise _refusal("trio was started inside a running asyncio loop", "Start it by itself")


def replacements() -> list[tuple[Any, str, Any]]:
    """What to patch so that a loop that comes later is looked at."""
    uvloop, gevent = sys.modules.get("uvloop"), sys.modules.get("gevent.hub")
    return [
        (asyncio.Runner, "run", run),
        *([(gevent.Hub, "wait", wait)] if gevent else ()),
        *(
            (uvloop.Loop, name, check_run_of_uvloop)
            for name in ("run_forever", "run_until_complete")
            if uvloop
        ),
    ]


def run(runner: asyncio.Runner, coro: Any, **options: Any) -> Any:
    """Run a coroutine as asyncio.run does, on a loop whose time can be moved."""
    if running.scheduler is not None:
        try:
            check_loop(runner.get_loop())
        except Misuse:
            coro.close()
            raise
    return _real_run(runner, coro, **options)


def wait(*_: object) -> None:
    """Stands in the place of what gevent's own sleep does, monkey-patched or not."""
    raise _refusal("a greenlet of gevent was to sleep", "Sleep with time.sleep in this test")


def _is_monkey_patched(package: str) -> bool:
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    match package:
        case "gevent":
            return bool(gevent and gevent.is_module_patched("time"))
        case _:
            return bool(eventlet and eventlet.is_monkey_patched("time"))


def _refusal(what_came: str, remedy: str) -> Misuse:
    return Misuse(
        f"{what_came}.",
        "The virtual clock moves threads, asyncio's own event loops and trio; nothing else.",
        f"{remedy}, or let the emulator follow real time: clock='real'.",
    )

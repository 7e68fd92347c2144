"""What the virtual clock cannot move: refused with a remedy, before it half works."""

from __future__ import annotations

import asyncio
import sys
import warnings
from asyncio import AbstractEventLoop, BaseEventLoop
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from fakebatch.errors import FakeBatchWarning, UsageError
from fakebatch.vtime import wall_clock
from fakebatch.vtime.patches import Patch, Real, wrap

PRIVATE: dict[str, tuple[str, ...]] = {
    "freezegun.api": (
        *("freeze_factories", "_should_use_real_time", "FakeDatetime._time_to_freeze"),
        *(f"{kind}_{name}" for name in wall_clock.FUNCTIONS for kind in ("real", "fake")),
    ),
    "threading": (
        "_time",
        *(f"Condition.{name}" for name in ("_is_owned", "_release_save", "_acquire_restore")),
    ),
    "queue": ("time",),
    "trio": (
        *("_core._thread_cache", "_socket._SocketType", "_core._run.GLOBAL_RUN_CONTEXT"),
        *("_core._run.setup_runner", "_core._run.Deadlines.expire"),
        *(f"_core._run.SystemClock.{name}" for name in ("current_time", "deadline_to_sleep_time")),
        *(f"_core._run.Runner.{name}" for name in ("entry_queue", "runq", "io_manager")),
        *(
            f"_core._run.TheIOManager.{name}"
            for name in ("get_events", "process_events", "force_wakeup")
        ),
    ),
}
"""By module, the names without which its time cannot be moved. Without freezegun's there is no
virtual clock, without those of threading and queue their timeouts are real, without trio's it is
refused."""


def missing(*modules: str) -> list[str]:
    """Those private names that loaded modules do not have."""
    names: list[str] = []
    for module in modules:
        for name in PRIVATE[module]:
            try:
                attrgetter(name)(sys.modules[module])
            except AttributeError:
                names.append(f"{module}.{name}")
    return names


def check() -> None:
    """Check what is in force where a clock is started.

    Raises:
        UsageError: something else owns sleeping, or freezegun has changed.
    """
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent and (gevent.is_module_patched("time") or gevent.is_module_patched("threading")):
        raise refusal("gevent has patched time and threading", "Do not monkey-patch here")
    if eventlet and (eventlet.is_monkey_patched("time") or eventlet.is_monkey_patched("thread")):
        raise refusal("eventlet has patched time and threading", "Do not monkey-patch here")
    policy: object = getattr(asyncio.events, "_event_loop_policy", None)
    if type(policy).__module__.partition(".")[0] == "uvloop":
        raise refusal("uvloop is asyncio's loop policy", "Do not install uvloop in this test")
    if loop := asyncio._get_running_loop():  # noqa: SLF001 - the public one raises
        check_loop(loop)
    python = f"Python {sys.version.split()[0]}"
    if names := missing("freezegun.api"):
        raise UsageError(
            f"the virtual clock does not find {', '.join(names)}.",
            f"It knows freezegun 1.5.5; this is {python}.",
            "Use clock='real', and tell us the versions you have.",
        )
    if names := [name for name in missing("threading", "queue") if name not in _warned]:
        _warned.update(names)
        warnings.warn(
            f"fakebatch: the virtual clock does not find {', '.join(names)}.\n"
            f"So timeouts of threading and of queues are real on {python}.\n"
            "Tell us the versions you have.",
            FakeBatchWarning,
            stacklevel=2,
        )


_warned: set[str] = set()
"""The missing names that a warning has named."""


def check_loop(loop: AbstractEventLoop) -> None:
    """Check whose an event loop is.

    Raises:
        UsageError: it is not one of asyncio's own.
    """
    if not isinstance(loop, BaseEventLoop):
        kind = f"{type(loop).__module__}.{type(loop).__qualname__}"
        raise refusal(f"the event loop is a {kind}", "Run this test on asyncio's own loop")


def run(_: object, real_run: Real, runner: asyncio.Runner, coro: Any, **options: Any) -> Any:
    """Run a coroutine as asyncio.run does, on a loop whose time can be moved."""
    try:
        check_loop(runner.get_loop())
    except UsageError:
        coro.close()
        raise
    return real_run(runner, coro, **options)


def run_loop(_: object, __: Real, loop: Any, *awaitables: Any) -> None:
    """Refuse to run a loop that is not of asyncio."""
    for coroutine in filter(asyncio.iscoroutine, awaitables):
        coroutine.close()
    check_loop(loop)


def refuse(owner: Any, names: str, what_came: str, remedy: str) -> list[Patch]:
    """Patches for functions that threads in virtual time must not call."""

    def call(*_: object, **__: object) -> None:
        raise refusal(what_came, remedy)

    return wrap(owner, names, call)


_SLEEP = "Sleep with time.sleep in this test"
_DO_NOT_PATCH = "Do not monkey-patch here"
_TO_PATCH = "was to patch time and threading while the clock runs"
LATER: dict[str, Callable[[Any], list[Patch]]] = {
    "uvloop": lambda module: wrap(module.Loop, "run_forever run_until_complete", run_loop),
    "gevent.hub": lambda module: refuse(
        module.Hub, "wait", "a greenlet of gevent was to wait", _SLEEP
    ),
    "gevent.monkey": lambda module: refuse(
        module, "patch_all patch_time patch_thread", f"gevent {_TO_PATCH}", _DO_NOT_PATCH
    ),
    "eventlet.hubs.hub": lambda module: refuse(
        module.BaseHub, "switch", "a greenlet of eventlet was to wait", _SLEEP
    ),
    "eventlet.patcher": lambda module: refuse(
        module, "monkey_patch", f"eventlet {_TO_PATCH}", _DO_NOT_PATCH
    ),
}
"""What to patch in modules that may be imported at any moment, by their names."""


def refusal(what_came: str, remedy: str) -> UsageError:
    """What to tell a test that wants what the virtual clock cannot move."""
    return UsageError(
        f"{what_came}.",
        "The virtual clock moves threads, asyncio's own event loops and trio; nothing else.",
        f"{remedy}, or let the emulator follow real time: clock='real'.",
    )

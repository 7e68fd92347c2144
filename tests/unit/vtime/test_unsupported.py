"""What the virtual clock cannot move is refused, with a remedy, before it half works."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace

import pytest
import trio
from trio.testing import MockClock

from fakebatch.errors import FakeBatchWarning, UsageError
from fakebatch.vtime import Clock, unsupported

REMEDY = "or let the emulator follow real time: clock='real'."


class ForeignLoop:
    """A loop that is none of asyncio's own, as uvloop's is."""


class Policy:
    """As uvloop.install() sets it."""


Policy.__module__ = "uvloop"


@pytest.fixture
def uvloop_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.events, "_event_loop_policy", Policy())


@pytest.fixture(params=["gevent.monkey", "eventlet.patcher"])
def monkey_patched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    module = SimpleNamespace(
        is_module_patched=lambda name: name == "time",
        is_monkey_patched=lambda name: name == "time",
    )
    monkeypatch.setitem(sys.modules, request.param, module)
    package: str = request.param.partition(".")[0]
    return package


@pytest.mark.usefixtures("uvloop_policy")
def test_uvloop_as_the_policy_is_refused() -> None:
    """Every loop made under it would sleep in real time."""
    with pytest.raises(UsageError) as caught:
        Clock().__enter__()

    assert str(caught.value) == (
        "fakebatch: uvloop is asyncio's loop policy.\n"
        "The virtual clock moves threads, asyncio's own event loops and trio; nothing else.\n"
        f"Do not install uvloop in this test, {REMEDY}"
    )


def test_a_foreign_loop_is_refused_when_it_is_to_run(clock: Clock) -> None:
    """A loop factory comes after the start; the runner refuses its loop."""

    async def main() -> None:
        pytest.fail("ran")

    runner = asyncio.Runner(loop_factory=ForeignLoop)  # type: ignore[arg-type]
    with pytest.raises(UsageError) as caught:
        runner.run(main())

    assert str(caught.value) == (
        f"fakebatch: the event loop is a {__name__}.ForeignLoop.\n"
        "The virtual clock moves threads, asyncio's own event loops and trio; nothing else.\n"
        f"Run this test on asyncio's own loop, {REMEDY}"
    )


async def trio_inside_asyncio() -> None:
    trio.run(trio.sleep, 60)


@pytest.mark.parametrize(
    ("run", "came", "remedy"),
    [
        pytest.param(
            lambda: trio.run(trio.sleep, 60, clock=MockClock(autojump_threshold=0)),
            "the clock of the trio run is a trio.testing.MockClock",
            "Leave its clock= out",
            id="a clock of its own",
        ),
        pytest.param(
            lambda: asyncio.run(trio_inside_asyncio()),
            "trio was started inside a running asyncio loop",
            "Start it by itself",
            id="two loops in one thread",
        ),
    ],
)
def test_a_run_of_trio_whose_time_would_be_another_is_refused(
    clock: Clock, run: Callable[[], object], came: str, remedy: str
) -> None:
    """Before it runs, so that the error is ours and not one inside of trio."""
    with pytest.raises(UsageError) as caught:
        run()

    assert str(caught.value) == (
        f"fakebatch: {came}.\n"
        "The virtual clock moves threads, asyncio's own event loops and trio; nothing else.\n"
        f"{remedy}, {REMEDY}"
    )


def a_module(name: str, **names: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(names)
    return module


class Waits:
    """A loop, a hub or a monkey patch of a library that has its own way to wait."""

    def waits(self, *_: object) -> None:
        pytest.fail("it waits in real time")

    run_forever = run_until_complete = wait = switch = waits


def patches() -> None:
    pytest.fail("it patches")


def called(module: str, function: str) -> None:
    """Call a function as it is by then."""
    vars(sys.modules[module])[function]()


FOREIGN: dict[str, tuple[dict[str, ModuleType], Callable[[], object], str]] = {
    "uvloop without a runner": (
        {"uvloop": a_module("uvloop", Loop=type("Loop", (Waits,), {}))},
        lambda: sys.modules["uvloop"].Loop().run_until_complete(None),
        "the event loop is a",
    ),
    "a sleep of gevent": (
        {"gevent.hub": a_module("gevent.hub", Hub=type("Hub", (Waits,), {}))},
        lambda: sys.modules["gevent.hub"].Hub().wait("a timer"),
        "a greenlet of gevent was to wait",
    ),
    "a sleep of eventlet": (
        {"eventlet.hubs.hub": a_module("eventlet.hubs.hub", BaseHub=type("Hub", (Waits,), {}))},
        lambda: sys.modules["eventlet.hubs.hub"].BaseHub().switch(),
        "a greenlet of eventlet was to wait",
    ),
    "gevent's monkey patch": (
        {
            "gevent.monkey": a_module(
                "gevent.monkey",
                is_module_patched=lambda _: False,
                **dict.fromkeys(["patch_all", "patch_time", "patch_thread"], patches),
            )
        },
        lambda: called("gevent.monkey", "patch_all"),
        "gevent was to patch time and threading while the clock runs",
    ),
    "eventlet's monkey patch": (
        {
            "eventlet.patcher": a_module(
                "eventlet.patcher", is_monkey_patched=lambda _: False, monkey_patch=patches
            )
        },
        lambda: called("eventlet.patcher", "monkey_patch"),
        "eventlet was to patch time and threading while the clock runs",
    ),
}


@pytest.mark.parametrize(("modules", "waits", "came"), FOREIGN.values(), ids=FOREIGN)
def test_a_library_with_a_way_of_its_own_to_wait_is_refused(
    modules: dict[str, ModuleType],
    waits: Callable[[], object],
    came: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When it is to wait, and with words that are right; afterwards it is as it was."""
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    before = [{**vars(module)} for module in modules.values()]
    with Clock(), pytest.raises(UsageError, match=f"^fakebatch: {came}"):
        waits()

    assert [{**vars(module)} for module in modules.values()] == before
    with pytest.raises(pytest.fail.Exception):
        waits()


@pytest.fixture
def foreign_loop_running() -> Iterator[None]:
    asyncio._set_running_loop(ForeignLoop())  # type: ignore[arg-type]
    yield
    asyncio._set_running_loop(None)


@pytest.mark.usefixtures("foreign_loop_running")
def test_a_foreign_loop_that_runs_already_is_refused() -> None:
    """A clock started inside a coroutine looks at the loop around it."""
    with pytest.raises(UsageError, match="the event loop is a"):
        Clock().__enter__()


def test_monkey_patched_sleeping_is_refused(monkey_patched: str) -> None:
    """Gevent and eventlet have put their own in the place of everything that waits."""
    with pytest.raises(UsageError, match=f"^fakebatch: {monkey_patched} has patched time and thr"):
        Clock().__enter__()


@pytest.mark.usefixtures("uvloop_policy")
def test_real_time_refuses_nothing() -> None:
    """What the remedy says works."""
    clock = Clock("real")
    clock.__enter__()
    clock.__exit__()


def test_a_freezegun_whose_private_names_have_gone_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without them nobody could move the wall clock; the message names them."""
    monkeypatch.setitem(unsupported.PRIVATE, "freezegun.api", ("renamed",))
    with pytest.raises(UsageError) as caught:
        Clock().__enter__()

    came, known, to_do = str(caught.value).splitlines()
    assert came == "fakebatch: the virtual clock does not find freezegun.api.renamed."
    assert known.startswith("It knows freezegun 1.5.5; this is Python 3.")
    assert to_do == "Use clock='real', and tell us the versions you have."


def test_a_renamed_private_name_of_trio_costs_runs_of_trio(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are refused by name, and all else lives in virtual time."""
    monkeypatch.setitem(unsupported.PRIVATE, "trio", ("_core.renamed",))
    with Clock() as clock:
        with pytest.raises(UsageError) as caught:
            trio.run(trio.sleep, 1)
        asyncio.run(asyncio.sleep(60))
        assert clock.elapsed == 60.0

    assert str(caught.value) == (
        "fakebatch: trio was to run, and the virtual clock does not find trio._core.renamed.\n"
        "The virtual clock moves threads, asyncio's own event loops and trio; nothing else.\n"
        f"Run this test on asyncio, {REMEDY}"
    )


def test_a_renamed_private_name_of_threading_costs_its_timeouts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A warning says so, once; they are real, and all else lives in virtual time."""
    monkeypatch.setitem(unsupported.PRIVATE, "threading", ("Condition.renamed",))
    unsupported._warned.clear()
    clock = Clock()
    with pytest.warns(FakeBatchWarning) as caught:
        clock.__enter__()
    try:
        assert threading.Event().wait(0.001) is False
        assert clock.elapsed == 0.0
        time.sleep(60)
        asyncio.run(asyncio.sleep(60))
        assert clock.elapsed == 120.0
    finally:
        clock.__exit__()
    clock.__enter__()  # with no other warning, which would be an error here
    clock.__exit__()
    unsupported._warned.clear()

    came, known, to_do = str(caught[0].message).splitlines()
    assert came == "fakebatch: the virtual clock does not find threading.Condition.renamed."
    assert known.startswith("So timeouts of threading and of queues are real on Python 3.")
    assert to_do == "Tell us the versions you have."

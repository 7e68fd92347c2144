"""What the virtual clock cannot move is refused, with a remedy, before it half works."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace

import pytest
import trio
from trio.testing import MockClock

from fakebatch.errors import Misuse
from fakebatch.vtime import Clock
from fakebatch.vtime.quarantine import of_freezegun, of_threading, self_test

REMEDY = "or let the emulator follow real time: clock='real'."


class ForeignLoop:
    """A loop that is none of asyncio's own, as uvloop's is."""


class Policy(asyncio.DefaultEventLoopPolicy):
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
    with pytest.raises(Misuse) as caught:
        Clock().start()

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
    with pytest.raises(Misuse) as caught:
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
    with pytest.raises(Misuse) as caught:
        run()

    assert str(caught.value) == (
        f"fakebatch: {came}.\n"
        "The virtual clock moves threads, asyncio's own event loops and trio; nothing else.\n"
        f"{remedy}, {REMEDY}"
    )


def test_uvloop_is_refused_without_a_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop of uvloop made by hand does not run either."""
    uvloop = SimpleNamespace(
        Loop=type("Loop", (), {"run_until_complete": print, "run_forever": print})
    )
    monkeypatch.setitem(sys.modules, "uvloop", uvloop)
    clock = Clock()
    clock.start()
    try:
        with pytest.raises(Misuse, match="the event loop is a"):
            uvloop.Loop().run_until_complete(None)
    finally:
        clock.stop()

    assert uvloop.Loop.run_until_complete is print


def test_gevents_own_sleep_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a monkey patch too: a greenlet would sleep in real time."""
    hub = SimpleNamespace(Hub=type("Hub", (), {}))
    monkeypatch.setitem(sys.modules, "gevent.hub", hub)
    clock = Clock()
    clock.start()
    try:
        with pytest.raises(Misuse, match="a greenlet of gevent was to sleep"):
            hub.Hub().wait("a timer")
    finally:
        clock.stop()

    assert not hasattr(hub.Hub, "wait")


@pytest.fixture
def foreign_loop_running() -> Iterator[None]:
    asyncio._set_running_loop(ForeignLoop())  # type: ignore[arg-type]
    yield
    asyncio._set_running_loop(None)


@pytest.mark.usefixtures("foreign_loop_running")
def test_a_foreign_loop_that_runs_already_is_refused() -> None:
    """A clock started inside a coroutine looks at the loop around it."""
    with pytest.raises(Misuse, match="the event loop is a"):
        Clock().start()


def test_monkey_patched_sleeping_is_refused(monkey_patched: str) -> None:
    """Gevent and eventlet have put their own in the place of everything that waits."""
    with pytest.raises(Misuse, match=f"^fakebatch: {monkey_patched} has patched time.sleep"):
        Clock().start()


@pytest.mark.usefixtures("uvloop_policy")
def test_real_time_refuses_nothing() -> None:
    """What the remedy says works."""
    clock = Clock("real")
    clock.start()
    clock.stop()


@pytest.mark.parametrize(
    ("private", "name"),
    [
        pytest.param(of_threading, "threading._limbo", id="threading"),
        pytest.param(of_freezegun, "freezegun.api.freeze_factories", id="freezegun"),
    ],
)
def test_a_private_name_that_has_gone_is_told(
    private: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The self-test at the first start names what this Python or library no longer has."""
    monkeypatch.setattr(private, "missing", lambda: [name])
    self_test.cache_clear()

    with pytest.raises(Misuse) as caught:
        Clock().start()
    self_test.cache_clear()

    came, known, to_do = str(caught.value).splitlines()
    assert came == f"fakebatch: the virtual clock does not find {name}."
    assert known.startswith("It knows CPython 3.11 to 3.13 and freezegun 1.5.5; this is 3.")
    assert to_do == "Use clock='real', and tell us the versions you have."

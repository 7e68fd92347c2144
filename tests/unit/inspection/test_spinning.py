"""Calls that take no time, on and on: when they are ended, and when they are not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from threading import Barrier
from typing import Any

import pytest

from fakebatch import FakeBatchError
from fakebatch.dialects import DIALECTS
from fakebatch.inspection import endless
from fakebatch.rules.batches import Schedule
from fakebatch.rules.calls import CallRule, Fail, Override, Reply, Slow, Truncate
from fakebatch.rules.scenario import Scenario
from support.waiting import STALLS, Run, message


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as many calls, which would take a second."""
    monkeypatch.setattr(endless, "CALLS", 200)
    monkeypatch.setattr(endless, "SWALLOWED", 50)


def calls_until_ended(run: Run, *paths: str, most: int = 30_000) -> int:
    for number in range(most):
        try:
            run.call(paths[number % len(paths)])
        except FakeBatchError:
            return number + 1
    return most


def test_five_thousand_polls_that_take_no_time_are_ended() -> None:
    """The loop learns of it by its line, what it polls, and what to do."""
    run = Run(STALLS["validating"])
    path = run.create()
    with pytest.raises(FakeBatchError) as caught:
        for number in count(1):  # noqa: B007
            run.call(path)
    assert number == 5_000
    assert message(caught.value) == [
        (
            "fakebatch: the loop at test.py never ends: 5,000 calls of batches.retrieve, and no "
            "time has passed."
        ),
        (
            f"{path[9:]} is 'validating'. The clock moves only when code sleeps or the test moves "
            "it."
        ),
        (
            "Sleep between calls; it takes no real time here, so do not patch sleep away. Or move "
            "the clock: fakebatch.clock.advance('1m')."
        ),
    ]


SPINS: dict[str, tuple[str, ...]] = {
    "an object that does not exist": ("/batches/batch_none",),
    "a listing": ("/batches?limit=1",),
    "two objects by turns": ("/batches", "/files"),
    "a path that is no operation": ("/nonsense",),
}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("paths", SPINS.values(), ids=SPINS)
def test_whatever_is_asked_for(paths: tuple[str, ...]) -> None:
    """And however it is answered."""
    assert calls_until_ended(Run(), *paths) == 199 * len(paths) + 1


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(("times", "calls"), [(None, 200), (1_000, 1_200)])
def test_an_outage_is_no_change(times: int | None, calls: int) -> None:
    """One that hits so many calls and no more is, as long as it hits."""
    rule = CallRule(times=times, fail=Fail(503))
    assert calls_until_ended(Run(Scenario(on_call=(rule,))), "/batches") == calls


@pytest.mark.usefixtures("few")
def test_a_refused_creation_is_a_poll_too() -> None:
    """Of a client that creates again and again until it may."""
    run = Run()
    with pytest.raises(FakeBatchError, match=r"200 calls of batches\.create"):
        while True:
            run.call("/batches", "POST", {})


@pytest.mark.usefixtures("few")
def test_each_further_call_is_ended_too() -> None:
    """Until time passes."""
    run = Run()
    calls_until_ended(run, "/batches")
    assert [calls_until_ended(run, "/batches") for _ in range(3)] == [1, 1, 1]
    run.advance(1)
    assert calls_until_ended(run, "/batches") == 200


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(("step", "ends"), [(1e-6, True), (1e-5, True), (0.001, False)])
def test_a_sleep_of_nothing_takes_no_time(step: float, *, ends: bool) -> None:
    """A microsecond is what `sleep(0)` takes; a millisecond is time."""
    run = Run()
    with suppress(FakeBatchError):
        for _ in range(1_000):
            run.call("/batches")
            run.advance(step)
    assert (run.elapsed < 0.01) is ends


NO_SPINS: dict[str, Callable[[Run, int], object]] = {
    "a loop over many objects": lambda run, n: run.call(f"/batches/batch_{n % 150}"),
    "what changes in between": lambda run, n: run.upload() if n % 100 == 0 else run.call("/files"),
    "many files uploaded at once": lambda run, _: run.upload(),
    "many questions at once": lambda run, _: run.call(
        "/embeddings", "POST", {"model": "m", "input": "a", "dimensions": 8}
    ),
}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("call", NO_SPINS.values(), ids=NO_SPINS)
def test_a_loop_that_gets_somewhere_is_left_alone(call: Callable[[Run, int], object]) -> None:
    """Although it takes no time."""
    run = Run()
    for number in range(1_000):
        call(run, number)
    assert run.elapsed == 0


@pytest.mark.usefixtures("few")
def test_each_thread_has_calls_of_its_own() -> None:
    """Several clients that look once in a while are no loop."""
    run, together = Run(), Barrier(4)

    def work(_: int) -> int:
        together.wait()
        return calls_until_ended(run, "/batches", most=150)

    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(work, range(4))] == [150] * 4


# --- the same page


def listing(run: Run, after: str) -> str:
    return f"/batches?limit=1&after={after}"


def test_a_listing_that_never_ends_is_ended_after_a_hundred_pages() -> None:
    """The SDK asks for what comes after the last; this provider does not look at that."""
    run = Run(dialect=DIALECTS["groq"])
    batch = run.create()[9:]
    with pytest.raises(FakeBatchError) as caught:
        for number in count(1):  # noqa: B007
            run.call(listing(run, batch))
    came, *rest = str(caught.value).splitlines()
    assert number == 100
    assert came.endswith(" never ends: 100 calls of batches.list got the same page.")
    assert rest == [
        f"This provider ignores after={batch!r} and sends no has_more.",
        "Use only the first page: client.batches.list().data.",
    ]
    assert calls_until_ended(run, listing(run, batch)) == 1


def test_a_page_that_is_asked_for_by_several_is_no_loop() -> None:
    """Here the next page is another one, however often it is asked for."""
    run = Run()
    run.create()
    newest = run.create()[9:]
    assert calls_until_ended(run, listing(run, newest), most=1_000) == 1_000


def test_a_page_that_is_asked_for_with_others_in_between_is_no_loop() -> None:
    """As by a client that lists from the beginning each time."""
    run = Run(dialect=DIALECTS["groq"])
    batch = run.create()[9:]
    paths = ("/batches?limit=1", listing(run, batch))
    assert calls_until_ended(run, *paths, most=1_000) == 1_000


def time_passes(run: Run, _: str) -> None:
    run.advance(60)


def each_object_is_looked_at(run: Run, path: str) -> None:
    run.call(path)
    run.advance(1)


def a_rule_is_slow(run: Run, _: str) -> None:
    if not run.service.state.scenario.on_call:
        run.service.state.scenario = Scenario().with_rule(
            CallRule("batches.list", slow=Slow(first_byte="2s"))
        )
    run.advance(2)


def something_else_changes(run: Run, _: str) -> None:
    run.service.state.revision += 1
    run.advance(3600)


@pytest.mark.parametrize(
    "meanwhile", [time_passes, each_object_is_looked_at, a_rule_is_slow, something_else_changes]
)
def test_the_same_page_is_a_loop_whatever_happens_meanwhile(
    meanwhile: Callable[[Run, str], None],
) -> None:
    """Time does not bring another page, and no limit of time is needed to see that."""
    run = Run(dialect=DIALECTS["groq"])
    path = run.create()
    run.advance(7 * 86_400)
    for _ in range(endless.PAGES - 1):
        run.call(listing(run, path[9:]))
        meanwhile(run, path)
    with pytest.raises(FakeBatchError, match=r"100 calls of batches\.list got the same page"):
        run.call(listing(run, path[9:]))


TRAPS: dict[str, dict[str, Any]] = {
    "the page has the object": {"reply": Reply({"data": [{"id": "batch_x"}], "has_more": True})},
    "the page is empty": {"reply": Reply({"data": [], "has_more": True})},
    "the real page is overridden": {
        "override": Override(fields={"has_more": True}, ignores=("after",))
    },
}


@pytest.mark.parametrize("verb", TRAPS.values(), ids=TRAPS)
def test_a_rule_may_send_the_same_page(verb: dict[str, Any]) -> None:
    """The trap of docs/scenarios.md: `has_more`, and nothing new."""
    trap = CallRule("batches.list", **verb)
    run = Run(Scenario(on_call=(trap,)))
    with pytest.raises(FakeBatchError) as caught:
        for number in count(1):  # noqa: B007
            run.call(listing(run, "batch_x"))
            run.advance(60)
    assert number == 100
    assert message(caught.value)[1:] == [
        f"It came for after='batch_x' by a rule, {trap}.",
        "End the loop at a page without new objects, whatever has_more says.",
    ]


NO_LOOPS: dict[str, dict[str, Any]] = {
    "other objects": {"reply": Reply({"data": [{"id": "batch_y"}], "has_more": True})},
    "nothing, and no more": {"reply": Reply({"data": [], "has_more": False})},
    "no page": {"reply": Reply("<html>")},
    "no page, but JSON": {"reply": Reply({"data": {"id": "batch_x"}})},
    "an error": {"fail": Fail(503)},
    "a page that is cut": {"truncate": Truncate(0.5)},
    "until a rule ends": {
        "reply": Reply({"data": [{"id": "batch_x"}]}),
        "between": ("0s", "3h"),
    },
}


@pytest.mark.parametrize("rule", NO_LOOPS.values(), ids=NO_LOOPS)
def test_other_answers_again_and_again_are_no_loop(rule: dict[str, Any]) -> None:
    """A client waits until it gets the page, or for something to come after it."""
    run = Run(Scenario(on_call=(CallRule("batches.list", **rule),)))
    for _ in range(150):
        run.call(listing(run, "batch_x"))
        run.advance(60)


def test_a_page_that_changes_is_no_loop() -> None:
    """Who looks there for the progress of a batch waits for something."""
    run = Run(Scenario(schedule=Schedule(in_progress="5h")), DIALECTS["groq"])
    path = listing(run, run.create()[9:])
    pages = set[bytes]()
    for _ in range(240):
        run.advance(60)
        pages.add(run.call(path).body)
    assert len(pages) > 5


def test_two_tasks_page_without_end_side_by_side() -> None:
    """Each is a loop of its own."""
    run = Run(dialect=DIALECTS["groq"])
    path = listing(run, run.create()[9:])
    run.advance(7 * 86_400)

    async def read() -> int:
        for number in range(150):
            try:
                run.call(path)
            except FakeBatchError:
                return number + 1
            run.advance(1)
            await asyncio.sleep(0)
        return 0

    async def main() -> tuple[int, int]:
        return await asyncio.gather(read(), read())

    assert [*asyncio.run(main())] == [100, 100]


def page_with_keys_by_turns(run: Run, path: str, number: int) -> None:
    run.call(path, authorization=f"Bearer sk-{number % 2}")


def page_by_a_task(run: Run, path: str, _: int) -> None:
    async def read() -> None:
        run.call(path)

    asyncio.run(read())


@pytest.mark.parametrize("call", [page_with_keys_by_turns, page_by_a_task])
def test_the_same_page_for_others_is_no_loop(call: Callable[[Run, str, int], None]) -> None:
    """Only a client that itself gets the same page again and again is endless."""
    run = Run(dialect=DIALECTS["groq"])
    path = listing(run, run.create()[9:])
    for number in range(300):
        call(run, path, number)


@pytest.mark.usefixtures("few")
def test_each_task_has_calls_of_its_own() -> None:
    """Many clients on one event loop may do together what one alone must not do."""
    run = Run()
    path = listing(run, run.create()[9:])

    async def read(times: int) -> None:
        for _ in range(times):
            run.call(path)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(read(10) for _ in range(60)))

    asyncio.run(main())
    run.call(path)
    run.advance(1)
    with pytest.raises(FakeBatchError, match=r"200 calls of batches\.list"):
        asyncio.run(read(1_000))


# --- who swallows the error


def bare(call: Callable[[], object]) -> None:
    while True:
        try:
            call()
        except:  # noqa: E722, S112
            continue


def bare_on_one_line(call: Callable[[], object]) -> None:
    while True:
        with suppress(BaseException):
            call()


def bare_with_more(call: Callable[[], object]) -> None:
    failures = 0
    while True:
        try:
            call()
        except BaseException:  # noqa: BLE001
            failures += 1
        else:
            failures = 0


def bare_in_a_helper(call: Callable[[], object]) -> None:
    def helper() -> object:
        try:
            return call()
        except:  # noqa: E722
            return None

    while True:
        helper()


def in_a_thread(call: Callable[[], object]) -> None:
    """CPython 3.13 keeps an error raised at the end of a `with` as the context of later ones."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(call).result()


LOOPS = [bare, bare_on_one_line, bare_with_more, bare_in_a_helper]
every_loop = pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)


@pytest.mark.usefixtures("few")
@every_loop
@pytest.mark.timeout(60)
def test_a_loop_that_swallows_every_error_is_ended(loop: Callable[[Any], None]) -> None:
    """It is raised once more, in the `except:` itself, from where nothing keeps it back."""
    run = Run()

    def end_the_loop() -> None:
        before = sys.gettrace()
        with pytest.raises(FakeBatchError, match="never ends"):
            loop(lambda: run.call("/batches"))
        run.endless.reset()
        assert sys.gettrace() is before

    in_a_thread(end_the_loop)


@pytest.mark.usefixtures("few")
@every_loop
@pytest.mark.timeout(60)
def test_so_is_one_that_swallows_the_error_of_its_sleep(loop: Callable[[Any], None]) -> None:
    """Which comes again and again, too."""
    run = Run(max_sleeps=5)
    with pytest.raises(FakeBatchError, match="slept 5 times"):
        in_a_thread(lambda: loop(lambda: run.sleep(1)))
    run.endless.reset()


@pytest.mark.usefixtures("few")
@pytest.mark.timeout(60)
def test_so_is_one_of_tasks_that_keep_their_errors() -> None:
    """`gather` hands them out as results: the event loop is ended."""
    run = Run()

    async def call() -> None:
        run.call("/batches")

    async def main() -> None:
        while True:
            await asyncio.gather(call(), call(), return_exceptions=True)

    with pytest.raises(FakeBatchError, match="never ends"):
        asyncio.run(main())
    run.endless.reset()


@pytest.mark.usefixtures("few")
def test_an_error_that_is_caught_a_few_times_is_not_swallowed() -> None:
    """A test that looks at it goes on."""
    run, before = Run(), sys.gettrace()
    calls_until_ended(run, "/batches")
    for _ in range(40):
        with pytest.raises(FakeBatchError):
            run.call("/batches")
    assert sys.gettrace() is before

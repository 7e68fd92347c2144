"""Which requests a fault hits, request by request."""

from __future__ import annotations

import json
import pickle
import threading
from dataclasses import replace

import pytest
from calling import call
from plans import T0

from fakebatch.dialects import OPENAI
from fakebatch.scenario import (
    Answers,
    Breaks,
    CallFault,
    CallOutcome,
    Scenario,
    Throttles,
    WhichCalls,
)
from fakebatch.service import Service
from fakebatch.wire.app import App

SECOND = 1_000_000
FAILS = Answers(503)


class World:
    """A service at a time of the test's own."""

    def __init__(self, *faults: CallFault) -> None:
        self.now = 0
        self.service = Service(OPENAI, seed=b"0")
        self.service.state.scenario = Scenario(on_call=faults)
        self.app = App(self.service, clock=lambda: T0 + self.now, api_keys=None)

    @property
    def unused(self) -> list[CallOutcome]:
        """What the rules that never hit a request would have done."""
        rules, faults = self.service.state.scenario.on_call, self.app.faults
        return [
            rule.outcome
            for index, rule in enumerate(rules)
            if not faults.hits_of(index, rules) and index not in faults.excused(rules)
        ]

    def ask(self, path: str = "/batches", *, retry: int = 0, key: str = "sk-a") -> int:
        headers = {"x-stainless-retry-count": str(retry)}
        return call(self.app, "GET", path, key=f"Bearer {key}", headers=headers).status


def hits(which: WhichCalls, requests: int = 8) -> list[int]:
    """Which of so many requests are hit, counted from 1."""
    world = World(CallFault(which, FAILS))
    return [n for n in range(1, requests + 1) if world.ask() == 503]


COUNTS: dict[str, tuple[WhichCalls, list[int]]] = {
    "every one": (WhichCalls(), [1, 2, 3, 4, 5, 6, 7, 8]),
    "the third": (WhichCalls(nth=3, times=1), [3]),
    "three from the second": (WhichCalls(nth=2, times=3), [2, 3, 4]),
    "all from the sixth": (WhichCalls(nth=6), [6, 7, 8]),
    "the first two": (WhichCalls(times=2), [1, 2]),
    "another operation": (WhichCalls("batches.retrieve"), []),
    "a pattern": (WhichCalls("batches.*", nth=7), [7, 8]),
    "another key": (WhichCalls(key="sk-b"), []),
    "this key": (WhichCalls(key="sk-a", times=1), [1]),
    "certainly": (WhichCalls(chance=1.0, times=2), [1, 2]),
}


@pytest.mark.parametrize(("which", "expected"), COUNTS.values(), ids=COUNTS)
def test_requests_are_counted(which: WhichCalls, expected: list[int]) -> None:
    """From the nth of those that match, so many."""
    assert expected == hits(which)


def test_times_bound_what_chance_hits() -> None:
    """Two by chance are two, whenever they come."""
    every = hits(WhichCalls(chance=0.3), requests=100)
    assert every[:2] == hits(WhichCalls(chance=0.3, times=2), requests=100)


def test_requests_of_other_times_are_not_counted() -> None:
    """The second within the window is hit; its end does not belong to it."""
    world = World(CallFault(WhichCalls(nth=2, since=10, until=20), FAILS))
    answers: dict[int, int] = {}
    for world.now in (0, 9, 10, 15, 19, 20):
        answers[world.now] = world.ask()
    assert answers == {0: 200, 9: 200, 10: 200, 15: 503, 19: 503, 20: 200}


def test_a_count_begins_when_the_fault_is_added() -> None:
    """A fault said in the middle of a test knows nothing of what was before; others go on."""
    world = World(CallFault(WhichCalls(nth=4, times=1), FAILS))
    before = [world.ask() for _ in range(2)]
    later = CallFault(WhichCalls("batches.list", nth=1, times=1), Answers(403))
    world.service.state.scenario = world.service.state.scenario.with_rule(later)

    assert (before, [world.ask() for _ in range(3)]) == ([200, 200], [403, 503, 200])


def test_all_faults_count_whichever_wins() -> None:
    """One that had its turn while another won does not make up for it."""
    world = World(
        CallFault(WhichCalls(times=1), Answers(403)), CallFault(WhichCalls(times=1), Answers(404))
    )
    assert [world.ask() for _ in range(2)] == [404, 200]
    assert world.unused == [Answers(403)]


def test_a_retry_is_part_of_its_call() -> None:
    """Through retries, a call that was hit stays hit, and counts as one."""
    which = WhichCalls(nth=2, times=1, through_retries=True, until=50)
    world = World(CallFault(which, FAILS))
    answers = [world.ask(retry=retry) for retry in (0, 1, 0)]
    world.now = 100  # its window is over, the call is not
    answers += [world.ask(retry=retry) for retry in (1, 2, 0)]
    assert answers == [200, 200, 503, 503, 503, 200]


def test_calls_on_other_objects_are_other_calls() -> None:
    """A retry for one batch does not go on with the call for another."""
    which = WhichCalls("batches.retrieve", times=1, through_retries=True)
    world = World(CallFault(which, FAILS))
    answers = [world.ask("/batches/a"), world.ask("/batches/b", retry=1)]
    assert [*answers, world.ask("/batches/a", retry=1)] == [503, 404, 503]


@pytest.mark.parametrize(
    ("faults", "retries", "absorbed"),
    [
        pytest.param([FAILS], [0, 1], [True], id="the retry went well"),
        pytest.param([FAILS, Breaks("reset")], [0, 1, 2], [True, True], id="the second retry did"),
        pytest.param([FAILS, FAILS], [0, 1], [False, False], id="the client gave up"),
        pytest.param([FAILS], [0, 0], [False], id="another call went well"),
    ],
)
def test_a_fault_that_cost_a_retry_is_absorbed(
    faults: list[CallOutcome], retries: list[int], absorbed: list[bool]
) -> None:
    """If a later attempt of the same call went well, all that hit the call is absorbed."""
    world = World(
        *(
            CallFault(WhichCalls(nth=n, times=1), outcome)
            for n, outcome in enumerate(faults, start=1)
        )
    )
    for retry in retries:
        world.ask(retry=retry)
    assert absorbed == [one.absorbed for one in world.app.faults.fired]


def test_a_retry_that_the_service_refuses_absorbs_nothing() -> None:
    """The client has gone on, but not well."""
    world = World(CallFault(WhichCalls(times=1), FAILS))
    assert [world.ask("/batches/x", retry=retry) for retry in (0, 1)] == [503, 404]
    assert [one.absorbed for one in world.app.faults.fired] == [False]


def test_a_hit_is_remembered() -> None:
    """Which fault, what was asked for, when, and which attempt it was."""
    fault = CallFault(WhichCalls("batches.retrieve"), FAILS)
    world = World(fault)
    world.now = 5 * SECOND
    world.ask("/batches/x", retry=1)

    (one,) = world.app.faults.fired
    assert one.fault is fault
    assert (one.operation, one.id, one.at, one.attempt) == (
        "batches.retrieve",
        "x",
        T0 + 5 * SECOND,
        1,
    )


def test_the_last_thousand_hits_are_remembered() -> None:
    """However long a test polls into an outage, memory does not grow."""
    world = World(CallFault(WhichCalls(), FAILS))
    for world.now in range(1_100):
        world.ask()
    assert [one.at - T0 for one in world.app.faults.fired] == [*range(100, 1_100)]


def test_a_limit_slides() -> None:
    """Two in any ten seconds; what was refused does not count."""
    world = World(CallFault(WhichCalls(), Throttles(2, 10 * SECOND)))
    answers: dict[int, int] = {}
    for second in (0, 4, 5, 9, 10, 11, 14):
        world.now = second * SECOND
        answers[second] = world.ask()
    assert answers == {0: 200, 4: 200, 5: 429, 9: 429, 10: 200, 11: 429, 14: 200}


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        pytest.param(Throttles(1, 90 * SECOND), "80", id="until there is room"),
        pytest.param(Throttles(1, 90 * SECOND, 2_500_000), "2.5", id="as it was said"),
        pytest.param(
            Throttles(1, 90 * SECOND, http_date=True), "Wed, 19 Aug 2026 14:42:44 GMT", id="as a date"
        ),
    ],
)
def test_a_limit_says_when_to_come_again(limit: Throttles, told: str) -> None:
    """In `Retry-After`."""
    world = World(CallFault(WhichCalls(), limit))
    world.ask()
    world.now = 10 * SECOND
    reply = call(world.app, "GET", "/batches")

    assert (reply.status, reply.headers["retry-after"]) == (429, told)
    assert json.loads(reply.body)["error"]["code"] == "rate_limit_exceeded"


def test_a_limit_that_was_kept_is_not_unused() -> None:
    """A polite client never meets it; that is what the test is about."""
    world = World(
        CallFault(WhichCalls(), Throttles(1, SECOND)), CallFault(WhichCalls(nth=9), FAILS)
    )
    world.ask()
    assert world.unused == [FAILS]


def test_an_unknown_route_is_no_operation() -> None:
    """A fault of every operation is none of what no service has."""
    assert World(CallFault(WhichCalls(), FAILS)).ask("/nope") == 404


def test_threads_share_one_count() -> None:
    """Of a hundred requests of ten threads, exactly the ten that were said are hit."""
    world = World(CallFault(WhichCalls(nth=31, times=10), FAILS))
    answers: list[int] = []

    def ask() -> None:
        answers.extend(world.ask() for _ in range(10))

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] * 90 + [503] * 10


@pytest.mark.parametrize(
    ("body", "kind", "sent"),
    [
        pytest.param({"a": 1}, "application/json", b'{\n  "a": 1\n}', id="JSON"),
        pytest.param("<html>é", "text/html; charset=utf-8", "<html>é".encode(), id="HTML"),
        pytest.param("no", "text/plain; charset=utf-8", b"no", id="a text"),
        pytest.param("", None, b"", id="nothing"),
    ],
)
def test_a_body_says_what_it_is(body: dict[str, int] | str, kind: str | None, sent: bytes) -> None:
    """By its content-type, unless the test gives another."""
    answers = Answers(502, body)
    reply = call(World(CallFault(WhichCalls(), answers)).app, "GET", "/batches")
    assert (reply.headers.get("content-type"), reply.body) == (kind, sent)

    other = CallFault(WhichCalls(), replace(answers, headers={"Content-Type": "a/b"}))
    assert call(World(other).app, "GET", "/batches").headers["content-type"] == "a/b"


def test_what_was_counted_can_be_taken_back() -> None:
    """A copy knows counts, limits, hits and calls between two attempts; it goes its own way."""
    world = World(
        CallFault(WhichCalls(nth=3, times=2, through_retries=True), FAILS),
        CallFault(WhichCalls("files.*"), Throttles(1, 10 * SECOND)),
    )
    steps = [("/batches", 0), ("/files", 0), ("/batches", 0), ("/batches", 1), ("/files", 0)]

    def ask() -> list[int]:
        return [world.ask(path, retry=retry) for path, retry in steps]

    for retry in (0, 1):
        world.ask(retry=retry)
    saved = world.app.faults.hits.copy()
    first = ask()
    fired = world.app.faults.fired
    world.app.faults.hits = saved.copy()
    assert first == ask()
    assert fired == world.app.faults.fired

    world.app.faults.hits = pickle.loads(pickle.dumps(saved))  # noqa: S301  # our own
    assert first == ask()
    assert fired == world.app.faults.fired


def test_a_rule_is_known_by_its_place() -> None:
    """An equal scenario goes on counting; from the first rule that differs on counts begin anew."""
    faults = [CallFault(WhichCalls(nth=2, times=1), Answers(status)) for status in (500, 503)]
    world = World(faults[0], faults[1])
    world.ask()
    world.service.world.scenario = Scenario(calls=(replace(faults[0]), faults[0]))
    assert [world.ask(), world.ask()] == [500, 500]
    assert [hit.place for hit in world.app.faults.fired] == [0, 1]

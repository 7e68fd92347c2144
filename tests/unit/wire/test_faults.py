"""Which requests a fault hits, request by request."""

from __future__ import annotations

import json
import math
import pickle
import threading
from dataclasses import replace
from typing import Any

import pytest

from fakebatch.dialects import OPENAI
from fakebatch.rules.calls import CallRule, Fail, RateLimit, Reset
from fakebatch.rules.scenario import Scenario
from fakebatch.service import Service
from fakebatch.wire.app import App
from support.batches import T0
from support.calling import call

SECOND = 1_000_000
FAILS = Fail(503)


class World:
    """A service at a time of the test's own."""

    def __init__(self, *rules: CallRule) -> None:
        self.now = 0
        self.service = Service(OPENAI, seed=b"0")
        self.service.state.scenario = Scenario(on_call=rules)
        self.app = App(self.service, clock=lambda: T0 + self.now, api_keys=None)

    @property
    def unused(self) -> list[CallRule]:
        """The rules that never hit a request, but for those that need not."""
        state, excused = self.service.state, self.app.faults.excused()
        return [
            rule
            for index, rule in enumerate(state.scenario.on_call)
            if not state.hits["on_call", index] and index not in excused
        ]

    def ask(self, path: str = "/batches", *, retry: int = 0, key: str = "sk-a") -> int:
        headers = {"x-stainless-retry-count": str(retry)}
        return call(self.app, "GET", path, key=f"Bearer {key}", headers=headers).status


def hits(selection: dict[str, Any], requests: int = 8) -> list[int]:
    """Which of so many requests are hit, counted from 1."""
    world = World(CallRule(**selection, fail=FAILS))
    return [n for n in range(1, requests + 1) if world.ask() == 503]


COUNTS: dict[str, tuple[dict[str, Any], list[int]]] = {
    "every one": ({}, [1, 2, 3, 4, 5, 6, 7, 8]),
    "the third alone": ({"nth": 3}, [3]),
    "the third, in other words": ({"nth": 3, "times": 1}, [3]),
    "three from the second": ({"nth": 2, "times": 3}, [2, 3, 4]),
    "all from the sixth": ({"nth": 6, "times": math.inf}, [6, 7, 8]),
    "the first two": ({"times": 2}, [1, 2]),
    "another operation": ({"operation": "batches.retrieve"}, []),
    "a pattern": ({"operation": "batches.*", "nth": 7, "times": 9}, [7, 8]),
    "another key": ({"key": "sk-b"}, []),
    "this key": ({"key": "sk-a", "times": 1}, [1]),
    "certainly": ({"chance": 1.0, "times": 2}, [1, 2]),
}


@pytest.mark.parametrize(("selection", "expected"), COUNTS.values(), ids=COUNTS)
def test_requests_are_counted(selection: dict[str, Any], expected: list[int]) -> None:
    """The nth of those that match, or so many from there on."""
    assert expected == hits(selection)


def test_times_bound_what_chance_hits() -> None:
    """Two by chance are two, whenever they come."""
    every = hits({"chance": 0.3}, requests=100)
    assert every[:2] == hits({"chance": 0.3, "times": 2}, requests=100)


def test_requests_of_other_times_are_not_counted() -> None:
    """The second within the window is hit; its end does not belong to it."""
    world = World(CallRule(nth=2, times=math.inf, between=("10s", "20s"), fail=FAILS))
    answers: dict[int, int] = {}
    for second in (0, 9, 10, 15, 19, 20):
        world.now = second * SECOND
        answers[second] = world.ask()
    assert answers == {0: 200, 9: 200, 10: 200, 15: 503, 19: 503, 20: 200}


def test_a_count_begins_when_the_fault_is_added() -> None:
    """One that comes in the middle of a test knows nothing of what was before; others go on."""
    world = World(CallRule(nth=4, fail=FAILS))
    before = [world.ask() for _ in range(2)]
    later = CallRule("batches.list", nth=1, fail=Fail(403))
    world.service.state.scenario = world.service.state.scenario.with_rule(later)

    assert (before, [world.ask() for _ in range(3)]) == ([200, 200], [403, 503, 200])


def test_all_faults_count_whichever_wins() -> None:
    """One that had its turn while another won does not make up for it."""
    first, second = CallRule(times=1, fail=Fail(403)), CallRule(times=1, fail=Fail(404))
    world = World(first, second)
    assert [world.ask() for _ in range(2)] == [404, 200]
    assert world.unused == [first]


def test_a_retry_is_part_of_its_call() -> None:
    """Through retries, a call that was hit stays hit, and counts as one."""
    world = World(CallRule(nth=2, through_retries=True, between=(0, 50), fail=FAILS))
    answers = [world.ask(retry=retry) for retry in (0, 1, 0)]
    world.now = 100 * SECOND  # its window is over, the call is not
    answers += [world.ask(retry=retry) for retry in (1, 2, 0)]
    assert answers == [200, 200, 503, 503, 503, 200]


def test_calls_on_other_objects_are_other_calls() -> None:
    """A retry for one batch does not go on with the call for another."""
    world = World(CallRule("batches.retrieve", times=1, through_retries=True, fail=FAILS))
    answers = [world.ask("/batches/a"), world.ask("/batches/b", retry=1)]
    assert [*answers, world.ask("/batches/a", retry=1)] == [503, 404, 503]


FIRST, SECOND_FAILS = CallRule(nth=1, fail=FAILS), CallRule(nth=2, fail=FAILS)
RESET = CallRule(nth=2, reset=Reset())


@pytest.mark.parametrize(
    ("rules", "retries", "absorbed"),
    [
        pytest.param([FIRST], [0, 1], [True], id="the retry went well"),
        pytest.param([FIRST, RESET], [0, 1, 2], [True, True], id="the second retry did"),
        pytest.param([FIRST, SECOND_FAILS], [0, 1], [False, False], id="the client gave up"),
        pytest.param([FIRST], [0, 0], [False], id="another call went well"),
    ],
)
def test_a_fault_that_cost_a_retry_is_absorbed(
    rules: list[CallRule], retries: list[int], absorbed: list[bool]
) -> None:
    """If a later attempt of the same call went well, all that hit the call is absorbed."""
    world = World(*rules)
    for retry in retries:
        world.ask(retry=retry)
    assert absorbed == [hit.absorbed for hit in world.app.faults.fired]


def test_a_retry_that_the_service_refuses_absorbs_nothing() -> None:
    """The client has gone on, but not well."""
    world = World(CallRule(times=1, fail=FAILS))
    assert [world.ask("/batches/x", retry=retry) for retry in (0, 1)] == [503, 404]
    assert [hit.absorbed for hit in world.app.faults.fired] == [False]


def test_a_hit_is_remembered() -> None:
    """The rule, the operation and its object, when, and which attempt it was."""
    rule = CallRule("batches.retrieve", fail=FAILS)
    world = World(rule)
    world.now = 5 * SECOND
    world.ask("/batches/x", retry=1)

    [hit] = world.app.faults.fired
    assert (hit.rule, hit.place, hit.operation, hit.id, hit.at, hit.attempt) == (
        *(rule, 0, "batches.retrieve", "x"),
        *(T0 + 5 * SECOND, 1),
    )


def test_the_last_thousand_hits_are_remembered() -> None:
    """However long a test polls into an outage, memory does not grow."""
    world = World(CallRule(fail=FAILS))
    for world.now in range(1_100):
        world.ask()
    assert [hit.at - T0 for hit in world.app.faults.fired] == [*range(100, 1_100)]


def test_a_limit_slides() -> None:
    """Two in any ten seconds; what was refused does not count."""
    world = World(CallRule(rate_limit=RateLimit(2, per=10)))
    answers: dict[int, int] = {}
    for second in (0, 4, 5, 9, 10, 11, 14):
        world.now = second * SECOND
        answers[second] = world.ask()
    assert answers == {0: 200, 4: 200, 5: 429, 9: 429, 10: 200, 11: 429, 14: 200}


@pytest.mark.parametrize(
    ("limit", "retry_after"),
    [
        pytest.param(RateLimit(1, per=90), "80", id="until there is room"),
        pytest.param(RateLimit(1, per=90, retry_after=2.5), "2.5", id="as the test has it"),
        pytest.param(
            RateLimit(1, per="90s", http_date=True),
            "Wed, 19 Aug 2026 14:42:44 GMT",
            id="as a date",
        ),
    ],
)
def test_a_limit_says_when_to_come_again(limit: RateLimit, retry_after: str) -> None:
    """In `Retry-After`."""
    world = World(CallRule(rate_limit=limit))
    world.ask()
    world.now = 10 * SECOND
    reply = call(world.app, "GET", "/batches")

    assert (reply.status, reply.headers["retry-after"]) == (429, retry_after)
    assert json.loads(reply.body)["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("fail", "retry_after"),
    [
        pytest.param(Fail(503), None, id="not at all"),
        pytest.param(Fail(503, retry_after="1m"), "60", id="in seconds"),
        pytest.param(Fail(503, retry_after=0.25), "0.25", id="in less than one"),
        pytest.param(
            Fail(503, retry_after=30, http_date=True),
            "Wed, 19 Aug 2026 14:41:44 GMT",
            id="as a date",
        ),
    ],
)
def test_an_error_says_when_to_try_again(fail: Fail, retry_after: str | None) -> None:
    """In `Retry-After`: in seconds, unless the rule wants a date."""
    reply = call(World(CallRule(fail=fail)).app, "GET", "/batches")
    assert reply.headers.get("retry-after") == retry_after


def test_a_limit_that_was_kept_is_not_unused() -> None:
    """A polite client never meets it; that is what the test is about."""
    ninth = CallRule(nth=9, fail=FAILS)
    world = World(CallRule(rate_limit=RateLimit(1, per="1s")), ninth)
    world.ask()
    assert world.unused == [ninth]


def test_an_unknown_route_is_no_operation() -> None:
    """A fault of every operation is none of what no service has."""
    assert World(CallRule(fail=FAILS)).ask("/nope") == 404


def test_threads_share_one_count() -> None:
    """Of a hundred requests of ten threads, exactly ten are hit."""
    world = World(CallRule(nth=31, times=10, fail=FAILS))
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
    fail = Fail(502, body=body)
    reply = call(World(CallRule(fail=fail)).app, "GET", "/batches")
    assert (reply.headers.get("content-type"), reply.body) == (kind, sent)

    other = CallRule(fail=replace(fail, headers={"content-type": "a/b"}))
    assert call(World(other).app, "GET", "/batches").headers["content-type"] == "a/b"


def test_what_was_counted_can_be_taken_back() -> None:
    """A copy knows counts, limits, hits and calls between two attempts; it goes its own way."""
    world = World(
        CallRule(nth=3, times=2, through_retries=True, fail=FAILS),
        CallRule("files.*", rate_limit=RateLimit(1, per="10s")),
    )
    steps = [("/batches", 0), ("/files", 0), ("/batches", 0), ("/batches", 1), ("/files", 0)]

    def statuses() -> list[int]:
        return [world.ask(path, retry=retry) for path, retry in steps]

    for retry in (0, 1):
        world.ask(retry=retry)
    saved = world.service.state.calls.copy()
    first = statuses()
    fired = world.app.faults.fired
    world.service.state.calls = saved.copy()
    assert first == statuses()
    assert fired == world.app.faults.fired

    world.service.state.calls = pickle.loads(pickle.dumps(saved))  # noqa: S301  # our own
    assert first == statuses()
    assert fired == world.app.faults.fired


def test_a_rule_is_known_by_its_place() -> None:
    """An equal scenario goes on counting; from the first rule that differs on counts begin anew."""
    first, second = (CallRule(nth=2, fail=Fail(status)) for status in (500, 503))
    world = World(first, second)
    world.ask()
    world.service.state.scenario = Scenario(on_call=(replace(first), first))
    assert [world.ask(), world.ask()] == [500, 500]
    assert [hit.place for hit in world.app.faults.fired] == [0, 1]

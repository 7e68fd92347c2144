"""Faults as data: what can be said, what cannot, and how they are told again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest

from fakebatch import FakeBatch
from fakebatch.scenario import (
    Answers,
    Breaks,
    CallFault,
    Cuts,
    Relabels,
    Scenario,
    Slows,
    Throttles,
    WhichCalls,
)
from fakebatch.scenario.as_said import as_said
from fakebatch.scenario.calls import OPERATIONS
from fakebatch.scenario.text import dump, read
from fakebatch.wire import operations

SECOND = 1_000_000
EVERY = WhichCalls()
Say = Callable[[FakeBatch], None]

SAID: dict[str, tuple[Say, CallFault, str]] = {
    "a status, on any call": (
        lambda f: f.on_call().fail(503),
        CallFault(EVERY, Answers(503)),
        "on_call('*').fail(503)",
    ),
    "a status, once": (
        lambda f: f.on_call("batches.retrieve", nth=3).fail(503),
        CallFault(WhichCalls("batches.retrieve", nth=3, times=1), Answers(503)),
        "on_call('batches.retrieve', nth=3).fail(503)",
    ),
    "the first": (
        lambda f: f.on_call("batches.*", nth=1).fail(503),
        CallFault(WhichCalls("batches.*", times=1), Answers(503)),
        "on_call('batches.*', times=1).fail(503)",
    ),
    "from the third on": (
        lambda f: f.on_call("files.*", nth=3, times=math.inf).timeout(),
        CallFault(WhichCalls("files.*", nth=3), Breaks("read_timeout")),
        "on_call('files.*', nth=3).timeout()",
    ),
    "an outage": (
        lambda f: f.on_call(between=("1h", "90m")).connect_error("dns"),
        CallFault(WhichCalls(since=3600 * SECOND, until=5400 * SECOND), Breaks("dns")),
        "on_call('*', between=(3600, 5400)).connect_error('dns')",
    ),
    "a key": (
        lambda f: f.on_call(between=("2h", None), key="sk-old").fail(401),
        CallFault(WhichCalls(since=7200 * SECOND, key="sk-old"), Answers(401)),
        "on_call('*', between=(7200, None), key=…).fail(401)",
    ),
    "a chance": (
        lambda f: f.on_call(chance=0.1, through_retries=True).reset(applied=True),
        CallFault(WhichCalls(chance=0.1, through_retries=True), Breaks("reset", applied=True)),
        "on_call('*', chance=0.1, through_retries=True).reset(applied=True)",
    ),
    "a body and headers": (
        lambda f: f.on_call().fail(
            429, body={"a": 1}, headers={"x": "y"}, retry_after=1.5, http_date=True, applied=True
        ),
        CallFault(EVERY, Answers(429, {"a": 1}, {"x": "y"}, 1_500_000, http_date=True, applied=True)),
        "on_call('*').fail(429, body=…, applied=True)",
    ),
    "a page": (
        lambda f: f.on_call().reply("<html>"),
        CallFault(EVERY, Answers(200, "<html>")),
        "on_call('*').reply(…, status=200)",
    ),
    "a server that hangs up": (
        lambda f: f.on_call().disconnect(),
        CallFault(EVERY, Breaks("disconnected")),
        "on_call('*').disconnect()",
    ),
    "a cut": (
        lambda f: f.on_call().truncate(0.3, framing="silent"),
        CallFault(EVERY, Cuts(0.3, "silent")),
        "on_call('*').truncate(0.3, framing='silent')",
    ),
    "a slow answer": (
        lambda f: f.on_call().slow(first_byte=0.5, gap="1m", pieces=3),
        CallFault(EVERY, Slows(500_000, 60 * SECOND, 3)),
        "on_call('*').slow(first_byte=0.5, gap=60)",
    ),
    "other headers": (
        lambda f: f.on_call().headers({"Content-Encoding": "gzip"}),
        CallFault(EVERY, Relabels({"content-encoding": "gzip"})),
        "on_call('*').headers({'content-encoding': 'gzip'})",
    ),
    "a rate limit": (
        lambda f: f.on_call().rate_limit(3, per="1m", retry_after="5s"),
        CallFault(EVERY, Throttles(3, 60 * SECOND, 5 * SECOND)),
        "on_call('*').rate_limit(3, per=60)",
    ),
}


def made(say: Say) -> tuple[CallFault, ...]:
    """The faults of a FakeBatch after something was said."""
    fake = FakeBatch()
    say(fake)
    return fake._service.state.scenario.calls


@pytest.mark.parametrize(("say", "fault", "_"), SAID.values(), ids=SAID)
def test_what_is_said_becomes_data(say: Say, fault: CallFault, _: str) -> None:
    """One fault a sentence; times in microseconds, header names in lower case."""
    assert made(say) == (fault,)


@pytest.mark.parametrize(("_", "fault", "told"), SAID.values(), ids=SAID)
def test_a_fault_is_told_as_it_was_said(_: Say, fault: CallFault, told: str) -> None:
    """Without bodies, which are long, and without keys."""
    assert told == as_said(fault)


@pytest.mark.parametrize("fault", [row[1] for row in SAID.values()], ids=SAID)
def test_a_fault_survives_a_round_trip(fault: CallFault) -> None:
    """Through JSON it comes back equal, and as the same kind of outcome."""
    scenario = Scenario(calls=(fault,))
    assert read(json.loads(json.dumps(dump(scenario)))) == scenario


def test_a_key_is_not_shown() -> None:
    """Neither by a fault nor by a selection."""
    assert "sk-old" not in repr(made(SAID["a key"][0]))


def test_operations_are_those_that_are_emulated() -> None:
    """The names a fault may use are the names of the route table."""
    assert tuple(operation.name for operation in operations.OPERATIONS) == OPERATIONS

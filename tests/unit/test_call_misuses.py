"""What cannot be said of calls, and what is told then."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from fakebatch import FakeBatch, Misuse, Scenario
from fakebatch.scenario import Breaks
from fakebatch.scenario.calls import OPERATIONS, Breakage
from fakebatch.testing.on_call import OnCall

Say = Callable[[FakeBatch], object]


def on(**kwargs: Any) -> Say:
    return lambda f: f.on_call("batches.list", **kwargs).reset()


def so(act: Callable[[OnCall], None]) -> Say:
    return lambda f: act(f.on_call("batches.list"))


def take(_: object) -> None:
    """What is made directly, as a file would make it."""


NO_CALL = [
    "nth and times count from 1; between is two times, the later last; chance is 0 to 1.",
    "Write for example on_call('batches.retrieve', nth=3, times=2).",
]
NO_LIMIT = [
    "It lets at least one request through in a time longer than none.",
    "Write for example .limit(3, per='1m').",
]
LIMIT_OF_SOME = [
    "fakebatch: A limit cannot be told nth, times, chance or through_retries.",
    "It counts every request of an operation, and lets through as many as it says.",
    "Write for example on_call('batches.*').limit(3, per='1m').",
]
NO_CUT = [
    "The fraction is how much of the body arrives: from 0 to less than 1.",
    "Write for example .truncate(0.3).",
]
NO_FAILURE = [
    "A call fails with an HTTP status of 400 to 599.",
    "Write for example .fail(503); for another status, .reply('<html>…', status=200).",
]
NO_BODY = [
    "A body is a dict of JSON, or a text; without one, the provider's usual words.",
    "Write for example body={'error': {'message': 'No.'}} or body='<html>…'.",
]

MISUSES: dict[str, tuple[Say, list[str]]] = {
    "an unknown operation": (
        lambda f: f.on_call("batchs.list").reset(),
        [
            "fakebatch: There is no operation 'batchs.list'.",
            f"Known are {', '.join(OPERATIONS)}, and patterns such as 'batches.*'.",
            "Write for example fakebatch.on_call('batches.retrieve', nth=3).",
        ],
    ),
    "the zeroth": (on(nth=0), ["fakebatch: on_call(nth=0, times=1) selects no call.", *NO_CALL]),
    "no time": (on(times=0), ["fakebatch: on_call(nth=1, times=0) selects no call.", *NO_CALL]),
    "half a time": (
        on(times=1.5),
        ["fakebatch: on_call(nth=1, times=1.5) selects no call.", *NO_CALL],
    ),
    "no chance": (on(chance=0), ["fakebatch: on_call(chance=0) selects no call.", *NO_CALL]),
    "more than certain": (
        on(chance=1.1),
        ["fakebatch: on_call(chance=1.1) selects no call.", *NO_CALL],
    ),
    "a chance of text": (
        on(chance="0.1"),
        ["fakebatch: on_call(chance='0.1') selects no call.", *NO_CALL],
    ),
    "an end before the beginning": (
        on(between=("2h", "1h")),
        ["fakebatch: on_call(between=(7200.0, 3600.0)) selects no call.", *NO_CALL],
    ),
    "one time": (
        on(between="1h30m"),
        [
            "fakebatch: between='1h30m' is no pair of times.",
            "It takes two times since the start, and None for no end: ('1h', '2h'), ('2h', None).",
            "Write for example fakebatch.on_call('batches.*', between=('1h', '2h')).",
        ],
    ),
    "a success": (so(lambda c: c.fail(200)), ["fakebatch: fail(200) is no failure.", *NO_FAILURE]),
    "a status of text": (
        so(lambda c: c.fail("503")),  # type: ignore[arg-type]
        ["fakebatch: fail('503') is no failure.", *NO_FAILURE],
    ),
    "an answer that is none": (
        so(lambda c: c.reply("x", status=100)),
        [
            "fakebatch: 100 is not a status an answer can have.",
            "An answer has a status of 200 to 599.",
            "Write for example .fail(503), or .reply('<html>…') for a page with status 200.",
        ],
    ),
    "a body that is no JSON": (
        so(lambda c: c.fail(500, body={"a": math.nan})),
        [
            "fakebatch: body={'a': nan} is no JSON.",
            *NO_BODY,
        ],
    ),
    "headers that are no texts": (
        so(lambda c: c.relabel({"x": 1})),  # type: ignore[dict-item]
        [
            "fakebatch: headers={'x': 1} cannot be sent.",
            "Headers are texts by name.",
            "Write for example headers={'x-should-retry': 'false'}.",
        ],
    ),
    "an unknown reason not to connect": (
        so(lambda c: c.connect_error("reset")),  # type: ignore[arg-type]
        [
            "fakebatch: connect_error('reset') is unknown.",
            "Known are 'refused', 'dns', 'tls', 'connect_timeout'.",
            "For a connection that was there and broke: .reset() or .disconnect().",
        ],
    ),
    "applied by a service that was never reached": (
        lambda _: take(Breaks("dns", applied=True)),
        [
            "fakebatch: 'dns' cannot be applied.",
            "The request was never sent: the service knows nothing of it.",
            "For a request that was served and its answer lost: .reset(applied=True).",
        ],
    ),
    "a cut of nothing": (
        so(lambda c: c.truncate(1)),
        ["fakebatch: truncate(1) cuts nothing.", *NO_CUT],
    ),
    "a cut by text": (
        so(lambda c: c.truncate("half")),  # type: ignore[arg-type]
        ["fakebatch: truncate('half') cuts nothing.", *NO_CUT],
    ),
    "an unknown framing": (
        so(lambda c: c.truncate(0.5, framing="close")),  # type: ignore[arg-type]
        [
            "fakebatch: 'close' is no framing.",
            "Known are 'content_length', 'chunked', 'silent'.",
            "Use one of these.",
        ],
    ),
    "an unknown way to break": (
        lambda _: take(Breaks("hang")),  # type: ignore[arg-type]
        [
            "fakebatch: 'hang' is no way to break.",
            f"Known are {', '.join(map(repr, get_args(Breakage)))}.",
            "Use one of these.",
        ],
    ),
    "slow, but not slow": (
        so(lambda c: c.slow(gap="1m", pieces=1)),
        [
            "fakebatch: slow() needs a first_byte, or a gap between two pieces or more.",
            "It was told first_byte=0, gap=60 and pieces=1.",
            "Write for example .slow(first_byte='30s') or .slow(gap='2m', pieces=5).",
        ],
    ),
    "a limit that lets nothing through": (
        so(lambda c: c.limit(0, per="1m")),
        ["fakebatch: limit(0, per=60) is no limit.", *NO_LIMIT],
    ),
    "a limit within no time": (
        so(lambda c: c.limit(1, per=0)),
        ["fakebatch: limit(1, per=0) is no limit.", *NO_LIMIT],
    ),
    "a limit for the third": (
        lambda f: f.on_call("batches.list", nth=3).limit(1, per="1m"),
        LIMIT_OF_SOME,
    ),
    "a limit by chance": (lambda f: f.on_call(chance=0.5).limit(1, per="1m"), LIMIT_OF_SOME),
}


@pytest.mark.parametrize(("say", "expected"), MISUSES.values(), ids=MISUSES)
def test_what_means_nothing_is_told_when_it_is_said(say: Say, expected: list[str]) -> None:
    """In three lines, at the line of the test that says it."""
    with pytest.raises(Misuse) as caught:
        say(FakeBatch())
    assert str(caught.value).split("\n") == expected


def test_a_file_is_told_too() -> None:
    """What cannot be said cannot be read from a file either."""
    with pytest.raises(Misuse, match=r"There is no operation 'batch\.list'"):
        TypeAdapter(Scenario).validate_python(
            {"calls": [{"which": {"operation": "batch.list"}, "outcome": {"how": "reset"}}]}
        )

"""Rules of batches that cannot both be true of one batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from fakebatch import FakeBatch, UsageError

Attempt = Callable[[FakeBatch], object]


CONTRADICTIONS: dict[str, tuple[Attempt, Attempt, str, str]] = {
    "fails and stalls": (
        lambda f: f.on_batch().fail(),
        lambda f: f.on_batch().stall("in_progress"),
        "fail() and stall('in_progress')",
        "It fails when it is validated; schedule(validating='2h') makes it late.",
    ),
    "expires and stalls": (
        lambda f: f.on_batch().expire(0.1),
        lambda f: f.on_batch().stall("in_progress"),
        "expire(0.1) and stall('in_progress')",
        "Both say how many lines are done when the window ends.",
    ),
    "fails and expires": (
        lambda f: f.on_batch().fail(),
        lambda f: f.on_batch().expire(),
        "fail() and expire()",
        "A batch that fails validation never runs, so it cannot expire.",
    ),
    "fails and goes on": (
        lambda f: f.on_batch().fail(errors="null"),
        lambda f: f.on_batch().ignore_window(),
        "fail(errors='null') and ignore_window()",
        "A batch that fails validation never runs to the end of its window.",
    ),
    "expires and goes on": (
        lambda f: f.on_batch().expire(0.1),
        lambda f: f.on_batch().ignore_window(),
        "expire(0.1) and ignore_window()",
        "A batch either expires with its window or goes on after it.",
    ),
    "expires, and takes no time": (
        lambda f: f.on_batch().expire(0.1),
        lambda f: f.on_batch().schedule(in_progress=0),
        "expire(0.1) and schedule(in_progress=0)",
        "A batch that expires is in progress until its window ends.",
    ),
    "a curve, and an expiry": (
        lambda f: f.on_batch().schedule(curve=[(0.5, 0.5)]),
        lambda f: f.on_batch().expire(0.1),
        "schedule(curve=((0.5, 0.5),)) and expire(0.1)",
        "Both describe the progress.",
    ),
    "goes on, and stalls until it expires": (
        lambda f: f.on_batch().ignore_window(),
        lambda f: f.on_batch().stall("in_progress", until="expiry"),
        "ignore_window() and stall(…, until='expiry')",
        "It would never end; for that write stall('in_progress').",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_what_cannot_be_true_of_one_batch(case: tuple[Attempt, Attempt, str, str]) -> None:
    """The second of two rules raises; so do two scenarios that are put together."""
    first, second, both, reason = case
    fake, other = FakeBatch(), FakeBatch()
    first(fake)
    second(other)
    expected = [
        f"fakebatch: A batch cannot have both {both}.",
        reason,
        "Use one of them, or select different batches: on_batch(nth=2).",
    ]
    attempts: tuple[Callable[[], object], ...] = (
        lambda: second(fake),
        lambda: fake.scenario | other.scenario,
    )
    for attempt in attempts:
        with pytest.raises(UsageError) as caught:
            attempt()
        assert str(caught.value).split("\n") == expected


OVERLAPS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "all, and the third": ({}, {"nth": 3}, True),
    "the second and third, and the third": ({"nth": 2, "times": 2}, {"nth": 3}, True),
    "the first two, and the third": ({"times": 2}, {"nth": 3}, False),
    "the second, and the third": ({"nth": 2}, {"nth": 3}, False),
    "from the second on, and the ninth": ({"nth": 2, "times": math.inf}, {"nth": 9}, True),
    "all of one endpoint": ({}, {"endpoint": "/v1/embeddings"}, True),
    "all with some metadata": ({}, {"metadata": {"job": "a"}}, True),
    "some metadata, and more": ({"metadata": {"a": "1"}}, {"metadata": {"a": "1", "b": "2"}}, True),
    "metadata, and a model": ({"metadata": {"a": "1"}}, {"model": "m"}, False),
    "the second, and the second of an endpoint": (
        {"nth": 2},
        {"nth": 2, "endpoint": "/v1/embeddings"},
        False,
    ),
    "two endpoints": ({"endpoint": "/v1/responses"}, {"endpoint": "/v1/embeddings"}, False),
}


@pytest.mark.parametrize(("first", "second", "overlap"), OVERLAPS.values(), ids=OVERLAPS)
def test_batches_of_one_rule_alone_contradict_nothing(
    first: dict[str, Any], second: dict[str, Any], *, overlap: bool
) -> None:
    """Only where two selections overlap do their verbs have to go together."""
    fake = FakeBatch()
    fake.on_batch(**first).fail()
    if overlap:
        with pytest.raises(UsageError, match="cannot have both"):
            fake.on_batch(**second).expire()
    else:
        fake.on_batch(**second).expire()

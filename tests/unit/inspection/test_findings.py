"""Findings as data: which check, about which objects, since when."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fakebatch import FakeBatch
from fakebatch.durations import SECOND
from fakebatch.inspection import checks
from fakebatch.inspection.checks import Finding
from support.client import Driver, chat

pytestmark = pytest.mark.sync
HOUR = 3_600


def undownloaded(fake: FakeBatch) -> Iterator[Finding]:
    return checks.all_downloaded(fake.services, fake._recorder)


def doubles(fake: FakeBatch) -> Iterator[Finding]:
    return checks.single_batch(fake.services, fake._recorder, fake.now())


def leftovers(fake: FakeBatch) -> Iterator[Finding]:
    return checks.no_leftover_files(fake.services, fake.now())


def hasty_polls(fake: FakeBatch) -> Iterator[Finding]:
    return checks.min_poll_interval(fake.services, fake._recorder, fake.now(), 60 * SECOND)


def unused_rules(fake: FakeBatch) -> Iterator[Finding]:
    return checks.used_rules(fake.services, fake.faults, fake._selections, fake._began)


@pytest.fixture
def story(do: Driver, fakebatch: FakeBatch) -> list[str]:
    """Two batches for one input, the second ten seconds later: polled, and never downloaded."""
    first = do.create([chat("a")])
    do.sleep(10)
    values = {"endpoint": first.endpoint, "completion_window": "24h"}
    second = do(do.client.batches.create, input_file_id=first.input_file_id, **values)
    for wait in (100, 30, 3):
        do.sleep(wait)
        do(do.client.batches.retrieve, second.id)
    do.sleep(2 * HOUR)
    batches = fakebatch.batches.values()
    return [
        *(first.input_file_id, first.id, second.id),
        *(batch.output_file_id for batch in batches),
    ]


Look = Callable[[FakeBatch], Iterator[Finding]]
FINDINGS: dict[str, tuple[Look, tuple[str, list[int], int]]] = {
    # what finds it; the check, which objects of the story, how many seconds after the start
    "result files that were never downloaded": (undownloaded, ("all_downloaded", [3, 4], HOUR)),
    "two batches for one input": (doubles, ("single_batch", [1, 2], 10)),
    "files that are left": (leftovers, ("no_leftover_files", [0, 3, 4], 0)),
    "polls within three seconds": (hasty_polls, ("min_poll_interval", [2], 143)),
}


@pytest.mark.parametrize(("look", "expected"), FINDINGS.values(), ids=FINDINGS)
def test_a_check_finds_data(
    look: Look, expected: tuple[str, list[int], int], fakebatch: FakeBatch, story: list[str]
) -> None:
    """Its name, the objects concerned, since when, and three lines for whoever shows it."""
    [finding] = look(fakebatch)
    since = (finding.since - fakebatch._began) // SECOND
    assert (finding.check, [*map(story.index, finding.objects)], since) == expected
    assert all(line.endswith(".") and "\n" not in line for line in finding.message)


def test_rules_that_were_never_used_are_found_too(fakebatch: FakeBatch) -> None:
    """Since the start, in the words of the test."""
    fakebatch.on_batch(nth=2).expire()
    fakebatch.on_file()
    [finding] = unused_rules(fakebatch)
    fakebatch.unused_rules = "ignore"

    assert finding.check == "used_rules"
    assert finding.objects == ("on_batch(nth=2).expire()", "on_file(), which has no verb")
    assert finding.since == fakebatch._began


@pytest.mark.parametrize("look", [undownloaded, doubles, leftovers, hasty_polls, unused_rules])
def test_where_nothing_happened_nothing_is_found(look: Look, fakebatch: FakeBatch) -> None:
    """By none of them."""
    assert [*look(fakebatch)] == []

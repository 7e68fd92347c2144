"""Timelines of batches: the beginnings of statuses between the calls, and what is shown below."""

from __future__ import annotations

import time

import pytest

from fakebatch import FakeBatch
from fakebatch.batch.batch import Batch
from fakebatch.durations import SECOND
from fakebatch.inspection.journal import Called, moment_text
from fakebatch.report.events import History
from fakebatch.report.text import timeline
from support.batches import T0, batch, failing, jsonl, request
from support.client import Driver, chat
from support.timelines import ZERO

pytestmark = pytest.mark.sync
CREATED = "+00:00:00  batches.create   200  batch_6955b900a0c48190a7711bcd6d8a12bb"
UPLOADED = "+00:00:00  files.create     200  file-2PbNWcDDgw3QXQKkvgK3Wk"


def lines_of(fake: FakeBatch) -> list[str]:
    return fake.timeline().split("\n")


def test_calls_and_sleeps_stand_against_statuses(do: Driver, fakebatch: FakeBatch) -> None:
    """Polls in one line up to a status that begins; what was downloaded, and what was not."""
    fakebatch.on(custom_id="b").fail(429)
    ended = do.poll(do.create([chat(name) for name in "abc"]))[-1]
    do(do.client.files.content, ended.output_file_id)

    assert lines_of(fakebatch) == [
        ZERO,
        UPLOADED,
        CREATED,
        "+00:00:00  slept 1m  60 times, until +01:00:00",
        "+00:01:00  batches.retrieve 200  batch_…8a12bb",
        "+00:01:05    batch_…8a12bb: in_progress",
        "+00:02:00  batches.retrieve 200  batch_…8a12bb  57 times, every 1m, until +00:58:00",
        "+00:58:55    batch_…8a12bb: finalizing",
        "+00:59:00  batches.retrieve 200  batch_…8a12bb",
        "+01:00:00    batch_…8a12bb: completed",
        "+01:00:00  batches.retrieve 200  batch_…8a12bb",
        "+01:00:00  files.content    200  file-7tQkLy…",
        "+01:00:00  now",
        "  batch_…8a12bb completed: 2 of 3 lines succeeded, 1 failed",
        "    output file-7tQkLy… downloaded",
        "    errors file-4EHET7… never downloaded",
        "  injected: on(custom_id='b').fail(429)",
    ]


def test_many_pollers_are_shown_together(fakebatch: FakeBatch) -> None:
    """What differs in the object alone is one line."""
    recorder = fakebatch._recorder
    ids = [
        fakebatch.batches.add([chat(f"r{n}")], status="validating", created="-0s").id
        for n in range(20)
    ]
    for _ in range(40):
        now = fakebatch.now()
        for id_ in ids:
            recorder.call(now, Called("batches.retrieve", id_, 200), changes=False)
        time.sleep(100)

    assert lines_of(fakebatch) == [
        ZERO,
        "+00:00:00    20 batches: validating",
        "+00:00:00  batches.retrieve 200  20 batches",
        "+00:00:00  slept 1m40s  40 times, until +01:06:40",
        "+00:00:32.500001    20 batches: in_progress",
        "+00:01:40  batches.retrieve 200  20 batches  700 times, until +00:58:20",
        "+00:58:22.500001    20 batches: finalizing",
        "+00:59:27.500001    20 batches: completed",
        "+01:00:00  batches.retrieve 200  20 batches  80 times, until +01:05:00",
        "+01:06:40  now",
        "  batch_…8a12bb completed: 1 of 1 lines succeeded, 0 failed",
        "    output file-7tQkLy… never downloaded",
        "  batch_…821dd8 completed: 1 of 1 lines succeeded, 0 failed",
        "    output file-1mJCXM… never downloaded",
        "  … 20 batches in all",
    ]


def test_what_was_there_before_has_its_age(fakebatch: FakeBatch) -> None:
    """Moments before the test are negative."""
    fakebatch.batches.add([chat("a")], status="cancelling", created="-5h")
    fakebatch.clock.advance("1h")

    assert lines_of(fakebatch) == [
        ZERO,
        "-05:00:00    batch_…8a12bb: validating",
        "-04:58:55    batch_…8a12bb: in_progress",
        "-00:05:03    batch_…8a12bb: cancelling",
        "+00:05:03    batch_…8a12bb: cancelled",
        "+01:00:00  now",
        "  batch_…8a12bb cancelled: 0 of 1 lines succeeded, 0 failed",
        "    errors file-4EHET7… never downloaded",
    ]


def test_the_call_that_cancels_shows_the_status_that_it_begins(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """As the call that creates does."""
    id_ = do.create([chat("a")]).id
    do.sleep(5)
    do(do.client.batches.cancel, id_)

    assert lines_of(fakebatch)[1:] == [
        UPLOADED,
        CREATED,
        "+00:00:00  slept 5s",
        "+00:00:05  batches.cancel   200  batch_…8a12bb",
        "+00:00:05  now",
        "  batch_…8a12bb cancelling",
    ]


CREATE = "on_call('batches.create', nth=1).fail(500, retry_after='1s', applied=True)"
POLL = (
    "on_call('batches.retrieve', nth=3, through_retries=True).fail(502, body=…, retry_after='1s')"
)
DOWNLOAD = "on_call('files.content', nth=1).fail(503, retry_after='1s')"


def test_faults_stand_beside_their_calls_and_below(fakebatch: FakeBatch) -> None:
    """What was injected, what only cost a retry, and what was never used."""
    import openai  # noqa: PLC0415  # half a second

    fakebatch.on_call("batches.create", nth=1).fail(500, retry_after="1s", applied=True)
    fakebatch.on_call("batches.retrieve", nth=3, through_retries=True).fail(
        502, body="<html>", retry_after="1s"
    )
    fakebatch.on_call("batches.retrieve", nth=9).fail(429, retry_after="20s")
    fakebatch.on_call("files.content", nth=1).fail(503, retry_after="1s")
    fakebatch.on_call("batches.cancel").timeout()
    fakebatch.on(custom_id="c").fail(429)
    do = Driver(openai.OpenAI())
    created = do.create([chat("a"), chat("b")])
    while created.status != "completed":
        do.sleep(600)
        try:
            created = do(do.client.batches.retrieve, created.id)
        except openai.InternalServerError:
            continue
    do(do.client.files.content, created.output_file_id)
    lines = lines_of(fakebatch)
    fakebatch.unused_rules = "ignore"

    assert lines == [
        ZERO,
        UPLOADED,
        (
            "+00:00:00  batches.create   500  batch_6955b900a0c48190a7711bcd6d8a12bb"
            f"  injected: {CREATE}"
        ),
        "+00:00:00  slept 1s",
        "+00:00:01  batches.create   200  batch_6955b90102a88190a16a539f0c78de0b",
        "+00:00:01  slept 10m  3 times, until +00:30:01",
        "+00:01:05    batch_…8a12bb: in_progress",
        "+00:01:06    batch_…78de0b: in_progress",
        "+00:10:01  batches.retrieve 200  batch_…78de0b  2 times, every 10m, until +00:20:01",
        (
            f"+00:30:01  batches.retrieve 502  batch_…78de0b  "
            f"injected: {POLL}"
            "  3 times, every 1s, until +00:30:03"
        ),
        "+00:30:01  slept 1s to 10m  5 times, until +01:00:03",
        "+00:40:03  batches.retrieve 200  batch_…78de0b  2 times, every 10m, until +00:50:03",
        "+00:58:55    batch_…8a12bb: finalizing",
        "+00:58:56    batch_…78de0b: finalizing",
        "+01:00:00    batch_…8a12bb: completed",
        "+01:00:01    batch_…78de0b: completed",
        "+01:00:03  batches.retrieve 200  batch_…78de0b",
        f"+01:00:03  files.content    503  file-Bfogf3…  injected: {DOWNLOAD}",
        "+01:00:03  slept 1s",
        "+01:00:04  files.content    200  file-Bfogf3…",
        "+01:00:04  now",
        "  batch_…8a12bb completed: 2 of 2 lines succeeded, 0 failed",
        "    output file-7tQkLy… never downloaded",
        "  batch_…78de0b completed: 2 of 2 lines succeeded, 0 failed",
        "    output file-Bfogf3… downloaded",
        f"  injected: {CREATE}",
        f"  injected: {POLL}",
        f"  injected: {DOWNLOAD}",
        f"  absorbed by a retry: {CREATE}",
        f"  absorbed by a retry: {DOWNLOAD}",
        "  never used: on(custom_id='c').fail(429)",
        "  never used: on_call('batches.retrieve', nth=9).fail(429, retry_after='20s')",
        "  never used: on_call('batches.cancel').timeout()",
    ]


FEET: dict[str, tuple[Batch, float, list[str]]] = {
    # a batch, seconds since its creation, what is shown of it
    "it validates": (batch(), 5, ["  batch_1 validating"]),
    "it runs": (batch(), 60, ["  batch_1 in_progress: 5 of 10 lines succeeded, 0 failed"]),
    "it has completed": (
        batch(scenario=failing("r-3")),
        200,
        [
            "  batch_1 completed: 9 of 10 lines succeeded, 1 failed",
            "    output file-output never downloaded",
            "    errors file-error downloaded",
        ],
    ),
    "its lines are bad": (
        batch(jsonl(request("a"), request("a"), b"{")),
        200,
        ["  batch_1 failed: duplicate_custom_id, invalid_json_line"],
    ),
}


@pytest.mark.parametrize(("of", "seconds", "lines"), FEET.values(), ids=FEET)
def test_what_became_of_a_batch_stands_below(of: Batch, seconds: float, lines: list[str]) -> None:
    """Its status, how many lines succeeded or why it failed, and its result files."""
    now = T0 + round(seconds * SECOND)
    text = timeline(History(T0, now, batches=(of,), downloaded={"file-error"}))
    assert text.split("\n")[3:] == lines


def test_of_many_rules_the_first_four_are_shown() -> None:
    """Of each kind; and of many batches the first two."""
    rules = tuple(f"rule {n}" for n in range(6))
    history = History(T0, T0, (), (batch(),) * 3, (), ("a",), ("b",), rules)
    assert timeline(history).split("\n") == [
        f"+00:00:00  is {moment_text(T0)}",
        "           no calls",
        "+00:00:00  now",
        "  batch_1 validating",
        "  batch_1 validating",
        "  … 3 batches in all",
        "  injected: a",
        "  absorbed by a retry: b",
        *(f"  never used: rule {n}" for n in range(4)),
        "  never used: … 2 more",
    ]

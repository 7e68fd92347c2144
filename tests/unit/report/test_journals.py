"""Timelines of journals without batches: one row a case, journal and text."""

from __future__ import annotations

import pytest

from fakebatch.inspection.journal import KEPT
from support.timelines import Entry, call, drawn, sleep

GET, CREATE = "batches.retrieve", "batches.create"
HOUR = 3_600


def polls(*moments: float, id_: str = "batch_123456789", status: int | None = 200) -> list[Entry]:
    return [call(at, GET, id_, status) for at in moments]


def polls_and_sleeps(first: float, *lengths: float) -> list[Entry]:
    """A poll, a sleep, a poll, a sleep, and so on."""
    entries, at = list[Entry](), first
    for length in lengths:
        entries += [*polls(at), sleep(at, length)]
        at += length
    return entries


ROWS: dict[str, tuple[list[Entry], list[str]]] = {
    "nothing": ([], ["           no calls"]),
    "a call": ([call(5, "files.list")], ["+00:00:05  files.list       200"]),
    "a call that is about an object": (
        [call(5, "files.retrieve", "file-123456789")],
        ["+00:00:05  files.retrieve   200  file-123456…"],
    ),
    "a call that creates one": (
        [call(0, CREATE, "batch_123456789")],
        ["+00:00:00  batches.create   200  batch_123456789"],
    ),
    "an object of another kind": (
        [call(0, "models.retrieve", "gpt-5-nano-2025-08-07")],
        ["+00:00:00  models.retrieve  200  gpt-5-nano-2025-08-07"],
    ),
    "a call without a response": (
        [call(0, "files.list", status=None, injected="on_call().timeout()")],
        ["+00:00:00  files.list       no response    injected: on_call().timeout()"],
    ),
    "a route that does not exist": (
        [call(0, "GET /nothing", status=404)],
        ["+00:00:00  GET /nothing     404"],
    ),
    "what came before the start": (polls(-90), ["-00:01:30  batches.retrieve 200  batch_…456789"]),
    "days and fractions of a second": (
        polls(50 * HOUR + 0.25),
        ["+50:00:00.25  batches.retrieve 200  batch_…456789"],
    ),
    "a sleep": ([sleep(1, 90)], ["+00:00:01  slept 1m30s"]),
    "sleeps of one length": (
        [sleep(0, 60), sleep(60, 60), sleep(120, 60)],
        ["+00:00:00  slept 1m  3 times, until +00:03:00"],
    ),
    "sleeps of several lengths": (
        [sleep(0, 60), sleep(60, 0.5), sleep(60.5, 2)],
        ["+00:00:00  slept 0.5s to 1m  3 times, until +00:01:02.5"],
    ),
    "a long sleep and then a short one": (
        [sleep(0, HOUR), sleep(HOUR, 1)],
        ["+00:00:00  slept 1s to 1h  2 times, until +01:00:01"],
    ),
    "lengths that floats have made uneven": (
        [sleep(0, 59.999999), sleep(60, 60.000001)],
        ["+00:00:00  slept 1m  2 times, until +00:02:00.000001"],
    ),
    "even polls": (
        polls(0, 60, 120),
        ["+00:00:00  batches.retrieve 200  batch_…456789  3 times, every 1m, until +00:02:00"],
    ),
    "uneven polls": (
        polls(0, 1, 3, 35),
        [
            (
                "+00:00:00  batches.retrieve 200  batch_…456789"
                "  4 times, every 1s to 32s, until +00:00:35"
            )
        ],
    ),
    "polls and the sleeps between them": (
        polls_and_sleeps(0, 1, 2, 4),
        [
            (
                "+00:00:00  batches.retrieve 200  batch_…456789"
                "  3 times, every 1s to 2s, until +00:00:03"
            ),
            "+00:00:00  slept 1s to 4s  3 times, until +00:00:07",
        ],
    ),
    "polls in which no time passes": (
        polls(7, 7, 7),
        ["+00:00:07  batches.retrieve 200  batch_…456789  3 times"],
    ),
    "polls that are answered differently": (
        [*polls(0, 1), *polls(2, 3, status=503), *polls(4)],
        [
            "+00:00:00  batches.retrieve 200  batch_…456789  2 times, every 1s, until +00:00:01",
            "+00:00:02  batches.retrieve 503  batch_…456789  2 times, every 1s, until +00:00:03",
            "+00:00:04  batches.retrieve 200  batch_…456789",
        ],
    ),
    "polls with another call between them": (
        [*polls(0, 1), call(1.5, "files.list"), *polls(2.5)],
        [
            "+00:00:00  batches.retrieve 200  batch_…456789  2 times, every 1s, until +00:00:01",
            "+00:00:01.5  files.list       200",
            "+00:00:02.5  batches.retrieve 200  batch_…456789",
        ],
    ),
    "two that are polled by turns": (
        [entry for at in range(3) for n in "ab" for entry in polls(at, id_=f"batch_000000000{n}")],
        [
            "+00:00:00  batches.retrieve 200  batch_…00000a  3 times, every 1s, until +00:00:02",
            "+00:00:00  batches.retrieve 200  batch_…00000b  3 times, every 1s, until +00:00:02",
        ],
    ),
}


@pytest.mark.parametrize(("entries", "lines"), ROWS.values(), ids=ROWS)
def test_a_journal_is_drawn(entries: list[Entry], lines: list[str]) -> None:
    """A line for each call, or for all of one kind that nothing but sleeps comes between."""
    assert drawn(entries) == lines


MANY: dict[str, tuple[list[Entry], list[str]]] = {
    "of one moment": (
        [
            entry
            for n in range(30)
            for entry in (call(0, "files.create", f"file-{n}"), call(0, CREATE, f"batch_{n}"))
        ],
        [
            "+00:00:00  files.create     200  30 files",
            "+00:00:00  batches.create   200  30 batches",
        ],
    ),
    "of several moments": (
        [call(n * n, "files.delete", f"file-{n}") for n in range(50)],
        ["+00:00:00  files.delete     200  50 files, until +00:40:01"],
    ),
    "with sleeps between them": (
        [
            entry
            for n in range(50)
            for entry in (call(n * n, "models.retrieve", f"m-{n}"), sleep(n * n, 2 * n + 1))
        ],
        [
            "+00:00:00  models.retrieve  200  50 objects, until +00:40:01",
            "+00:00:00  slept 1s to 1m39s  50 times, until +00:41:40",
        ],
    ),
    "each several times": (
        [entry for at in range(40) for n in range(50) for entry in polls(at, id_=f"batch_{n:09}")],
        ["+00:00:00  batches.retrieve 200  50 batches  2000 times, until +00:00:39"],
    ),
}


@pytest.mark.parametrize(("entries", "lines"), MANY.values(), ids=MANY)
def test_of_many_lines_those_that_differ_in_the_object_alone_are_one(
    entries: list[Entry], lines: list[str]
) -> None:
    """Where forty lines would not do."""
    assert drawn(entries) == lines


def test_a_story_that_is_still_too_long_loses_its_middle() -> None:
    """At most 40 lines: the beginning, and twice as much of the end."""
    operations = ("files.delete", "models.retrieve")
    lines = drawn(call(n, operations[n % 2], f"id-{n}") for n in range(60))

    assert len(lines) == 38
    assert lines[0] == "+00:00:00  files.delete     200  id-0"
    assert lines[12] == "        …  23 lines left out"
    assert lines[-1] == "+00:00:59  models.retrieve  200  id-59"


def test_calls_that_the_journal_has_dropped_are_counted() -> None:
    """Of thousands of uneven polls the first are gone: the report does not pass them over."""
    uneven = polls(*(n * n for n in range(1, 2 * KEPT + 9)))  # the journal joins two each
    lines = drawn([call(0, CREATE, "batch_1"), *uneven])

    assert len(lines) == 2
    assert lines[0] == "        …  9 earlier calls left out"
    assert lines[1].startswith(f"+00:01:21  batches.retrieve 200  batch_…456789  {2 * KEPT} times")

"""What a test looks at costs as much as there is to see: counted in calls, not in time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest

from fakebatch import FakeBatch
from support.client import chat, jsonl

FEW, MANY = 40, 160


def work(do: Callable[[], object]) -> int:
    """How many functions are called."""
    count = 0

    def counted(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        do()
    finally:
        sys.setprofile(None)
    return count


def many_batches(fake: FakeBatch, number: int) -> FakeBatch:
    """So many batches, of a file each, which were polled unevenly and downloaded."""
    client = fake.openai()
    for index in range(number):
        content = jsonl([chat("a", f"{index}"), chat("b")])
        file = client.files.create(file=content, purpose="batch")
        client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
    fake.clock.advance("25h")
    for index, batch in enumerate(client.batches.list(limit=100)):
        fake.clock.advance(index + 1)
        client.batches.retrieve(batch.id)
        client.files.content(batch.output_file_id or "").read()
    return fake


def many_of_one_file(fake: FakeBatch, number: int) -> FakeBatch:
    """So many batches of the same file."""
    client = fake.openai()
    file = client.files.create(file=jsonl([chat("a")]), purpose="batch")
    for _ in range(number):
        client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
    fake.clock.advance("25h")
    return fake


def one_batch(fake: FakeBatch, number: int) -> Any:
    """The lines of a batch of so many, which has ended."""
    batch = fake.batches.add([chat(f"r-{index}") for index in range(number)])
    assert batch.status == "completed"
    return fake.batches


def find_two(fake: FakeBatch) -> None:
    with pytest.raises(AssertionError, match="for the same input"):
        fake.assert_single_batch()


Look = Callable[[Any], object]

WHOLE: dict[str, tuple[Callable[[FakeBatch, int], Any], Look]] = {
    "the journal, in a loop": (many_batches, lambda fake: [*fake.journal]),
    "the journal, by index": (
        many_batches,
        lambda fake: [fake.journal[index] for index in range(len(fake.journal))],
    ),
    "the calls of an operation": (many_batches, lambda fake: fake.journal.calls("files.create")),
    "a count of calls": (many_batches, lambda fake: fake.journal.count("files.create")),
    "the sleeps": (many_batches, lambda fake: fake.journal.sleeps),
    "all batches": (many_batches, lambda fake: [*fake.batches.items()]),
    "the status of each batch": (
        many_batches,
        lambda fake: [batch.status for batch in fake.batches.values()],
    ),
    "the last batch, as often as there are": (
        many_batches,
        lambda fake: [fake.batches.last() for _ in fake.batches],
    ),
    "all files": (many_batches, lambda fake: [*fake.files.values()]),
    "the bytes of each file": (
        many_batches,
        lambda fake: [file.bytes for file in fake.files.values()],
    ),
    "which batch wrote each file": (
        many_batches,
        lambda fake: [file.written_by for file in fake.files.values()],
    ),
    "the downloads of each file": (
        many_batches,
        lambda fake: [file.downloads for file in fake.files.values()],
    ),
    "the timeline": (many_batches, FakeBatch.timeline),
    "the check of downloads": (many_batches, FakeBatch.assert_all_downloaded),
    "the check of single batches": (many_batches, FakeBatch.assert_single_batch),
    "the check of batches of one file": (many_of_one_file, find_two),
    "the check of polls": (many_batches, lambda fake: fake.assert_min_poll_interval("1s")),
    "the webhooks": (many_batches, lambda fake: fake.webhooks.due()),
    "a snapshot": (many_batches, lambda fake: fake.restore(fake.snapshot())),
    "all lines": (one_batch, lambda batches: [*batches.last().lines]),
    "each line by its index": (
        one_batch,
        lambda batches: [batches.last().lines[index] for index in range(len(batches.last().lines))],
    ),
    "each line by its custom_id": (
        one_batch,
        lambda batches: [
            batches.last().lines[f"r-{index}"] for index in range(len(batches.last().lines))
        ],
    ),
    "all lines, written out": (one_batch, lambda batches: repr(batches.last().lines)),
}


@cache
def steps(make: Callable[[FakeBatch, int], Any], number: int) -> dict[str, int]:
    """How many functions each look at this calls."""
    with FakeBatch(clock="manual", unused_rules="ignore") as fake:
        made = make(fake, number)
        looks = {name: look for name, (of, look) in WHOLE.items() if of is make}
        return {name: work(partial(look, made)) for name, look in looks.items()}


@pytest.mark.parametrize(("name", "make"), [(name, make) for name, (make, _) in WHOLE.items()])
def test_four_times_as_much_is_four_times_the_work(
    name: str, make: Callable[[FakeBatch, int], Any]
) -> None:
    """To look at everything takes a number of steps for each object, call or line."""
    few, many = (steps(make, number)[name] for number in (FEW, MANY))
    assert many < 1.3 * MANY / FEW * few


def test_the_number_of_all_calls_is_known() -> None:
    """Without a look at them: the plugin asks each fake that is alive, before and after a test."""
    with FakeBatch(clock="manual") as fake:
        few, many = (work(many_batches(fake, number).journal.count) for number in (2, 20))
    assert few == many

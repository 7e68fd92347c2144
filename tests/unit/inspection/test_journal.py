"""The journal: what it keeps, in which order, and in how much memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakebatch import FakeBatch, UsageError
from fakebatch.dialects.dialect import OperationName
from fakebatch.durations import SECOND
from fakebatch.inspection.journal import KEPT, Called, Journal, Recorder, Run
from fakebatch.vtime.moments import as_datetime
from support.client import Driver, chat

pytestmark = pytest.mark.sync
POLL: OperationName = "batches.retrieve"
NAMES = ("batches.cancel", "batches.retrieve", "files.content")


def recorded(calls: Iterable[tuple[int, str, str]]) -> Recorder:
    """Calls at such moments; a cancel changes something."""
    recorder = Recorder()
    for at, operation, id_ in calls:
        recorder.call(at, Called(operation, id_, 200), changes=operation == "batches.cancel")
    return recorder


def journal_of(recorder: Recorder) -> Journal:
    return Journal(recorder, NAMES)


def test_every_call_is_there_with_its_time_its_id_and_its_status(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """A `create` is about what it created; a refused call is there as well."""
    batch = do.create([chat("a")])
    do.sleep(60)
    do(do.client.batches.retrieve, batch.id)
    with pytest.raises(openai.NotFoundError):
        do(do.client.batches.retrieve, "batch_none")
    do(do.client.batches.list)

    start = fakebatch.clock.now - timedelta(seconds=60)
    found = [
        (call.operation, call.id, call.status, (call.at - start).seconds)
        for call in fakebatch.journal
    ]
    assert found == [
        ("files.create", batch.input_file_id, 200, 0),
        ("batches.create", batch.id, 200, 0),
        (POLL, batch.id, 200, 60),
        (POLL, "batch_none", 404, 60),
        ("batches.list", "", 200, 60),
    ]


def test_a_route_nobody_has_is_named_by_method_and_path(do: Driver, fakebatch: FakeBatch) -> None:
    """What is asked for in vain shows too."""
    with pytest.raises(openai.NotFoundError):
        do(do.client.get, "/nothing", cast_to=object)

    assert [(call.operation, call.status) for call in fakebatch.journal] == [("GET /nothing", 404)]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        pytest.param({}, 63, id="all"),
        pytest.param({"operation": POLL}, 61, id="of an operation"),
        pytest.param({"operation": POLL, "status": 404}, 1, id="with a status"),
        pytest.param({"id": "batch_none"}, 1, id="about an id"),
        pytest.param({"operation": "files.delete"}, 0, id="none"),
    ],
)
def test_calls_are_chosen_by_operation_id_and_status(
    do: Driver, fakebatch: FakeBatch, query: dict[str, Any], count: int
) -> None:
    """`calls` and `count` take the same conditions."""
    do.poll(do.create([chat("a")]))
    with pytest.raises(openai.NotFoundError):
        do(do.client.batches.retrieve, "batch_none")

    assert len(fakebatch.journal.calls(**query)) == count
    assert fakebatch.journal.count(**query) == count


def test_sleeps_are_there_too(do: Driver, fakebatch: FakeBatch) -> None:
    """Each with the moment it began and its length."""
    start = fakebatch.clock.now
    do.poll(do.create([chat("a")]), every=600)

    sleeps = [
        ((sleep.at - start).total_seconds(), sleep.seconds) for sleep in fakebatch.journal.sleeps
    ]
    assert sleeps == [(600.0 * n, 600.0) for n in range(6)]


def test_an_unknown_operation_is_told(fakebatch: FakeBatch) -> None:
    """Three lines; the known ones are named."""
    with pytest.raises(UsageError) as caught:
        fakebatch.journal.calls("batches.retreive")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    first, second, third = str(caught.value).split("\n")
    assert first == "fakebatch: There is no operation 'batches.retreive'."
    assert second.startswith("The operations are files.create, files.list, ")
    assert third == "Write for example fakebatch.journal.calls('batches.retrieve')."


def test_how_it_reads() -> None:
    """A line a call; of many the first and the last ten."""
    recorder = recorded((60 * SECOND * n, POLL, "batch_1") for n in range(23))
    recorder.call(0, Called("files.content", "file-1", None, "timeout"), changes=False)
    recorder.sleep(0, SECOND // 2)
    journal = journal_of(recorder)

    lines = repr(journal).split("\n")
    assert lines[:3] == [
        "<24 calls>",
        "  <1970-01-01T00:00:00Z batches.retrieve batch_1 200>",
        "  <1970-01-01T00:00:00Z files.content file-1 no response (timeout)>",
    ]
    assert lines[11] == "  … 4 more …"
    assert lines[-1] == "  <1970-01-01T00:22:00Z batches.retrieve batch_1 200>"
    assert len(lines) == 22
    assert repr(journal.sleeps[0]) == "<1970-01-01T00:00:00Z slept 0.5 s>"


moves = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 60, 60, 60, 7]), st.sampled_from(NAMES), st.sampled_from("abc")
    ),
    max_size=60,
)


@given(moves)
def test_no_call_is_lost_and_none_changes_its_place(done: list[tuple[int, str, str]]) -> None:
    """However calls are merged into runs, they come back as they were made."""
    now, made = 0, []
    for wait, operation, id_ in done:
        now += wait * SECOND
        made.append((now, operation, id_))
    journal = journal_of(recorded(made))

    assert [(call.at, call.operation, call.id) for call in journal] == [
        (as_datetime(at), operation, id_) for at, operation, id_ in made
    ]
    assert len(journal) == journal.count() == len(made)


def poll(recorder: Recorder, moments: Iterable[int]) -> None:
    for at in moments:
        recorder.call(at, Called(POLL, "batch_1", 200), changes=False)
        recorder.sleep(at, at + SECOND)


def test_even_polls_take_no_memory() -> None:
    """20,000 of them take as much as one, and every one is there."""
    recorder = Recorder()
    poll(recorder, range(0, 10 * SECOND, SECOND))
    tracemalloc.start()
    poll(recorder, range(10 * SECOND, 20_000 * SECOND, SECOND))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    journal = journal_of(recorder)
    assert grown < 10_000
    assert len(journal) == journal.count(POLL) == 20_000
    assert len(recorder.runs()) == 2


CALLS: dict[str, tuple[Callable[[Driver, FakeBatch], object], int]] = {
    "a list": (lambda do, _: do(do.client.batches.list), 1),
    "a new file": (lambda do, _: do.upload(b"{}"), 2),
    "a new file that is refused": (lambda do, _: do.upload(b"no JSON"), 1),
    "a cancel that is refused": (lambda do, _: do(do.client.batches.cancel, "batch_none"), 1),
    "a new file by a rule that has it made": (
        lambda do, fake: (fake.on_call("files.create").fail(400, applied=True), do.upload(b"{}")),
        2,
    ),
    "a new file by a rule that has it refused": (
        lambda do, fake: (fake.on_call("files.create").fail(400), do.upload(b"{}")),
        1,
    ),
}


@pytest.mark.parametrize(("call", "runs"), CALLS.values(), ids=CALLS)
def test_a_call_splits_polls_if_it_has_changed_something(
    call: Callable[[Driver, FakeBatch], object], runs: int, do: Driver, fakebatch: FakeBatch
) -> None:
    """What the client got does not matter: a call that was refused changes nothing.

    Before a change and after it polls are two things, and stand in two lines of the timeline.
    """
    batch = fakebatch.batches.add([chat("a")])
    for poll_ in range(6):
        do(do.client.batches.retrieve, batch.id)
        do.sleep(30)
        if poll_ == 2:
            with suppress(openai.APIStatusError):
                call(do, fakebatch)
        do.sleep(30)
    polls = [line for line in fakebatch.timeline().split("\n") if POLL in line]
    times = {1: ["6 times, every 1m"], 2: ["3 times, every 1m"] * 2}
    assert [line.split("  ")[-1].split(", until")[0] for line in polls] == times[runs]


def test_to_go_through_it_takes_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forwards or backwards: however many calls there are, they are put in order once."""
    recorder = Recorder()
    poll(recorder, range(1_000))
    runs, looks = recorder.runs(), list[int]()

    def counted() -> list[Run]:
        looks.append(1)
        return runs

    monkeypatch.setattr(recorder, "runs", counted)
    journal = journal_of(recorder)
    assert [*reversed(journal)] == [*journal][::-1]
    assert len(looks) <= 4


def test_of_uneven_polls_the_last_are_kept_and_all_are_counted() -> None:
    """The room is bounded; what was forgotten is counted, and said."""
    recorder = Recorder()
    poll(recorder, (n * n for n in range(3 * KEPT)))
    journal = journal_of(recorder)

    assert len(recorder.runs()) == KEPT
    assert journal.count(POLL) == 3 * KEPT
    assert journal[-1].at == as_datetime((3 * KEPT - 1) ** 2)
    assert repr(journal).endswith(f"\n  and {3 * KEPT - len(journal)} earlier ones")

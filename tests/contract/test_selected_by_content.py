"""Calls, batches and uploads are selected by what they are about, and counted among these."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch, UsageError, request_line
from fakebatch.rules.rule import Handle, Selection
from support.client import Driver, chat
from support.doors import CALLABLE, ONE_IN_PROCESS, Refused, rows

pytestmark = [pytest.mark.sync, ONE_IN_PROCESS]

# --- calls


def test_polls_of_one_batch_fail(do: Driver, fakebatch: FakeBatch) -> None:
    """`nth` counts the requests about this batch alone."""
    other, batch = do.create([chat("a")]), do.create([chat("b")])
    outage = fakebatch.on_call("batches.retrieve", id=batch.id, nth=2).fail(404)
    retrieve = do.client.batches.retrieve
    for id_ in (other.id, batch.id, other.id):
        assert do(retrieve, id_).status == "validating"
    with pytest.raises(openai.NotFoundError):
        do(retrieve, batch.id)
    assert do(retrieve, batch.id).status == "validating"
    assert outage.hits == 1


def test_the_download_of_one_file_is_cut(do: Driver, fakebatch: FakeBatch) -> None:
    """`id` is that in the path, whatever the kind of the object."""
    whole, cut = do.upload([chat("a")]), do.upload([chat("b")])
    fakebatch.on_call("files.content", id=cut.id).fail(500)
    client = do.client.with_options(max_retries=0)
    assert do(client.files.content, whole.id).content
    with pytest.raises(openai.InternalServerError):
        do(client.files.content, cut.id)


@CALLABLE
def test_calls_are_selected_by_a_predicate(do: Driver, fakebatch: FakeBatch) -> None:
    """It gets the request: here the body of a create call."""
    fakebatch.on_call(
        "batches.create", where=lambda request: json.loads(request.body)["metadata"] == {"job": "b"}
    ).fail(400)
    assert do.create([chat("a")], metadata={"job": "a"}).status == "validating"
    with pytest.raises(openai.BadRequestError):
        do.create([chat("a")], metadata={"job": "b"})


@CALLABLE
def test_a_predicate_reads_long_uploads(do: Driver, fakebatch: FakeBatch) -> None:
    """Forms that are not read at once otherwise, too; and the file arrives whole."""
    lines = [chat("a", "long " * 50_000), chat("b")]
    rule = fakebatch.on_call("files.create", where=lambda request: b"in.jsonl" in request.body)
    slow = rule.slow(first_byte="1s")
    assert do.run(lines).request_counts.total == 2
    assert slow.hits == 1


# --- batches

SELECTED: dict[str, Callable[[FakeBatch], Selection[Any]]] = {
    "metadata": lambda fake: fake.on_batch(metadata={"job": "nightly"}),
    "model": lambda fake: fake.on_batch(model="gpt-4o"),
    "text in a request": lambda fake: fake.on_batch(contains="sunny"),
    "parameters": lambda fake: fake.on_batch(where=lambda batch: len(batch.metadata or ()) == 2),
}


def three(do: Driver) -> list[Any]:
    """Three batches, the first and last of which are alike."""
    alike = [chat("a"), request_line("b", "is it sunny?", model="gpt-4o")]
    alike[0]["body"]["model"] = "gpt-4o"
    metadata = {"job": "nightly", "team": "search"}
    create = do.create
    return [
        create(alike, metadata=metadata),
        create([chat("a")]),
        create(alike, metadata=metadata),
    ]


@pytest.mark.parametrize("select", rows(SELECTED, {"parameters": CALLABLE}))
def test_batches_are_selected_by(
    select: Callable[[FakeBatch], Any], do: Driver, fakebatch: FakeBatch
) -> None:
    """The alike ones alone."""
    handle = select(fakebatch).fail("token_limit_exceeded")
    ended = [do.poll(batch)[-1].status for batch in three(do)]
    assert ended == ["failed", "completed", "failed"]
    assert handle.hits == 2


@pytest.mark.parametrize("select", rows(SELECTED, {"parameters": CALLABLE}))
def test_nth_counts_the_batches_that_match_the_rest(
    select: Callable[[FakeBatch], Selection[Any]], do: Driver, fakebatch: FakeBatch
) -> None:
    """So the second of those alike is the third of all, also for a rule that is newer."""
    first = three(do)[0]
    selector = vars(select(fakebatch))["_selection"]
    fakebatch.on_batch(nth=4, **selector).fail()
    ended = [do.poll(batch)[-1].status for batch in three(do)]
    assert ended == ["completed", "completed", "failed"]
    assert do(do.client.batches.retrieve, first.id).status == "completed"
    fakebatch.unused_rules = "ignore"  # of the selector without a verb


def test_rules_that_meet_in_one_batch_contradict_each_other_there(
    do: Driver, fakebatch: FakeBatch, refused: Refused
) -> None:
    """Where they are written nobody can know; nothing is created then."""
    fakebatch.on_batch(metadata={"job": "a"}).fail()
    fakebatch.on_batch(model="gpt-4o-mini").expire()
    with refused() as message:
        do.create([chat("a")], metadata={"job": "a"})
    assert "cannot have both fail() and expire" in message[0]
    assert len(fakebatch.batches) == 0
    fakebatch.unused_rules = "ignore"


def raises(_: object) -> bool:
    raise LookupError("oops")


RAISING: dict[str, tuple[Callable[[FakeBatch], object], str]] = {
    "calls": (lambda fake: fake.on_call(where=raises).fail(503), "on_call .*POST /files"),
    "batches": (lambda fake: fake.on_batch(where=raises).fail(), "on_batch .*batch of file-"),
    "uploads": (lambda fake: fake.on_file(where=raises).expire("1h"), "on_file .*'in.jsonl'"),
}


@CALLABLE
@pytest.mark.parametrize(("add", "what"), RAISING.values(), ids=RAISING)
def test_a_predicate_that_raises_reaches_the_test(
    add: Callable[[FakeBatch], object], what: str, do: Driver, fakebatch: FakeBatch
) -> None:
    """With its selector, its error, and what it was called for."""
    add(fakebatch)
    selector, _, label = what.partition(" ")
    with pytest.raises(UsageError, match=f"(?s)given to fakebatch.{selector} raised .*{label}"):
        do.create([chat("a")])
    fakebatch.unused_rules = "ignore"


# --- uploads

UPLOADS: dict[str, tuple[Callable[[FakeBatch], Handle[Any]], str]] = {
    "a name": (lambda fake: fake.on_file(filename="b.jsonl").expire("1h"), "b.jsonl"),
    "a name that looks like a pattern": (
        lambda fake: fake.on_file(filename="d[1].jsonl").expire("1h"),
        "d[1].jsonl",
    ),
    "a pattern": (lambda fake: fake.on_file(filename="*.txt").expire("1h"), "c.txt"),
    "a predicate": (lambda fake: fake.on_file(where=lambda f: b"bee" in f.content).expire(1), "b"),
    "the second of a pattern": (
        lambda fake: fake.on_file(nth=2, filename="*.jsonl").expire("1h"),
        "b.jsonl",
    ),
}


@pytest.mark.parametrize("upload", rows(UPLOADS, {"a predicate": CALLABLE}))
def test_uploads_are_selected_by(
    upload: tuple[Callable[[FakeBatch], Handle[Any]], str], do: Driver, fakebatch: FakeBatch
) -> None:
    """One alone of four, by what is in it or by its name."""
    add, name = upload
    handle = add(fakebatch)
    for each in ("a.jsonl", "c.txt", "b.jsonl", "d[1].jsonl"):
        content = b"bee" if each == "b.jsonl" else b"x"
        do(do.client.files.create, file=(each, content), purpose="user_data")
    fakebatch.clock.advance("2h")
    names = [file.filename for file in do(do.client.files.list).data]
    assert len(names) == 3
    assert not any(each.startswith(name) for each in names)
    assert handle.hits == 1


# --- lines


def test_several_custom_ids(do: Driver, fakebatch: FakeBatch) -> None:
    """`custom_id` takes a list: the rule is about each of its lines."""
    failed = fakebatch.on(custom_id=["a", "c"]).fail(429)
    batch = do.run([chat(custom_id) for custom_id in "abc"])
    assert {line["custom_id"] for line in do.results(batch.error_file_id)} == {"a", "c"}
    assert failed.hits == 2
    assert str(failed.rule) == "on(custom_id=('a', 'c')).fail(429)"

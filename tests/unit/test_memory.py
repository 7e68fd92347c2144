"""Memory: what a client deletes is freed."""

from __future__ import annotations

import gc
import pickle
import tracemalloc
from collections.abc import Callable
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch, RequestLine, UsageError
from fakebatch.batch import output_file
from fakebatch.replies import nontext
from support.client import chat, jsonl

MIB = 2**20
LONG = "x" * 200_000


def lines(*, model: str = "gpt-5-nano") -> bytes:
    """An input file of 4 MiB."""
    return jsonl(chat(f"r-{number}", LONG, model=model) for number in range(21))


class Life:
    """A client of a fake, and what it does with large files."""

    def __init__(self, fake: FakeBatch, client: openai.OpenAI) -> None:
        self.fake, self.client = fake, client

    def upload(self, **params: Any) -> str:
        return self.client.files.create(file=lines(), purpose="batch", **params).id

    def create(self, file: str) -> str:
        return self.client.batches.create(
            input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h"
        ).id

    def wait(self, batch: str) -> Any:
        """The batch after its end."""
        self.fake.clock.advance("25h")
        return self.client.batches.retrieve(batch)

    def delete(self, *files: str | None) -> None:
        for file in filter(None, files):
            self.client.files.delete(file)

    def parts(self) -> tuple[str, list[str]]:
        """The id of an upload, and those of its parts, all of which were sent."""
        content, parts, uploads = lines(), list[str](), self.client.uploads
        upload = uploads.create(
            purpose="batch", filename="a.jsonl", bytes=len(content), mime_type="application/jsonl"
        )
        for start in range(0, len(content), MIB):
            part = uploads.parts.create(upload.id, data=content[start : start + MIB])
            parts.append(part.id)
        return upload.id, parts


def deleted(life: Life) -> None:
    life.delete(life.upload())


def after_the_batch(life: Life) -> None:
    file = life.upload()
    ended = life.wait(life.create(file))
    assert len(life.client.files.content(ended.output_file_id).read()) > MIB
    life.delete(ended.output_file_id, file)


def during_the_batch(life: Life) -> None:
    file = life.upload()
    batch = life.create(file)
    life.fake.clock.advance("10m")
    assert life.client.batches.retrieve(batch).status == "in_progress"
    life.delete(file)
    life.delete(life.wait(batch).output_file_id)


def before_a_look(life: Life) -> None:
    file = life.upload()
    batch = life.create(file)
    life.fake.clock.advance("25h")
    life.delete(*(each for each in life.fake.files if each != file), file)
    assert life.client.batches.retrieve(batch).usage
    life.client.models.list()


def of_a_failed_batch(life: Life) -> None:
    life.fake.on_batch().fail("token_limit_exceeded")
    file = life.upload()
    assert life.wait(life.create(file)).status == "failed"
    life.delete(file)


def streamed(life: Life) -> None:
    file = life.upload()
    ended = life.wait(life.create(file))
    life.delete(file)
    assert len(life.client.files.content(ended.output_file_id).read()) > MIB
    life.delete(ended.output_file_id)


def cancelled_upload(life: Life) -> None:
    life.client.uploads.cancel(life.parts()[0])


def completed_upload(life: Life) -> None:
    upload, parts = life.parts()
    done = life.client.uploads.complete(upload, part_ids=parts)
    assert done.file
    life.delete(done.file.id)


LIVES: dict[str, Callable[[Life], None]] = {
    "a file that is deleted": deleted,
    "the files of a batch, deleted after its end": after_the_batch,
    "the input of a batch, deleted while it runs": during_the_batch,
    "the files of a batch that nobody has looked at": before_a_look,
    "the input of a batch that has failed": of_a_failed_batch,
    "results that are written at every read": streamed,
    "the parts of an upload that is cancelled": cancelled_upload,
    "the parts of an upload that is completed": completed_upload,
}


@pytest.mark.parametrize(
    ("live", "through"),
    [
        *((live, "a ready client") for live in LIVES.values()),
        (deleted, "respx"),
        (after_the_batch, "respx"),
    ],
    ids=[*LIVES, "a file that is deleted, respx", "the files of a batch, respx"],
)
def test_what_is_gone_is_freed(
    live: Callable[[Life], None], through: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the file nor the batch nor a record of the call keeps the content."""
    if live is streamed:
        monkeypatch.setattr(output_file, "MAX_CACHED", MIB)
    with FakeBatch(clock="manual") as fake:
        client = fake.openai() if through == "a ready client" else openai.OpenAI()
        life = Life(fake, client)
        life.delete(client.files.create(file=b"{}", purpose="batch").id)  # imports what it needs
        gc.collect()
        tracemalloc.start()
        live(life)
        gc.collect()
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert held < MIB < 3 * MIB < peak


@pytest.fixture
def life(fakebatch: FakeBatch) -> Life:
    """A ready client."""
    return Life(fakebatch, fakebatch.openai())


@pytest.mark.fakebatch(clock="manual")
def test_a_batch_goes_on_without_its_file(life: Life) -> None:
    """Its results are those of a batch whose file is still there."""
    kept, lost = life.upload(), life.upload()
    batches = [life.create(file) for file in (kept, lost)]
    life.fake.clock.advance("10m")
    assert life.client.batches.retrieve(batches[1]).status == "in_progress"
    life.delete(lost)
    first, second = (life.wait(batch) for batch in batches)

    contents = [life.client.files.content(each.output_file_id).read() for each in (first, second)]
    assert len(contents[0]) == len(contents[1])
    assert first.usage == second.usage
    assert life.client.batches.retrieve(batches[1]) == second


@pytest.mark.fakebatch(clock="manual")
def test_a_snapshot_keeps_the_content(life: Life) -> None:
    """After `restore` the files are there again, and no callable is called a second time."""
    called: list[str | None] = []

    def reply(line: RequestLine) -> str:
        called.append(line.custom_id)
        return LONG

    life.fake.on().reply(reply)
    file = life.upload()
    batch = life.create(file)
    ended = life.wait(batch)
    saved = life.fake.snapshot()
    content = life.client.files.content(ended.output_file_id).read()
    life.delete(ended.output_file_id, file)
    life.fake.restore(saved)

    assert life.client.files.content(ended.output_file_id).read() == content
    assert life.client.files.content(file).read() == lines()
    assert life.client.batches.retrieve(batch) == ended
    assert len(life.fake.batches[batch].lines) == len(called) == 21


@pytest.mark.fakebatch(clock="manual")
def test_a_batch_is_what_it_was_when_its_files_are_gone(life: Life) -> None:
    """Its object is the same, also in a copy that was pickled, and so is what checks say of it."""
    life.fake.on(custom_id="r-3").fail(429)
    file = life.upload()
    ended = life.wait(life.create(file))
    life.client.files.content(ended.output_file_id).read()
    life.delete(ended.output_file_id, file)
    errors = life.client.files.content(ended.error_file_id).read()

    assert life.client.batches.retrieve(ended.id) == ended
    life.fake.check_rules()
    saved = life.fake.snapshot()
    life.fake.restore(pickle.loads(pickle.dumps(saved)))  # noqa: S301  # our own
    assert life.client.batches.retrieve(ended.id) == ended
    assert life.client.files.content(ended.error_file_id).read() == errors
    life.create(life.upload())
    life.fake.clock.advance("25h")
    with pytest.raises(AssertionError, match="result files were never downloaded"):
        life.fake.assert_all_downloaded()


@pytest.mark.fakebatch(clock="manual")
def test_the_input_of_two_batches_is_the_same_though_the_file_is_gone(life: Life) -> None:
    """A client that uploads it again while the first batch runs has created two."""
    file = life.upload()
    batch = life.create(file)
    life.fake.clock.advance("10m")
    life.client.batches.retrieve(batch)
    life.create(life.upload())
    life.delete(file, life.wait(batch).output_file_id)

    with pytest.raises(AssertionError, match="2 batches were created for the same input"):
        life.fake.assert_single_batch()


@pytest.mark.fakebatch(clock="manual")
def test_the_lines_of_a_large_file_are_gone_with_it(life: Life) -> None:
    """Those of a small one stay."""
    file = life.upload()
    large = life.wait(life.create(file)).id
    life.delete(file)
    with pytest.raises(UsageError, match=f"The lines of {large} are no longer known") as caught:
        life.fake.batches[large].lines  # noqa: B018
    assert str(caught.value).count("\n") == 2

    small = life.fake.batches.add([chat("a")])
    life.delete(small.input_file_id)
    assert [line.custom_id for line in small.lines] == ["a"]


def plainly(fake: FakeBatch) -> None:
    """Without a rule."""


RULES: dict[str, Callable[[FakeBatch], object]] = {
    "a rule that no line meets": lambda fake: fake.on(custom_id="none").fail(429),
    "a predicate": lambda fake: fake.on(lambda _: False).fail(429),
    "a text for each": lambda fake: fake.on().reply("hi"),
    "a callable for each": lambda fake: fake.on().reply(lambda line: str(line.body)[:6_000]),
    "a callable for one, with a body": lambda fake: fake.on(index=0).reply(lambda _: {"a": "b"}),
    "a failure here and there": lambda fake: fake.on(fraction=0.1).fail(429),
    "a broken line here and there": lambda fake: fake.on(fraction=0.1).corrupt("cut"),
    "files in the order of the input": lambda fake: fake.on_batch().result_files(order="input"),
}

ENDPOINTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": "gpt-5-nano",
        "messages": [{"role": "user", "content": "x" * 6_000}],
    },
    "/v1/responses": {"model": "gpt-5-nano", "input": "x" * 6_000},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": "x"},
}


def peak(endpoint: Any, rule: Callable[[FakeBatch], object]) -> int:
    """The most memory that a batch of 150 lines takes, beyond its input."""
    request = {"url": endpoint, "body": ENDPOINTS[endpoint]}
    content = jsonl(chat(f"r-{number}") | request for number in range(150))
    with FakeBatch(clock="manual", unused_rules="ignore") as fake:
        rule(fake)
        client = fake.openai()
        file = client.files.create(file=content, purpose="batch").id
        gc.collect()
        tracemalloc.start()
        batch = client.batches.create(
            input_file_id=file, endpoint=endpoint, completion_window="24h"
        )
        fake.clock.advance("25h")
        ended = client.batches.retrieve(batch.id)
        download = client.files.with_streaming_response.content(ended.output_file_id or "")
        with download as response:
            length = sum(map(len, response.iter_bytes()))
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert length == fake.files[ended.output_file_id or ""].bytes
    return held


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_rules_take_no_more_memory(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever rules there are, at most 1.3 times what the same batch takes without, or 2 MiB."""
    monkeypatch.setattr(output_file, "MAX_CACHED", 4 * MIB)
    peak(endpoint, plainly)  # makes what is made once
    plain = max(peak(endpoint, plainly), 2 * MIB)
    rules = {
        name: rule
        for name, rule in RULES.items()
        if endpoint != "/v1/embeddings" or name not in ("a text for each", "a callable for each")
    }
    taken = {name: peak(endpoint, rule) / plain for name, rule in rules.items()}
    assert {name: ratio for name, ratio in taken.items() if ratio > 1.3} == {}


@pytest.mark.fakebatch(clock="manual")
def test_the_size_of_a_file_is_known_before_its_vectors_are_made(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file object, a list and the download agree; the first two make no vector."""
    monkeypatch.setattr(output_file, "MAX_CACHED", MIB)
    made: list[int] = []
    make = nontext._Vectors.__bytes__

    def counted(vectors: nontext._Vectors) -> bytes:
        made.append(vectors.length)
        return make(vectors)

    monkeypatch.setattr(nontext._Vectors, "__bytes__", counted)
    body = {"model": "m", "input": ["a", "b"]}
    requests = (chat(f"r-{n}") | {"url": "/v1/embeddings", "body": body} for n in range(50))
    batch = life.fake.batches.add(list(requests))
    [output] = life.client.files.list(purpose="batch_output").data
    assert life.client.files.retrieve(output.id) == output
    assert life.client.batches.retrieve(batch.id).usage
    before = len(made)
    assert before <= 8  # the size of the file is estimated from some lines
    assert len(life.client.files.content(output.id).read()) == output.bytes
    assert len(made) == before + 50

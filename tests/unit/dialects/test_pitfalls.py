"""Twelve ways in which a client written for OpenAI breaks elsewhere; each can be met in a test."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import httpx
import openai
import pytest

from fakebatch import FakeBatch, FakeBatchError
from fakebatch.dialects import Dialect
from support.client import Driver, jsonl
from support.providers import create, line, results, run, upload

pytestmark = pytest.mark.sync


def of(*names: str) -> pytest.MarkDecorator:
    """A test for each of these providers."""
    marks = [pytest.param(name, marks=pytest.mark.fakebatch(dialect=name)) for name in names]
    return pytest.mark.parametrize("name", marks)


@of("groq", "siliconflow")
def test_1_a_list_without_has_more_never_ends(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect, name: str
) -> None:
    """The SDK asks for what comes after the last, gets the same page, and so on: it is told."""
    id_ = create(do, fakebatch, line(dialect, "a")).id
    assert do(do.client.batches.list).data[0].id == id_
    with pytest.raises(FakeBatchError, match=r"100 calls of batches\.list got the same page"):
        do.all(do.client.batches.list)


@pytest.mark.fakebatch(dialect="moonshot")
def test_1_so_does_a_list_of_files(fakebatch: FakeBatch) -> None:
    """It repeats the file that is there as often as anybody looks."""
    client = openai.OpenAI(base_url=fakebatch.base_url)
    file = client.files.create(file=("in.jsonl", b"{}\n"), purpose="batch")

    assert [one.id for one in islice(client.files.list(), 5)] == [file.id] * 5


@pytest.mark.fakebatch(dialect="moonshot")
def test_2_a_failed_batch_has_no_errors(do: Driver, fakebatch: FakeBatch, dialect: Dialect) -> None:
    """`batch.errors.data` is an AttributeError just where the reason is wanted."""
    done = run(do, fakebatch, line(dialect, "a"), line(dialect, "a"))
    assert done.status == "failed"
    with pytest.raises(AttributeError, match="'NoneType'"):
        _ = done.errors.data


@pytest.mark.fakebatch(dialect="azure")
def test_3_a_file_may_not_be_ready(do: Driver, dialect: Dialect) -> None:
    """A client that creates the batch right after the upload is refused."""
    with pytest.raises(openai.BadRequestError, match="is in 'pending' state"):
        do.create([line(dialect, "a")])


@of("azure", "ogx")
def test_4_an_error_file_may_be_empty(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect, name: str
) -> None:
    """`if batch.error_file_id` does not mean that a line failed."""
    done = run(do, fakebatch, line(dialect, "a"))

    assert done.request_counts.failed == 0
    assert results(do, dialect, done.error_file_id) == []


@of("openai", "moonshot")
def test_4_an_output_file_may_be_missing(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect, name: str
) -> None:
    """A batch whose lines all failed is `completed` all the same."""
    fakebatch.on(custom_id="a").fail(500)
    done = run(do, fakebatch, line(dialect, "a"))

    assert (done.status, done.output_file_id) == ("completed", None)


@pytest.mark.fakebatch(dialect="siliconflow")
def test_5_a_status_may_be_unknown(do: Driver, fakebatch: FakeBatch, dialect: Dialect) -> None:
    """The SDK lets it pass; a loop over the known ones spins or ends too early."""
    assert create(do, fakebatch, line(dialect, "a")).status == "in_queue"


@pytest.mark.fakebatch(dialect="azure")
def test_6_counts_may_be_null(do: Driver, fakebatch: FakeBatch, dialect: Dialect) -> None:
    """A progress bar that divides by them fails while the batch is validated."""
    counts = create(do, fakebatch, line(dialect, "a")).request_counts
    with pytest.raises(TypeError):
        _ = counts.completed / counts.total


@of("moonshot", "dashscope", "groq", "siliconflow")
def test_7_a_window_may_be_longer_than_a_day(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect, name: str
) -> None:
    """A deadline of 24 hours in the client gives up on a batch that is well."""
    fakebatch.schedule(in_progress="30h")
    batch = create(do, fakebatch, line(dialect, "a"), completion_window=dialect.window.most)
    fakebatch.clock.advance("25h")
    assert do(do.client.batches.retrieve, batch.id).status == "in_progress"
    assert do.poll(batch, every=3_600)[-1].status == "completed"


@of("azure", "openai")
def test_8_an_endpoint_may_go_without_v1(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect, name: str
) -> None:
    """What one provider's samples do fails validation at another."""
    done = run(do, fakebatch, {**line(dialect, "a"), "url": "/chat/completions"})

    assert done.status == ("completed" if "/chat/completions" in dialect.endpoints else "failed")


LINES: dict[str, tuple[str, Any]] = {
    "no id at all": ("azure", lambda line: "id" not in line),
    "the custom_id as id": ("moonshot", lambda line: line["id"] == line["custom_id"]),
    "the request_id as id": ("dashscope", lambda one: one["id"] == one["response"]["request_id"]),
    "no status_code": ("siliconflow", lambda line: [*line["response"]] == ["body"]),
    "no request_id": ("deepinfra", lambda line: "request_id" not in line["response"]),
    "a body that is a text": ("ogx", lambda line: json.loads(line["response"]["body"])["object"]),
}


@pytest.mark.parametrize(
    ("name", "is_so"),
    [
        pytest.param(name, is_so, id=id_, marks=pytest.mark.fakebatch(dialect=name))
        for id_, (name, is_so) in LINES.items()
    ],
)
def test_9_a_result_line_may_be_another(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect, name: str, is_so: Any
) -> None:
    """Ids of lines are no ids of the server everywhere."""
    done = run(do, fakebatch, line(dialect, "a"))
    (found,) = results(do, dialect, done.output_file_id)

    assert is_so(found)
    assert found["custom_id"] == "a"


ERRORS: dict[str, tuple[Any, str | None]] = {
    "moonshot": (None, "resource_not_found_error"),
    "azure": ("404", None),
    "zhipu": ("1214", None),
    "siliconflow": ("20015", None),
    "litellm": ("404", "invalid_request_error"),
}


@pytest.mark.parametrize(
    ("name", "code", "type_"),
    [
        pytest.param(name, *said, id=name, marks=pytest.mark.fakebatch(dialect=name))
        for name, said in ERRORS.items()
    ],
)
def test_10_an_error_may_lack_what_a_client_reads(
    do: Driver, name: str, code: Any, type_: str | None
) -> None:
    """Neither type nor param; a code that is a status, digits or a number."""
    with pytest.raises(openai.NotFoundError) as caught:
        do(do.client.batches.retrieve, "batch_x")

    shown = caught.value.code if caught.value.code is None else str(caught.value.code)  # by the SDK
    assert (shown, caught.value.type, caught.value.param) == (code, type_, None)


@pytest.mark.fakebatch(dialect="dashscope")
def test_11_an_empty_list_may_be_null(do: Driver) -> None:
    """Iterating gives nothing, but `len(page.data)` is a TypeError."""
    page = do(do.client.batches.list)

    assert page.data is None
    assert do.all(do.client.batches.list) == []


@pytest.mark.fakebatch(dialect="siliconflow")
def test_12_an_upload_may_be_in_an_envelope(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect
) -> None:
    """The SDK shows no id; the vendor's sample reads `data["id"]`. Results are at an address."""
    file = do(
        do.client.files.create, file=("in.jsonl", jsonl([line(dialect, "a")])), purpose="batch"
    )
    assert file.id is None
    asked: Any = {**do.usual, "input_file_id": file.data["id"]}
    done = do.poll(do(do.client.batches.create, **asked), every=600)[-1]

    assert httpx.get(done.output_file_id).status_code == 200
    with pytest.raises(openai.NotFoundError):
        do(do.client.files.content, done.output_file_id)


@pytest.mark.fakebatch(dialect="siliconflow")
def test_a_signed_address_opens_its_own_content_alone(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect
) -> None:
    """Without a key: no other signature, no other file, and neither the File nor its deletion."""
    ends = [run(do, fakebatch, line(dialect, one)).output_file_id for one in "ab"]
    first, second = map(httpx.URL, ends)
    file = first.copy_with(path=first.path.removesuffix("/content"))
    assert [httpx.get(url).status_code for url in ends] == [200, 200]
    for url in (
        first.copy_with(query=None),
        first.copy_set_param("signature", "0" * 32),
        first.copy_with(query=second.query),
        file,
    ):
        assert httpx.get(url).status_code == 401, url
    assert httpx.delete(file).status_code == 401


@pytest.mark.fakebatch(dialect="siliconflow")
def test_the_address_of_a_result_file_is_a_key_of_files(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect
) -> None:
    """As is its id: what a batch shows leads to the file, also where it is an address."""
    url = run(do, fakebatch, line(dialect, "a"), line(dialect, "b")).output_file_id
    batch, content = fakebatch.batches.only(), httpx.get(url).content
    for key in (url, batch.output_file_id, batch.lines["a"].file_id):
        file = fakebatch.files[key]
        assert (file.content, file.written_by, len(file.downloads)) == (content, batch.id, 1)
        assert file.id in fakebatch.files
    for unknown in (url[:-1], url.replace(file.id, "file-none"), "https://example.com/"):
        assert unknown not in fakebatch.files


@of("siliconflow", "nebius")
def test_the_model_of_every_line_may_be_in_the_call(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect, name: str
) -> None:
    """It wins over the file, whose models need not be one."""
    group, field = dialect.model_field.split(".")
    lines = [line(dialect, one, model=f"model-{one}") for one in "ab"]
    done = run(do, fakebatch, *lines, extra_body={group: {field: "the-one"}})
    bodies = [one["response"]["body"] for one in results(do, dialect, done.output_file_id)]

    assert {body["model"] for body in bodies} == {"the-one"}


@pytest.mark.fakebatch(dialect="siliconflow")
def test_a_line_may_go_without_method_and_url(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect
) -> None:
    """It is a POST to the endpoint of the batch."""
    bare = {key: value for key, value in line(dialect, "a").items() if key in dialect.line_keys}

    assert run(do, fakebatch, bare).request_counts.completed == 1


@pytest.mark.fakebatch(dialect="groq")
def test_bad_lines_may_be_told_of_and_left_out(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect
) -> None:
    """A completed batch with `errors`, which are a bare list, as in the guide's sample."""
    lines = [line(dialect, one) for one in "abcd"]
    done = run(do, fakebatch, *lines[:3], {**lines[3], "method": "GET"})

    assert (done.status, done.request_counts.total) == ("completed", 3)
    assert [(one.code, one.line) for one in done.errors] == [("invalid_method", 4)]
    found = results(do, dialect, done.output_file_id)
    assert {one["custom_id"] for one in found} == {"a", "b", "c"}


@pytest.mark.fakebatch(dialect="dashscope")
def test_lines_that_never_ran_may_count_as_failed(
    do: Driver, fakebatch: FakeBatch, dialect: Dialect
) -> None:
    """As recorded of a cancelled batch: two lines, two failed, an error file alone."""
    batch = create(do, fakebatch, line(dialect, "a"), line(dialect, "b"))
    fakebatch.clock.advance("2m")
    do(do.client.batches.cancel, batch.id)
    done = do.poll(batch)[-1]
    counts = done.request_counts

    assert (counts.total, counts.completed, counts.failed) == (2, 0, 2)
    assert (done.output_file_id, done.expires_at) == (None, None)
    assert done.error_file_id.startswith("file-batch_output-")
    assert upload(do, fakebatch, line(dialect, "c")).startswith("file-batch-")

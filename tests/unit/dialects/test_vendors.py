"""The vendors' own SDKs, unchanged, where there is one on PyPI; the contract has the others."""

from __future__ import annotations

import io
from typing import Any

import pydantic
import pytest

from fakebatch import FakeBatch
from support.client import chat, jsonl

groq = pytest.importorskip("groq", reason="the vendors' SDKs are in the extra dev")
zai = pytest.importorskip("zai", reason="the vendors' SDKs are in the extra dev")

GLM = {**chat("request-1", model="glm-4-plus"), "url": "/v4/chat/completions"}


@pytest.mark.fakebatch(dialect="groq")
def test_the_groq_sdk_takes_a_batch_through_its_life(fakebatch: FakeBatch) -> None:
    """Upload, create, poll, download, list, cancel, with the key of GROQ_API_KEY."""
    client = groq.Groq()
    file = client.files.create(file=("in.jsonl", jsonl([chat("a", model="x")])), purpose="batch")
    batch = client.batches.create(
        completion_window="7d", endpoint="/v1/chat/completions", input_file_id=file.id
    )
    assert (batch.status, batch.expires_at - batch.created_at) == ("validating", 7 * 86_400)
    fakebatch.clock.advance("2h")
    done = client.batches.retrieve(batch.id)

    assert (done.status, done.request_counts.completed) == ("completed", 1)
    assert b'"custom_id":"a"' in client.files.content(done.output_file_id).read()
    assert [one.id for one in client.batches.list().data] == [batch.id]
    assert {one.id for one in client.files.list().data} == {file.id, done.output_file_id}
    with pytest.raises(groq.ConflictError):
        client.with_options(max_retries=0).batches.cancel(batch.id)
    assert client.files.info(file.id).filename == "in.jsonl"
    assert client.files.delete(file.id).deleted


@pytest.mark.fakebatch(dialect="groq")
def test_groq_pages_by_a_cursor_of_its_own(fakebatch: FakeBatch) -> None:
    """`paging.next_cursor` goes back as `cursor`; null at the end."""
    client = groq.Groq()
    file = client.files.create(file=("in.jsonl", jsonl([chat("a", model="x")])), purpose="batch")
    ids = [
        client.batches.create(
            completion_window="24h", endpoint="/v1/chat/completions", input_file_id=file.id
        ).id
        for _ in range(45)
    ]
    found: list[str] = []
    query: dict[str, str] | None = {}
    while query is not None:
        page: Any = client.batches.list(extra_query=query)
        found += [one.id for one in page.data]
        cursor = page.to_dict()["paging"]["next_cursor"]
        query = {"cursor": cursor} if cursor else None

    assert found == ids[::-1]


@pytest.fixture
def glm(fakebatch: FakeBatch) -> Any:
    return zai.ZhipuAiClient()


@pytest.mark.skipif(pydantic.VERSION == "2.11.0", reason="zai-sdk 0.2.3 cannot read a list with it")
@pytest.mark.fakebatch(dialect="zhipu")
def test_the_zai_sdk_takes_a_batch_through_its_life(glm: Any, fakebatch: FakeBatch) -> None:
    """It sends no window, and paths of version 4; the input file is gone afterwards."""
    content = io.BytesIO(jsonl([GLM]))
    file = glm.files.create(file=("in.jsonl", content), purpose="batch")
    batch = glm.batches.create(input_file_id=file.id, endpoint="/v4/chat/completions")
    assert (batch.status, batch.completion_window) == ("validating", "24h")
    fakebatch.clock.advance("2h")
    done = glm.batches.retrieve(batch.id)

    assert (done.status, done.request_counts.completed) == ("completed", 1)
    assert b"request-1" in glm.files.content(done.output_file_id).content
    assert [one.id for one in glm.batches.list(limit=10)] == [batch.id]
    assert file.id not in {one.id for one in glm.files.list().data}


@pytest.mark.fakebatch(dialect="zhipu")
def test_the_input_stays_where_the_caller_says_so(glm: Any, fakebatch: FakeBatch) -> None:
    """auto_delete_input_file=False."""
    file = glm.files.create(file=("in.jsonl", io.BytesIO(jsonl([GLM]))), purpose="batch")
    glm.batches.create(
        input_file_id=file.id, endpoint="/v4/chat/completions", auto_delete_input_file=False
    )
    fakebatch.clock.advance("2h")

    assert file.id in {one.id for one in glm.files.list().data}


@pytest.mark.fakebatch(dialect="zhipu")
def test_the_endpoint_of_other_providers_is_refused(glm: Any) -> None:
    """The literals in the SDK's own types are stale; the code of the error is digits."""
    with pytest.raises(zai.core.APIStatusError, match="1214"):
        glm.batches.create(input_file_id="x", endpoint="/v1/chat/completions")


@pytest.mark.fakebatch(dialect="zhipu")
def test_counts_also_stand_flat(glm: Any, fakebatch: FakeBatch) -> None:
    """Beside request_counts, which one document has as an integer."""
    file = glm.files.create(file=("in.jsonl", io.BytesIO(jsonl([GLM]))), purpose="batch")
    glm.batches.create(input_file_id=file.id, endpoint="/v4/chat/completions")
    fakebatch.clock.advance("2h")
    wire = fakebatch.batches.only().json

    assert (wire["total"], wire["completed"], wire["failed"]) == (1, 1, 0)

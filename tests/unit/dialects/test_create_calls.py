"""What create calls of other providers take: keys that make them safe to repeat, trial runs."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat
from support.providers import create, line, run, upload

pytestmark = pytest.mark.sync

OGX = pytest.param(
    {"extra_body": {"idempotency_key": "k"}}, marks=pytest.mark.fakebatch(dialect="ogx")
)
PERPLEXITY = pytest.param(
    {"extra_headers": {"Idempotency-Key": "k"}}, marks=pytest.mark.fakebatch(dialect="perplexity")
)
SAFE = pytest.mark.parametrize("key", [OGX, PERPLEXITY], ids=["ogx", "perplexity"])


def other(key: dict[str, Any]) -> dict[str, Any]:
    """Another key at the same place."""
    return {place: dict.fromkeys(named, "other") for place, named in key.items()}


@SAFE
def test_the_same_key_gives_the_same_batch(
    do: Driver, fakebatch: FakeBatch, key: dict[str, Any]
) -> None:
    """While it runs and after its end; without a key, or with another, there is a new one."""
    file_id = upload(do, fakebatch, line(fakebatch.dialects[0], "a"))

    def created(**more: Any) -> Any:
        return do(do.client.batches.create, input_file_id=file_id, **{**do.usual, **more})

    first = created(**key)
    fakebatch.clock.advance("3h")
    again = created(**key)
    others = [created().id, created().id, created(**other(key)).id]

    assert (again.id, again.status) == (first.id, "completed")
    assert len({first.id, *others}) == len(fakebatch.batches) == 4


@SAFE
def test_a_key_with_other_parameters_is_a_conflict(
    do: Driver, fakebatch: FakeBatch, key: dict[str, Any]
) -> None:
    """409: the key stands for the call as it was."""
    request = line(fakebatch.dialects[0], "a")
    create(do, fakebatch, request, **key)
    with pytest.raises(openai.ConflictError, match="parameters"):
        create(do, fakebatch, request, metadata={"run": "2"}, **key)

    assert len(fakebatch.batches) == 1


@pytest.mark.parametrize(
    "key", [{"extra_body": {"idempotency_key": "k"}}, {"extra_headers": {"Idempotency-Key": "k"}}]
)
def test_openai_knows_no_such_key(do: Driver, fakebatch: FakeBatch, key: dict[str, Any]) -> None:
    """Two calls make two batches, whatever they carry."""
    for _ in range(2):
        create(do, fakebatch, chat("a"), **key)

    assert len(fakebatch.batches) == 2


def texts(do: Driver, batch: Any) -> dict[str, str]:
    """The texts of the replies in the output file, by custom_id."""
    lines = do(do.client.files.content, batch.output_file_id).content.splitlines()
    results = {one["custom_id"]: one["response"]["body"] for one in map(json.loads, lines)}
    return {name: body["choices"][0]["message"]["content"] for name, body in results.items()}


@pytest.mark.fakebatch(dialect="dashscope")
def test_the_trial_run_of_dashscope(do: Driver, fakebatch: FakeBatch) -> None:
    """/v1/chat/ds-test with batch-test-model: chat completions, all with the same text.

    A rule of the test has its way; whether one selects a line makes no difference to the others.
    """
    request = {**chat("a", model="batch-test-model"), "url": "/v1/chat/ds-test"}
    done = run(do, fakebatch, request, endpoint="/v1/chat/ds-test")
    wrong = run(do, fakebatch, request, endpoint="/v1/chat/completions")

    fakebatch.on(custom_id="b").reply("mine")
    both = run(do, fakebatch, request, {**request, "custom_id": "b"}, endpoint="/v1/chat/ds-test")

    assert (done.endpoint, wrong.status) == ("/v1/chat/ds-test", "failed")
    assert texts(do, done) == {"a": "This is a test result."}
    assert texts(do, both) == {"a": "This is a test result.", "b": "mine"}


@pytest.mark.fakebatch(dialect="dashscope")
def test_dashscope_cancels_within_the_second(do: Driver, fakebatch: FakeBatch) -> None:
    """The call shows `cancelling`; lines that never ran then count as failed."""
    batch = create(do, fakebatch, *(line(fakebatch.dialects[0], name) for name in ("a", "b")))
    fakebatch.clock.advance("2m")
    assert do(do.client.batches.cancel, batch.id).status == "cancelling"
    fakebatch.clock.advance(1)
    done = do(do.client.batches.retrieve, batch.id)

    assert (done.status, done.cancelled_at) == ("cancelled", done.cancelling_at)
    assert (done.request_counts.completed, done.request_counts.failed) == (0, 2)


@pytest.mark.fakebatch(dialect="doubleword")
def test_doubleword_takes_no_file_id_but_a_uuid(do: Driver, fakebatch: FakeBatch) -> None:
    """400 at once; a UUID that belongs to no file fails the batch."""
    with pytest.raises(openai.BadRequestError, match="Invalid input_file_id format"):
        do(do.client.batches.create, **do.usual, input_file_id="file-1")
    unknown = "00000000-0000-4000-8000-000000000000"

    assert do(do.client.batches.create, **do.usual, input_file_id=unknown).status == "validating"

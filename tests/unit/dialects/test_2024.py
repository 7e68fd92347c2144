"""OpenAI as it was in 2024: the switch where sources of then and of now disagree."""

from __future__ import annotations

import re
from typing import Any

import openai
import pytest

from support.client import Driver, chat

pytestmark = [pytest.mark.fakebatch(dialect="openai-2024"), pytest.mark.sync]


def test_an_unknown_input_file_is_refused_at_once(do: Driver) -> None:
    """No batch is created that fails later."""
    asked: Any = {"endpoint": "/v1/embeddings", "completion_window": "24h"}
    with pytest.raises(openai.BadRequestError, match="Cannot find file file-x, or project") as told:
        do(do.client.batches.create, input_file_id="file-x", **asked)

    assert (told.value.param, told.value.code) == ("file_id", None)
    assert do.all(do.client.batches.list) == []


@pytest.mark.untyped
def test_ids_and_objects_are_those_of_then(do: Driver) -> None:
    """Twenty-four letters and digits; no model, no usage, no expiry of files."""
    batch = do.create([chat("a")])
    wire = do.wire(do.client.batches.with_raw_response.retrieve, batch.id)

    assert re.fullmatch(r"batch_[0-9A-Za-z]{24}", wire["id"])
    assert re.fullmatch(r"file-[0-9A-Za-z]{24}", wire["input_file_id"])
    assert not {"model", "usage"} & set(wire)


@pytest.mark.untyped
def test_urls_prefix_match(do: Driver) -> None:
    """In the words of the FAQ of 2024."""
    done = do.run([{**chat("a"), "url": "/v1/embeddings"}])
    assert "does not prefix-match the batch endpoint" in done.errors.data[0].message


@pytest.mark.untyped
def test_a_cancel_took_five_minutes(do: Driver) -> None:
    """313 seconds, as recorded in April 2024."""
    batch = do(do.client.batches.cancel, do.create([chat("a")]).id)
    done = do.poll(batch, every=10)[-1]
    assert done.cancelled_at - done.cancelling_at == 313

"""Uploads that are processed late, fail, or cannot be found, and what a client sees of it."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat
from support.doors import ONE_IN_PROCESS

pytestmark = [pytest.mark.sync, ONE_IN_PROCESS]
TEN = [chat(f"r{number}") for number in range(10)]


def test_an_upload_is_not_ready_at_once(do: Driver, fakebatch: FakeBatch) -> None:
    """Until it is processed no batch can be created with it."""
    fakebatch.on_file().processing("1m")
    file = do.upload(TEN)
    params: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    with pytest.raises(openai.BadRequestError, match="in 'uploaded' state"):
        do(do.client.batches.create, input_file_id=file.id, **params)
    ready = do(do.client.files.wait_for_processing, file.id)

    assert (file.status, ready.status) == ("uploaded", "processed")
    assert do(do.client.batches.create, input_file_id=file.id, **params).status == "validating"


def test_an_upload_can_end_in_error(do: Driver, fakebatch: FakeBatch) -> None:
    """It is never ready."""
    fakebatch.on_file(times=1).processing("1m", broken=True)
    broken, fine = do.upload(TEN), do.upload(TEN)
    do.sleep(60)
    states = [do(do.client.files.retrieve, one.id).status for one in (broken, fine)]
    assert states == ["error", "processed"]


def test_two_verbs_of_an_upload_add_up(do: Driver, fakebatch: FakeBatch) -> None:
    """It is processed late, and gone early; of the same verb the later holds."""
    fakebatch.on_file().processing("1d")
    fakebatch.on_file().processing("1m")
    fakebatch.on_file().expire("2m")
    file = do.upload(TEN)
    do.sleep(60)
    assert (file.status, do(do.client.files.retrieve, file.id).status) == ("uploaded", "processed")
    do.sleep(60)
    with pytest.raises(openai.NotFoundError):
        do(do.client.files.retrieve, file.id)


def test_an_upload_can_be_found_late_and_be_gone_early(do: Driver, fakebatch: FakeBatch) -> None:
    """Neither its object nor a batch finds it meanwhile."""
    fakebatch.on_file(1).not_found_for("30s")
    fakebatch.on_file(2).expire("2m")
    hidden, mortal = do.upload(TEN), do.upload(TEN)
    with pytest.raises(openai.NotFoundError):
        do(do.client.files.retrieve, hidden.id)
    do.sleep(30)
    assert do(do.client.files.retrieve, hidden.id).expires_at == hidden.expires_at
    do.sleep(90)
    with pytest.raises(openai.NotFoundError):
        do(do.client.files.content, mortal.id)

"""A FakeBatch that is never entered: nothing is patched, and its time is `time.time()`."""

from __future__ import annotations

import time
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from support.client import chat, created

MADE_AT = 1_800_000_000.0  # 2027-01-15T08:00:00Z


class RealTime:
    """Stands in for `time.time`, and passes when the test says so."""

    def __init__(self) -> None:
        self.now = MADE_AT

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def real_time(monkeypatch: pytest.MonkeyPatch) -> RealTime:
    """The wall clock of the process."""
    real_time = RealTime()
    monkeypatch.setattr(time, "time", real_time)
    return real_time


OPTIONS: dict[str, dict[str, Any]] = {
    "the default": {},
    "a real clock": {"clock": "real"},
    "a manual clock": {"clock": "manual"},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_an_outage_is_at_its_time_since_the_fake_was_made(
    options: dict[str, Any], real_time: RealTime
) -> None:
    """`between=` counts from there, as it does from the start of a clock."""
    fake = FakeBatch(**options)
    fake.on_call("batches.list", between=("10m", "20m")).fail(503)
    client = fake.openai(max_retries=0)
    statuses: list[int] = []
    for minute in (0, 9, 10, 19, 20, 60):
        real_time.now = MADE_AT + 60 * minute
        try:
            client.batches.list()
        except openai.InternalServerError as error:
            statuses.append(error.status_code)
        else:
            statuses.append(200)
    assert statuses == [200, 200, 503, 503, 200, 200]


def test_a_batch_and_the_journal_have_the_time_of_the_process(real_time: RealTime) -> None:
    """The schedule runs by it, and the timeline names it."""
    fake = FakeBatch()
    client = fake.openai()
    batch = created(client, chat("a"))
    assert client.batches.retrieve(batch).created_at == MADE_AT
    real_time.now += 3_600
    assert client.batches.retrieve(batch).status == "completed"
    assert [call.at.timestamp() for call in fake.journal][-1] == MADE_AT + 3_600
    first, *_, now = [line for line in fake.timeline().splitlines() if line.startswith("+")]
    assert first == "+00:00:00  is 2027-01-15T08:00:00Z"
    assert now == "+01:00:00  now"


def test_after_the_end_time_stands_where_it_stood() -> None:
    """An outage that is over stays over."""
    with FakeBatch() as fake:
        fake.on_call("batches.list", between=("10m", "20m")).fail(503)
        fake.clock.advance("15m")
        with pytest.raises(openai.InternalServerError):
            fake.openai(max_retries=0).batches.list()
        fake.clock.advance("15m")
    fake.openai(max_retries=0).batches.list()

"""Which calls of the SDK go wrong: by number, by time, by chance, by key, by rate."""

from __future__ import annotations

import math

import openai
import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat
from support.doors import ATTEMPT


@ATTEMPT
def test_nth_and_times_count_http_requests(do: Driver, fakebatch: FakeBatch) -> None:
    """The SDK swallows two failures a call: four in a row reach the second call's end."""
    fakebatch.on_call("batches.list", nth=2, times=4).fail(503)
    assert do(do.client.batches.list).data == []
    with pytest.raises(openai.InternalServerError):
        do(do.client.batches.list)
    assert do(do.client.batches.list).data == []

    shown = [(one.attempt, one.absorbed) for one in fakebatch.faults.fired]
    assert shown == [(0, False), (1, False), (2, False), (0, True)]


@ATTEMPT
@pytest.mark.parametrize("retries", [0, 2, 5])
def test_through_retries_lasts_until_the_client_gives_up(
    do: Driver, fakebatch: FakeBatch, retries: int
) -> None:
    """However often the client tries: one call is lost, and the next goes well."""
    fakebatch.on_call("batches.list", nth=2, through_retries=True).fail(503)
    client = do.client.with_options(max_retries=retries)
    assert do(client.batches.list).data == []
    with pytest.raises(openai.InternalServerError):
        do(client.batches.list)

    assert do(client.batches.list).data == []
    assert [one.attempt for one in fakebatch.faults.fired] == [*range(retries + 1)]


def test_an_outage_lasts_from_one_time_to_another(do: Driver, fakebatch: FakeBatch) -> None:
    """Polls within it fail; those before and after do not."""
    fakebatch.on_call("batches.*", between=("10m", "20m")).connect_error()
    batch, failed = do.create([chat("a")]), []
    for minute in range(30):
        fakebatch.clock.move_to(1767225600 + 60 * minute + 30)
        try:
            do(do.client.with_options(max_retries=0).batches.retrieve, batch.id)
        except openai.APIConnectionError:
            failed.append(minute)

    assert failed == [*range(10, 20)]


def test_a_request_that_is_too_long(do: Driver, fakebatch: FakeBatch) -> None:
    """Only a request whose body has more bytes is hit; the shorter ones do not count."""
    fakebatch.on_call("files.create", longer_than=2000, times=1).fail(413)
    client = do.client.with_options(max_retries=0)
    refused = list[int]()
    for size in (10, 3000, 10, 3000):
        try:
            do(client.files.create, file=("a.jsonl", b" " * size), purpose="user_data")
        except openai.APIStatusError as error:
            refused.append(error.status_code)
        else:
            refused.append(0)
    assert refused == [0, 413, 0, 0]


def test_a_key_is_revoked_midway(do: Driver, fakebatch: FakeBatch) -> None:
    """From then on the old key is refused in the provider's words; a new one is accepted."""
    fakebatch.on_call(between=("1h", None), key="sk-old-key-of-mine").fail(401)
    client = do.client.with_options(api_key="sk-old-key-of-mine")
    assert do(client.batches.list).data == []
    fakebatch.clock.advance("1h")

    with pytest.raises(openai.AuthenticationError, match=r"provided: sk-old-k\*+mine"):
        do(client.batches.list)
    assert do(client.with_options(api_key="sk-new").batches.list).data == []


def test_a_rate_limit_lets_a_polite_client_through(do: Driver, fakebatch: FakeBatch) -> None:
    """The third call within a minute is told to wait until there is room, and does."""
    fakebatch.on_call("batches.list").rate_limit(2, per="1m")
    for _ in range(3):
        do(do.client.batches.list)

    assert fakebatch.clock.elapsed == 60
    statuses = [call.status for call in fakebatch.journal.calls("batches.list")]
    assert statuses == [200, 200, 429, 200]


def test_a_long_retry_after_reaches_the_caller_at_once(do: Driver, fakebatch: FakeBatch) -> None:
    """The SDK does not wait ten minutes: 1.x and 2.x go by a back-off of their own instead."""
    fakebatch.on_call("batches.list").rate_limit(1, per="1m", retry_after="10m")
    do(do.client.batches.list)
    with pytest.raises(openai.RateLimitError) as caught:
        do(do.client.batches.list)

    assert caught.value.response.headers["retry-after"] == "600"
    assert fakebatch.clock.elapsed < 60


@pytest.mark.not_over("transport", "socket", reason="it makes fakes of its own")
def test_chance_is_decided_by_the_seed(do: Driver) -> None:
    """The same seed, the same failures; about as many as were asked for."""

    def failures(seed: int) -> list[int]:
        with FakeBatch(seed=seed) as fake:
            fake.on_call("batches.list", chance=0.3).fail(403)
            return [n for n in range(100) if _fails(do)]

    failed = failures(1)
    assert failed == failures(1) != failures(2)
    assert 15 < len(failed) < 45


def _fails(do: Driver) -> bool:
    try:
        do(do.client.batches.list)
    except openai.PermissionDeniedError:
        return True
    return False


@pytest.mark.fakebatch(unused_rules="ignore")
def test_the_later_of_two_faults_wins(do: Driver, fakebatch: FakeBatch) -> None:
    """The earlier met nothing."""
    earlier = fakebatch.on_call("batches.list", times=math.inf).fail(404)
    later = fakebatch.on_call("*").fail(403)
    with pytest.raises(openai.PermissionDeniedError):
        do(do.client.batches.list)

    assert (earlier.hits, later.hits) == (0, 1)

"""What an operator does beside the client: cancels, and files that no list has."""

from __future__ import annotations

import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat
from support.doors import ONE_IN_PROCESS, WEBHOOK

pytestmark = [pytest.mark.sync, ONE_IN_PROCESS]

CANCELS: dict[str, tuple[str, dict[str, str], list[str]]] = {
    "in progress": ("20m", {}, ["validating", "in_progress", "cancelling", "cancelled"]),
    "while it is validated": ("30s", {}, ["validating", "cancelling", "cancelled"]),
    "after its end": ("2h", {}, ["validating", "in_progress", "finalizing", "completed"]),
}


@pytest.mark.parametrize(("at", "schedule", "statuses"), CANCELS.values(), ids=CANCELS)
def test_an_operator_cancels(
    at: str, schedule: dict[str, str], statuses: list[str], do: Driver, fakebatch: FakeBatch
) -> None:
    """The client learns of it as it polls; one that has ended stays as it is."""
    fakebatch.on_batch().cancel(at=at)
    batch = do.create([chat("a"), chat("b")])
    seen = list(dict.fromkeys(each.status for each in do.poll(batch, every=20)))
    assert seen == statuses
    assert [step.status for step in fakebatch.batches[batch.id].plan] == statuses


def test_the_moment_of_the_cancel_is_that_of_the_rule(do: Driver, fakebatch: FakeBatch) -> None:
    """Whenever somebody looks; partial results are there."""
    fakebatch.on_batch().cancel(at="20m")
    fakebatch.schedule(cancelling="1m")
    batch = do.create([chat(f"{n}") for n in range(100)])
    fakebatch.clock.advance("5h")
    batch = do(do.client.batches.retrieve, batch.id)
    assert batch.cancelling_at - batch.created_at == 1200
    assert batch.cancelled_at - batch.created_at == 1260
    assert len(do.results(batch.output_file_id)) == batch.request_counts.completed > 20
    assert fakebatch.files[batch.output_file_id].created_at == batch.cancelled_at


def test_a_client_that_cancels_earlier_is_first(do: Driver, fakebatch: FakeBatch) -> None:
    """One that cancels later changes nothing."""
    fakebatch.on_batch().cancel(at="20m")
    early, late = do.create([chat("a")]), do.create([chat("a")])
    fakebatch.clock.advance("10m")
    early = do(do.client.batches.cancel, early.id)
    fakebatch.clock.advance("15m")
    late = do(do.client.batches.cancel, late.id)
    assert early.cancelling_at - early.created_at == 600
    assert late.cancelling_at - late.created_at == 1200


def test_a_cancel_that_takes_no_time(do: Driver, fakebatch: FakeBatch) -> None:
    """During validation, with files that exist at that moment."""
    fakebatch.on_batch().cancel(at="10s")
    fakebatch.schedule(cancelling=0)
    batch = do.create([chat("a")])
    fakebatch.clock.advance("10s")
    assert do(do.client.batches.retrieve, batch.id).status == "cancelled"


@WEBHOOK
def test_its_webhook_is_due_when_it_is_cancelled(do: Driver, fakebatch: FakeBatch) -> None:
    """Not when validation would have ended."""
    fakebatch.on_batch().cancel(at="10s")
    fakebatch.schedule(cancelling=0)
    got: list[float] = []
    fakebatch.webhooks.deliver_to(lambda *_: got.append(fakebatch.clock.elapsed))
    do.create([chat("a")])
    fakebatch.clock.advance("1h")
    assert got == [10]


def test_result_files_that_no_list_has(do: Driver, fakebatch: FakeBatch) -> None:
    """They are found by the ids in the batch."""
    fakebatch.on_batch(nth=1).result_files(listed=False)
    hidden, listed = do.run([chat("a")]), do.run([chat("a")])
    results = do.all(do.client.files.list, purpose="batch_output")
    assert [file.id for file in results] == [listed.output_file_id]
    assert len(do.results(hidden.output_file_id)) == 1


@WEBHOOK
def test_webhooks_of_one_event_are_counted_among_themselves(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """The first failure, though it is the second webhook."""
    fakebatch.on_batch(nth=2).fail()
    lost = fakebatch.on_webhook(nth=1, event="batch.failed").deliver(lost=1)
    got: list[bytes] = []
    fakebatch.webhooks.deliver_to(lambda body, _: got.append(body))
    do.run([chat("a")])
    do.run([chat("a")])
    assert (len(got), lost.hits) == (1, 1)

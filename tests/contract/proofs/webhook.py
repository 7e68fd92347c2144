"""Proofs: webhooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from contract.proofs import Trial


def webhook_duplicate_unordered(trial: Trial) -> bool:
    """Each comes three times with one id; the first to come is not the first that ended."""
    received: list[tuple[str, str]] = []

    def handle(body: bytes, headers: Mapping[str, str]) -> None:
        event: Any = trial.do.client.webhooks.unwrap(body, headers)
        assert event.data.to_dict() == {"id": event.data.id}
        received.append((headers["webhook-id"], event.data.id))

    trial.fake.webhooks.deliver_to(handle)
    created: list[str] = []
    for _ in range(4):
        created.append(trial.do.create(trial.requests).id)
        trial.do.sleep(60)
    trial.do.sleep(2 * 3_600)
    order = list(dict.fromkeys(batch_id for _, batch_id in received))
    return (
        sorted(order) == sorted(created)
        and order != created
        and [*Counter(received).values()] == [3] * 4
    )


def webhook_before_output(trial: Trial) -> bool:
    """When it comes the batch is finalizing, without ids; later the results are there."""
    seen: list[Any] = []

    def handle(body: bytes, headers: Mapping[str, str]) -> None:
        event: Any = trial.do.client.webhooks.unwrap(body, headers)
        assert event.type == "batch.completed"
        seen.append(trial.do(trial.do.client.batches.retrieve, event.data.id))

    trial.fake.webhooks.deliver_to(handle)
    last = trial.do.run(trial.requests)
    return [(each.status, each.output_file_id) for each in seen] == [("finalizing", None)] and len(
        trial.do.results(last.output_file_id)
    ) == 10

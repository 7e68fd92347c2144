"""Proofs: times and clocks."""

from __future__ import annotations

from datetime import UTC, datetime

from contract.proofs import Trial


def timestamp_shapes(trial: Trial) -> bool:
    """Strings where the SDK's types have integers; null where there is no time."""
    batch = trial.do.create(trial.requests)
    if not isinstance(batch.created_at, str):
        return False
    last = trial.do.poll(batch, every=600)[-1]
    created = datetime.fromisoformat(batch.created_at)
    return (
        created.tzinfo is not None
        and (last.completed_at > last.created_at, last.failed_at) == (True, None)
        and len(trial.do.results(last.output_file_id)) == 10
    )


def clock_skew(trial: Trial) -> bool:
    """Created before the client began, and in progress after `expires_at`."""
    do, began = trial.do, _now(trial)
    batch = do.create(trial.requests)
    do.sleep(23.25 * 3_600)
    late = do(do.client.batches.retrieve, batch.id)
    last = do.poll(late, every=600)[-1]
    return (
        batch.created_at == began - 3_600
        and (late.status, late.expires_at < _now(trial)) == ("in_progress", True)
        and last.expires_at - last.created_at == 24 * 3_600
        and (last.status, len(do.results(last.output_file_id))) == ("completed", 10)
    )


def _now(trial: Trial) -> float:
    return trial.fake.clock.now.astimezone(UTC).timestamp()

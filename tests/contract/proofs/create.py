"""Proofs: the creation of a batch, and its validation."""

from __future__ import annotations

from contract.proofs import Trial


def create_ok_then_failed(trial: Trial) -> bool:
    """The create call succeeds, and the reason is in `errors` alone."""
    created = trial.do.create(trial.requests)
    ended = trial.do.poll(created)[-1]
    return (
        (created.status, ended.status) == ("validating", "failed")
        and [(entry.code, entry.line) for entry in ended.errors.data] == [("invalid_json_line", 1)]
        and (ended.output_file_id, ended.error_file_id) == (None, None)
        and ended.request_counts.total == 0
    )


def create_retried_duplicate_batch(trial: Trial) -> bool:
    """One call of the SDK, two batches of the same file."""
    trial.do.create(trial.requests)
    listed = trial.do.all(trial.do.client.batches.list)
    return len(listed) == 2 and len({batch.input_file_id for batch in listed}) == 1

"""Proofs: quotas, rate limits and billing."""

from __future__ import annotations

from contract.proofs import Trial


def enqueued_token_limit(trial: Trial) -> bool:
    """Two batches of one file fail for the limit, and a third is completed."""
    uploaded = trial.do.upload(trial.requests)
    batches = [
        trial.do(trial.do.client.batches.create, input_file_id=uploaded.id, **trial.do.usual)
        for _ in range(3)
    ]
    ended = [trial.do.poll(batch)[-1] for batch in batches]
    codes = [batch.errors.data[0].code for batch in ended if batch.errors]
    return [batch.status for batch in ended] == ["failed", "failed", "completed"] and codes == [
        "token_limit_exceeded"
    ] * 2

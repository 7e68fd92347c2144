"""Proofs: the end of the completion window."""

from __future__ import annotations

from contract.proofs import Trial


def expired_with_partial_output(trial: Trial) -> bool:
    """One line is in the output file, nine in the error file as `batch_expired`."""
    batch = trial.do.run(trial.requests)
    counts = batch.request_counts
    return (
        batch.status == "expired"
        and (counts.total, counts.completed, counts.failed) == (10, 1, 0)
        and len(trial.do.results(batch.output_file_id)) == 1
        and [line["error"]["code"] for line in trial.do.results(batch.error_file_id)]
        == ["batch_expired"] * 9
    )

"""Proofs: the end of the completion window."""

from __future__ import annotations

import json

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


def late_past_expiry(trial: Trial) -> bool:
    """In progress an hour after `expires_at`, and completed later."""
    do = trial.do
    batch = do.create(trial.requests)
    do.sleep(25 * 3_600)
    late = do(do.client.batches.retrieve, batch.id)
    last = do.poll(late, every=600)[-1]
    return (
        late.status == "in_progress"
        and late.expires_at == late.created_at + 24 * 3_600
        and last.completed_at > last.expires_at
        and len(do.results(last.output_file_id)) == 10
    )


def expired_with_line_separator(trial: Trial) -> bool:
    """Half of the answers are there; the input file, as text, has a line that is cut."""
    do = trial.do
    lines = (json.dumps(line, ensure_ascii=False) for line in trial.requests)
    batch = do.run("\n".join(lines).encode())
    text = do(do.client.files.content, batch.input_file_id).text
    return (
        batch.status == "expired"
        and (len(do.results(batch.output_file_id)), len(do.results(batch.error_file_id))) == (2, 2)
        and (len(text.splitlines()), len(text.split("\n"))) == (5, 4)
        and "\u2028" in text
    )

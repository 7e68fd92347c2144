"""Proofs: cancelled batches."""

from __future__ import annotations

from itertools import groupby

import openai

from contract.proofs import Trial


def cancel_partial_and_slow(trial: Trial) -> bool:
    """Ten minutes of `cancelling` without ids; then the results of three lines of ten."""
    *before, last = trial.do.poll(trial.do.create(trial.requests))
    cancelling = [each for each in before if each.status == "cancelling"]
    if last.status != "cancelled":
        return False
    unfinished = trial.do.results(last.error_file_id)
    return (
        len(cancelling) == 10
        and {(each.output_file_id, each.error_file_id) for each in cancelling} == {(None, None)}
        and last.cancelled_at - last.cancelling_at == 600
        and len(trial.do.results(last.output_file_id)) == 3
        and [line["error"]["code"] for line in unfinished] == ["batch_cancelled"] * 7
    )


def cancel_vs_complete_race(trial: Trial) -> bool:
    """Cancelling, and completed with all results. A cancel is refused then, three times."""
    seen = trial.do.poll(trial.do.create(trial.requests))
    statuses = [status for status, _ in groupby(each.status for each in seen)]
    if statuses[-2:] != ["cancelling", "completed"]:
        return False
    try:
        trial.do(trial.do.client.batches.cancel, seen[-1].id)
    except openai.ConflictError:
        return (
            len(trial.do.results(seen[-1].output_file_id)) == 10
            and seen[-1].cancelled_at is None
            and trial.fake.journal.count("batches.cancel", status=409) == 3
        )
    return False

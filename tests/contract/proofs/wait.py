"""Proofs: the wait for the end of a batch."""

from __future__ import annotations

import openai

from contract.proofs import Trial


def poll_5xx_kills_loop(trial: Trial) -> bool:
    """A poll raises although the batch is fine, and the next one goes on."""
    batch = trial.do.create(trial.requests)
    errors: list[str] = []
    for _ in range(5):
        trial.do.sleep(60)
        try:
            trial.do(trial.do.client.batches.retrieve, batch.id)
        except openai.InternalServerError as error:
            errors.append(error.response.headers["content-type"])
    return len(errors) == 1 and errors[0].startswith("text/html")

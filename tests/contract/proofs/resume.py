"""Proofs: a client that is killed and started again.

Each lets a client without memory die where the incident says so, and shows that nothing else went
wrong: what it had begun is there, and the same client, started again, does it once more.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import openai

from contract.proofs import Trial
from support.client import ENDED, jsonl

METADATA = {"job": "nightly"}


def restart_resubmits(trial: Trial) -> bool:
    """No call fails, and there are two batches of the same content; nobody polls the first."""
    created = _run_and_start_again(trial)
    batches = trial.do.all(trial.do.client.batches.list)
    contents = {bytes(trial.fake.files[each.input_file_id].content) for each in batches}
    return (
        (len(batches), len(contents)) == (2, 1)
        and trial.fake.journal.count("batches.retrieve", id=created.id) == 0
        and {call.status for call in trial.fake.journal.calls()} == {200}
    )


def killed_while_creating(trial: Trial) -> bool:
    """The create call has no response, and the list has its batch. There are two in the end."""
    lost = _run_and_start_again(trial)
    *_, orphan = trial.do.all(trial.do.client.batches.list)
    return (
        isinstance(lost, openai.APIConnectionError)
        and [call.status for call in trial.fake.journal.calls("batches.create")] == [None, 200]
        and orphan.metadata == METADATA
        and trial.fake.journal.count("batches.retrieve", id=orphan.id) == 0
        and len(trial.fake.batches) == 2
    )


def killed_while_polling(trial: Trial) -> bool:
    """What it saw last was `in_progress`; by that id all results can still be had."""
    seen = _run_and_start_again(trial)
    if seen is None:
        return False
    batch = trial.do(trial.do.client.batches.retrieve, seen.id)
    return (
        (seen.status, batch.status) == ("in_progress", "completed")
        and len(trial.do.results(batch.output_file_id)) == 10
        and len(trial.fake.batches) == 2
        and {call.status for call in trial.fake.journal.calls()} == {200}
    )


def killed_while_downloading(trial: Trial) -> bool:
    """Half of the file has arrived; the next download of it is whole."""
    broken = _run_and_start_again(trial)
    first, *_ = trial.fake.journal.calls("files.content")
    return (
        isinstance(broken, openai.APIConnectionError)
        and "without sending complete message body" in str(broken.__cause__)
        and len(trial.do.results(first.id)) == 10
        and len(trial.fake.batches) == 2
    )


class Death(BaseException):
    """The end of a client, with what its last call got."""


def _run_and_start_again(trial: Trial) -> Any:
    """Run the client, and once more if it dies. Returns what its last call before that got."""
    try:
        _run(trial, dies_after=trial.kill)
    except Death as death:
        _run(trial)
        return death.args[0]
    return None


def _run(trial: Trial, dies_after: tuple[str, ...] = ()) -> None:
    """A client without memory: upload, create, poll, download."""
    client = trial.do.client.with_options(max_retries=0)

    def call(operation: str, *args: Any, **kwargs: Any) -> Any:
        try:
            came = trial.do(attrgetter(operation)(client), *args, **kwargs)
        except openai.APIConnectionError as error:
            came = error
        if operation in dies_after:
            raise Death(came)
        return came

    file = call("files.create", file=("in.jsonl", jsonl(trial.requests)), purpose="batch")
    params = {"input_file_id": file.id, "metadata": METADATA, **trial.do.usual}
    batch = call("batches.create", **params)
    while batch.status not in ENDED:
        trial.do.sleep(600)
        batch = call("batches.retrieve", batch.id)
    call("files.content", batch.output_file_id)

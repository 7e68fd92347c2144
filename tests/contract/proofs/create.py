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


def _reasons(trial: Trial) -> tuple[str, list[tuple[str, int | None]]]:
    """How a batch of the requests ends, and the codes and lines of its errors."""
    batch = trial.do.run(trial.requests)
    entries = batch.errors.data if batch.errors else []
    return batch.status, [(entry.code, entry.line) for entry in entries]


def duplicate_custom_id_input(trial: Trial) -> bool:
    """The third line is a duplicate."""
    return _reasons(trial) == ("failed", [("duplicate_custom_id", 3)])


def mixed_model_in_file(trial: Trial) -> bool:
    """The lines of the second model are refused, and each group alone is not."""
    groups = [trial.requests[::2], trial.requests[1::2]]
    assert [trial.do.run(group).status for group in groups] == ["completed"] * 2
    return _reasons(trial) == ("failed", [("mismatched_model", 2), ("mismatched_model", 4)])


def url_endpoint_mismatch(trial: Trial) -> bool:
    """The lines of the second endpoint are refused, and each group alone is not."""
    for group in (trial.requests[::2], trial.requests[1::2]):
        assert trial.do.run(group, endpoint=group[0]["url"]).status == "completed"
    return _reasons(trial) == ("failed", [("invalid_url", 2), ("invalid_url", 4)])


def bad_json_line(trial: Trial) -> bool:
    """The upload is processed, and the second line is no JSON."""
    assert trial.do.upload(trial.requests).status == "processed"
    return _reasons(trial) == ("failed", [("invalid_json_line", 2)])


def custom_id_shape(trial: Trial) -> bool:
    """Strings go, numbers come; which are the same as strings."""
    sent = [line["custom_id"] for line in trial.requests]
    lines = trial.do.results(trial.do.run(trial.requests).output_file_id)
    came = [line["custom_id"] for line in lines]
    assert sorted(map(str, came)) == sorted(sent)
    return all(isinstance(custom_id, int) for custom_id in came)


def validation_errors_empty(trial: Trial) -> bool:
    """It has failed, and there is no reason."""
    batch = trial.do.run(trial.requests)
    return (batch.status, batch.errors, batch.error_file_id) == ("failed", None, None)


def metadata_limits(trial: Trial) -> bool:
    """The create call succeeds, and the batch has no metadata, nor has the list."""
    created = trial.do.create(trial.requests, metadata={"job": "nightly"})
    listed = trial.do.all(trial.do.client.batches.list)
    return [batch.metadata for batch in (created, *listed)] == [None, None]

"""Proofs: the result files and their lines."""

from __future__ import annotations

import json

from contract.proofs import Trial


def completed_null_output(trial: Trial) -> bool:
    """Completed, without an output file and with a reason for each line."""
    batch = trial.do.run(trial.requests)
    failed = trial.do.results(batch.error_file_id) if batch.error_file_id else []
    return (
        (batch.status, batch.output_file_id, batch.errors) == ("completed", None, None)
        and batch.request_counts.failed == len(failed) == len(trial.requests)
        and {line["response"]["body"]["error"]["code"] for line in failed}
        == {"unsupported_parameter"}
    )


def counts_lie_status_zero(trial: Trial) -> bool:
    """No line is counted as failed, and one is in the error file."""
    batch = trial.do.run(trial.requests)
    failed = trial.do.results(batch.error_file_id) if batch.error_file_id else []
    return (
        (batch.request_counts.completed, batch.request_counts.failed) == (10, 0)
        and [line["response"]["status_code"] for line in failed] == [0]
        and len(trial.do.results(batch.output_file_id)) == 9
    )


def download_truncated(trial: Trial) -> bool:
    """A download without an error that is shorter than the file."""
    file_id = trial.do.run(trial.requests).output_file_id
    size = trial.do(trial.do.client.files.retrieve, file_id).bytes
    return bool(len(trial.do(trial.do.client.files.content, file_id).content) < size)


def shuffled_order(trial: Trial) -> bool:
    """The last request comes first."""
    lines = trial.do.results(trial.do.run(trial.requests).output_file_id)
    ids = [line["custom_id"] for line in lines]
    return ids == [line["custom_id"] for line in reversed(trial.requests)]


def unicode_line_separators(trial: Trial) -> bool:
    """As bytes, ten lines of JSON; as text, lines that are cut."""
    file_id = trial.do.run(trial.requests).output_file_id
    content = trial.do(trial.do.client.files.content, file_id)
    assert all(json.loads(line) for line in content.content.splitlines())
    return len(content.text.splitlines()) > len(content.content.splitlines()) == 10

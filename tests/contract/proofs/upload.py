"""Proofs: the upload of the input file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai

from contract.proofs import Trial
from support.client import jsonl


def _refusal(call: Callable[..., Any], *args: Any, **kwargs: Any) -> openai.APIStatusError | None:
    """The error by which a call is refused."""
    try:
        call(*args, **kwargs)
    except openai.APIStatusError as error:
        return error
    return None


def _create(trial: Trial, file_id: str) -> Any:
    return trial.do(trial.do.client.batches.create, input_file_id=file_id, **trial.do.usual)


def upload_too_large(trial: Trial) -> bool:
    """Ten requests are too many for one upload, half of them are not."""
    error = _refusal(trial.do.upload, trial.requests)
    trial.do.upload(trial.requests[:5])
    return error is not None and (error.status_code, error.body) == (
        400,
        {
            "message": "File is too large.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        },
    )


def upload_413_html(trial: Trial) -> bool:
    """The error has no JSON, and nothing was stored."""
    error = _refusal(trial.do.upload, trial.requests)
    return (
        error is not None
        and (error.status_code, error.response.headers["content-type"][:9]) == (413, "text/html")
        and str(error.body).startswith("<html>")
        and not trial.do.all(trial.do.client.files.list)
    )


def azure_file_pending(trial: Trial) -> bool:
    """The upload succeeds, a creation at once is refused, and one a minute later is not."""
    uploaded = trial.do.upload(trial.requests)
    error = _refusal(_create, trial, uploaded.id)
    trial.do.sleep(60)
    return (
        (uploaded.status, _create(trial, uploaded.id).status) == ("uploaded", "validating")
        and error is not None
        and error.status_code == 400
        and f"The input file '{uploaded.id}' is in 'uploaded' state." in error.message
    )


def fresh_file_not_visible(trial: Trial) -> bool:
    """Neither the file nor a batch can be had at once, and both some seconds later."""
    uploaded = trial.do.upload(trial.requests)
    retrieved = _refusal(trial.do, trial.do.client.files.retrieve, uploaded.id)
    created = _refusal(_create, trial, uploaded.id)
    trial.do.sleep(5)
    return (
        _create(trial, uploaded.id).status == "validating"
        and (retrieved is not None and retrieved.status_code == 404)
        and (created is not None and created.status_code == 400)
        and f"Cannot find file {uploaded.id}, or project" in created.message
    )


def upload_hang_or_reset(trial: Trial) -> bool:
    """One call of the SDK, no id, and three files."""
    try:
        trial.do.upload(trial.requests)
    except openai.APIConnectionError:
        return len(trial.do.all(trial.do.client.files.list)) == 3
    return False


def input_deleted_too_early(trial: Trial) -> bool:
    """The batch fails, for its input cannot be found; a second upload runs."""
    first, second = trial.do.run(trial.requests), trial.do.run(trial.requests)
    reasons = [entry.message for entry in first.errors.data] if first.errors else []
    return (
        [first.status, second.status] == ["failed", "completed"]
        and len(reasons) == 1
        and reasons[0].startswith(f"Cannot find file {first.input_file_id}")
    )


def wrong_purpose_or_extension(trial: Trial) -> bool:
    """Bytes without a name are refused; the same bytes with one are not."""
    content = jsonl(trial.requests)
    error = _refusal(trial.do, trial.do.client.files.create, file=content, purpose="batch")
    trial.do.upload(content)
    return error is not None and (
        (error.status_code, error.response.json()["error"]["message"])
        == (400, "Invalid file format for Batch API. Must be .jsonl")
    )

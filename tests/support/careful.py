"""A client of the Batch API that none of the known incidents breaks; what a test compares with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import openai

from support.client import ENDED, Driver


@dataclass
class Found:
    """What became of each request, and why a whole batch failed, if it did."""

    answers: dict[str, str] = field(default_factory=dict[str, str])
    failures: dict[str, str] = field(default_factory=dict[str, str])
    reasons: list[tuple[str, int | None]] = field(default_factory=list[tuple[str, int | None]])


def careful(do: Driver, lines: list[dict[str, Any]]) -> Found:
    """Submit once, wait for the end, read both files, pair by custom_id."""
    file_id = do.upload(lines).id
    found, attempt = Found(), 1
    batch = ended(do, submitted(do, file_id, attempt))
    while reasons(batch) == [("token_limit_exceeded", None)]:
        do.sleep(3600)
        attempt += 1
        batch = ended(do, submitted(do, file_id, attempt))
    found.reasons = reasons(batch)
    for line in [*rows(do, batch.output_file_id), *rows(do, batch.error_file_id)]:
        response = line["response"] or {"status_code": None, "body": {}}
        if response["status_code"] == 200:
            found.answers[line["custom_id"]] = response["body"]["choices"][0]["message"]["content"]
        else:
            error = line["error"] or response["body"].get("error") or {}
            found.failures[line["custom_id"]] = error.get("code") or str(response["status_code"])
    return found


def submitted(do: Driver, file_id: str, attempt: int) -> Any:
    """A batch that was created once, even if the answer was lost: it is found by its metadata."""
    client = do.client.with_options(max_retries=0)
    mine = {"attempt": f"{file_id} {attempt}"}
    try:
        return do(
            client.batches.create,
            input_file_id=file_id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata=mine,
        )
    except openai.APIError:
        [batch] = [one for one in do.all(client.batches.list) if one.metadata == mine]
        return batch


def ended(do: Driver, batch: Any) -> Any:
    """The batch after its end; a poll that fails is no end."""
    while batch.status not in ENDED:
        do.sleep(600)
        try:
            batch = do(do.client.batches.retrieve, batch.id)
        except openai.APIError:
            continue
    return batch


def reasons(batch: Any) -> list[tuple[str, int | None]]:
    """Why a batch failed."""
    return [(entry.code, entry.line) for entry in batch.errors.data] if batch.errors else []


def rows(do: Driver, file_id: str | None) -> list[Any]:
    """The lines of a result file, downloaded again until it is whole."""
    if not file_id:
        return []
    size = do(do.client.files.retrieve, file_id).bytes
    content = b""
    while len(content) != size:
        content = do(do.client.files.content, file_id).content
    return [json.loads(line) for line in content.split(b"\n") if line]

"""A client of the SDK in steps, for tests of the gauntlet: submit, wait, download."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

import openai
from openai.types import Batch

Requests = Sequence[dict[str, Any]]
Results = dict[str, Any]
ENDS = ("completed", "failed", "expired", "cancelled")


def submitted(requests: Requests) -> Batch:
    """A batch with these requests."""
    client = openai.OpenAI(max_retries=0)
    content = "\n".join(map(json.dumps, requests)).encode()
    file = client.files.create(file=("a.jsonl", content), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint=requests[0]["url"], completion_window="24h"
    )


def ended(batch: Batch) -> Batch:
    """The same batch at its end, polled every ten minutes."""
    client = openai.OpenAI(max_retries=0)
    while batch.status not in ENDS:
        time.sleep(600)
        batch = client.batches.retrieve(batch.id)
    return batch


def read(rows: Iterable[bytes]) -> Results:
    """The answers, and the failures, in the lines of result files."""
    results: Results = {}
    for line in map(json.loads, filter(None, rows)):
        body = (line["response"] or {}).get("body") or {}
        is_answer = "choices" in body or body.get("data")
        results[line["custom_id"]] = body if is_answer else ValueError(str(line["error"] or body))
    return results


def downloaded(batch: Batch) -> Results:
    """What is in both result files of a batch."""
    client, rows = openai.OpenAI(max_retries=0), list[bytes]()
    for file_id in (batch.output_file_id, batch.error_file_id):
        rows += client.files.content(file_id).content.split(b"\n") if file_id else []
    return read(rows)


def fetched(requests: Requests) -> Results:
    """The answers of one batch, and the failures."""
    return downloaded(ended(submitted(requests)))

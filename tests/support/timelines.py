"""Tests run in a process of their own, and the timelines of those that failed."""

from __future__ import annotations

import pytest

CODE = """
import json, time
import openai, pytest
from fakebatch import FakeBatch

def create(*custom_ids):
    client = openai.OpenAI()
    body = {"model": "m", "input": "hi"}
    line = {"method": "POST", "url": "/v1/embeddings", "body": body}
    lines = "\\n".join(json.dumps({"custom_id": id_, **line}) for id_ in custom_ids)
    file = client.files.create(file=lines.encode(), purpose="batch")
    asked = {"endpoint": "/v1/embeddings", "completion_window": "24h"}
    return client.batches.create(input_file_id=file.id, **asked)

def ended(batch):
    client = openai.OpenAI()
    while batch.status != "completed":
        time.sleep(60)
        batch = client.batches.retrieve(batch.id)
    return batch
"""

HEAD = "*-- fakebatch timeline: https://api.openai.com/v1 --*"
ZERO = "+00:00:00  is 2026-01-01T00:00:00Z; time is virtual"
SILENT = [HEAD, ZERO, "           nothing was called", "+00:00:00  now"]


def run(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(CODE + code)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return pytester.runpytest_subprocess("-p", "no:randomly", *options)


def timelines(result: pytest.RunResult) -> list[list[str]]:
    """The lines of each timeline, without its title."""
    found: list[list[str]] = []
    inside = False
    for line in result.outlines:
        if "-- fakebatch timeline" in line:
            found.append([])
            inside = True
        elif inside and not line.startswith(("+", "-0", "-1", " ")):
            inside = False
        elif inside:
            found[-1].append(line)
    return found

"""Timelines: of journals written by hand, and of failing tests in a pytest of their own."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from fakebatch.dialects import OPENAI
from fakebatch.durations import SECOND
from fakebatch.inspection.journal import Called, Recorder, Slept
from fakebatch.report.events import history
from fakebatch.report.text import timeline
from fakebatch.service import Service
from fakebatch.wire.faults import Faults

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
    params = {"endpoint": "/v1/embeddings", "completion_window": "24h"}
    return client.batches.create(input_file_id=file.id, **params)

def ended(batch):
    client = openai.OpenAI()
    while batch.status != "completed":
        time.sleep(60)
        batch = client.batches.retrieve(batch.id)
    return batch
"""

HEAD = "*-- fakebatch timeline: https://api.openai.com/v1 --*"
ZERO = "+00:00:00  is 2026-01-01T00:00:00Z"
SILENT = [ZERO, "           no calls", "+00:00:00  now"]

Entry = tuple[float, Called | Slept]
"""A call or a sleep, and when it began, in seconds."""


def call(
    at: float,
    operation: str,
    id_: str = "",
    status: int | None = 200,
    injected: str | None = None,
) -> Entry:
    return at, Called(operation, id_, status, injected)


def sleep(at: float, seconds: float) -> Entry:
    return at, Slept(round(seconds * SECOND))


def drawn(entries: Iterable[Entry], now: float = 0) -> list[str]:
    """The lines of a journal that begins at 0, without the first and without "now"."""
    recorder = Recorder()
    for at, what in entries:
        moment = round(at * SECOND)
        if isinstance(what, Slept):
            recorder.sleep(moment, moment + what.duration)
        else:
            recorder.call(moment, what, changes=False)
    service = Service(OPENAI, seed=b"0")
    faults = Faults(service.state, lambda now: now)
    end = round(now * SECOND)
    text = timeline(history([service], recorder, faults, unused=(), began=0, now=end))
    first, *lines, last = text.split("\n")
    assert first == "+00:00:00  is 1970-01-01T00:00:00Z"
    assert last.endswith("  now")
    return lines


def run(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(CODE + code)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    # not with the filters for warnings that the suite has
    return pytester.runpytest_inprocess("-p", "no:randomly", "-W", "default", *options)


def timelines(result: pytest.RunResult) -> list[list[str]]:
    """The lines of each timeline, without its title."""
    shown: list[list[str]] = []
    inside = False
    for line in result.outlines:
        if "-- fakebatch timeline" in line:
            shown.append([])
            inside = True
        elif inside and not line.startswith(("+", "-0", "-1", " ")):
            inside = False
        elif inside:
            shown[-1].append(line)
    return shown

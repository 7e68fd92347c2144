"""The types of the public API, as mypy and pyright see them. Nothing here runs.

A call that is wrong carries an ignore of its error; both checkers complain about an
unneeded one.
"""
# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, assert_type

import httpx
from openai import AsyncOpenAI, OpenAI

from fakebatch import (
    Batch,
    Clock,
    Emulator,
    FakeBatch,
    File,
    Journal,
    Remote,
    RequestLine,
    Scenario,
    connect,
    request_line,
)
from fakebatch.dialects import DIALECTS, Dialect
from fakebatch.inspection.journal import Call
from fakebatch.inspection.objects import Step
from fakebatch.rules.batches import BatchRule
from fakebatch.rules.calls import CallRule
from fakebatch.rules.files import FileRule
from fakebatch.rules.lines import LineRule
from fakebatch.rules.rule import Handle
from fakebatch.rules.webhooks import WebhookRule
from fakebatch.server.remote_objects import RemoteBatch, RemoteFile
from fakebatch.wire import Reply, Request


def making(tmp_path: Path) -> None:
    """What FakeBatch and Emulator take."""
    with FakeBatch(seed="a", clock="manual", start="2026-01-01", max_idle="2h") as fake:
        assert_type(fake, FakeBatch)
    FakeBatch(dialect=DIALECTS["azure"], incident="poll-5xx-kills-loop", max_elapsed=timedelta(1))
    FakeBatch(dialects=["openai", tmp_path / "own.toml"], limits={"batch_lines": 10})
    FakeBatch(seed=1.5)  # type: ignore[arg-type]
    FakeBatch(unused_rules="fail")  # type: ignore[arg-type]
    FakeBatch("openai")  # type: ignore[call-arg]
    FakeBatch(clock="manuel")  # type: ignore[arg-type]
    FakeBatch(dialect="asure")  # type: ignore[arg-type]
    emulator = Emulator(clock=lambda: 0, prefix="/w/a")
    assert_type(emulator.handle(Request("GET", "/v1/batches", {}, {})), Reply)


def rules(fake: FakeBatch) -> None:
    """Selectors, verbs and their handles."""
    handle = fake.on(custom_id="a", times=1).fail(429, message="No.")
    assert_type(handle, Handle[LineRule])
    assert_type(handle.rule, LineRule)
    assert_type(handle.hits, int)
    assert_type(fake.on_batch(nth=2).expire(finished=0.5), Handle[BatchRule])
    assert_type(fake.on_file(times=math.inf).processing("10s"), Handle[FileRule])
    assert_type(fake.on_call("batches.*", between=("1h", None)).fail(503), Handle[CallRule])
    assert_type(fake.on_webhook(nth=1).deliver(lost=True), Handle[WebhookRule])
    fake.on(lambda line: line.index == 3).reply(lambda line: {"id": line.custom_id})
    fake.reply(answer)
    fake.on(custom_id=["a", "b"]).drop()
    fake.on_call(id="batch_1", where=lambda request: b"x" in request.body).reset()
    fake.on_batch(metadata={"a": "b"}, where=lambda batch: "a" in (batch.metadata or {})).expire()
    fake.on_file(filename="*.jsonl", where=lambda file: b"x" in file.content).expire("1h")
    fake.at("20m", lambda: fake.on_call().fail(503))
    fake.at(datetime.now().astimezone(), fake.timeline)
    fake.at("20m", fake.timeline())  # type: ignore[arg-type]
    fake.on(custom="a")  # type: ignore[call-arg]
    fake.on_call("batches.retreive").fail(503)  # type: ignore[arg-type]
    fake.on_webhook(event="batch.done").deliver(lost=True)  # type: ignore[arg-type]
    fake.on().fail("429")  # type: ignore[arg-type]
    fake.on().fails(429)  # type: ignore[attr-defined]
    fake.on_call().timeout(seconds=3)  # type: ignore[call-arg]
    assert_type(fake.scenario, Scenario)
    assert_type(fake.scenario | Scenario(), Scenario)


def answer(line: RequestLine) -> str:
    """A callable for `reply`."""
    assert_type(line.custom_id, str | None)
    assert_type(line.body, Mapping[str, Any])
    return line.model or ""


def looking(fake: FakeBatch) -> None:
    """Objects, the journal, the clock, clients."""
    batch = fake.batches.add([{"custom_id": "a"}], status="in_progress", created="-5h")
    assert_type(batch, Batch)
    assert_type(batch.id, str)
    assert_type(batch.status, str)
    assert_type(batch.output_file_id, str | None)
    assert_type(batch.request_counts["failed"], int)
    assert batch.status == "in_progress"
    assert batch.status == "completed"  # later; no checker narrows it to the first
    fake.batches.add([], status="done")  # type: ignore[arg-type]
    assert_type(batch.plan[-1].at, datetime)
    assert_type(batch.lines["a"].file_id, str | None)
    assert_type(request_line("a", "hi", temperature=0), dict[str, Any])
    fake.batches.add([request_line("a", "hi")], id="batch_1")
    assert_type(
        fake.uploads.add(status="expired", parts={"part_1": b"x"}).parts, Mapping[str, bytes]
    )
    fake.uploads.add(status="done")  # type: ignore[arg-type]
    file = fake.files.add(b"{}", id="file_1")
    assert_type(file, File)
    assert_type(file.bytes, int)
    assert_type(file.content, bytes)
    assert_type(file.downloads, tuple[datetime, ...])
    call = fake.journal.calls("batches.retrieve", status=200)[0]
    assert_type(call.at, datetime)
    assert_type(fake.journal, Journal)
    assert_type(fake.journal.count("batches.create"), int)
    fake.journal.count("batches.make")  # type: ignore[arg-type]
    assert_type(fake.clock, Clock)
    assert_type(fake.clock.now, datetime)
    assert_type(fake.clock.elapsed, float)
    fake.clock.advance("1h30m")
    fake.clock.advance([])  # type: ignore[arg-type]
    assert_type(fake.openai(), OpenAI)
    assert_type(fake.async_openai(), AsyncOpenAI)
    httpx.Client(transport=fake.transport(httpx))
    assert_type(fake.timeline(), str)
    assert_type(fake.dialect, Dialect)
    fake.restore(fake.snapshot())


def remote() -> None:
    """A world of a server has the words of a FakeBatch."""
    world = connect("http://127.0.0.1:8000/v1", token="secret")
    assert_type(world, Remote)
    assert_type(world.env, dict[str, str])
    assert_type(world.on_call("batches.*", times=1).fail(503).hits, int)
    world.on_call("batches.*").fail("503")  # type: ignore[arg-type]
    assert_type(world.batches.only(), RemoteBatch)
    assert_type(world.batches["batch_1"].plan, tuple[Step, ...])
    assert_type(world.files.add(b"{}"), RemoteFile)
    assert_type(world.files.last().content, bytes)
    assert_type(world.journal[0], Call)
    assert_type(world.clock.now, datetime)
    world.restore(world.snapshot())
    assert_type(world.scenario, Scenario)

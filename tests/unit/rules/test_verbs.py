"""Every verb, on the wire: the same whether a test writes it in Python or a file has it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import tomli_w

from fakebatch import FakeBatch
from fakebatch.inspection.journal import Call, Sleep
from fakebatch.rules.scenario import FAMILIES
from support.batches import CHAT, jsonl
from support.calling import FORM, form
from support.verbs import ROWS, Written

pytestmark = pytest.mark.untyped  # statuses and fields that the SDK does not know

ENDED = {"completed", "failed", "expired", "cancelled"}
LINES = jsonl(
    *(
        {
            "custom_id": custom_id,
            "method": "POST",
            "url": CHAT,
            "body": {"model": "m", "messages": [{"role": "user", "content": f"hi {custom_id}"}]},
        }
        for custom_id in "abcd"
    )
)


class Heard(NamedTuple):
    """What a client heard of one call, or a handler of one webhook."""

    elapsed: float
    what: str
    status: int | None
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Flow:
    """A client that does the same each time, whatever it hears."""

    def __init__(self, fake: FakeBatch) -> None:
        self.fake = fake
        self.heard: list[Heard] = []
        self.client = httpx.Client(
            transport=fake.transport(httpx),
            base_url=fake.base_url,
            headers={"authorization": "Bearer sk-test"},
        )
        fake.webhooks.deliver_to(self.webhook)

    def webhook(self, body: bytes, headers: Mapping[str, str]) -> None:
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.heard.append(Heard(self.elapsed, "webhook", None, sent, body))

    @property
    def elapsed(self) -> float:
        return self.fake.clock.elapsed

    def send(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        """The JSON that came; nothing where another thing came, or nothing did."""
        what = f"{method} {path}"
        try:
            reply = self.client.request(method, path, **content)
        except httpx.HTTPError as error:
            self.heard.append(Heard(self.elapsed, what, None, [], repr(error).encode()))
            return {}
        heard = Heard(self.elapsed, what, reply.status_code, reply.headers.raw, reply.content)
        self.heard.append(heard)
        try:
            data = reply.json()
        except ValueError:
            return {}
        return data if isinstance(data, dict) and reply.status_code < 300 else {}

    def run(self) -> None:
        """Upload, create, cancel one of two, poll to the end, list, download."""
        body = form(LINES, purpose="batch")
        file = self.send("POST", "/files", content=body, headers=FORM)
        params = {
            "input_file_id": file.get("id", "file-none"),
            "endpoint": CHAT,
            "completion_window": "24h",
            "metadata": {"job": "nightly", "team": "search"},
        }
        created = [self.send("POST", "/batches", json=params)]
        time.sleep(60)
        created += [self.send("POST", "/batches", json=params) for _ in range(2)]
        first, *others = (batch.get("id", "batch_none") for batch in created)
        time.sleep(1_000)
        self.send("POST", f"/batches/{others[1]}/cancel")
        self.poll([first, *others])
        for _ in range(4):
            self.send("GET", "/batches")
        for purpose in ("batch", "batch_output"):
            files = self.send("GET", f"/files?purpose={purpose}").get("data", [])
            for each in files:
                self.send("GET", f"/files/{each['id']}")
                self.send("GET", f"/files/{each['id']}/content")

    def poll(self, ids: list[str]) -> None:
        """Until all have ended, or the completion window has."""
        while ids and self.elapsed < 26 * 3_600:
            time.sleep(2_400)
            batches = {id_: self.send("GET", f"/batches/{id_}") for id_ in ids}
            ids = [id_ for id_, batch in batches.items() if batch.get("status") not in ENDED]


class Run(NamedTuple):
    """All that came of a flow."""

    heard: list[Heard]
    calls: list[Call]
    sleeps: tuple[Sleep, ...]
    hits: int


def in_python(call: str, in_progress: str = "1h") -> Run:
    """The flow under a rule of the test, which has to meet something."""
    with FakeBatch() as fake:
        fake.schedule(in_progress=in_progress)
        flow = Flow(fake)
        names: dict[str, Any] = {family: getattr(fake, family) for family in FAMILIES}
        handle = eval(call, {**names, "math": math})  # noqa: S307  # rows of this project
        flow.run()
    return Run(flow.heard, [*fake.journal], fake.journal.sleeps, handle.hits)


def from_file(path: Path, family: str, in_progress: str = "1h") -> Run:
    """The flow under the scenario of a file."""
    with FakeBatch(incident=path) as fake:
        fake.schedule(in_progress=in_progress)
        flow = Flow(fake)
        flow.run()
    return Run(flow.heard, [*fake.journal], fake.journal.sleeps, fake._hits((family, 0)))


@cache
def without_rules(in_progress: str) -> list[Heard]:
    with FakeBatch() as fake:
        fake.schedule(in_progress=in_progress)
        flow = Flow(fake)
        flow.run()
    return flow.heard


def written(row: Written, folder: Path) -> Path:
    """A file with the rule alone: TOML, or JSON where it has a null."""
    data = {row.family: [row.table]}
    try:
        text = tomli_w.dumps(data)
    except TypeError:
        (folder / "scenario.json").write_text(json.dumps(data))
        return folder / "scenario.json"
    (folder / "scenario.toml").write_text(text)
    return folder / "scenario.toml"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.call)
def test_python_and_a_file_do_the_same(row: Written, tmp_path: Path) -> None:
    """Replies with their headers, errors, webhooks and journal, byte for byte; and they do it."""
    in_progress = "25h" if "ignore_window" in row.call else "1h"
    run = in_python(row.call, in_progress)
    assert run == from_file(written(row, tmp_path), row.family, in_progress)
    assert run.hits > 0
    assert run.heard != without_rules(in_progress)


def test_so_does_a_recording(tmp_path: Path) -> None:
    """Which the file names by its path."""
    path = tmp_path / "output.jsonl"
    path.write_bytes(jsonl({"custom_id": "b", "response": {"status_code": 200, "body": {"a": 1}}}))
    call = f"on(custom_id='b').replay({str(path)!r})"
    row = Written(call, "on", {"custom_id": "b", "replay": {"path": str(path)}})
    run = in_python(call)

    assert run == from_file(written(row, tmp_path), "on")
    assert any(b'"body": {"a": 1}' in heard.body for heard in run.heard)

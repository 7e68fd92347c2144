"""The emulator without a network: by requests and replies, and a clock of one's own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest

from fakebatch import Emulator, RefusedRequest, Scenario, UsageError
from fakebatch.durations import SECOND
from fakebatch.wire import Broken, Pause, Reply, Request
from support.batches import CHAT, T0, requests
from support.calling import FORM, form

OPENAI = "https://api.openai.com/v1"
KEY = {"authorization": "Bearer sk-test"}


class Client:
    """Sends requests to an emulator, below one address."""

    def __init__(self, address: str = OPENAI, **options: Any) -> None:
        self.now = T0
        self.address = address
        self.emulator = Emulator(clock=lambda: self.now, **options)

    def send(self, path: str, method: str = "GET", body: Any = b"", **headers: str) -> Reply:
        url = urlsplit(self.address + path)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.emulator.handle(
            Request(
                method,
                url.path,
                {},
                {**KEY, **headers},
                content,
                scheme=url.scheme,
                host=url.hostname or "",
                port=url.port,
            )
        )

    def json(self, path: str, method: str = "GET", body: Any = b"", **headers: str) -> Any:
        return json.loads(self.send(path, method, body, **headers).body)

    def create(self) -> str:
        file = self.json("/files", "POST", form(requests(2), purpose="batch"), **FORM)
        params = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
        return str(self.json("/batches", "POST", params)["id"])


ADDRESSES: dict[str, tuple[str, dict[str, Any]]] = {
    "the provider's own": (OPENAI, {}),
    "another": ("http://localhost:8000/v1", {"base_url": "http://localhost:8000/v1"}),
    "below a prefix": ("http://127.0.0.1:1234/w/mine/v1", {"prefix": "/w/mine"}),
}


@pytest.mark.parametrize(("address", "options"), ADDRESSES.values(), ids=ADDRESSES)
def test_a_batch_lives_its_life(address: str, options: dict[str, Any]) -> None:
    """Upload, create, wait by moving the clock, download; nothing is patched, nothing sleeps."""
    client = Client(address, **options)
    id_ = client.create()
    statuses = [client.json(f"/batches/{id_}")["status"]]
    client.now += 24 * 3600 * SECOND
    ended = client.json(f"/batches/{id_}")
    output = client.send(f"/files/{ended['output_file_id']}/content")
    body = output.body if output.pieces is None else b"".join(output.pieces)

    assert [*statuses, ended["status"]] == ["validating", "completed"]
    assert (output.status, body.count(b"\n")) == (200, 2)


def test_what_a_test_holds_works_without_a_network() -> None:
    """Rules, journal, files and batches, checks, and the timeline."""
    client = Client()
    emulator = client.emulator
    emulator.on_call("batches.list", nth=2).slow(first_byte="5s")
    emulator.on_call("batches.list", nth=3).reset()
    emulator.on(custom_id="nobody").fail(429)
    client.create()
    scripts = [client.send("/batches").script for _ in range(3)]

    assert scripts[0] is None
    assert [script and script.before for script in scripts[1:]] == [
        (Pause(5 * SECOND),),
        (Broken("reset"),),
    ]
    assert [call.status for call in emulator.journal.calls("batches.list")] == [200, 200, None]
    assert (len(emulator.files), emulator.batches.last().status) == (1, "validating")
    assert "batches.create" in emulator.timeline()
    with pytest.raises(UsageError, match="nobody"):
        emulator.check_rules()
    emulator.unused_rules = "ignore"
    emulator.check_rules()


def test_a_rule_of_the_test_is_none_of_an_incident() -> None:
    """Though it stands where one of an incident stood, in another scenario."""
    emulator = Client(incident="download-truncated").emulator
    emulator.check_rules()
    emulator.scenario = Scenario()
    emulator.on_call("batches.list", nth=2).fail(503)
    with pytest.raises(UsageError, match=r"batches\.list"):
        emulator.check_rules()


def test_a_rule_may_be_bound_to_the_time_since_the_start() -> None:
    """That is when the emulator was made, by its own clock."""
    client = Client()
    client.emulator.on_call(between=("1h", "2h")).fail(503)
    statuses = []
    for hours in (0, 1, 2):
        client.now = T0 + hours * 3600 * SECOND
        statuses.append(client.send("/batches").status)
    assert statuses == [200, 503, 200]


def test_a_snapshot_is_restored() -> None:
    """Files, batches, counts of calls and the journal; the clock goes on."""
    client = Client()
    client.emulator.on_call("batches.list", nth=2).fail(503)
    saved = client.emulator.snapshot()
    first = [client.create(), *(client.send("/batches").status for _ in range(2))]
    client.emulator.restore(saved)

    assert len(client.emulator.batches) == 0
    assert first == [client.create(), *(client.send("/batches").status for _ in range(2))]
    assert client.emulator.journal.count() == 4


def test_an_address_that_nobody_has_is_refused() -> None:
    """Whoever carries requests decides what a client gets to see of it."""
    with pytest.raises(RefusedRequest) as caught:
        Client("http://localhost:1/v1", dialects=["openai", "groq"]).send("/batches")
    assert str(caught.value).split("\n") == [
        "fakebatch: GET http://localhost:1/v1/batches is no address of an emulated provider.",
        "Emulated are https://api.openai.com/v1, https://api.groq.com/openai/v1.",
        "Give the client an emulated base_url.",
    ]


def test_no_http_library_is_imported() -> None:
    """Nor pytest, nor what freezes clocks: a server needs none of them."""
    code = (
        "import sys; from fakebatch import Emulator; Emulator()\n"
        "unwanted = {'httpx', 'httpx2', 'httpcore', 'httpcore2', 'respx', 'freezegun', 'pytest'}\n"
        "print(sorted(unwanted & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == "[]\n"

"""`fakebatch.connect`: the words of the fixture, over a socket."""

from __future__ import annotations

import json
from collections.abc import Generator
from datetime import UTC, datetime
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import requests

import fakebatch
from fakebatch import FakeBatchWarning, RefusedRequest, Remote, Scenario, UsageError
from fakebatch.inspection import seeding
from fakebatch.server.handler import Handler
from fakebatch.server.plane import Plane
from fakebatch.server.remote_objects import RemoteBatches, RemoteFiles
from fakebatch.server.server import Server
from fakebatch.server.worlds import Worlds
from support.batches import CHAT, request
from support.batches import requests as lines


@pytest.fixture
def worlds() -> Worlds:
    """The worlds "" and "mine"."""
    worlds = Worlds()
    worlds.add("mine", seed=1)
    return worlds


@pytest.fixture
def server(worlds: Worlds) -> Generator[Server]:
    """A server with these worlds."""
    with Server(Handler(worlds)) as server:
        yield server


@pytest.fixture
def world(server: Server) -> Remote:
    """Its world "mine"."""
    return fakebatch.connect(f"{server.url}/w/mine/v1")


class Client:
    """A client of a world that is not the SDK."""

    def __init__(self, world: Remote) -> None:
        self.url, self.session = world.url, requests.Session()
        self.session.headers["authorization"] = f"Bearer {world.env['OPENAI_API_KEY']}"

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.url + path, timeout=10)

    def create(self, count: int = 1) -> str:
        files = {"file": ("in.jsonl", lines(count))}
        form = {"purpose": "batch"}
        file = self.session.post(f"{self.url}/files", form, files=files, timeout=10).json()["id"]
        params = {"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"}
        batch = self.session.post(f"{self.url}/batches", json=params, timeout=10).json()
        return str(batch["id"])

    def finish(self, id_: str) -> None:
        while self.get(f"/batches/{id_}").json()["status"] != "completed":
            pass


def test_a_url_of_clients_leads_to_their_world(server: Server) -> None:
    """With or without the path of the provider; without a world to the default one."""
    urls = {
        f"{server.url}/w/mine/v1": f"{server.url}/w/mine/v1",
        f"{server.url}/w/mine": f"{server.url}/w/mine/v1",
        f"{server.url}/v1": f"{server.url}/v1",
        server.url: f"{server.url}/v1",
    }
    assert {url: fakebatch.connect(url).url for url in urls} == urls


def test_rules_are_written_as_with_the_fixture(world: Remote) -> None:
    """Selectors, verbs, `hits`, `reply`, `schedule` and incidents."""
    limited = world.on_call("batches.list", times=1).fail(429, retry_after=30)
    failing = world.on(custom_id="r-0").fail(500)
    world.reply("hello")
    world.schedule(in_progress="2h")
    world.incident("download-truncated", fraction=0.5)
    client = Client(world)
    assert client.get("/batches").status_code == 429
    client.finish(client.create(2))
    assert (limited.hits, failing.hits) == (1, 1)
    batch = world.batches.only()
    assert [line.outcome.partition("(")[0] for line in batch.lines] == ["Fail", "Reply"]
    assert (batch.plan[2].at - batch.plan[1].at).total_seconds() == 7200
    half = client.get(f"/files/{batch.output_file_id}/content").content
    assert world.files[batch.output_file_id].content[: len(half)] == half != b""
    assert len(half) == world.files[batch.output_file_id].bytes // 2
    world.check_rules()


def test_a_scenario_can_be_replaced(world: Remote) -> None:
    """It is one value, as everywhere."""
    world.on_call("models.list").fail(500)
    saved = world.scenario
    world.scenario = Scenario()
    assert Client(world).get("/models").status_code == 200
    world.scenario = saved
    assert Client(world).get("/models").status_code == 500


@pytest.mark.parametrize("name", ["where", "reply"])
def test_a_callable_cannot_be_sent(world: Remote, name: str) -> None:
    """It belongs to this process."""
    with pytest.raises(UsageError, match="cannot be written"):
        if name == "where":
            world.on(lambda _: True).fail(500)
        else:
            world.reply(lambda _: "x")


def test_the_clock_is_that_of_the_world(world: Remote) -> None:
    """It moves forward."""
    assert (world.clock.mode, world.clock.elapsed) == ("polls", 0)
    world.clock.advance("1h30m")
    world.clock.move_to(datetime(2026, 1, 3, tzinfo=UTC))
    assert world.clock.now == datetime(2026, 1, 3, tzinfo=UTC)
    with pytest.raises(UsageError, match="cannot move back"):
        world.clock.move_to("2025-01-01")


def test_the_journal_has_the_calls(world: Remote) -> None:
    """As a sequence, and by operation, id and status."""
    client = Client(world)
    batch = client.create()
    client.get("/batches/batch_x")
    assert world.journal.count() == len(world.journal) == 3
    assert world.journal[-1].status == 404
    assert [call.id for call in world.journal.calls("batches.create")] == [batch]
    assert "batches.create" in repr(world.journal)
    assert [call.operation for call in world.journal[:1]] == ["files.create"]
    with pytest.raises(UsageError, match="There is no operation 'x'"):
        world.journal.count("x")  # type: ignore[arg-type]


def test_a_loop_over_the_journal_is_one_request(
    world: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one for each call."""
    client = Client(world)
    client.finish(client.create())
    sent, send = list[str](), Plane.send

    def note(plane: Plane, method: str, path: str, body: object = None) -> object:
        sent.append(path)
        return send(plane, method, path, body)

    monkeypatch.setattr(Plane, "send", note)
    assert sum(1 for _ in world.journal) > 3
    assert [call.operation for call in reversed(world.journal)][-1] == "files.create"
    assert sent == ["journal", "journal"]


@pytest.mark.parametrize(
    ("here", "there"), [(seeding.Batches, RemoteBatches), (seeding.Files, RemoteFiles)]
)
def test_objects_are_added_by_the_same_words(here: Any, there: Any) -> None:
    """Names, defaults and annotations of the parameters are those of the fixture."""
    assert signature(there.add).parameters == signature(here.add).parameters


def test_objects_have_the_fields_of_the_api(world: Remote) -> None:
    """And what a client cannot see: plan, history, lines, downloads, who wrote a file."""
    client = Client(world)
    batch = world.batches[client.create(2)]
    assert (batch.status, batch.endpoint) == ("validating", CHAT)
    assert [step.status for step in batch.history] == ["validating"]
    client.finish(batch.id)
    assert [step.status for step in batch.history][-1] == "completed"
    file = world.files[batch.output_file_id]
    assert file.written_by == batch.id
    assert len(file.content.splitlines()) == 2
    assert file.downloads == ()
    client.get(f"/files/{file.id}/content")
    assert len(file.downloads) == 1
    assert [line.file_id for line in batch.lines] == [file.id] * 2
    assert (world.batches.last().id, len(world.files)) == (batch.id, 2)
    assert "completed" in repr(batch)
    with pytest.raises(AttributeError, match="has no field 'stats'"):
        _ = batch.stats
    with pytest.raises(KeyError):
        _ = world.batches["batch_x"]
    with pytest.raises(KeyError):
        _ = world.files[batch.error_file_id]
    with pytest.raises(UsageError, match="only\\(\\) needs exactly one"):
        world.files.only()


def test_objects_can_exist_before_the_test(world: Remote, tmp_path: Path) -> None:
    """Files from bytes or a path of this machine, batches from dicts or a file."""
    path = tmp_path / "mine.jsonl"
    path.write_bytes(lines(1))
    file = world.files.add(path, created="-3h")
    assert (file.filename, file.content) == ("mine.jsonl", lines(1))
    assert world.batches.add(file.id).input_file_id == file.id
    batch = world.batches.add([request("a")], status="in_progress", metadata={"a": "b"})
    assert Client(world).get(f"/batches/{batch.id}").json()["metadata"] == {"a": "b"}
    assert world.files.add([request("a")], id="file-mine").id == "file-mine"
    assert world.batches.add(path, id="batch_mine").id == "batch_mine"
    assert world.batches.add(lines(2), created="-2h").request_counts["total"] == 2
    with pytest.raises(KeyError):
        world.batches.add("file-x")
    with pytest.raises(UsageError, match="batch_mine"):
        world.batches.add(path, id="batch_mine")


def test_a_world_goes_back(world: Remote) -> None:
    """To a snapshot, or to its beginning."""
    client = Client(world)
    first = client.create()
    saved = world.snapshot()
    client.create()
    world.restore(saved)
    assert [*world.batches] == [first]
    world.reset()
    assert [*world.batches] == []
    assert Client(world).create() == first


def test_assertions_raise_here(world: Remote) -> None:
    """With the message that the fixture has."""
    client = Client(world)
    world.assert_all_downloaded()
    client.finish(client.create())
    client.create()
    with pytest.raises(AssertionError, match="1 result file was never downloaded"):
        world.assert_all_downloaded()
    with pytest.raises(AssertionError, match="files were left behind"):
        world.assert_no_leftover_files()
    with pytest.raises(AssertionError, match="2 batches were created for the same input"):
        world.assert_single_batch()
    with pytest.raises(AssertionError, match="was polled twice within"):
        world.assert_min_poll_interval("10h")
    assert "batches.create" in world.timeline()


def test_rules_that_were_never_used_are_an_error_at_the_end(world: Remote) -> None:
    """So are selections without a verb, and refused requests."""
    world.on_call("models.list").fail(500)
    with pytest.raises(UsageError, match="1 rule was never used: on_call"):
        world.check_rules()
    world.scenario = Scenario()
    world.check_rules()
    assert Client(world).get("/assistants").status_code == 501
    with pytest.raises(RefusedRequest, match="GET /assistants is not emulated"):
        world.check_rules()
    world.reset()
    world.on_batch(nth=1)
    with pytest.raises(UsageError, match="on_batch\\(nth=1\\) has no verb"):
        world.check_rules()


@pytest.mark.parametrize("has_verb", [True, False])
def test_unused_rules_are_what_the_world_says(
    server: Server, worlds: Worlds, has_verb: bool
) -> None:
    """An error, a warning or nothing, as with the fixture; the test may change it, too."""

    def world(unused_rules: str) -> Remote:
        worlds.add(unused_rules, unused_rules=unused_rules)
        made = fakebatch.connect(f"{server.url}/w/{unused_rules}")
        selection = made.on_call("models.list")
        if has_verb:
            selection.fail(500)
        return made

    message = "was never used" if has_verb else "has no verb"
    world("ignore").check_rules()
    with pytest.warns(FakeBatchWarning, match=message):
        world("warn").check_rules()
    with pytest.raises(UsageError, match=message):
        (strict := world("error")).check_rules()
    strict.unused_rules = "ignore"
    strict.check_rules()


NOT_THERE = {
    "no URL": ("localhost:8000", "is not the URL of a server"),
    "no server": ("http://127.0.0.1:1/v1", "No fakebatch server answers at http://127.0.0.1:1"),
}


@pytest.mark.parametrize(("url", "message"), NOT_THERE.values(), ids=NOT_THERE)
def test_without_a_server_there_is_nothing_to_connect_to(url: str, message: str) -> None:
    """The message says what to start."""
    with pytest.raises(UsageError, match=message):
        fakebatch.connect(url)


def test_signed_urls_of_result_files_lead_to_the_world(server: Server, worlds: Worlds) -> None:
    """Under the name by which the client knows the server, not to the provider."""
    worlds.add("signed", dialect="siliconflow")
    for host in ("127.0.0.1", "localhost"):
        world = fakebatch.connect(f"http://{host}:{server.port}/w/signed")
        client = Client(world)
        id_ = world.batches.add(lines(1)).id
        url = client.get(f"/batches/{id_}").json()["output_file_id"]
        assert url.startswith(f"{world.url}/files/")
        assert world.url.startswith(f"http://{host}:")
        assert requests.get(url, timeout=10).text.count("\n") == 1
        assert world.files[url].written_by == id_


def test_an_unknown_world_is_an_error(server: Server) -> None:
    """It says how to make it."""
    with pytest.raises(UsageError, match="There is no world 'x'"):
        fakebatch.connect(f"{server.url}/w/x/v1")


def test_another_server_is_not_ours() -> None:
    """Nor is one without a control plane."""
    with (
        Server(Handler(Worlds(), has_control=False)) as server,
        pytest.raises(UsageError, match="no address of an emulated"),
    ):
        fakebatch.connect(server.url)


def test_a_token_is_sent() -> None:
    """Without it there is nothing to see."""
    with Server(Handler(Worlds(), token="secret")) as server:
        with pytest.raises(UsageError, match="needs the token"):
            fakebatch.connect(server.url)
        assert fakebatch.connect(server.url, token="secret").clock.elapsed == 0


def test_the_environment_is_that_of_a_client(world: Remote) -> None:
    """What `exec` and subprocesses of a test set."""
    assert world.env == {
        "OPENAI_BASE_URL": world.url,
        "OPENAI_API_KEY": "sk-fakebatch-this-is-not-a-real-key",
    }
    assert json.loads(json.dumps(world.env))


def test_events_arrive_as_they_happen(world: Remote) -> None:
    """Over the socket, one by one; a reset of the world ends them."""
    client = Client(world)
    url = world.url.removesuffix("/v1") + "/_fakebatch/events"
    with requests.get(url, stream=True, timeout=10) as response:
        lines_ = response.iter_lines(decode_unicode=True)
        assert next(lines_) == ": listening"
        client.get("/models")
        assert next(line for line in lines_ if line.startswith("event")) == "event: call"
        assert json.loads(next(lines_).removeprefix("data: "))["operation"] == "models.list"
        world.reset()
        assert [line for line in lines_ if line.startswith("event")] == []

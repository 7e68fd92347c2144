"""Worlds share nothing; what the emulator refuses is an answer, and is in the journal."""

from __future__ import annotations

import json
import threading

import pytest

from fakebatch import RequestLine, UsageError
from fakebatch.server import worlds as module
from fakebatch.server.worlds import World, Worlds, no_world
from fakebatch.wire import Request
from support.worlds import Client


def test_worlds_share_nothing() -> None:
    """Files, batches, rules, time and journal of one are not those of another."""
    worlds = Worlds()
    one, two = Client(worlds.add("one")), Client(worlds.add("two"))
    one.scenario({"on_call": [{"operation": "models.list", "fail": {"status": 500}}]})
    batch = one.create(lines=1)
    one.json(f"/batches/{batch}")
    assert two.send(f"/batches/{batch}").status == 404
    assert two.json("/files")["data"] == []
    assert two.send("/models").status == 200
    assert two.world.emulator.journal.count("batches.create") == 0
    assert one.world.clock.read() > two.world.clock.read()


def test_worlds_with_the_same_seed_are_the_same() -> None:
    """Whatever their names: the same calls give the same bytes."""
    worlds = Worlds(seed=7)
    ids = {Client(worlds.add(name)).create(lines=1) for name in ("a", "b")}
    other = Client(worlds.add("c", seed=8)).create(lines=1)
    assert len(ids) == 1
    assert other not in ids


def test_a_dialect_keeps_its_path_below_its_world() -> None:
    """Of every provider."""
    worlds = Worlds(dialect="azure")
    assert worlds.add("a").path == "/w/a/openai/v1"
    assert worlds.add("z", dialect="zhipu").path == "/w/z/api/paas/v4"
    assert worlds[""].path == "/openai/v1"


@pytest.mark.parametrize("name", ["", "a/b", ".hidden", "ü", "x" * 101, "taken"])
def test_a_name_is_part_of_a_url(name: str) -> None:
    """And belongs to one world."""
    worlds = Worlds()
    worlds.add("taken")
    with pytest.raises(UsageError, match="A name has up to 100 letters"):
        worlds.add(name)


def test_there_are_at_most_a_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the default one; after a delete there is room again."""
    monkeypatch.setattr(module, "MAX_WORLDS", 3)
    worlds = Worlds()
    for name in "abc":
        worlds.add(name)
    with pytest.raises(UsageError, match="There are 3 worlds already"):
        worlds.add("d")
    worlds.remove("a")
    worlds.add("d")
    assert [*worlds] == ["", "b", "c", "d"]
    assert len(worlds) == 4


def test_threads_that_make_the_same_world_get_one() -> None:
    """The others get an error."""
    worlds, failures = Worlds(), list[UsageError]()

    def add() -> None:
        try:
            worlds.add("same")
        except UsageError as error:
            failures.append(error)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 7


def test_a_reset_keeps_the_options_of_a_world() -> None:
    """Everything else is as at the beginning."""
    worlds = Worlds()
    client = Client(worlds.add("a", clock="manual", incident="poll-5xx-kills-loop"))
    client.create(lines=1)
    again = Client(worlds.reset("a"))
    assert again.world.clock.mode == "manual"
    assert again.world.emulator.scenario.on_call
    assert again.json("/files")["data"] == []
    assert worlds["a"] is again.world


def test_the_default_world_stays() -> None:
    """Others go, and are unknown then."""
    worlds = Worlds()
    worlds.add("a")
    worlds.remove("a")
    assert worlds.find("/w/a/v1/files") == (None, "a")
    with pytest.raises(KeyError):
        worlds.remove("a")
    with pytest.raises(UsageError, match="The default world cannot be deleted"):
        worlds.remove("")


@pytest.mark.parametrize(
    ("path", "name"),
    [("/v1/files", ""), ("/w/a/v1/files", "a"), ("/w/a", "a"), ("/w/", ""), ("/world", "")],
)
def test_a_path_leads_to_a_world(path: str, name: str) -> None:
    """The default one unless it begins with `/w/NAME`."""
    worlds = Worlds()
    worlds.add("a")
    assert worlds.find(path) == (worlds[name], name)


def test_the_reply_for_an_unknown_world_says_how_to_make_it() -> None:
    """A 404 of ours, which the SDK does not retry."""
    reply = no_world("x")
    assert (reply.status, reply.headers["x-should-retry"]) == (404, "false")
    assert 'POST /_fakebatch/worlds {"name": "x"}' in json.loads(reply.body)["error"]["message"]


REFUSED = {
    "a path that is not emulated": ("GET", "/assistants", b"", "GET /assistants is not emulated."),
    "a stream": (
        "POST",
        "/chat/completions",
        {"model": "gpt-4o", "stream": True},
        "POST /chat/completions asks for a stream.",
    ),
}


@pytest.mark.parametrize(("method", "path", "body", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_emulated_is_a_501_with_our_lines(
    method: str, path: str, body: object, message: str
) -> None:
    """It is in the journal, and kept for the end."""
    client = Client()
    reply = client.send(path, method, body)
    assert (reply.status, reply.headers["x-should-retry"]) == (501, "false")
    assert json.loads(reply.body)["error"]["message"].startswith(f"fakebatch: {message}\n")
    calls = [(call.operation, call.status) for call in client.world.emulator.journal]
    assert calls == [("GET /assistants" if method == "GET" else "chat.completions.create", 501)]
    assert client.world.refusals[0].message[0] == message


def test_a_path_outside_of_every_dialect_is_refused_too() -> None:
    """With the addresses that there are."""
    client = Client(World())
    reply = client.world.handle(client_request("/v2/files"))
    assert (reply.status, len(client.world.refusals)) == (501, 1)
    assert client.world.emulator.journal[0].operation == "GET /v2/files"


def client_request(path: str) -> Request:
    return Request("GET", path, {}, {}, scheme="http", host="127.0.0.1")


def test_every_reply_has_the_virtual_time() -> None:
    """So that a client of any language can log it."""
    client = Client()
    assert client.send("/files").headers["x-fakebatch-time"] == "2026-01-01T00:00:00Z"
    assert client.send("/assistants").headers["x-fakebatch-time"] == "2026-01-01T00:00:00Z"


def test_a_world_can_go_back() -> None:
    """By the number of a snapshot; the clock keeps its time, and only the last hundred are kept."""
    client = Client()
    number = client.world.snapshot()
    client.create(lines=1)
    client.world.emulator.restore(client.world.snapshots[number])
    assert client.json("/files")["data"] == []
    for _ in range(100):
        client.world.snapshot()
    assert number not in client.world.snapshots


def test_the_schedule_of_a_world_is_that_of_its_batches() -> None:
    """As `schedule` of a FakeBatch."""
    client = Client(schedule={"in_progress": "2h"})
    batch = client.world.emulator.batches[client.create(lines=1)]
    assert (batch.plan[2].at - batch.plan[1].at).total_seconds() == 7200


def test_a_poll_does_not_wait_for_another_batch() -> None:
    """While its lines are judged, which may take seconds, clients of other batches are answered."""
    client, judging, go_on = Client(clock="manual"), threading.Event(), threading.Event()
    small = client.create(lines=1)

    def slow(_: RequestLine) -> bool:
        judging.set()
        return go_on.wait(30)

    client.world.emulator.on(slow).fail(500)
    large = client.create(lines=2)
    client.world.clock.move_to(client.world.clock.read() + 86_000_000_000)
    thread = threading.Thread(target=client.json, args=(f"/batches/{large}",))
    thread.start()
    assert judging.wait(30)
    batch = client.json(f"/batches/{small}")
    assert batch["status"] == "completed"
    assert client.send(f"/files/{batch['output_file_id']}/content").status == 200
    assert thread.is_alive()
    go_on.set()
    thread.join()
    batch = client.json(f"/batches/{large}")
    assert client.send(f"/files/{batch['error_file_id']}/content").status == 200

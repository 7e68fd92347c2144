"""The clock of a world: polls show every status, and any client ends in a few of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakebatch import UsageError
from fakebatch.durations import SECOND
from fakebatch.server.clock import WorldClock
from fakebatch.server.worlds import World
from fakebatch.vtime.moments import DEFAULT_START, now
from support.worlds import Client

HOUR = 3_600 * SECOND


def statuses(client: Client, id_: str, most: int = 20) -> list[str]:
    """What polls show until the batch has ended."""
    seen = [client.json(f"/batches/{id_}")]
    while seen[-1]["status"] not in ("completed", "failed", "expired", "cancelled"):
        assert len(seen) < most
        seen.append(client.json(f"/batches/{id_}"))
    return [each["status"] for each in seen]


def test_polls_show_every_status_and_growing_counts() -> None:
    """Each poll moves time to the next difference; about eight see all of a batch."""
    client = Client()
    batch = client.create(lines=8)
    polls = [client.json(f"/batches/{batch}") for _ in range(7)]
    seen = [(poll["status"], poll["request_counts"]["completed"]) for poll in polls]
    assert seen == [
        ("in_progress", 0),
        ("in_progress", 2),
        ("in_progress", 4),
        ("in_progress", 6),
        ("finalizing", 8),
        ("completed", 8),
        ("completed", 8),
    ]


def test_a_poll_that_would_show_the_same_counts_is_skipped() -> None:
    """A batch of one line has no quarters."""
    client = Client()
    assert statuses(client, client.create(lines=1)) == ["in_progress", "finalizing", "completed"]


SEEN: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a batch that fails": ({"on_batch": [{"fail": {"code": "x"}}]}, ["failed"]),
    "a status with two names, one after the other": (
        {"on_batch": [{"override": {"statuses": {"finalizing": ["a", "b"]}}}]},
        ["in_progress", "a", "b", "completed"],
    ),
    "a batch that expires": (
        {"on_batch": [{"expire": {"finished": 0}}]},
        ["in_progress", "finalizing", "expired"],
    ),
    "a stall of an hour": (
        {"on_batch": [{"stall": {"at": "validating", "until": "1h"}}]},
        ["in_progress", "finalizing", "completed"],
    ),
}


@pytest.mark.untyped  # some names of statuses are no literals of the SDK
@pytest.mark.parametrize(("scenario", "seen"), SEEN.values(), ids=SEEN)
def test_polls_show_what_rules_do(scenario: dict[str, Any], seen: list[str]) -> None:
    """Whatever a scenario schedules, time moves to it."""
    client = Client()
    client.scenario(scenario)
    assert statuses(client, client.create(lines=1)) == seen


@pytest.mark.parametrize("rule", [{"result_files": {"late": "3h"}}, {"miscount": {"late": "3h"}}])
def test_what_comes_late_is_seen_after_the_end(rule: dict[str, Any]) -> None:
    """Polls of a batch that has ended move time until its files and its counts are there."""
    client = Client()
    client.scenario({"on_batch": [rule]})
    batch = client.create(lines=1)
    statuses(client, batch)
    last = client.json(f"/batches/{batch}")
    last = client.json(f"/batches/{batch}")
    assert last["request_counts"]["completed"] == 1
    assert client.send(f"/files/{last['output_file_id']}/content").status == 200
    at = client.world.clock.read()
    client.json(f"/batches/{batch}")
    assert client.world.clock.read() == at


def test_downloads_of_a_late_file_wait_for_it() -> None:
    """A client that retries the download instead of the poll: one is in vain."""
    client = Client()
    client.scenario({"on_batch": [{"result_files": {"late": "3h"}}]})
    batch = client.create(lines=1)
    statuses(client, batch)
    file = client.world.emulator.batches[batch].output_file_id
    found = [client.send(f"/files/{file}/content").status for _ in range(3)]
    assert found == [404, 200, 200]


def test_polls_of_a_stalled_batch_move_time_by_hours_until_max_idle() -> None:
    """Then the request is refused, with the reason: a loop without a deadline would never end."""
    client = Client(max_idle="5h")
    client.scenario({"on_batch": [{"stall": {"at": "validating"}}]})
    batch, began = client.create(lines=1), client.world.clock.read()
    replies = [client.send(f"/batches/{batch}") for _ in range(7)]
    assert [reply.status for reply in replies] == [200] * 5 + [501, 501]
    assert client.world.clock.read() == began + 5 * HOUR
    assert replies[-1].headers["x-should-retry"] == "false"
    assert json.loads(replies[-1].body)["error"]["message"] == (
        "fakebatch: This wait never ends.\n"
        "The client has polled since 2026-01-01T00:00:00Z, and nothing is scheduled.\n"
        "Give it a deadline, or the world a longer max_idle than 5h."
    )


def test_lists_move_time_too() -> None:
    """Of all their batches to the earliest difference."""
    client = Client()
    first, second = client.create(lines=1), client.create(lines=1)
    for _ in range(6):
        client.json("/batches")
    both = {batch["id"]: batch["status"] for batch in client.json("/batches")["data"]}
    assert both == {first: "completed", second: "completed"}


def test_other_calls_and_finished_batches_do_not_move_time() -> None:
    """Uploads, creates, and looks at what does not change any more."""
    client = Client()
    batch = client.create(lines=1)
    assert client.world.clock.read() == DEFAULT_START
    statuses(client, batch)
    at = client.world.clock.read()
    client.json(f"/batches/{batch}")
    client.json("/batches")
    client.create(lines=1)
    assert client.world.clock.read() == at


WAITS: dict[str, dict[str, Any]] = {
    "in seconds": {"retry_after": 90},
    "as a date": {"retry_after": 90, "http_date": True},
    "in milliseconds": {"headers": {"retry-after-ms": "90000"}},
}


@pytest.mark.parametrize("fail", WAITS.values(), ids=WAITS)
def test_a_retry_after_has_passed_at_the_next_call(fail: dict[str, Any]) -> None:
    """The client has waited for it, though in another time."""
    client = Client()
    client.scenario(
        {"on_call": [{"operation": "batches.create", "times": 1, "fail": {"status": 429, **fail}}]}
    )
    file = client.upload(lines=1)
    assert client.send("/batches", "POST", client.params(file)).status == 429
    assert client.world.clock.read() == DEFAULT_START
    assert client.json("/batches", "POST", client.params(file))["created_at"] == 1767225600 + 90


def test_an_outage_ends_for_a_client_that_tries_again() -> None:
    """Of one for two hours at most eight calls fail, whatever the client sleeps between them."""
    client = Client()
    rule = {"operation": "files.*", "between": ["0s", "2h"], "fail": {"status": 503}}
    client.scenario({"on_call": [rule]})
    assert [client.send("/files").status for _ in range(10)] == [503] * 8 + [200] * 2


def test_a_manual_clock_moves_when_the_control_plane_moves_it() -> None:
    """And then as far as it says, never back."""
    client = Client(clock="manual")
    batch = client.create(lines=1)
    assert client.json(f"/batches/{batch}")["status"] == "validating"
    client.world.clock.move_to(DEFAULT_START + 24 * HOUR)
    client.world.clock.move_to(DEFAULT_START)
    assert client.json(f"/batches/{batch}")["status"] == "completed"


def test_a_fast_clock_runs_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """3600x: an hour each second; and it can be moved."""
    seconds = 100.0
    monkeypatch.setattr("fakebatch.server.clock.time.monotonic", lambda: seconds)
    clock = WorldClock("3600x")
    seconds += 2
    assert clock.read() == DEFAULT_START + 2 * HOUR
    clock.move_to(DEFAULT_START + 5 * HOUR)
    seconds += 1
    assert clock.read() == DEFAULT_START + 6 * HOUR


def test_a_real_clock_shows_the_real_time_and_cannot_be_moved() -> None:
    """For clients that compare it with their own."""
    clock = WorldClock("real")
    assert abs(clock.read() - now()) < 60 * SECOND
    with pytest.raises(UsageError, match="is real and cannot be moved"):
        clock.move_to(0)


@pytest.mark.parametrize("mode", ["", "fast", "-1x", "virtual", "60X"])
def test_another_clock_is_an_error(mode: str) -> None:
    """The message lists those that exist."""
    with pytest.raises(UsageError, match="The clocks are 'polls', 'manual', 'real', and speeds"):
        World(clock=mode)


def test_a_clock_begins_when_the_test_says() -> None:
    """A moment as everywhere; a real clock has no such choice."""
    assert WorldClock(start="2030-01-01T00:00:00Z").read() == 1_893_456_000 * SECOND
    with pytest.raises(UsageError, match="A real clock begins with the real time"):
        WorldClock("real", start=0)

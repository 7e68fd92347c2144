"""The control plane: every route, what it refuses, and the document that describes it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import openapi_spec_validator
import pytest

from fakebatch.rules.scenario import Scenario
from fakebatch.server.handler import Handler
from fakebatch.server.openapi import document
from fakebatch.server.routes import ROUTES
from fakebatch.server.worlds import Worlds
from fakebatch.wire import Reply, Request
from support.batches import request
from support.worlds import Client

DOCUMENT = document(ROUTES)


class Plane:
    """Sends requests to the control plane of a server, and checks the answers by the document."""

    def __init__(self, **options: Any) -> None:
        token = options.pop("token", None)
        self.worlds = Worlds(**options)
        self.handler = Handler(self.worlds, token=token, allowed_hosts=("fake",))

    def send(
        self, method: str, path: str, body: Any = b"", *, host: str = "localhost", **headers: str
    ) -> Reply:
        """The reply to a request."""
        path, _, query = path.partition("?")
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        pairs = dict(pair.split("=") for pair in query.split("&") if pair)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.handler(Request(method, path, pairs, names, content, None, "http", host, 1))

    def __call__(self, method: str, path: str, body: Any = b"") -> Any:
        """The JSON of an answer, which is as the document says."""
        reply = self.send(method, f"/_fakebatch/{path}", body)
        answer = json.loads(reply.body)
        declared = self.declared(method, path, reply.status)
        schema = {**declared, "components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer)
        assert int(reply.headers["content-length"]) == len(reply.body)
        return answer

    def declared(self, method: str, path: str, status: int) -> dict[str, Any]:
        parts = path.partition("?")[0].split("/")
        for template, methods in DOCUMENT["paths"].items():
            names = template.removeprefix("/_fakebatch/").split("/")
            same = (a in (b, "{id}") for a, b in zip(names, parts, strict=False))
            if len(names) == len(parts) and all(same) and method.lower() in methods:
                responses = methods[method.lower()]["responses"]
                response = responses.get(str(status), responses["default"])
                schema: dict[str, Any] = response["content"]["application/json"]["schema"]
                return schema
        return {"$ref": "#/components/schemas/ErrorAnswer"}

    def client(self, name: str = "") -> Client:
        return Client(self.worlds[name])


# --- the document


def test_the_document_is_openapi() -> None:
    """3.1, by the validator of the OpenAPI project's own schema."""
    openapi_spec_validator.validate(DOCUMENT)
    assert Plane()("GET", "openapi.json") == json.loads(json.dumps(DOCUMENT))


def test_the_document_has_every_route_of_each_world() -> None:
    """Those of a world with and without its name, others once; every name is unique."""
    paths = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert len(paths) == sum(1 if route.is_global else 2 for route in ROUTES)
    names = [
        each["operationId"] for methods in DOCUMENT["paths"].values() for each in methods.values()
    ]
    assert len({*names}) == len(names)
    assert all(
        each["summary"] for methods in DOCUMENT["paths"].values() for each in methods.values()
    )


# --- worlds


def test_worlds_are_made_listed_and_deleted() -> None:
    """With options of their own; their control plane is below their prefix."""
    plane = Plane(clock="manual")
    made = plane("POST", "worlds", {"name": "a", "clock": "60x", "seed": 7, "dialect": "azure"})
    assert (made["path"], made["clock"]["mode"]) == ("/w/a/openai/v1", "60x")
    assert [world["name"] for world in plane("GET", "worlds")["worlds"]] == ["", "a"]
    assert json.loads(plane.send("GET", "/w/a/_fakebatch/world").body)["name"] == "a"
    assert plane("DELETE", "worlds/a") == {"name": "a", "deleted": True}
    assert plane.send("GET", "/w/a/_fakebatch/world").status == 404
    assert plane.send("GET", "/w/a/v1/files").status == 404
    assert plane("GET", "world")["clock"]["mode"] == "manual"


def test_ready_waits_for_a_world() -> None:
    """Another container may make it."""
    plane = Plane()
    assert plane("GET", "ready")["ready"] is True
    assert plane.send("GET", "/_fakebatch/ready?world=late").status == 404
    timer = threading.Timer(0.05, plane.worlds.add, ["late"])
    timer.start()
    assert plane("GET", "ready?world=late&wait=30")["ready"] is True
    timer.join()


def test_a_reset_empties_a_world() -> None:
    """Its snapshots, too."""
    plane = Plane()
    plane.client().create(lines=1)
    number = plane("POST", "snapshot")["snapshot"]
    plane("POST", "reset")
    assert plane("GET", "files") == {"files": []}
    assert (
        "There is no snapshot" in plane("POST", "restore", {"snapshot": number})["error"]["message"]
    )


def test_a_snapshot_brings_everything_but_the_time_back() -> None:
    """By its number."""
    plane = Plane()
    first = plane.client().create(lines=1)
    number = plane("POST", "snapshot")["snapshot"]
    plane.client().create(lines=1)
    plane("POST", "clock", {"advance": "1h"})
    assert plane("POST", "restore", {"snapshot": number})["clock"]["elapsed"] == 3600
    assert [each["object"]["id"] for each in plane("GET", "batches")["batches"]] == [first]


# --- rules


def test_rules_are_data() -> None:
    """The words of a scenario file; each rule says how often it was used."""
    plane = Plane()
    rule = {"operation": "files.list", "times": 2, "fail": {"status": 503}}
    added = plane("POST", "rules", {"on_call": [rule]})
    assert [each["rule"] for each in added["rules"]] == ["on_call('files.list', times=2).fail(503)"]
    assert plane.client().send("/files").status == 503
    assert plane("GET", "rules")["rules"][0]["hits"] == 1
    assert plane("GET", "scenario") == {"on_call": [rule]}
    assert plane("PUT", "scenario", {}) == {}
    assert plane("GET", "rules") == {"rules": []}


@pytest.mark.parametrize("name", ["download-truncated", "results/download-truncated"])
def test_a_known_incident_happens_by_name(name: str) -> None:
    """With its parameters; its rules need not be used."""
    plane = Plane()
    body = {"name": name, "parameters": {"fraction": 0.25}}
    [rule] = plane("POST", "incident", body)["rules"]
    assert "0.25" in rule["rule"]
    assert plane("POST", "checks", {"checks": ["used_rules"]}) == {"findings": []}


# --- time


def test_the_clock_moves_forward() -> None:
    """By a duration, or to a moment."""
    plane = Plane()
    assert plane("GET", "clock")["now"] == "2026-01-01T00:00:00Z"
    assert plane("POST", "clock", {"advance": "90m"})["elapsed"] == 5400
    assert plane("POST", "clock", {"move_to": "2026-01-02T00:00:00Z"})["elapsed"] == 86400
    assert plane("POST", "clock", {"advance": 0.5})["unix"] == 1767312000.5


# --- what happened


def test_the_journal_has_the_calls() -> None:
    """All, or those of an operation, an id or a status."""
    plane = Plane()
    client = plane.client()
    batch = client.create(lines=1)
    client.json(f"/batches/{batch}")
    client.send("/batches/batch_x")
    assert plane("GET", "journal")["count"] == 4
    calls = plane("GET", "journal?operation=batches.retrieve")["calls"]
    assert [(call["id"], call["status"]) for call in calls] == [(batch, 200), ("batch_x", 404)]
    assert plane("GET", "journal?status=404")["count"] == 1
    assert "batches.create" in plane("GET", "timeline")["timeline"]


def test_the_whole_future_of_a_batch_can_be_seen() -> None:
    """Without moving time."""
    plane = Plane()
    batch = plane.client().create(lines=2)
    seen = plane("GET", f"batches/{batch}")
    assert seen["object"]["status"] == "validating"
    assert [step["status"] for step in seen["plan"]][-1] == "completed"
    assert seen in plane("GET", "batches")["batches"]
    lines = plane("GET", f"batches/{batch}/lines")["lines"]
    assert [(line["index"], line["custom_id"]) for line in lines] == [(0, "r-0"), (1, "r-1")]
    assert plane("GET", "clock")["elapsed"] == 0


def test_files_can_be_read() -> None:
    """That is not a download of the client."""
    plane = Plane()
    file = plane("POST", "files", {"content": "ünï", "filename": "a.txt", "purpose": "user_data"})
    id_ = file["object"]["id"]
    encoded = plane("GET", f"files/{id_}/content")["base64"]
    assert base64.b64decode(encoded).decode() == "ünï"
    assert plane("GET", f"files/{id_}")["downloads"] == []
    assert plane("GET", "files") == {"files": [file]}
    again = plane("POST", "files", {"base64": encoded, "created": "-2h", "purpose": "vision"})
    assert again["object"]["bytes"] == file["object"]["bytes"]


def test_batches_can_exist_before_the_test() -> None:
    """In any status, from request lines or a file."""
    plane = Plane()
    lines = [request("a"), request("b")]
    added = plane("POST", "batches", {"requests": lines, "status": "in_progress"})
    assert added["object"]["status"] == "in_progress"
    file = plane("POST", "files", {"content": json.dumps(request("a")), "created": "-1h"})[
        "object"
    ]["id"]
    again = plane("POST", "batches", {"requests": file, "metadata": {"a": "b"}})
    assert again["object"]["input_file_id"] == file
    assert again["object"]["metadata"] == {"a": "b"}


def test_checks_answer_with_findings() -> None:
    """Each with the objects, the moment and three lines; nothing is raised."""
    plane = Plane()
    client = plane.client()
    plane("POST", "rules", {"on_call": [{"operation": "models.list", "fail": {"status": 500}}]})
    batch = client.create(lines=1)
    for _ in range(5):
        client.json(f"/batches/{batch}")
    client.send("/assistants")
    names = ["all_downloaded", "single_batch", "no_leftover_files", "used_rules", "refusals"]
    findings = plane("POST", "checks", {"checks": names})["findings"]
    assert [each["check"] for each in findings] == [
        name for name in names if name != "single_batch"
    ]
    body = {"checks": ["min_poll_interval"], "min_interval": "10h"}
    [finding] = plane("POST", "checks", body)["findings"]
    assert finding["objects"] == [batch]
    assert len(finding["message"]) == 3


def test_events_are_sent_as_they_happen() -> None:
    """Each call, each status of a batch and each move of the clock, until the world is gone."""
    plane = Plane()
    reply = plane.send("GET", "/_fakebatch/events")
    assert reply.headers["content-type"] == "text/event-stream"
    stream: Iterator[bytes] = iter(reply.pieces or ())
    assert next(stream) == b": listening\n\n"
    client = plane.client()
    batch = client.create(lines=1)
    client.json(f"/batches/{batch}")
    plane("POST", "clock", {"advance": "2d"})
    plane("POST", "reset")
    text = b"".join(stream).decode()
    events = [each.split("\n") for each in text.split("\n\n") if each.startswith("event")]
    kinds = [(name, json.loads(data.removeprefix("data: "))) for name, data in events]
    calls = [data["operation"] for name, data in kinds if name == "event: call"]
    assert calls == ["files.create", "batches.create", "batches.retrieve"]
    assert [data["status"] for name, data in kinds if name == "event: status"][-1] == "completed"
    assert [name for name, _ in kinds].count("event: clock") == 1


# --- what it refuses

REFUSED: dict[str, tuple[str, str, Any, int, str]] = {
    "no JSON": ("POST", "clock", b"{", 400, "The body of clock is not JSON"),
    "no object": ("POST", "clock", [1], 400, "clock: "),
    "an unknown name": (
        "POST",
        "worlds",
        {"name": "x", "clok": 1},
        400,
        "worlds.clok: there is no such",
    ),
    "a wrong type": ("POST", "restore", {"snapshot": "x"}, 400, "restore.snapshot: "),
    "no clock": ("POST", "worlds", {"name": "x", "clock": "y"}, 400, "clock='y' is not a clock"),
    "the path of a dialect": ("POST", "worlds", {"name": "x", "dialect": "a.toml"}, 400, "dialect"),
    "the path of an incident": (
        "POST",
        "worlds",
        {"name": "x", "incident": "/etc/passwd.toml"},
        400,
        "There is no incident '/etc/passwd.toml'",
    ),
    "the path of another": ("POST", "incident", {"name": "a.toml"}, 400, "no incident 'a.toml'"),
    "the path of a file with requests": (
        "POST",
        "batches",
        {"requests": "/etc/passwd"},
        404,
        "There is no file '/etc/passwd'",
    ),
    "the path of a recording": (
        "PUT",
        "scenario",
        {"on": [{"custom_id": "a", "replay": {"path": "/etc/passwd"}}]},
        400,
        "a recording to replay is a file of the server",
    ),
    "the path of a recording for all lines": (
        "POST",
        "rules",
        {"otherwise": {"replay": {"path": "/etc/passwd"}}},
        400,
        "a recording to replay is a file of the server",
    ),
    "rules that are not rules": ("POST", "rules", {"on": {"a": 1}}, 400, "rules"),
    "no scenario": ("PUT", "scenario", [], 400, "a scenario is an object"),
    "no base64": ("POST", "files", {"base64": "ü"}, 400, "base64 cannot be decoded"),
    "both moves": ("POST", "clock", {"advance": 1, "move_to": 2}, 400, "The clock moves by"),
    "time that goes back": ("POST", "clock", {"move_to": 0}, 400, "cannot move back"),
    "a negative duration": ("POST", "clock", {"advance": -1}, 400, "is not a duration"),
    "an unknown check": ("POST", "checks", {"checks": ["x"]}, 400, "checks"),
    "an unknown operation": ("GET", "journal?operation=x", b"", 400, "There is no operation 'x'"),
    "an unknown batch": ("GET", "batches/batch_x", b"", 404, "'batch_x' does not exist"),
    "an unknown file": ("GET", "files/file-x/content", b"", 404, "'file-x' does not exist"),
    "an unknown world": ("DELETE", "worlds/x", b"", 404, "There is no world 'x'"),
    "an unknown path": ("GET", "x", b"", 404, "The control plane has no GET x"),
    "another method": ("DELETE", "clock", b"", 405, "It has GET, POST."),
}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"), REFUSED.values(), ids=REFUSED
)
def test_what_has_no_meaning_is_refused_in_three_lines(
    method: str, path: str, body: Any, status: int, message: str
) -> None:
    """Nothing changes, and no request makes the server read a file."""
    plane = Plane()
    reply = plane.send(method, f"/_fakebatch/{path}", body)
    error = plane(method, path, body)["error"]
    assert (reply.status, reply.headers["x-should-retry"]) == (status, "false")
    assert message in error["message"]
    assert plane.worlds[""].emulator.scenario == Scenario()
    assert len(plane.worlds) == 1


# --- who may use it

HOSTS = {
    "127.0.0.1": 200,
    "localhost": 200,
    "LocalHost": 200,
    "[::1]": 200,
    "192.168.0.7": 200,
    "fake": 200,
    "": 200,
    "evil.example.com": 403,
    "localhost.example.com": 403,
}


@pytest.mark.parametrize(("host", "status"), HOSTS.items())
def test_the_control_plane_answers_under_names_that_cannot_be_rebound(
    host: str, status: int
) -> None:
    """A page on the web can make its own name lead to this machine, but not an address."""
    plane = Plane()
    assert plane.send("GET", "/_fakebatch/world", host=host).status == status
    assert plane.send("GET", "/v1/files", host=host, authorization="Bearer x").status == 200


def test_a_page_of_another_origin_is_refused() -> None:
    """It could send requests to localhost, though not read the answers."""
    plane = Plane()
    assert plane.send("POST", "/_fakebatch/reset", origin="https://example.com").status == 403
    assert plane.send("POST", "/_fakebatch/reset", origin="http://localhost:3000").status == 200


TOKENS: dict[str, tuple[dict[str, str], int]] = {
    "none": ({}, 401),
    "a wrong one": ({"x_fakebatch_token": "wrong"}, 401),
    "in its own header": ({"x_fakebatch_token": "secret"}, 200),
    "as bearer": ({"authorization": "bearer secret"}, 200),
    "by another scheme": ({"authorization": "Basic secret"}, 401),
}


@pytest.mark.parametrize(("headers", "status"), TOKENS.values(), ids=TOKENS)
def test_a_server_with_a_token_wants_it(headers: dict[str, str], status: int) -> None:
    """For the control plane alone."""
    plane = Plane(token="secret")
    assert plane.send("GET", "/w/x/_fakebatch/world", **headers).status == (
        404 if status == 200 else 401
    )
    assert plane.send("GET", "/_fakebatch/world", **headers).status == status
    assert plane.send("GET", "/v1/files", authorization="Bearer x").status == 200


def test_without_a_control_plane_its_paths_are_unknown() -> None:
    """As any other path that no dialect has."""
    handler = Handler(Worlds(), has_control=False)
    request_ = Request("GET", "/_fakebatch/world", {}, {}, scheme="http", host="localhost")
    assert handler(request_).status == 501


def test_a_bug_of_ours_is_a_500(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection goes on, and the server prints the traceback."""
    plane = Plane()
    monkeypatch.setattr(plane.worlds[""].emulator, "target", None)
    reply = plane.send("GET", "/v1/files")
    assert reply.status == 500
    assert "This is a bug of fakebatch" in json.loads(reply.body)["error"]["message"]
    assert "Traceback" in capsys.readouterr().err

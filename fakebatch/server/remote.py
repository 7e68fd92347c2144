"""A world of a server from another process: the words of the fixture, over HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, overload
from urllib.parse import quote, urlencode, urlsplit

from fakebatch.dialects.dialect import BatchStatus, OperationName
from fakebatch.durations import Duration, text
from fakebatch.durations import microseconds as span
from fakebatch.errors import FakeBatchError, RefusedRequest, UsageError
from fakebatch.inspection.checks import CheckName
from fakebatch.inspection.journal import Call, Calls
from fakebatch.inspection.objects import Collection, Step
from fakebatch.rules import loading
from fakebatch.rules.fluent import Rules
from fakebatch.rules.loading import Incident
from fakebatch.rules.rule import Handle
from fakebatch.rules.scenario import AnyRule, Place, Scenario
from fakebatch.vtime import moments

__tracebackhide__ = True  # the traceback of a failed assertion ends in the test

TIMEOUT = 60.0
"""For how many seconds an answer is awaited."""


def connect(url: str, *, token: str | None = None) -> Remote:
    """A world of a running server: `fakebatch.connect("http://127.0.0.1:8000/w/mine/v1")`.

    Args:
        url: the base URL of its clients, or the part of it before the path of the provider.
        token: what the server printed at its start, if it listens on more than its own machine.

    Raises:
        UsageError: no server answers there, or it has no such world.
    """
    return Remote(url, token)


class Remote(Rules):
    """A world of a server: the rules, the clock, the objects and the checks of a FakeBatch.

    Attributes:
        batches: the batches by id; `batches.add` adds one that exists already.
        files: the files by id; `files.add` adds one.
        clock: the time: `now`, `elapsed`, `advance`, `move_to`, and its `mode`.
        journal: the calls so far: `calls`, `count`.
        url: the base URL for clients.
        env: the environment of a client that shall use it.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        super().__init__()
        self._plane = _Plane(url, token)
        state = self._plane.get("world")
        self.url: str = self._plane.address + state["path"]
        """The base URL for clients."""
        key: str = state["key"]
        self.env: dict[str, str] = {
            "OPENAI_BASE_URL": self.url,
            **dict.fromkeys(state["environment"], key),
        }
        """The environment variables of a client that shall use it."""
        self.clock = RemoteClock(self._plane)
        """The time of the world."""
        self.journal = RemoteJournal(self._plane)
        """The calls that were made."""
        self.batches = RemoteBatches(self._plane)
        """The batches by id, in order of creation."""
        self.files = RemoteFiles(self._plane)
        """The files by id, in order of creation."""
        self._broke_off = False
        self._final: dict[str, Any] = {}
        """What the report of a test needs after the end of its server."""

    @property
    def base_url(self) -> str:
        """The same as `url`."""
        return self.url

    def __repr__(self) -> str:
        return f"<fakebatch.connect({self.url!r})>"

    # --- rules

    @property
    def scenario(self) -> Scenario:
        """All rules, as one value; assign another to replace them."""
        return loading.read(self._plane.get("scenario"))

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        self._plane.send("PUT", "scenario", loading.dump(scenario))

    def incident(self, which: Incident, **parameters: Any) -> None:
        """Make a known incident happen: its name, a Scenario, a file, or several as a tuple.

        A file is read here, not by the server.

        Raises:
            UsageError: there is no such incident, or it has no such parameter.
        """
        scenario = loading.scenario(which, **parameters)
        self._plane.post("incident", scenario=loading.dump(scenario))

    def _add_rule(self, rule: AnyRule) -> Handle[Any]:
        added = self._plane.send("POST", "rules", {rule.family: [loading.dump(rule)]})["rules"]
        place = added[-1]["family"], added[-1]["index"]
        return Handle(rule, lambda: self._hits(place))

    def _hits(self, place: Place) -> int:
        rules = self._plane.get("rules")["rules"]
        return sum(rule["hits"] for rule in rules if (rule["family"], rule["index"]) == place)

    # --- the world

    def snapshot(self) -> int:
        """Save everything but the time. Returns the number for `restore`."""
        return int(self._plane.post("snapshot")["snapshot"])

    def restore(self, saved: int) -> None:
        """Go back to a snapshot in everything but the clock, which keeps its time."""
        self._plane.post("restore", snapshot=saved)

    def reset(self) -> None:
        """Begin again, as the world was made: without files, batches and calls."""
        self._plane.post("reset")

    def timeline(self) -> str:
        """What happened, in at most 40 lines."""
        return str(self._final.get("timeline") or self._plane.get("timeline")["timeline"])

    # --- checks

    def assert_all_downloaded(self) -> None:
        """Every output and error file that has ever existed was downloaded completely.

        Raises:
            AssertionError: it names the files that were not.
        """
        self._assert("all_downloaded")

    def assert_single_batch(self) -> None:
        """No two batches were created for the same input, unless the earlier was unsuccessful.

        Raises:
            AssertionError: it names the calls that created them.
        """
        self._assert("single_batch")

    def assert_no_leftover_files(self) -> None:
        """Every input and result file has been deleted or has expired.

        Raises:
            AssertionError: it names the files that are still there.
        """
        self._assert("no_leftover_files")

    def assert_min_poll_interval(self, min_interval: Duration) -> None:
        """No batch was retrieved twice within less than `min_interval` before it ended.

        With the clock `polls` this says nothing: polls themselves move it.

        Raises:
            AssertionError: it names the two calls that are closest to each other.
        """
        self._assert("min_poll_interval", min_interval=text(span(min_interval)))

    def check_rules(self) -> None:
        """Check that every rule was used, and that no request was refused.

        Raises:
            UsageError: a rule was never used, or a selection has no verb.
            RefusedRequest: a request needs what is not emulated.
        """
        if self._broke_off:
            return
        for message in self._findings("refusals"):
            raise RefusedRequest(*message)
        for selection in self._selections:
            if not selection.has_verb:
                raise UsageError(
                    f"{selection!r} has no verb.",
                    "A selection by itself changes nothing.",
                    f"Write for example {selection.rule.example}.",
                )
        for message in self._findings("used_rules"):
            raise UsageError(*message)

    def finish(self) -> None:
        """Check the rules at the end of a test. The fixture does so.

        Raises:
            UsageError: a rule was never used, or a selection has no verb.
            RefusedRequest: a request needs what is not emulated.
        """
        self._final["rules"] = self._plane.get("rules")["rules"]
        try:
            self.check_rules()
        except FakeBatchError:
            self._final["timeline"] = self.timeline()
            raise

    @property
    def _never_used(self) -> tuple[str, ...]:
        rules = self._final.get("rules", ())
        return tuple(rule["rule"] for rule in rules if not rule["hits"])

    def _assert(self, check: CheckName, **options: Any) -> None:
        for message in self._findings(check, **options):
            raise AssertionError("fakebatch: " + "\n".join(message))

    def _findings(
        self, check: CheckName | Literal["used_rules", "refusals"], **options: Any
    ) -> list[tuple[str, str, str]]:
        findings = self._plane.post("checks", checks=[check], **options)["findings"]
        return [tuple(finding["message"]) for finding in findings]


class _Plane:
    """The control plane of one world.

    Args:
        url: any URL of the world.
        token: the token of the server.
    """

    def __init__(self, url: str, token: str | None) -> None:
        parts = urlsplit(url)
        kind = {"http": HTTPConnection, "https": HTTPSConnection}.get(parts.scheme)
        if kind is None or not parts.hostname:
            raise UsageError(
                f"{url!r} is not the URL of a server.",
                "`fakebatch serve` prints it: http://127.0.0.1:PORT/v1.",
                "Write for example fakebatch.connect('http://127.0.0.1:8000/v1').",
            )
        self._kind, self._host, self._port = kind, parts.hostname, parts.port
        self.address = f"{parts.scheme}://{parts.netloc}"
        names = parts.path.split("/")
        self.prefix = f"/w/{names[2]}" if names[1:2] == ["w"] and len(names) > 2 else ""
        self._headers = {} if token is None else {"x-fakebatch-token": token}

    def get(self, path: str, **query: Any) -> Any:
        """The answer to a GET.

        Raises:
            KeyError: there is no such object.
            UsageError: the server refuses it.
        """
        pairs = urlencode({name: value for name, value in query.items() if value is not None})
        return self.send("GET", f"{path}?{pairs}" if pairs else path)

    def post(self, path: str, **body: Any) -> Any:
        """The answer to a POST; what is None is left out."""
        return self.send(
            "POST", path, {name: value for name, value in body.items() if value is not None}
        )

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer."""
        connection = self._kind(self._host, self._port, timeout=TIMEOUT)
        content = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, f"{self.prefix}/_fakebatch/{path}", content, self._headers)
            response = connection.getresponse()
            status, payload = response.status, response.read()
        except (OSError, HTTPException) as error:
            raise UsageError(
                f"No fakebatch server answers at {self.address}: {error}.",
                "It answers from `fakebatch serve` on until that process ends.",
                "Start it, or connect to the URL that it printed.",
            ) from error
        finally:
            connection.close()
        try:
            answer: Any = json.loads(payload)
            refusal: Any = answer["error"] if status >= 400 else None
        except (ValueError, LookupError, TypeError):
            raise UsageError(
                f"{self.address} is not a fakebatch server with a control plane.",
                f"{method} {self.prefix}/_fakebatch/{path} was answered with {status}.",
                "Start the server without --no-control.",
            ) from None
        if refusal is None:
            return answer
        if refusal["code"] == "not_found":
            raise KeyError(path.partition("/")[2] or refusal["message"])
        lines = refusal["message"].removeprefix("fakebatch: ").split("\n", 2)
        raise UsageError(*lines, *[""] * (3 - len(lines)))


# --- what hangs on it


class RemoteClock:
    """The time of a world."""

    def __init__(self, plane: _Plane) -> None:
        self._plane = plane

    @property
    def mode(self) -> str:
        """What moves it: `polls`, `manual`, `real`, or a speed such as `60x`."""
        return str(self._plane.get("clock")["mode"])

    @property
    def now(self) -> datetime:
        """The time, aware and in UTC."""
        return _moment(self._plane.get("clock")["now"])

    @property
    def elapsed(self) -> float:
        """Seconds since its start."""
        return float(self._plane.get("clock")["elapsed"])

    def advance(self, duration: Duration) -> None:
        """Move time forward.

        Raises:
            UsageError: the clock is real, or the duration has no meaning.
        """
        self._plane.post("clock", advance=text(span(duration)))

    def move_to(self, moment: moments.Moment) -> None:
        """Move time forward to a moment.

        Raises:
            UsageError: the clock is real, or the moment has no meaning or is past.
        """
        at = moments.as_datetime(moments.microseconds(moment))
        self._plane.post("clock", move_to=at.isoformat())


class RemoteJournal(Sequence[Call]):
    """The calls that were made, oldest first."""

    def __init__(self, plane: _Plane) -> None:
        self._plane = plane

    @overload
    def __getitem__(self, at: int) -> Call: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Call]: ...
    def __getitem__(self, at: int | slice) -> Call | Sequence[Call]:
        calls = self.calls()
        return Calls(calls[at]) if isinstance(at, slice) else calls[at]

    def __len__(self) -> int:
        return len(self.calls())

    def __repr__(self) -> str:
        return repr(self.calls())

    def calls(
        self,
        operation: OperationName | None = None,
        *,
        id: str | None = None,  # noqa: A002  # the API's own word
        status: int | None = None,
    ) -> Calls:
        """The calls of an operation (`batches.retrieve`), about an id, with an HTTP status.

        Raises:
            UsageError: there is no such operation.
        """
        calls = self._plane.get("journal", operation=operation, id=id, status=status)["calls"]
        return Calls(Call(_moment(call.pop("at")), **call) for call in calls)

    def count(
        self,
        operation: OperationName | None = None,
        *,
        id: str | None = None,  # noqa: A002  # the API's own word
        status: int | None = None,
    ) -> int:
        """How many such calls were made, including those that are no longer kept.

        Raises:
            UsageError: there is no such operation.
        """
        answer = self._plane.get("journal", operation=operation, id=id, status=status)
        return int(answer["count"])


@dataclass(frozen=True, slots=True)
class RemoteLine:
    """One request line of a batch and its outcome."""

    index: int
    custom_id: str | None
    outcome: str
    """The verb that applies to it when it runs."""
    finishes: datetime | None
    """When it finishes, or None if the batch ends before it runs."""
    file_id: str | None
    """The result file that will have it when the batch has ended."""


class _RemoteObject:
    """One object of the service; the fields of its JSON are attributes, read when used."""

    kind: str

    def __init__(self, id_: str, plane: _Plane) -> None:
        self.id = id_
        self._plane = plane

    def __getattr__(self, name: str) -> Any:
        fields = self.json
        if name in fields:
            return fields[name]
        raise AttributeError(f"{self.id} has no field {name!r}; it has {', '.join(fields)}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.json}>"

    @property
    def json(self) -> dict[str, Any]:
        """The object that a client would get now.

        Raises:
            KeyError: it no longer exists.
        """
        state: dict[str, Any] = self._state()["object"]
        return state

    def _state(self, part: str = "") -> Any:
        return self._plane.get(f"{self.kind}/{quote(self.id, safe='')}{part}")


class RemoteBatch(_RemoteObject):
    """A batch as it is now: the fields of the API, and its `plan`, `history` and `lines`."""

    kind = "batches"

    @property
    def plan(self) -> tuple[Step, ...]:
        """Each status and when it begins, including future ones."""
        return tuple(Step(step["status"], _moment(step["at"])) for step in self._state()["plan"])

    @property
    def history(self) -> tuple[Step, ...]:
        """The statuses up to now."""
        now = _moment(self._plane.get("clock")["now"])
        return tuple(step for step in self.plan if step.at <= now)

    @property
    def lines(self) -> tuple[RemoteLine, ...]:
        """Its request lines, in the order of the input file, and the outcome of each."""
        lines: list[dict[str, Any]] = self._state("/lines")["lines"]
        return tuple(
            RemoteLine(
                line["index"],
                line["custom_id"],
                line["outcome"],
                None if line["finishes"] is None else _moment(line["finishes"]),
                line["file_id"],
            )
            for line in lines
        )


class RemoteFile(_RemoteObject):
    """A file as it is now: the fields of the API, its `content`, and its `downloads`."""

    kind = "files"

    @property
    def content(self) -> bytes:
        """The bytes that a client would download."""
        return base64.b64decode(self._state("/content")["base64"])

    @property
    def written_by(self) -> str:
        """The id of the batch that wrote it, else "files.create" (uploaded) or "files.add"."""
        return str(self._state()["written_by"])

    @property
    def downloads(self) -> tuple[datetime, ...]:
        """When its content was downloaded completely."""
        return tuple(map(_moment, self._state()["downloads"]))


ObjectT = TypeVar("ObjectT", RemoteBatch, RemoteFile)


class _RemoteObjects(Collection[Any], Generic[ObjectT]):
    """Objects by id, in order of creation."""

    kind: type[ObjectT]

    def __init__(self, plane: _Plane) -> None:
        super().__init__(self.kind.kind, (), lambda: 0, lambda id_, _: self.kind(id_, plane))
        self._plane = plane

    def __iter__(self) -> Iterator[str]:
        return (each["object"]["id"] for each in self._plane.get(self._kind)[self._kind])

    def __getitem__(self, id_: str) -> ObjectT:
        self._plane.get(f"{self._kind}/{quote(id_, safe='')}")
        return self.kind(id_, self._plane)


class RemoteBatches(_RemoteObjects[RemoteBatch]):
    """The batches by id, in order of creation. `add` adds a batch."""

    kind = RemoteBatch

    def add(
        self,
        requests: str | Sequence[Mapping[str, Any]],
        *,
        status: BatchStatus = "completed",
        created: moments.Moment = "-1h",
        endpoint: str | None = None,
        completion_window: str = "24h",
        metadata: Mapping[str, str] | None = None,
    ) -> RemoteBatch:
        """Add a batch that has this status now and goes on from there.

        Args:
            requests: request lines as dicts, or the id of a file.
            status: the status it has now.
            created: a moment, or an age: "-5h".
            endpoint: by default the url of the first line.
            completion_window: as in a create.
            metadata: as in a create.

        Raises:
            UsageError: a batch of this age with these requests cannot have this status.
            KeyError: there is no such file.
        """
        added = self._plane.post(
            "batches",
            requests=requests if isinstance(requests, str) else [dict(line) for line in requests],
            status=status,
            created=_written(created),
            endpoint=endpoint,
            completion_window=completion_window,
            metadata=None if metadata is None else dict(metadata),
        )
        return RemoteBatch(added["object"]["id"], self._plane)


class RemoteFiles(_RemoteObjects[RemoteFile]):
    """The files by id, in order of creation. `add` adds a file."""

    kind = RemoteFile

    def add(
        self,
        content: bytes | str | Path,
        *,
        filename: str | None = None,
        purpose: str = "batch",
        created: moments.Moment = "-0s",
        expires_after: int | None = None,
    ) -> RemoteFile:
        """Add a file.

        Args:
            content: the bytes, or the path of a file to read, which is read here.
            filename: by default that of the path, or "input.jsonl".
            purpose: as in an upload.
            created: a moment, or an age: "-5h".
            expires_after: its lifetime in seconds; by default 30 days for a batch file, else none.

        Raises:
            UsageError: `created` is in the future, or the service would refuse the file.
            OSError: the path cannot be read.
        """
        if not isinstance(content, bytes):
            path = Path(content)
            filename, content = filename or path.name, path.read_bytes()
        added = self._plane.post(
            "files",
            base64=base64.b64encode(content).decode(),
            filename=filename,
            purpose=purpose,
            created=_written(created),
            expires_after=expires_after,
        )
        return RemoteFile(added["object"]["id"], self._plane)


def _moment(value: str) -> datetime:
    return moments.as_datetime(moments.microseconds(value))


def _written(moment: moments.Moment) -> str | float:
    return moment.isoformat() if isinstance(moment, datetime) else moment

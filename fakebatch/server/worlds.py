"""Worlds: emulators behind one address that share nothing, so that tests in parallel never meet."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from itertools import count
from threading import RLock
from typing import Any
from urllib.parse import urlsplit

from fakebatch.batch.lifecycle import NEVER
from fakebatch.durations import SECOND, Duration, microseconds, text
from fakebatch.emulator import Emulator, Snapshot
from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.inspection.checks import Finding
from fakebatch.inspection.journal import moment_text
from fakebatch.rules import catalogue
from fakebatch.rules.catalogue import Incident
from fakebatch.server.clock import WorldClock, next_change
from fakebatch.server.events import Events
from fakebatch.vtime import moments
from fakebatch.wire.app import Handled, Target
from fakebatch.wire.messages import Reply, Request, json_reply

MAX_WORLDS = 1_000
"""Beside the default one."""
MAX_SNAPSHOTS = 100
MAX_REFUSALS = 1_000
"""So many of the last refusals are kept."""
NEVER_ENDS = "This wait never ends."
HOUR = 3_600 * SECOND
"""How far a poll moves time if nothing is scheduled for what it shows."""
DUMMY_KEY = "sk-fakebatch-this-is-not-a-real-key"
LOOKS = frozenset({"batches.retrieve", "batches.list", "files.retrieve", "files.list"})
"""The operations that move a clock with the mode "polls"."""
TRIES = 8
"""An outage `between` two times is over after this many calls."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_time_text = lru_cache(maxsize=64)(moment_text)
"""Most requests come at the moment of the one before."""


class World:
    """An emulator with a clock of its own.

    Args:
        name: its name; empty: it is the default world.
        clock: what moves its time: "polls", "manual", "real", or a speed such as "60x".
        start: the time at which the clock begins; by default 2026-01-01T00:00:00Z.
        max_idle: for how long, in virtual time, polls go on while nothing is scheduled to change.
        schedule: how long batches stay in each status, as for `schedule` of a FakeBatch.
        scenario: rules that must be used, as scenario files or Scenarios.
        options: the other arguments of Emulator.

    Raises:
        UsageError: an argument without meaning.
    """

    def __init__(
        self,
        name: str = "",
        *,
        clock: str = "polls",
        start: moments.Moment | None = None,
        max_idle: Duration = "48h",
        schedule: Mapping[str, Duration] | None = None,
        scenario: Incident = (),
        **options: Any,
    ) -> None:
        self.name = name
        self.prefix = f"/w/{name}" if name else ""
        """What its paths begin with."""
        self.clock = WorldClock(clock, start)
        self.emulator = Emulator(clock=self.clock.read, prefix=self.prefix or "/", **options)
        self.emulator.schedule(**(schedule or {}))
        self.emulator.scenario |= catalogue.scenario(scenario)
        keys = [*(options.get("api_keys") or ()), DUMMY_KEY]
        self.key: str = keys[0]
        """A key that is accepted."""
        self.events = Events(self.emulator)
        """What happens, for `GET events`."""
        self.refusals = deque[Finding](maxlen=MAX_REFUSALS)
        """The requests that were refused, because what they need is not emulated."""
        self.snapshots: dict[int, Snapshot] = {}
        """Snapshots by number."""
        self._snapshot_numbers = count(1)
        self._max_idle = microseconds(max_idle)
        self._idle_since: int | None = None
        """Since when polls have found nothing that is scheduled."""
        self._wait = 0
        """How long the last reply asks the client to wait, in microseconds."""
        self._lock = RLock()
        self.emulator.observe(self._note_wait)

    @property
    def path(self) -> str:
        """The path of its base URL: `/w/name/v1`."""
        return self.prefix + urlsplit(self.emulator.base_url).path

    @property
    def environment(self) -> tuple[str, ...]:
        """The variables from which clients read their key, beside OPENAI_API_KEY."""
        return tuple(name for dialect in self.emulator.dialects for name in dialect.environment)

    def env(self, url: str) -> dict[str, str]:
        """The environment variables of clients, for a server at `url`."""
        names = ("OPENAI_API_KEY", *self.environment)
        return {"OPENAI_BASE_URL": url + self.path, **dict.fromkeys(names, self.key)}

    def handle(self, request: Request) -> Reply:
        """The reply to a request; 501 where the emulator refuses it, with the reason."""
        try:
            target = self.emulator.target(request)
            if self.clock.mode == "polls":
                self._move(target)
            reply = target.handle(request)
            if reply.pieces is not None:
                reply = reply._replace(pieces=self._read(reply.pieces))
        except FakeBatchError as error:
            self._note(error)
            reply = error_reply(501, error, "not_emulated")
            self.emulator.note_refused(request, reply)
        time = {"x-fakebatch-time": _time_text(self.clock.read())}
        return reply._replace(headers={**reply.headers, **time})

    def snapshot(self) -> int:
        """Save everything but the time. Returns the number for `restore`."""
        saved, number = self.emulator.snapshot(), next(self._snapshot_numbers)
        self.snapshots[number] = saved
        self.snapshots.pop(number - MAX_SNAPSHOTS, None)
        return number

    def _read(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The pieces of a reply. Where a rule cannot be applied, it ends as if broken."""
        try:
            yield from pieces
        except FakeBatchError as error:
            self._note(error)
            raise ConnectionAbortedError(str(error)) from error

    def _note(self, error: FakeBatchError) -> None:
        self.refusals.append(Finding("refusals", (), self.clock.read(), error.args))

    def _move(self, target: Target) -> None:
        """Move time to what a poll will show next."""
        operation, service = target.operation, target.app.service
        with self._lock:
            now, self._wait = self.clock.read() + self._wait, 0
        if operation is not None and operation.name in LOOKS:
            store = getattr(service.state, operation.name.partition(".")[0])
            # without the lock: it may take long to validate a batch
            now = self._after(now, next_change(service, store, target.id, now))
        self.clock.move_to(now)

    def _after(self, now: int, change: int | None) -> int:
        """The time that a poll shows; an hour later if it is not known when something changes."""
        if change is None or change < NEVER:
            self._idle_since = None
            return now if change is None else change
        since = self._idle_since = self._idle_since or now
        if now - since >= self._max_idle:
            raise FakeBatchError(
                NEVER_ENDS,
                f"The client has polled since {moment_text(since)}, and nothing is scheduled.",
                f"Give it a deadline, or the world a longer max_idle than {text(self._max_idle)}.",
            )
        return now + HOUR

    def _note_wait(self, handled: Handled) -> None:
        """Note how long a reply asks the client to wait, since no sleep of it moves time."""
        headers, wait = handled.reply.headers, 0
        value = headers.get("retry-after", "")
        if "retry-after-ms" in headers:
            wait = round(float(headers["retry-after-ms"]) * 1_000)
        elif value.replace(".", "", 1).isdigit():
            wait = round(float(value) * SECOND)
        elif value:
            wait = moments.microseconds(parsedate_to_datetime(value)) - handled.at
        name = "" if handled.operation is None else handled.operation.name
        is_early = name in ("batches.create", "files.content") and handled.reply.status >= 400
        if is_early and handled.hit is None:  # perhaps because a file is not ready
            changes = (
                next_change(service, service.state.files, handled.id, handled.at)
                for service in self.emulator.services
            )
            known = [at - handled.at for at in changes if at is not None and at < NEVER]
            wait = max(wait, min(known, default=0))
        if handled.hit is not None and handled.hit.rule.between is not None:
            # an outage ends for a client that tries again, whatever it sleeps itself
            since, until = handled.hit.rule.span
            wait = max(wait, 0 if until is None else (until - since) // TRIES)
        with self._lock:
            self._wait = max(self._wait, wait)


def error_reply(status: int, error: FakeBatchError | str, code: str) -> Reply:
    """An error of ours, which clients shall not take for one of the provider, nor retry."""
    body = {"error": {"message": str(error), "type": "fakebatch_error", "code": code}}
    reply = json_reply(status, body, end="\n")
    length = {"x-should-retry": "false", "content-length": str(len(reply.body))}
    return reply._replace(headers={**reply.headers, **length})


class Worlds(Mapping[str, World]):
    """The worlds of a server by name; the one with the empty name is the default. Thread-safe.

    Args:
        options: the arguments of every World, unless it has its own.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._own: dict[str, dict[str, Any]] = {"": {}}
        """The options with which each was made."""
        self._worlds = {"": World(**options)}
        self._lock = RLock()

    def __getitem__(self, name: str) -> World:
        return self._worlds[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._worlds])

    def __len__(self) -> int:
        return len(self._worlds)

    def add(self, name: str, **options: Any) -> World:
        """Make a world.

        Raises:
            UsageError: there are too many, one has that name, or it cannot be part of a URL.
        """
        with self._lock:
            if _NAME.fullmatch(name) is None or name in self._worlds:
                raise UsageError(
                    f"A new world cannot be called {name!r}.",
                    "A name has up to 100 letters, digits, dots, dashes and underscores, and "
                    "belongs to one world.",
                    "Choose another, or delete the world that has it.",
                )
            if len(self._worlds) > MAX_WORLDS:
                raise UsageError(
                    f"There are {MAX_WORLDS:,} worlds already.",
                    "Each keeps its files and batches in memory.",
                    "Delete those of tests that have ended.",
                )
            self._own[name] = options
            return self.reset(name)

    def reset(self, name: str) -> World:
        """Put a new world in the place of one, made with the same options."""
        world = World(name, **{**self._options, **self._own[name]})
        with self._lock:
            before, self._worlds[name] = self._worlds.get(name), world
        if before is not None:
            before.events.publish(None)
        return world

    def remove(self, name: str) -> None:
        """Forget a world.

        Raises:
            UsageError: it is the default one.
            KeyError: there is none of that name.
        """
        if not name:
            raise UsageError(
                "The default world cannot be deleted.",
                "It is where a base URL without /w/NAME leads.",
                "Reset it: POST /_fakebatch/reset.",
            )
        with self._lock:
            self._worlds.pop(name).events.publish(None)
            del self._own[name]

    def find(self, path: str) -> tuple[World | None, str]:
        """The world that a path belongs to, None if there is none of that name; and its name."""
        name = path.split("/", 3)[2] if path.startswith("/w/") else ""
        return self._worlds.get(name), name


def no_world(name: str) -> Reply:
    """The reply to a request for a world that does not exist."""
    message = (
        f"fakebatch: There is no world {name!r}.\n"
        "A world is made before it is used.\n"
        f"Make it: POST /_fakebatch/worlds {json.dumps({'name': name})}."
    )
    return error_reply(404, message, "no_such_world")

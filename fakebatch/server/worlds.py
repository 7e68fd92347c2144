"""Worlds: emulators behind one address that share nothing, so that tests in parallel never meet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from threading import RLock
from typing import Any

from fakebatch.batch.lifecycle import NEVER
from fakebatch.durations import SECOND, text
from fakebatch.emulator import Emulator
from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.inspection.endless import LEAST_IDLE
from fakebatch.inspection.journal import moment_text
from fakebatch.server.clock import HOUR, WorldClock, next_change
from fakebatch.wire.app import Handled, Target
from fakebatch.wire.messages import Reply, Request, json_reply

MAX_WORLDS = 1_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")

POLLS = frozenset({"batches.retrieve", "batches.list", "files.retrieve", "files.list"})
"""The operations that move a clock with mode "polls"."""


class World:
    """An emulator with a clock of its own.

    Args:
        name: its name; empty: it is the default world.
        clock: what moves its time: "polls", "manual", "real", or a speed such as "60x".
        max_idle: how long polls go on moving time, in microseconds, while nothing is scheduled.
        options: the other arguments of Emulator.
    """

    def __init__(
        self, name: str = "", clock: str = "polls", max_idle: int = LEAST_IDLE, **options: Any
    ) -> None:
        self.name = name
        self.clock = WorldClock(clock)
        self.emulator = Emulator(
            clock=self.clock.read, prefix=f"/w/{name}" if name else "/", **options
        )
        self.refusals: list[str] = []
        """The messages of the requests that were refused: what the client asks is not emulated."""
        self._max_idle = max_idle
        self._idle_since: int | None = None
        """Since when polls have found nothing that is scheduled."""
        self._retry_after = 0
        """How long the last reply asks the client to wait, in microseconds."""
        self._lock = RLock()
        self.emulator.observe(self._note_retry_after)

    def handle(self, request: Request) -> Reply:
        """The reply to a request; 501 where the emulator refuses it, with the reason."""
        try:
            target = self.emulator.target(request)
            if self.clock.mode == "polls":
                self._move(target)
            reply = target.handle(request)
        except FakeBatchError as error:
            self.refusals.append(str(error))
            reply = refused(error)
            self.emulator.note_refused(request, reply)
        time = {"x-fakebatch-time": moment_text(self.clock.read())}
        return reply._replace(headers={**reply.headers, **time})

    def _move(self, target: Target) -> None:
        """Move time to what a poll will show next."""
        with self._lock:
            now = self.clock.read() + self._retry_after
            self._retry_after = 0
            operation, service = target.operation, target.app.service
            if operation is not None and operation.name in POLLS:
                store = getattr(service.state, operation.name.partition(".")[0])
                ids = [target.id] if target.id else [record.id for record in store.all()]
                now = self._after(now, next_change(service, ids, now))
            self.clock.move_to(now)

    def _after(self, now: int, change: int | None) -> int:
        if change is None or change < NEVER:
            self._idle_since = None
            return now if change is None else change
        since = self._idle_since = self._idle_since or now
        if now - since >= self._max_idle:
            raise FakeBatchError(
                "this wait never ends.",
                f"The client polls since {moment_text(since)}, and nothing is scheduled to change.",
                f"Give it a deadline, or the world a longer max_idle than {text(self._max_idle)}.",
            )
        return now + HOUR

    def _note_retry_after(self, handled: Handled) -> None:
        headers = handled.reply.headers
        if "retry-after-ms" in headers:
            self._retry_after = round(float(headers["retry-after-ms"]) * 1_000)
        elif (value := headers.get("retry-after", "")).replace(".", "").isdigit():
            self._retry_after = round(float(value) * SECOND)
        elif value:
            at = parsedate_to_datetime(value) - datetime.fromtimestamp(0, timezone.utc)
            self._retry_after = max(round(at.total_seconds() * SECOND) - handled.at, 0)


def refused(error: FakeBatchError) -> Reply:
    """The reply to what the emulator refuses: 501 with the lines of the error, not to be retried."""
    body = {"error": {"message": str(error), "type": "fakebatch_error", "code": "refused"}}
    reply = json_reply(501, body, end="\n")
    length = {"x-should-retry": "false", "content-length": str(len(reply.body))}
    return reply._replace(headers={**reply.headers, **length})


class Worlds(Mapping[str, World]):
    """The worlds of a server by name; that with the empty name is the default.

    Args:
        options: the arguments of a World that is made without any.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._worlds = {"": World(**options)}
        self._lock = RLock()

    def __getitem__(self, name: str) -> World:
        return self._worlds[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._worlds])

    def __len__(self) -> int:
        return len(self._worlds)

    def add(self, name: str, **options: Any) -> World:
        """Make a world; options that are left out are those of the server.

        Raises:
            UsageError: there are too many, or one has that name, or it cannot be part of a URL.
        """
        world = World(name, **{**self._options, **options})
        with self._lock:
            if _NAME.fullmatch(name) is None or name in self._worlds:
                raise UsageError(
                    f"A world cannot be called {name!r}.",
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
            self._worlds[name] = world
        return world

    def remove(self, name: str) -> None:
        """Forget a world.

        Raises:
            KeyError: there is none of that name.
        """
        with self._lock:
            del self._worlds[name]

    def reset(self, name: str) -> World:
        """Put a new world in the place of one, with the options of the server."""
        with self._lock:
            self._worlds[name] = world = World(name, **self._options)
        return world

    def find(self, path: str) -> tuple[World | None, str]:
        """The world that a path belongs to, None if there is none of that name; and its name."""
        name = path.split("/")[2] if path.startswith("/w/") else ""
        return self._worlds.get(name), name


def no_world(name: str) -> Reply:
    """The reply to a request for a world that does not exist."""
    message = (
        f"fakebatch: There is no world {name!r}.\n"
        f"A world is made before it is used.\n"
        f'Make it: POST /_fakebatch/worlds {json.dumps({"name": name})}.'
    )
    reply = json_reply(404, {"error": {"message": message, "code": "no_such_world"}}, end="\n")
    return reply._replace(headers={**reply.headers, "content-length": str(len(reply.body))})

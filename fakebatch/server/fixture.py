"""The server of the fixture `fakebatch_server`: one for a session, with a world for each test."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from inspect import signature
from itertools import count
from typing import Any

from fakebatch.emulator import Emulator
from fakebatch.server.handler import Handler
from fakebatch.server.remote import Remote, connect
from fakebatch.server.server import Server
from fakebatch.server.worlds import World, Worlds

KEYWORDS = tuple(
    name
    for name in signature(World).parameters | signature(Emulator).parameters
    if name not in ("name", "prefix", "options")
)
"""The keywords of the marker `fakebatch_server`."""


class TestServer:
    """A server, and the world of the latest test."""

    __test__ = False  # the name begins as those of tests that pytest collects

    def __init__(self, server: Server, worlds: Worlds) -> None:
        self._server, self._worlds = server, worlds
        self._numbers = count(1)
        self._name = ""

    def new_world(self, options: dict[str, Any]) -> Remote:
        """A world for a test. That of the test before is deleted: its report may have needed it."""
        if self._name:
            self._worlds.remove(self._name)
        self._name = f"test-{next(self._numbers)}"
        self._worlds.add(self._name, **options)
        return connect(f"{self._server.url}/w/{self._name}")


@contextmanager
def serving() -> Generator[TestServer]:
    """A server on a free port of this machine."""
    worlds = Worlds()
    with Server(Handler(worlds)) as server:
        yield TestServer(server, worlds)

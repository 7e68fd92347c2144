"""What happens in a world, as it happens: server-sent events for whoever listens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from queue import Empty, Queue
from typing import Any

from fakebatch.emulator import Emulator
from fakebatch.inspection.journal import moment_text
from fakebatch.wire.app import Handled

SILENCE = 1.0
"""After so many seconds a comment is sent, which finds out whether the client is still there."""

Event = tuple[str, dict[str, Any]] | None
"""Its type and its data; None: the world is gone."""


class Events:
    """The calls of an emulator, and the statuses of its batches, for any number of listeners.

    Args:
        emulator: what is watched; without listeners it costs nothing.
    """

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._listeners: list[Queue[Event]] = []
        emulator.observe(self._call)

    def publish(self, event: Event) -> None:
        """Tell all listeners."""
        for queue in [*self._listeners]:
            queue.put(event)

    def _call(self, handled: Handled) -> None:
        if self._listeners:
            request, operation, id_, _, hit, _, at, status = handled
            name = operation.name if operation else f"{request.method} {request.path}"
            injected = None if hit is None else str(hit.rule)
            call = {"operation": name, "id": id_, "status": status, "injected": injected}
            self.publish(("call", {"at": moment_text(at), **call}))

    def stream(self) -> Iterator[bytes]:
        """The body of a reply: each event as it happens, until the listener or the world leaves."""
        queue = Queue[Event]()
        self._listeners.append(queue)
        try:
            shown = self._statuses()
            yield b": listening\n\n"
            while True:
                yield b""  # sends what is ready
                try:
                    event = queue.get(timeout=SILENCE)
                except Empty:
                    yield b": still here\n\n"
                    continue
                if event is None:
                    return
                kind, data = event
                yield _written(kind, data)
                statuses = self._statuses()
                for id_, (status, at) in statuses.items():
                    if shown.get(id_) != (status, at):
                        yield _written("status", {"at": at, "id": id_, "status": status})
                shown = statuses
        finally:
            self._listeners.remove(queue)

    def _statuses(self) -> dict[str, tuple[str, str]]:
        """The status of each batch, and when it began."""
        last = {id_: batch.history[-1] for id_, batch in self._emulator.batches.items()}
        return {id_: (step.status, moment_text(step.at)) for id_, step in last.items()}


def _written(kind: str, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()

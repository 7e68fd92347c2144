"""A client of a world, without a socket."""

from __future__ import annotations

import json
from typing import Any

from fakebatch.rules import loading
from fakebatch.server.worlds import World
from fakebatch.wire import Reply, Request
from support.batches import CHAT, requests
from support.calling import FORM, form


class Client:
    """Sends requests to a world of its own, or to another."""

    def __init__(self, world: World | None = None, *, key: str = "sk-test", **options: Any) -> None:
        self.world = World(**options) if world is None else world
        self._headers = {"authorization": f"Bearer {key}"}

    def send(self, path: str, method: str = "GET", body: Any = b"", **headers: str) -> Reply:
        """The reply to a request; a body that is not bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {**self._headers, **headers}
        request = Request(method, self.world.path + path, {}, headers, content, scheme="http")
        return self.world.handle(request)

    def json(self, path: str, method: str = "GET", body: Any = b"", **headers: str) -> Any:
        """The JSON of the reply to a request that must succeed."""
        reply = self.send(path, method, body, **headers)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    def upload(self, lines: int) -> str:
        """Upload a file with so many lines. Returns its id."""
        body = form(requests(lines), purpose="batch")
        return str(self.json("/files", "POST", body, **FORM)["id"])

    def params(self, file: str) -> dict[str, str]:
        """The parameters that create a batch."""
        return {"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"}

    def create(self, lines: int) -> str:
        """Create a batch with so many lines. Returns its id."""
        return str(self.json("/batches", "POST", self.params(self.upload(lines)))["id"])

    def scenario(self, data: dict[str, Any]) -> None:
        """Set the rules of the world."""
        self.world.emulator.scenario = loading.read(data)

"""A client of the control plane of one world."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from fakebatch.errors import UsageError

TIMEOUT = 60.0
"""For how many seconds an answer is awaited."""


class Plane:
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
            raise KeyError(unquote(path.partition("/")[2]) or refusal["message"])
        lines = refusal["message"].removeprefix("fakebatch: ").split("\n", 2)
        raise UsageError(*lines, *[""] * (3 - len(lines)))

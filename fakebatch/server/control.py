"""The control plane: answers a request by the route of its path, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.rules import loading
from fakebatch.rules.scenario import Scenario
from fakebatch.rules.validation import adapter, validated
from fakebatch.server.bodies import scenario_of
from fakebatch.server.routes import ROUTES
from fakebatch.server.routing import NotFoundError, Route
from fakebatch.server.worlds import Worlds, error_reply, no_world
from fakebatch.wire.messages import Reply, Request

PREFIX = "/_fakebatch/"
"""Below it, and below it in each world, are the routes."""


def handle(worlds: Worlds, request: Request) -> Reply:
    """The reply to a request below one of the prefixes."""
    world, name = worlds.find(request.path)
    path = request.path.partition(PREFIX)[2]
    route, id_ = _find(request.method, path)
    if route is None:
        return _no_route(request.method, path)
    if world is None and not route.is_global:
        return no_world(name)
    has: dict[str, Any] = {"worlds": worlds, "world": world, "id": id_}
    try:
        for part, sent in (("body", request.body), ("query", request.query)):
            if part in route.takes:
                has[part] = _read(route.takes[part], sent, path)
        answer = route.handle(**{part: has[part] for part in route.takes})
    except NotFoundError as error:
        return error_reply(404, str(error), "not_found")
    except FakeBatchError as error:
        return error_reply(400, error, "usage_error")
    if isinstance(answer, Iterator):
        headers = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
        return Reply(route.status, {**headers, "cache-control": "no-store"}, b"", answer)
    if isinstance(answer, Scenario):
        data: Any = loading.dump(answer)
    else:
        data = adapter(route.answer).dump_python(answer, mode="json")
    body = json.dumps(data, indent=2).encode() + b"\n"
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    return Reply(route.status, headers, body)


def _find(method: str, path: str) -> tuple[Route | None, str]:
    """The route of a method and a path, None if there is none, and the id in the path."""
    head, _, rest = path.partition("/")
    id_, slash, tail = rest.partition("/")
    id_ = unquote(id_)  # an encoded slash is still encoded
    for pattern in (path, f"{head}/{{id}}{slash}{tail}"):
        for each in ROUTES:
            if (each.method, each.path) == (method, pattern):
                return each, id_
    return None, id_


def _no_route(method: str, path: str) -> Reply:
    methods = [each for each in ("GET", "POST", "PUT", "DELETE") if _find(each, path)[0]]
    known = ", ".join(methods) or ", ".join(dict.fromkeys(each.path for each in ROUTES))
    message = (
        f"fakebatch: The control plane has no {method} {path}.\n"
        f"It has {known}.\n"
        f"GET {PREFIX}openapi.json describes all of it."
    )
    return error_reply(405 if methods else 404, message, "no_such_route")


def _read(kind: Any, sent: bytes | Mapping[str, str], path: str) -> Any:
    """The body or the query of a request, as an object of a class.

    Raises:
        UsageError: it is not JSON, or has an unknown name or an invalid value.
    """
    data: Any = sent
    if isinstance(sent, bytes):
        try:
            data = json.loads(sent or b"{}")
        except ValueError as error:
            raise UsageError(
                f"The body of {path} is not JSON: {error}.",
                "The control plane takes JSON, whatever its content-type.",
                f"Send for example {kind.example}.",
            ) from None
    if kind is Scenario:
        return scenario_of(data, path)
    return validated(kind, data, path)

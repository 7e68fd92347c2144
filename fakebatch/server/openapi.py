"""The OpenAPI document of the control plane, made of its table of routes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from importlib.metadata import version
from inspect import getdoc
from typing import Any, Literal, get_origin

from pydantic import TypeAdapter

from fakebatch.rules.validation import adapter
from fakebatch.server.answers import ErrorAnswer
from fakebatch.server.routing import Route

_PARTS = {
    "world": ("/w/{world}", "The name of a world; without this part it is the default one."),
    "id": ("{id}", "The id of the object, or the name of the world."),
}
_JSON = "application/json"


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The document. A route of a world has two paths, with and without `/w/{world}`."""
    kinds: dict[tuple[Any, Literal["validation", "serialization"]], None] = {}
    for route in routes:
        if "body" in route.takes:
            kinds[route.takes["body"], "validation"] = None
        if get_origin(route.answer) is None:  # others are free JSON, or events
            kinds[route.answer, "serialization"] = None
    kinds[ErrorAnswer, "serialization"] = None
    schemas, definitions = TypeAdapter.json_schemas(
        [(kind, mode, adapter(kind)) for kind, mode in kinds],
        ref_template="#/components/schemas/{model}",
    )
    by_kind = {kind: schema for (kind, _), schema in schemas.items()}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for prefix in ("", "/w/{world}")[: 1 if route.is_global else 2]:
            methods = paths.setdefault(f"{prefix}/_fakebatch/{route.path}", {})
            methods[route.method.lower()] = _operation(route, prefix, by_kind)
    return {
        "openapi": "3.1.0",
        "info": {"title": "fakebatch: control plane", "version": version("fakebatch")},
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "x-fakebatch-token"},
            },
        },
        # only a server that listens on more than the loopback interface wants a token
        "security": [{}, {"bearer": []}, {"header": []}],
    }


def _operation(route: Route, prefix: str, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handle.__name__ + ("_of_world" if prefix else ""),
        "summary": (getdoc(route.handle) or "").partition("\n")[0],
        "parameters": [*_parameters(prefix + route.path, route)],
    }
    if "body" in route.takes:
        content = {_JSON: {"schema": schemas[route.takes["body"]]}}
        operation["requestBody"] = {"required": True, "content": content}
    if get_origin(route.answer) is Iterator:
        content = {"text/event-stream": {"schema": {"type": "string"}}}
    else:
        content = {_JSON: {"schema": schemas.get(route.answer, {"type": "object"})}}
    error = {_JSON: {"schema": schemas[ErrorAnswer]}}
    operation["responses"] = {
        str(route.status): {"description": "It was carried out.", "content": content},
        "default": {"description": "It was not; the message says why.", "content": error},
    }
    return operation


def _parameters(path: str, route: Route) -> Iterator[dict[str, Any]]:
    for name, (part, description) in _PARTS.items():
        if part in path:
            yield {
                "name": name,
                "in": "path",
                "required": True,
                "description": description,
                "schema": {"type": "string"},
            }
    if "query" in route.takes:
        schema = adapter(route.takes["query"]).json_schema()
        for each in fields(route.takes["query"]):
            yield {
                "name": each.name,
                "in": "query",
                "required": each.default is MISSING,
                "schema": schema["properties"][each.name],
            }

"""Calls to an emulated service, one request at a time."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from fakebatch.dialects import OPENAI
from fakebatch.service import Service
from fakebatch.wire.app import App
from fakebatch.wire.forms import Part
from fakebatch.wire.forms import form as read_form
from fakebatch.wire.messages import Reply, Request
from fakebatch.wire.operations import route
from support.batches import CHAT, T0

FORM = {"content-type": "multipart/form-data; boundary=b"}
BATCH = {"input_file_id": "file-1", "endpoint": CHAT, "completion_window": "24h"}


def app(api_keys: frozenset[str] | None = None) -> App:
    """A new service, at T0."""
    return App(Service(OPENAI, seed=b"0"), clock=lambda: T0, api_keys=api_keys)


def call(
    of: App,
    method: str,
    path: str,
    body: Any = b"",
    *,
    key: str | None = "Bearer sk-test",
    headers: dict[str, str] | None = None,
) -> Reply:
    """One request, with its query in the path; a body that is no bytes is sent as JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    path, _, query = path.partition("?")
    authorization = {} if key is None else {"authorization": key}
    request = Request(
        method, path, dict(parse_qsl(query)), {**authorization, **(headers or {})}, sent
    )
    return of.handle(request, *route(method, path))


def form(content: bytes = b"{}\n", filename: str = "in.jsonl", **fields: str) -> bytes:
    """An upload, as a client library would write it."""
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
    return b"".join(parts) + head.encode() + content + b"\r\n--b--\r\n"


def upload(of: App, content: bytes = b"{}\n", filename: str = "in.jsonl") -> Any:
    """The object of a file uploaded for a batch."""
    body = form(content, filename, purpose="batch")
    return json.loads(call(of, "POST", "/files", body, headers=FORM).body)


def parts(body: bytes | list[bytes], content_type: str) -> dict[str, Part]:
    """The fields of a form, which may come in pieces."""
    request = Request("POST", "/files", {}, {"content-type": content_type})
    if isinstance(body, bytes):
        return read_form(request._replace(body=body))
    return read_form(request._replace(pieces=body))

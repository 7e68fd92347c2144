"""Runs a batch input file in an emulator, without a terminal. Only polls move its clock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from fakebatch.batch.input_file import parsed_object
from fakebatch.batch.lifecycle import TERMINAL
from fakebatch.durations import SECOND
from fakebatch.emulator import Emulator
from fakebatch.vtime.moments import DEFAULT_START
from fakebatch.wire import Reply, Request

Batch = dict[str, Any]
"""A Batch object as JSON."""

_POLL_INTERVAL = 60 * SECOND
_FORM = (
    b'--form\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--form\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n%b\r\n'
    b"--form--\r\n"
)


class Refused(Exception):
    """The service refuses a call; the message is that of the service."""


class Run:
    """The calls that a client makes to take an input file through the life of a batch."""

    def __init__(self, seed: str) -> None:
        self._now = DEFAULT_START
        self._emulator = Emulator(clock=lambda: self._now, seed=seed)
        self._base = urlsplit(self._emulator.base_url)

    def start(self, filename: str, content: bytes) -> Batch:
        """Upload the file, and create a batch for the endpoint of its first line.

        Raises:
            Refused: the service refuses the upload or the create.
        """
        form = _FORM % (filename.encode(), content)
        uploaded = self._call("POST", "/files", "multipart/form-data; boundary=form", form)
        first = parsed_object(content.partition(b"\n")[0]) or {}
        params = {
            "input_file_id": json.loads(uploaded.body)["id"],
            "endpoint": str(first.get("url")),
            "completion_window": "24h",
        }
        created = self._call("POST", "/batches", "application/json", json.dumps(params).encode())
        batch: Batch = json.loads(created.body)
        return batch

    def polls(self, batch: Batch) -> Iterator[Batch]:
        """The batch at each poll, once a minute, until its end.

        Raises:
            UsageError: a request has no default reply.
        """
        while batch["status"] not in TERMINAL:
            yield batch
            self._now += _POLL_INTERVAL
            batch = json.loads(self._call("GET", f"/batches/{batch['id']}").body)
        yield batch

    def download(self, file_id: str) -> Iterable[bytes]:
        """The content of a file in pieces, which may be generated while they are read."""
        reply = self._call("GET", f"/files/{file_id}/content")
        return [reply.body] if reply.pieces is None else reply.pieces

    def _call(self, method: str, path: str, content_type: str = "", body: bytes = b"") -> Reply:
        headers = {"authorization": "Bearer sk-fakebatch", "content-type": content_type}
        host = str(self._base.hostname)
        request = Request(method, self._base.path + path, {}, headers, body, host=host)
        reply = self._emulator.handle(request)
        if reply.status >= 400:
            raise Refused(json.loads(reply.body)["error"]["message"])
        return reply

"""Runs a batch input file in an emulator, without a terminal. Only polls move its clock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fakebatch.batch.input_file import parsed_object
from fakebatch.batch.lifecycle import TERMINAL
from fakebatch.dialects import DIALECTS, choose
from fakebatch.durations import SECOND
from fakebatch.emulator import Emulator
from fakebatch.errors import UsageError
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
    """The calls that a client makes to take an input file through the life of a batch.

    Args:
        seed: decides the ids and the order of result lines.
        dialect: the provider, a name or a TOML file.
        incident: known incidents and scenario files.

    Raises:
        UsageError: there is no such dialect or incident.
    """

    def __init__(
        self, *, seed: str = "0", dialect: str = "openai", incident: Sequence[str] = ()
    ) -> None:
        self._now = DEFAULT_START
        own, openai = choose(dialect), DIALECTS["openai"]
        names = ("file", "upload", "batch", "entry", "error", "error_of_files")
        shapes = {name: getattr(openai.shapes, name) for name in names}
        self.dialect = replace(
            own,
            base_urls=openai.base_urls,
            auth=openai.auth,
            statuses={},
            results_url="",
            shapes=replace(own.shapes, **shapes),
        )
        """The provider with its own rules and result lines, but OpenAI's addresses and objects."""
        self._emulator = Emulator(
            clock=lambda: self._now, seed=seed, dialect=self.dialect, incident=tuple(incident)
        )
        self._base = urlsplit(self._emulator.base_url)

    def endpoint(self, content: bytes) -> str:
        """The endpoint of the first line of a file."""
        first = parsed_object(content.lstrip().partition(b"\n")[0]) or {}
        return str(first.get("url") or self.dialect.endpoints[0])

    def start(self, file: str, content: bytes, endpoint: str) -> Batch:
        """Upload a file, and create a batch for an endpoint.

        Args:
            file: its path; `-` is standard input.
            content: what is in it.
            endpoint: the endpoint of the batch.

        Raises:
            Refused: the service refuses the upload or the create.
            UsageError: it is a file for another provider.
        """
        filename = "stdin" if file == "-" else Path(file).name
        if endpoint not in self.dialect.endpoints:
            others = [name for name, each in DIALECTS.items() if endpoint in each.endpoints]
            advice = "Change the `url` of the lines, or use --dialect with a TOML file that has it."
            if others:
                advice = (
                    f"That is an endpoint of {' and '.join(others)}: use --dialect {others[0]}."
                )
            raise UsageError(
                f"{filename} is for {endpoint!r}, which {self.dialect.title} does not serve.",
                f"It serves {', '.join(self.dialect.endpoints)}.",
                advice,
            )
        form = _FORM % (filename.encode(), content)
        uploaded = self._call("POST", "/files", "multipart/form-data; boundary=form", form)
        self._now += SECOND * max(self.dialect.files.statuses.values())  # until it is processed
        params = {
            "input_file_id": json.loads(uploaded.body)["id"],
            "endpoint": endpoint,
            "completion_window": self.dialect.window.usual,
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

"""The command `fakebatch` in processes of its own, and a client without libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

FAKEBATCH = (sys.executable, "-m", "fakebatch")

CLIENT = """
import json, os, sys, threading, urllib.request

def call(path, body=None, kind="application/json", method=None):
    headers = {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "content-type": kind}
    url = os.environ["OPENAI_BASE_URL"] + path
    request = urllib.request.Request(url, body, headers, method=method)
    return urllib.request.urlopen(request, timeout=30).read()

def upload(content):
    form = b"--b\\r\\nContent-Disposition: form-data; name=\\"%b\\"%b\\r\\n\\r\\n%b\\r\\n"
    body = form % (b"purpose", b"", b"batch")
    body += form % (b"file", b"; filename=\\"a.jsonl\\"", content) + b"--b--\\r\\n"
    return json.loads(call("/files", body, "multipart/form-data; boundary=b"))["id"]

def create(file):
    params = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    return json.loads(call("/batches", json.dumps(params).encode()))

def ended(batch):
    while batch["status"] not in ("completed", "failed", "expired", "cancelled"):
        batch = json.loads(call("/batches/" + batch["id"]))
    return batch

def download(batch):
    return call("/files/%s/content" % batch["output_file_id"])

def line(custom_id):
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
    url = "/v1/chat/completions"
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": body}).encode()
"""
"""Functions of a client that reads the environment: upload, create, ended, download."""


def client(code: str) -> list[str]:
    """The command that runs code after CLIENT."""
    return [sys.executable, "-c", CLIENT + code]


@dataclass(frozen=True, slots=True)
class Served:
    """A server in a process."""

    process: subprocess.Popen[str]
    lines: list[str]
    """What it printed at its start."""
    env: dict[str, str]
    """What it said to export."""

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, _, port = self.env["FAKEBATCH_URL"].removeprefix("http://").partition(":")
        return host, int(port)

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal. Returns the exit status and what was printed as an error."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@contextmanager
def serving(
    *options: str, lines: int = 5, env: Mapping[str, str] = MappingProxyType({})
) -> Generator[Served]:
    """`fakebatch serve` with these options, once it has printed so many lines."""
    process = subprocess.Popen(  # noqa: S603
        [*FAKEBATCH, "serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
    )
    assert process.stdout
    try:
        printed = [process.stdout.readline().rstrip("\n") for _ in range(lines)]
        exports = [each.split()[1].split("=", 1) for each in printed if each.startswith("export ")]
        yield Served(process, printed, dict(exports))
    finally:
        process.kill()
        process.communicate()

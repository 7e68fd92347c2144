"""The servers that are compared, each in a process of its own: ours, uvicorn, aimock and llmock.

The others are installed in virtual environments, and by npm, below a folder.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import openai

TICK = 1 / os.sysconf("SC_CLK_TCK")
KEY = "sk-dummy"
CONSTANT = """
import sys, uvicorn
body = open(sys.argv[2], "rb").read()
headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", lifespan="off", access_log=False)
"""
LLMOCK = """
import sys, time
from llmock.testing import LLMockServer
with LLMockServer(port=int(sys.argv[1])): time.sleep(86_400)
"""


@dataclass(frozen=True)
class Served:
    """A server in a process of its own."""

    url: str
    """The base URL for clients."""
    pid: int

    @property
    def client(self) -> openai.OpenAI:
        """A client of the SDK."""
        return openai.OpenAI(base_url=self.url, api_key=KEY, max_retries=0)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 80

    def cpu(self) -> float:
        """Seconds of processor time, of all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK

    def memory(self, name: str = "VmRSS") -> int:
        """Bytes that it holds; with "VmHWM" the most since `forget_peak`."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))

    def forget_peak(self) -> None:
        """Let VmHWM start anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def request(self, path: str) -> bytes:
        """A GET on a connection that stays open."""
        parts = urlsplit(self.url + path)
        head = (
            f"GET {parts.path} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Authorization: Bearer {KEY}",
        )
        return "\r\n".join([*head, "", ""]).encode()


@contextmanager
def serving(command: Callable[[int], list[str]]) -> Generator[Served]:
    """A server that listens on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    process = subprocess.Popen(command(port), stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        for _ in range(300):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield Served(f"http://127.0.0.1:{port}/v1", process.pid)
    finally:
        process.terminate()
        process.wait()


def fakebatch(port: int) -> list[str]:
    """Our own."""
    return [sys.executable, "-m", "fakebatch", "serve", "--port", str(port)]


def aimock(folder: str) -> Callable[[int], list[str]]:
    """The npm package, in a folder, where it is installed unless it is there."""
    rule = '{"fixtures": [{"match": {"endpoint": "chat"}, "response": {"content": "ok"}}]}'
    Path(folder, "all.json").write_text(rule)
    if not Path(folder, "node_modules").exists():
        npm = [shutil.which("npm") or "npm", "install", "--silent", "--prefix", folder]
        subprocess.run([*npm, "@copilotkit/aimock@1.43.0"], check=True)  # noqa: S603
    cli = f"{folder}/node_modules/@copilotkit/aimock/dist/cli.js"
    options = ["--fixtures", f"{folder}/all.json", "--log-level", "silent"]
    return lambda port: [shutil.which("node") or "node", cli, *options, "--port", str(port)]


def commands_of(folder: str, body: str) -> dict[str, Callable[[int], list[str]]]:
    """Every server by its name; the others are installed in a folder, unless they are there."""
    plain = environment(folder, "plain", "uvicorn")
    fast = environment(folder, "standard", "uvicorn[standard]")
    llmock = environment(folder, "llmock", "llmock==0.2.2")
    return {
        "uvicorn, constant app": lambda port: [plain, "-c", CONSTANT, str(port), body],
        "fakebatch serve": fakebatch,
        "uvicorn[standard], constant app": lambda port: [fast, "-c", CONSTANT, str(port), body],
        "aimock 1.43.0": aimock(folder),
        "llmock 0.2.2": lambda port: [llmock, "-c", LLMOCK, str(port)],
    }


def environment(folder: str, name: str, *packages: str) -> str:
    """The interpreter of a virtual environment with these packages."""
    python = Path(folder, name, "bin", "python")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)  # noqa: S603
        install = [str(python), "-m", "pip", "install", "-qq", *packages]
        subprocess.run(install, check=True, capture_output=True)  # noqa: S603
    return str(python)

"""Other ways to the same end, where they can do the work, beside fakebatch in one run.

    python benchmarks/peers.py

Installs llmock and openai-responses into virtual environments and aimock by npm into a folder, all
temporary. Times are by the wall: three of them are servers. The life of a batch is upload, create,
polls every 10 ms until its end (fakebatch: one hour of virtual time), download.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

POLLS, ROUNDS, LINES = 100, 10, (1_000, 4_000)  # aimock takes 10 MiB
ENDED = ("completed", "failed", "expired", "cancelled")
LINE = (
    '{"custom_id": "r-%d", "method": "POST", "url": "/v1/chat/completions", "body": {"model": '
    '"gpt-4o-mini", "messages": [{"role": "user", "content": "%s"}]}}\n'
)


_REAL = (time.monotonic,)  # in a tuple, where freezegun does not find it


def requests(count: int) -> bytes:
    """A batch file with 2 kB a line."""
    return "".join(LINE % (number, "hello there " * 170) for number in range(count)).encode()


def life(client: Any, content: bytes, sleep: Any) -> str:
    """A whole batch; how many lines came back."""
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    while batch.status not in ENDED:
        sleep()
        batch = client.batches.retrieve(batch.id)
    if batch.status != "completed":
        return batch.status
    return f"{client.files.content(batch.output_file_id).content.count(b'custom_id')} answers"


def report(name: str, client: Any, sleep: Any, *, batches: bool = True) -> None:
    """Cost of a look, and the time of whole lives."""
    clock = _REAL[0]
    first = client.files.create(file=("in.jsonl", requests(1)), purpose="batch").id
    look = client.files.retrieve
    if batches:
        first = client.batches.create(
            input_file_id=first, endpoint="/v1/chat/completions", completion_window="24h"
        ).id
        look = client.batches.retrieve
    least = min(_rounds(look, first))
    print(f"{name:34} a retrieve {least:6.0f} us", end="", flush=True)
    for count in LINES:
        content = requests(count)
        began = clock()
        done = life(client, content, sleep) if batches else _there_and_back(client, content)
        print(f"   {count} lines {clock() - began:6.2f} s ({done})", end="", flush=True)
    print()


def _rounds(look: Any, id_: str) -> Iterator[float]:
    clock = _REAL[0]
    for _ in range(ROUNDS):
        began = clock()
        for _ in range(POLLS):
            look(id_)
        yield (clock() - began) / POLLS * 1e6


def _there_and_back(client: Any, content: bytes) -> str:
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    return f"{len(client.files.content(file.id).content)} bytes, file only"


def ours(kind: str) -> None:
    """In this process, through respx or by a ready client."""
    import openai  # noqa: PLC0415

    from fakebatch import FakeBatch  # noqa: PLC0415

    with FakeBatch(clock="virtual") as fake:
        client = fake.openai() if kind == "ready client" else openai.OpenAI()
        report(f"fakebatch, {kind}", client, lambda: time.sleep(600))


def llmock() -> None:
    """In a process of its environment: a server in a thread of it."""
    import openai  # noqa: PLC0415
    from llmock.testing import LLMockServer  # noqa: PLC0415

    with LLMockServer() as server:
        client = openai.OpenAI(base_url=server.base_url("openai"), api_key="sk-dummy")
        report("llmock 0.2.2 (server in a thread)", client, lambda: time.sleep(0.01))


def openai_responses() -> None:
    """In a process of its environment. It knows files, not batches."""
    import openai  # noqa: PLC0415
    from openai_responses import OpenAIMock  # noqa: PLC0415

    mock = OpenAIMock()
    with mock.router:
        client = openai.OpenAI(api_key="sk-dummy")
        report("openai-responses 0.13.1 (files)", client, time.sleep, batches=False)


def servers(folder: str) -> None:
    """Our server, and aimock in a process of node."""
    from servers import aimock, fakebatch, serving  # noqa: PLC0415

    commands = {"fakebatch serve": fakebatch, "aimock 1.43.0 (server)": aimock(folder)}
    for name, command in commands.items():
        with serving(command) as served:
            report(name, served.client, lambda: time.sleep(0.01))


def in_environment(worker: str, folder: str, *packages: str) -> None:
    """Run a worker of this file in a virtual environment that has `packages`."""
    from servers import environment  # noqa: PLC0415

    python = environment(folder, worker, *packages)
    subprocess.run([python, __file__, worker], check=False)  # noqa: S603


def main() -> None:
    """The command; with the name of a worker, that one in this process."""
    if len(sys.argv) > 1:
        {"llmock": llmock, "openai_responses": openai_responses}[sys.argv[1]]()
        return
    os.environ.setdefault("OPENAI_API_KEY", "sk-dummy")
    ours("ready client")
    ours("through respx")
    with tempfile.TemporaryDirectory() as folder:
        in_environment("llmock", folder, "llmock==0.2.2", "openai>=3,<4")
        in_environment("openai_responses", folder, "openai-responses==0.13.1")
        servers(folder)


if __name__ == "__main__":
    main()

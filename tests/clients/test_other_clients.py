"""Programs in other languages and with other libraries, as the code under test of a user."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakebatch import Remote, request_line

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="what clients say of broken connections are the words of POSIX"
)

HERE = Path(__file__).parent
PROGRAMS = {
    "openai-node": ("node", "openai_node.mjs"),
    "curl": ("sh", "curl.sh"),
    "requests": (sys.executable, "with_requests.py"),
    "aiohttp": (sys.executable, "with_aiohttp.py"),
    "java": ("java", "Client.java"),
}
"""Each uploads a file, creates a batch, polls until its end and prints the results."""
SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""What a JVM does for long lives takes a third of a short one."""
NEEDS = {"curl": ("curl",), "java": ("javac",)}
PATIENCE = "60"
"""After so many seconds a client gives up; a test that waits for this says less."""


@dataclass(frozen=True, slots=True)
class Program:
    """One of the programs, in a folder of the test."""

    name: str
    command: list[str]
    world: Remote
    folder: Path

    def __call__(
        self, *arguments: str, patience: str = PATIENCE
    ) -> subprocess.CompletedProcess[str]:
        """Run it."""
        own = {"TIMEOUT": patience, "NO_PROXY": "127.0.0.1"}
        return subprocess.run(  # noqa: S603
            [*self.command, *arguments],
            env={**os.environ, **self.world.env, **own},
            cwd=self.folder,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=120,
        )


@pytest.fixture(scope="session")
def java(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of the compiled class: each start from its source would compile it."""
    if subprocess.run(["javac", "-version"], capture_output=True, check=False).returncode:  # noqa: S607
        pytest.skip("needs a JDK")  # that of macOS only says where to get one
    folder = str(tmp_path_factory.mktemp("java"))
    subprocess.run(["javac", "-d", folder, str(HERE / "Client.java")], check=True)  # noqa: S603, S607
    return folder


@pytest.fixture(params=PROGRAMS)
def run(request: pytest.FixtureRequest, fakebatch_server: Remote, tmp_path: Path) -> Program:
    """Runs one of the programs; the test is skipped where it cannot run."""
    interpreter, file = PROGRAMS[request.param]
    for needed in (interpreter, *NEEDS.get(request.param, ())):
        if shutil.which(needed) is None:
            pytest.skip(f"needs {needed}")
    command = [interpreter, str(HERE / file)]
    if request.param == "openai-node" and not (HERE / "node_modules" / "openai").exists():
        pytest.skip("needs openai of npm: npm install --prefix tests/clients")
    if request.param == "java":
        command = ["java", *SHORT_LIVED, "-cp", request.getfixturevalue("java"), "Client"]
    return Program(request.param, command, fakebatch_server, tmp_path)


def write(path: Path, lines: int, content: str = "hi") -> bytes:
    path.write_text("".join(f"{json.dumps(request_line(str(n), content))}\n" for n in range(lines)))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("lines", "content"), [(20, "hi"), (1_500, "größe" * 200)], ids=["20 lines", "2 MB"]
)
def test_a_batch_from_upload_to_download(
    run: Program, fakebatch_server: Remote, tmp_path: Path, lines: int, content: str
) -> None:
    """What arrives is what was sent, every line has a result, and the polls show every status.

    Above 1 MiB a form is read in pieces, curl expects a 100, and others send chunks.
    """
    sent = write(tmp_path / "größe 1.jsonl", lines, content)
    done = run("größe 1.jsonl")
    assert done.returncode == 0, done.stderr
    ids = [int(json.loads(line)["custom_id"]) for line in done.stdout.splitlines()]
    assert sorted(ids) == [*range(lines)]
    fakebatch_server.assert_all_downloaded()
    batch = fakebatch_server.batches.last()
    file = fakebatch_server.files[batch.input_file_id]
    assert file.content == sent
    # aiohttp percent-encodes the name
    assert file.filename in ("größe 1.jsonl", "gr%C3%B6%C3%9Fe%201.jsonl")
    assert 4 <= fakebatch_server.journal.count("batches.retrieve") < 10


RESET = {
    "openai-node": "APIConnectionError: .*ECONNRESET",
    "curl": r"curl: \(56\) .*[Rr]eset",
    "requests": "ConnectionResetError",
    "aiohttp": "ClientOSError: .*reset",
    "java": "SocketException: Connection reset",
}
FAULTS: dict[str, tuple[Callable[[Remote], Any], dict[str, str]]] = {
    "a reset of a poll": (
        lambda world: world.on_call("batches.retrieve").reset(),
        RESET,
    ),
    "a reset of a long upload": (
        lambda world: world.on_call("files.create").reset(),
        RESET,
    ),
    "an end without an answer": (
        lambda world: world.on_call("batches.retrieve").disconnect(),
        {
            "openai-node": "APIConnectionError: .*other side closed",
            "curl": r"curl: \(52\) Empty reply",
            "requests": "RemoteDisconnected",
            "aiohttp": "ServerDisconnectedError",
            "java": "IOException: HTTP/1.1 header parser received no bytes",
        },
    ),
    "a body shorter than its length": (
        lambda world: world.on_call("files.content").truncate(0.5),
        {
            "openai-node": "TypeError: terminated.*other side closed",
            "curl": r"curl: \(18\) .*bytes remaining",
            "requests": "IncompleteRead",
            "aiohttp": "ClientPayloadError",
            "java": "IOException: fixed content-length",
        },
    ),
    "chunks without the last": (
        lambda world: world.on_call("files.content").truncate(0.5, framing="chunked"),
        {
            "openai-node": "TypeError: terminated.*other side closed",
            "curl": r"curl: \(18\) .*outstanding",
            "requests": "ChunkedEncodingError",
            "aiohttp": "TransferEncodingError",
            "java": "IOException: chunked transfer encoding",
        },
    ),
    "an error": (
        lambda world: world.on_call("batches.retrieve").fail(503),
        {
            "openai-node": "InternalServerError: 503 .*overloaded",
            "curl": r"curl: \(22\) .*503",
            "requests": "HTTPError: 503",
            "aiohttp": "ClientResponseError: 503",
            "java": "HTTP 503",
        },
    ),
}
"""What happens, and what each client says about it."""


@pytest.mark.parametrize(("happens", "reports"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_an_error_of_the_library(
    run: Program, tmp_path: Path, happens: Callable[[Remote], Any], reports: dict[str, str]
) -> None:
    """The very one that a real network would cause."""
    write(tmp_path / "in.jsonl", 1_000, "hello there " * 100)
    happens(run.world)
    done = run("in.jsonl")
    assert done.returncode != 0
    assert re.search(reports[run.name], done.stderr, re.DOTALL), done.stderr


SILENCE = {
    "openai-node": "APIConnectionTimeoutError",
    "curl": r"curl: \(28\)",
    "requests": "ReadTimeout",
    "aiohttp": "TimeoutError",
    "java": "HttpTimeoutException",
}


def test_silence_lasts_until_the_client_gives_up(
    run: Program, fakebatch_server: Remote, tmp_path: Path
) -> None:
    """In real time: its own timeout ends the wait."""
    write(tmp_path / "in.jsonl", 1)
    fakebatch_server.on_call("batches.retrieve").timeout()
    done = run("in.jsonl", patience="2")
    assert re.search(SILENCE[run.name], done.stderr), done.stderr


def test_what_is_slow_arrives_whole(run: Program, fakebatch_server: Remote, tmp_path: Path) -> None:
    """The head after a while, and the body in pieces with gaps."""
    write(tmp_path / "in.jsonl", 20)
    slow = fakebatch_server.on_call("files.content").slow(first_byte="0.2s", gap="0.05s", pieces=5)
    done = run("in.jsonl")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 20)
    assert slow.hits == 1


def test_an_end_that_nobody_notices(run: Program, fakebatch_server: Remote, tmp_path: Path) -> None:
    """Without a length and without chunks, half of a file is a file to every client."""
    write(tmp_path / "in.jsonl", 20)
    fakebatch_server.on_call("files.content").truncate(0.5, framing="silent")
    done = run("in.jsonl")
    file = fakebatch_server.files[fakebatch_server.batches.last().output_file_id]
    assert (done.returncode, len(done.stdout)) == (0, len(file.content) // 2)


@pytest.mark.parametrize("run", ["openai-node"], indirect=True)
def test_retries_of_openai_node(run: Program, fakebatch_server: Remote, tmp_path: Path) -> None:
    """A lost poll costs a retry; a create whose answer is lost costs a second batch."""
    write(tmp_path / "in.jsonl", 2)
    fakebatch_server.on_call("batches.retrieve", nth=1).reset()
    fakebatch_server.on_call("batches.create", nth=1).reset(applied=True)
    done = run("in.jsonl", "2")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    with pytest.raises(AssertionError, match="2 batches"):
        fakebatch_server.assert_single_batch()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_resumes_a_cut_download(fakebatch_server: Remote, tmp_path: Path) -> None:
    """`--continue-at -` asks for the rest by a `Range`."""
    content = write(tmp_path / "in.jsonl", 5_000)
    file = fakebatch_server.files.add(content)
    fakebatch_server.on_call("files.content", nth=1).truncate(0.3)
    key, path = fakebatch_server.env["OPENAI_API_KEY"], tmp_path / "out"
    download = ["curl", "-sS", "--fail", "--continue-at", "-", "-o", str(path)]
    download += ["-H", f"authorization: Bearer {key}"]
    download += [f"{fakebatch_server.url}/files/{file.id}/content"]
    statuses = [subprocess.run(download, check=False).returncode for _ in range(2)]  # noqa: S603
    assert (statuses, path.read_bytes()) == ([18, 0], content)

"""The server beside uvicorn with a constant app, aimock and llmock, all in one run.

    python benchmarks/server.py                     # ten minutes
    python benchmarks/server.py --only retrieve     # also: connections, uploads, beside

Installs uvicorn and llmock into virtual environments and aimock by npm into a folder, temporary
unless it is --folder. Each server is a process of its own, and so is each load on it. The floor,
uvicorn's default h11 on asyncio, sends the bytes of our own reply. Memory and processor time are
those of the server, as Linux counts them. The least is that of several interleaved rounds.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openai
from measuring import MIB, about, table
from servers import KEY, Served, commands_of, fakebatch, serving
from volume import requests

CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
EMBEDDING = (
    '{"custom_id": "%d", "method": "POST", "url": "/v1/embeddings", '
    '"body": {"model": "text-embedding-3-small", "input": "text %d"}}\n'
)


# --- clients


def read(sock: socket.socket, data: bytearray) -> bool:
    """Read what arrives. Returns whether it completes a response, which is then dropped."""
    piece = sock.recv(262_144)
    if not piece:
        raise ConnectionError("the server closed the connection")
    data += piece
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        return False
    lines = head.lower().split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), None)
    size = len(head) + 4
    is_whole = data.endswith(b"0\r\n\r\n") if length is None else len(data) >= size + length
    if is_whole:
        if b" 200 " not in lines[0]:
            raise ConnectionError(data.decode())
        data.clear()
    return is_whole


class Poller:
    """One connection that sends the same request again and again."""

    def __init__(self, served: Served, path: str) -> None:
        self._socket = socket.create_connection(served.address, 60)
        self._request = served.request(path)
        self._data = bytearray()

    def __call__(self) -> float:
        """The seconds of one exchange."""
        began = time.perf_counter()
        self._socket.sendall(self._request)
        while not read(self._socket, self._data):
            pass
        return time.perf_counter() - began


def load(address: tuple[str, int], request: bytes, connections: int, seconds: float) -> None:
    """Many connections, each with one request after the other. Prints how many, and the errors."""
    selector, count, errors = selectors.DefaultSelector(), 0, list[str]()
    for _ in range(connections):
        sock = socket.create_connection(address, 60)
        sock.sendall(request)
        selector.register(sock, selectors.EVENT_READ, bytearray())
    until = time.perf_counter() + seconds
    while time.perf_counter() < until and selector.get_map():
        for key, _ in selector.select(1):
            sock: Any = key.fileobj
            try:
                if read(sock, key.data):
                    count += 1
                    sock.sendall(request)
            except OSError as error:
                errors.append(str(error))
                selector.unregister(sock)
    print(json.dumps({"count": count, "errors": errors}))


def created(client: openai.OpenAI, content: bytes, endpoint: Any = CHAT) -> str:
    """The id of a batch of this input."""
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h")
    return batch.id


def finished(client: openai.OpenAI) -> str:
    """The id of a batch that has ended."""
    return str(ended(client, created(client, requests(10, 300))).id)


def ended(client: openai.OpenAI, id_: str) -> Any:
    """The batch at its end."""
    while (batch := client.batches.retrieve(id_)).status not in ("completed", "failed"):
        time.sleep(0.01)
    return batch


# --- what is measured


def retrieves(commands: Mapping[str, Any], times: int, rounds: int) -> None:
    """Processor time and wall time of a retrieve, on one connection."""
    processor: dict[str, list[float]] = {name: [] for name in commands}
    wall: dict[str, list[float]] = {name: [] for name in commands}
    with ExitStack() as stack:
        servers = list[tuple[str, Served, str]]()
        for name, command in commands.items():
            served = stack.enter_context(serving(command))
            path = f"/batches/{'constant' if 'constant' in name else finished(served.client)}"
            servers.append((name, served, path))
        for _ in range(rounds):
            for name, served, path in servers:
                poll, began = Poller(served, path), served.cpu()
                wall[name].append(statistics.median(poll() for _ in range(times)) * 1e6)
                processor[name].append((served.cpu() - began) / times * 1e6)
    floor = next(iter(commands))
    print(f"\na retrieve, processor time of the server, {rounds} rounds of {times:,}")
    table({name: processor[name] for name in commands}, floor)
    print(f"\na retrieve, wall time, the medians of {rounds} rounds")
    table({name: wall[name] for name in commands}, floor)


def connections(commands: Mapping[str, Any], count: int, seconds: float) -> None:
    """Requests a second, processor time and memory under many connections."""
    print(f"\n{count} connections for {seconds:.0f} s{'':21} requests/s   cpu us  MiB over time")
    for name, command in commands.items():
        with serving(command) as served:
            path = f"/batches/{'constant' if 'constant' in name else finished(served.client)}"
            host, port = served.address
            arguments = [host, str(port), served.request(path).hex(), str(count), str(seconds)]
            began = served.cpu()
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, __file__, "--load", *arguments], stdout=subprocess.PIPE
            )
            memory = list[int]()
            while process.poll() is None:
                memory.append(served.memory() // MIB)
                time.sleep(seconds / 8)
            done = json.loads(process.stdout.read() if process.stdout else b"")
            used = (served.cpu() - began) / done["count"] * 1e6
            rate = done["count"] / seconds
            errors = f"  {len(done['errors'])} errors" if done["errors"] else ""
            print(f"{name:44} {rate:9.0f} {used:8.0f}  {memory[1:8]}{errors}", flush=True)


def uploads(commands: Mapping[str, Any], size: int) -> None:
    """Peak memory while a file is uploaded, and what stays after it was deleted."""
    content = requests(size // 2_200, 2_200)
    print(f"\nan upload of {len(content) / MIB:.0f} MiB{'':22} peak / file   after delete / file")
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        file.write(content)
        file.flush()
        for name, command in commands.items():
            if "constant" in name:
                continue
            for kind, upload in (("curl", upload_by_curl), ("the SDK", upload_by_sdk)):
                with serving(command) as served:
                    created(served.client, requests(10, 300))
                    before = served.memory()
                    served.forget_peak()
                    label = f"{name}, {kind}"
                    try:
                        id_ = upload(served, file.name)
                    except (openai.APIError, ValueError) as error:
                        print(f"{label:44} refused: {str(error)[:70]}")
                        continue
                    peak = (served.memory("VmHWM") - before) / len(content)
                    served.client.files.delete(id_)
                    left = (served.memory() - before) / len(content)
                    print(f"{label:44} {peak:7.2f} {left:18.2f}", flush=True)


def by_curl(served: Served, path: str, *options: str, times: int = 1) -> bytes:
    """What curl gets, at the last of several times; without options it is thrown away."""
    command = ["curl", "-s", served.url + path, "-H", f"authorization: Bearer {KEY}"]
    command += options or ("-o", "/dev/null")
    for _ in range(times - 1):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603


def upload_by_curl(served: Served, path: str, times: int = 1) -> str:
    """The id of the new file."""
    options = ("-F", "purpose=batch", "-F", f"file=@{path}")
    answer = json.loads(by_curl(served, "/files", *options, times=times))
    if "error" in answer:
        raise ValueError(answer["error"]["message"])
    return str(answer["id"])


def upload_by_sdk(served: Served, path: str) -> str:
    """The same."""
    return served.client.files.create(file=Path(path), purpose="batch").id


def beside(seconds: float) -> None:
    """Latency of polls of a batch while the server works for another client."""
    with serving(fakebatch) as served, tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        client = served.client
        poll = Poller(served, f"/batches/{finished(client)}")
        print(
            f"\nlatency of a poll, ms{'':27} median      99%    worst    ratio of medians, of 99%"
        )
        idle = latencies(poll, lambda: time.sleep(seconds))
        report("idle", idle, idle)
        results = ended(client, created(client, embeddings(10_000), EMBEDDINGS)).output_file_id
        content = requests(50_000, 2_000)
        file.write(content)
        file.flush()
        held = client.files.create(file=Path(file.name), purpose="batch").id
        others = [created(client, content) for _ in range(5)]
        size = f"{len(content) / MIB:.0f} MiB"
        work: dict[str, Callable[[], object]] = {
            "a download of results, 328 MiB, five times": lambda: by_curl(
                served, f"/files/{results}/content", times=5
            ),
            f"a download of an input file, {size}, 20 times": lambda: by_curl(
                served, f"/files/{held}/content", times=20
            ),
            f"an upload of {size}, five times": lambda: upload_by_curl(served, file.name, times=5),
            "five batches of 50,000 lines are judged": lambda: [
                *map(client.batches.retrieve, others)
            ],
            "five batches of 50,000 lines are answered": lambda: [
                ended(client, id_) for id_ in others
            ],
        }
        for name, do in work.items():
            report(name, latencies(poll, do), idle)


def embeddings(lines: int) -> bytes:
    """A batch file whose results have 33 kB a line."""
    return "".join(EMBEDDING % (number, number) for number in range(lines)).encode()


def latencies(poll: Poller, work: Callable[[], object]) -> list[float]:
    """Of polls, one every 2 ms, while something else is done."""
    thread, taken = threading.Thread(target=work), list[float]()
    thread.start()
    while thread.is_alive():
        taken.append(poll() * 1e3)
        time.sleep(0.002)
    thread.join()
    return sorted(taken)


def report(name: str, taken: list[float], idle: list[float]) -> None:
    """A row: median, 99th percentile and worst."""

    def at(values: list[float], part: float) -> float:
        return values[int((len(values) - 1) * part)]

    shown = "".join(f"{at(taken, part):9.2f}" for part in (0.5, 0.99, 1))
    ratios = "".join(f"{at(taken, part) / at(idle, part):9.1f}" for part in (0.5, 0.99))
    print(f"{name:44} {shown}    {ratios}   ({len(taken)} polls)", flush=True)


def reply(served: Served) -> bytes:
    """The body of a retrieve, which the constant apps send."""
    return served.client.batches.with_raw_response.retrieve(finished(served.client)).content


def main() -> None:
    """The command; with --load, a client of it."""
    if sys.argv[1:2] == ["--load"]:
        host, port, request, count, seconds = sys.argv[2:]
        load((host, int(port)), bytes.fromhex(request), int(count), float(seconds))
        return
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--only", choices=["retrieve", "connections", "uploads", "beside"])
    parser.add_argument("--seconds", type=float, default=20, help="of each load of 64 connections")
    parser.add_argument("--folder", help="where the other servers are installed, and stay")
    given = parser.parse_args()
    about()
    with tempfile.TemporaryDirectory() as temporary:
        body = Path(temporary, "body.json")
        with serving(fakebatch) as served:
            body.write_bytes(reply(served))
        needed = given.only != "beside"
        commands = commands_of(given.folder or temporary, str(body)) if needed else {}
        if given.only in (None, "retrieve"):
            retrieves(commands, times=5_000, rounds=5)
        if given.only in (None, "connections"):
            connections(commands, 64, given.seconds)
        if given.only in (None, "uploads"):
            uploads(commands, 100 * MIB)
        if given.only in (None, "beside"):
            beside(5)


if __name__ == "__main__":
    main()

"""An answer that is owed from outside holds time; a connection that owes nothing does not."""

from __future__ import annotations

import asyncio
import multiprocessing.pool
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
import trio

from fakebatch.errors import FakeBatchWarning
from fakebatch.vtime import Clock

pytestmark = pytest.mark.timeout(120)
Log = list[tuple[float, str]]


class Server:
    """Answers each byte with a byte, after so many real milliseconds, in threads of real time."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self.answers = 0
        self._wait = threading.Event().wait  # bound before the clock: it waits in real time
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            while milliseconds := connection.recv(1):
                self._wait(milliseconds[0] * 2 / 1000)
                self.answers += 1
                try:
                    connection.sendall(b"!")
                except OSError:
                    return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def late(milliseconds: int) -> bytes:
    """What to send for an answer after so many milliseconds."""
    return bytes([milliseconds // 2])


# --- who asks the server, by a timeout


async def streams(server: Server, question: bytes, timeout: float) -> None:
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(*server.address)
        for _ in range(2):
            writer.write(question)
            await reader.readexactly(1)
        writer.close()
        await writer.wait_closed()


async def sock_calls(server: Server, question: bytes, timeout: float) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await asyncio.wait_for(loop.sock_connect(sock, server.address), timeout)
        for _ in range(2):
            await loop.sock_sendall(sock, question)
            await asyncio.wait_for(loop.sock_recv(sock, 1), timeout)


async def c_code(server: Server, question: bytes, timeout: float) -> None:
    """As psycopg does: a task waits for a descriptor that was written to by C code."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        await asyncio.to_thread(sock.connect, server.address)
        raw = socket.SocketType(fileno=socket.dup(sock.fileno()))  # type: ignore[attr-defined]
        raw.setblocking(False)
        for _ in range(2):
            raw.send(question)
            ready = loop.create_future()
            loop.add_reader(raw.fileno(), lambda ready=ready: ready.done() or ready.set_result(0))
            await asyncio.wait_for(ready, timeout)
            loop.remove_reader(raw.fileno())
            raw.recv(1)
        raw.close()


async def anyio_streams(server: Server, question: bytes, timeout: float) -> None:
    with anyio.fail_after(timeout):
        async with await anyio.connect_tcp(*server.address) as stream:
            for _ in range(2):
                await stream.send(question)
                await stream.receive(1)


async def trio_streams(server: Server, question: bytes, timeout: float) -> None:
    with trio.fail_after(timeout):
        async with await trio.open_tcp_stream(*server.address) as stream:
            for _ in range(2):
                await stream.send_all(question)
                await stream.receive_some(1)


def blocking(server: Server, question: bytes, timeout: float) -> None:
    with socket.create_connection(server.address) as sock:
        for _ in range(2):
            sock.sendall(question)
            sock.recv(1)


async def in_a_thread(server: Server, question: bytes, timeout: float) -> None:
    await asyncio.wait_for(asyncio.to_thread(blocking, server, question, timeout), timeout)


ASYNC: dict[str, tuple[str, Callable[..., Awaitable[None]]]] = {
    "streams of asyncio": ("asyncio", streams),
    "sock_recv of a loop": ("asyncio", sock_calls),
    "C code that waits by add_reader": ("asyncio", c_code),
    "anyio on asyncio": ("asyncio", anyio_streams),
    "anyio on trio": ("trio", anyio_streams),
    "streams of trio": ("trio", trio_streams),
    "a socket in a thread of a loop": ("asyncio", in_a_thread),
}
DELAYS = [0, 2, 20, 300]


def history(
    clock: Clock, backend: str, ask: Callable[..., Awaitable[None]], *arguments: Any
) -> Log:
    """What happens when, beside pollers in tasks and in a thread."""
    log: Log = []

    async def poll(name: str, every: float) -> None:
        for _ in range(5):
            await anyio.sleep(every)
            log.append((clock.elapsed, name))

    def poll_in_a_thread() -> None:
        for _ in range(5):
            time.sleep(0.7)
            log.append((clock.elapsed, "thread"))

    async def asks() -> None:
        await anyio.sleep(0.1)
        await ask(*arguments)
        log.append((clock.elapsed, "answered"))
        await anyio.sleep(1)
        await ask(*arguments)
        log.append((clock.elapsed, "answered again"))

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll, "task", 0.3)
            tasks.start_soon(anyio.to_thread.run_sync, poll_in_a_thread)
            tasks.start_soon(asks)

    anyio.run(main, backend=backend)
    return log


@pytest.mark.parametrize("timeout", [1, 60, 3600])
@pytest.mark.parametrize(("backend", "ask"), ASYNC.values(), ids=ASYNC)
def test_the_history_is_that_of_an_immediate_answer(
    server: Server, backend: str, ask: Callable[..., Awaitable[None]], timeout: float
) -> None:
    """However late a real answer comes, no virtual time passes, and no timeout fires."""
    histories = []
    for delay in DELAYS if timeout == 60 else (0, 20):
        clock = Clock()
        clock.start()
        try:
            histories.append(history(clock, backend, ask, server, late(delay), timeout))
        finally:
            clock.stop()

    assert (0.1, "answered") in histories[0]
    assert (1.1, "answered again") in histories[0]
    assert len(histories[0]) == 12
    assert all(history == histories[0] for history in histories)


@pytest.mark.parametrize("delay", DELAYS)
def test_time_stands_still_for_a_thread_that_reads_a_socket(server: Server, delay: int) -> None:
    """Beside threads that sleep."""
    clock = Clock()
    clock.start()
    try:
        with ThreadPoolExecutor(3) as pool:
            sleeps = pool.submit(lambda: [time.sleep(60) for _ in range(20)])
            time.sleep(90)
            pool.submit(blocking, server, late(delay), 0).result()
            at = clock.elapsed
            sleeps.result()
    finally:
        clock.stop()

    assert (at, clock.elapsed) == (90.0, 1200.0)

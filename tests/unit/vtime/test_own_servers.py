"""Servers that live in virtual time themselves, beside their clients."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable

import pytest
from freezegun import api as real

from fakebatch.vtime import Clock

pytestmark = pytest.mark.timeout(120)


async def asks_itself() -> None:
    closed = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1):
            await asyncio.sleep(60)
            writer.write(b"!")
        writer.close()
        await writer.wait_closed()
        closed.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for _ in range(10):
        writer.write(b"?")
        await reader.readexactly(1)
        await asyncio.sleep(60)
    writer.close()
    await closed.wait()
    server.close()


def asks_a_thread_of_its_own() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while connection.recv(1):
                time.sleep(60)
                connection.sendall(b"!")

    thread = threading.Thread(target=serve)
    thread.start()
    with socket.create_connection(listener.getsockname()) as sock:
        for _ in range(10):
            sock.sendall(b"?")
            sock.recv(1)
            time.sleep(60)
    thread.join()
    listener.close()


INSIDE = {"in one loop": lambda: asyncio.run(asks_itself()), "threads": asks_a_thread_of_its_own}


@pytest.mark.parametrize("asks", INSIDE.values(), ids=INSIDE)
def test_a_server_under_the_clock_answers_in_its_time(
    asks: Callable[[], None], clock: Clock
) -> None:
    """What it takes to answer is virtual, and nobody waits for it in real time."""
    began = real.real_monotonic()
    asks()

    assert clock.elapsed == 1200.0
    assert real.real_monotonic() - began < 5

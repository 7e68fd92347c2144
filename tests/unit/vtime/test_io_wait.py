"""Connections without a question hold no time; one whose answer is late, for io_wait alone."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import trio
from freezegun import api as real

from fakebatch.errors import FakeBatchWarning
from fakebatch.vtime import Clock
from support.echo import Server, blocking, late

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def io_clock() -> Iterator[Clock]:
    """A clock that waits for the real world for a tenth of a second."""
    clock = Clock(io_wait="0.1s")
    clock.__enter__()
    yield clock
    clock.__exit__()


async def an_idle_stream(server: Server, sleeps: int) -> None:
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(late(0))
    await reader.readexactly(1)
    for _ in range(sleeps):
        await asyncio.sleep(60)
    writer.close()
    await writer.wait_closed()


async def an_idle_stream_of_trio(server: Server, sleeps: int) -> None:
    async with await trio.open_tcp_stream(*server.address) as stream:
        await stream.send_all(late(0))
        await stream.receive_some(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.receive_some, 1)  # as a listener that awaits what may come
            for _ in range(sleeps):
                await trio.sleep(60)
            nursery.cancel_scope.cancel()


async def a_thread_that_listens(server: Server, sleeps: int) -> None:
    with socket.create_connection(server.address) as sock:
        sock.sendall(late(0))
        sock.recv(1)
        listener = asyncio.create_task(asyncio.to_thread(sock.recv, 1))
        for _ in range(sleeps):
            await asyncio.sleep(60)
        sock.shutdown(socket.SHUT_RDWR)
        await listener


IDLE = {
    "a pooled stream": lambda *args: asyncio.run(an_idle_stream(*args)),
    "a listener on trio": lambda *args: trio.run(an_idle_stream_of_trio, *args),
    "a thread that listens": lambda *args: asyncio.run(a_thread_that_listens(*args)),
}


@pytest.mark.parametrize("idles", IDLE.values(), ids=IDLE)
def test_a_connection_without_a_question_holds_nothing(
    idles: Callable[[Server, int], None], clock: Clock, server: Server
) -> None:
    """A thousand sleeps beside it stand still for none: at 5 ms each they would take 5 s."""
    began = time.process_time(), real.real_monotonic()
    idles(server, 1_000)

    assert clock.elapsed == 60_000.0
    assert real.real_monotonic() - began[1] < 2 * (time.process_time() - began[0]) + 1


async def asks_what_is_never_answered(server: Server) -> None:
    reader, writer = await asyncio.open_connection(*server.address)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            writer.write(late(500))  # later than the clock waits
            await reader.readexactly(1)
    await asyncio.sleep(60)  # it counts as idle until it answers
    writer.close()


async def asks_what_is_never_answered_on_trio(server: Server) -> None:
    async with await trio.open_tcp_stream(*server.address) as stream:
        await stream.send_all(late(500))
        with trio.move_on_after(60):
            await stream.receive_some(1)
        await trio.sleep(60)


def asks_in_a_thread(server: Server) -> None:
    thread = threading.Thread(target=blocking, args=(server, late(250), 0))
    thread.start()
    time.sleep(120)
    thread.join()


def polls_in_a_thread(server: Server) -> None:
    """As psycopg waits in a thread: C code writes, and select.poll() looks now and then."""

    def poll_often() -> None:
        with socket.create_connection(server.address) as sock:
            raw = socket.SocketType(fileno=socket.dup(sock.fileno()))
            raw.send(late(500))
            poll = select.poll()
            poll.register(raw.fileno(), select.POLLIN)
            while not poll.poll(20):
                pass
            poll.unregister(raw.fileno())
            assert poll.poll(0) == []
            raw.close()

    thread = threading.Thread(target=poll_often)
    thread.start()
    time.sleep(120)
    thread.join()


def selects_in_a_thread(server: Server) -> None:
    """As libraries do that wait for a descriptor of C code by select.select()."""

    def select_once() -> None:
        with socket.create_connection(server.address) as sock:
            raw = socket.SocketType(fileno=socket.dup(sock.fileno()))
            raw.send(late(500))
            assert select.select([], [raw], [], 1)[1] == [raw]
            assert select.select([raw], [], [])[0] == [raw]
            raw.close()

    thread = threading.Thread(target=select_once)
    thread.start()
    time.sleep(120)
    thread.join()


SLOW = {
    "asyncio": lambda server: asyncio.run(asks_what_is_never_answered(server)),
    "trio": lambda server: trio.run(asks_what_is_never_answered_on_trio, server),
    "a thread": asks_in_a_thread,
    "a thread that polls": polls_in_a_thread,
    "a thread that selects": selects_in_a_thread,
}


@pytest.mark.parametrize("asks", SLOW.values(), ids=SLOW)
def test_an_answer_that_does_not_come_is_named(
    asks: Callable[[Server], None], io_clock: Clock, server: Server
) -> None:
    """After io_wait of real time a warning names the socket, and time goes on."""
    with pytest.warns(FakeBatchWarning) as caught:
        asks(server)

    came, known, to_do = str(caught[0].message).split("\n")
    assert came == (
        f"fakebatch: virtual time stood still 0.1 s for an answer of 127.0.0.1:"
        f"{server.address[1]}, and now goes on."
    )
    assert known == (
        "While an answer from a real socket or a child process is pending, no virtual time passes."
    )
    assert to_do == (
        "Let it answer sooner, or say how long to wait: io_wait='1s' of FakeBatch and the marker."
    )
    assert io_clock.elapsed == 120.0

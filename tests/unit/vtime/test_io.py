"""While an answer from outside is pending, virtual time stands still."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
import trio

from fakebatch.durations import SECOND
from fakebatch.vtime import Clock
from fakebatch.vtime import scheduler as scheduling
from fakebatch.vtime import trio as virtual_trio
from fakebatch.vtime.scheduler import Scheduler, Waiter
from fakebatch.vtime.watchdog import PendingAnswer
from support.echo import Server, blocking, late

pytestmark = pytest.mark.timeout(120)
Log = list[tuple[float, str]]


# --- who asks the server, by a timeout


async def streams(server: Server, question: bytes, within: float) -> None:
    async with asyncio.timeout(within):
        reader, writer = await asyncio.open_connection(*server.address)
        for _ in range(2):
            writer.write(question)
            await reader.readexactly(1)
        writer.close()
        await writer.wait_closed()


async def sock_calls(server: Server, question: bytes, within: float) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await asyncio.wait_for(loop.sock_connect(sock, server.address), within)
        for _ in range(2):
            await loop.sock_sendall(sock, question)
            await asyncio.wait_for(loop.sock_recv(sock, 1), within)


def wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def c_code(server: Server, question: bytes, within: float) -> None:
    """As psycopg does: a task waits for a descriptor that was written to by C code."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        await asyncio.to_thread(sock.connect, server.address)
        raw = socket.SocketType(fileno=socket.dup(sock.fileno()))
        raw.setblocking(False)
        for _ in range(2):
            raw.send(question)
            ready = loop.create_future()
            loop.add_reader(raw.fileno(), wake, ready)
            await asyncio.wait_for(ready, within)
            loop.remove_reader(raw.fileno())
            raw.recv(1)
        raw.close()


async def anyio_streams(server: Server, question: bytes, within: float) -> None:
    with anyio.fail_after(within):
        async with await anyio.connect_tcp(*server.address) as stream:
            for _ in range(2):
                await stream.send(question)
                await stream.receive(1)


async def trio_streams(server: Server, question: bytes, within: float) -> None:
    with trio.fail_after(within):
        async with await trio.open_tcp_stream(*server.address) as stream:
            for _ in range(2):
                await stream.send_all(question)
                await stream.receive_some(1)


async def in_a_thread(server: Server, question: bytes, within: float) -> None:
    await asyncio.wait_for(asyncio.to_thread(blocking, server, question, within), within)


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
        with Clock() as clock:
            histories.append(history(clock, backend, ask, server, late(delay), timeout))

    assert (0.1, "answered") in histories[0]
    assert (1.1, "answered again") in histories[0]
    assert len(histories[0]) == 12
    assert all(history == histories[0] for history in histories)


def sleep_often(times: int) -> None:
    for _ in range(times):
        time.sleep(60)


@pytest.mark.parametrize("delay", DELAYS)
def test_time_stands_still_for_a_thread_that_reads_a_socket(server: Server, delay: int) -> None:
    """Beside threads that sleep."""
    with Clock() as clock, ThreadPoolExecutor(3) as pool:
        sleeps = pool.submit(sleep_often, 20)
        time.sleep(90)
        pool.submit(blocking, server, late(delay), 0).result()
        at = clock.elapsed
        sleeps.result()

    assert (at, clock.elapsed) == (90.0, 1200.0)


def without_certificate(protocol: int) -> ssl.SSLContext:
    """A TLS context that needs none."""
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AECDH:@SECLEVEL=0")
    return context


def test_time_stands_still_for_a_thread_that_begins_tls() -> None:
    """C code asks and reads the answers of a handshake; what comes after it is read as ever."""
    accepts = without_certificate(ssl.PROTOCOL_TLS_SERVER)
    asks = without_certificate(ssl.PROTOCOL_TLS_CLIENT)
    pause = threading.Event().wait

    def wrap(accepted: socket.socket) -> socket.socket:
        pause(0.2)
        return accepts.wrap_socket(accepted, server_side=True)

    server, clock = Server(wrap), Clock()
    read: list[tuple[bytes, float]] = []

    def ask() -> None:
        connection = socket.create_connection(server.address, timeout=20)
        with connection, asks.wrap_socket(connection) as sock:
            for _ in range(2):
                sock.sendall(late(20))
                read.append((sock.recv(1), clock.elapsed))

    try:
        with clock:
            thread = threading.Thread(target=ask)
            thread.start()
            sleep_often(2)
            thread.join()
            assert clock.elapsed == 120.0
    finally:
        server.close()

    assert read == [(b"!", 0.0)] * 2


def test_a_thread_that_reads_a_closed_socket_is_told_so(clock: Clock) -> None:
    """As outside of virtual time: by an OSError."""
    errors: list[BaseException] = []

    def read() -> None:
        sock = socket.socket()
        sock.close()
        try:
            sock.recv(1)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    sleep_often(1)
    thread.join()

    assert [type(error) for error in errors] == [OSError]


def test_a_run_of_trio_that_takes_an_event_meanwhile_is_not_blocked() -> None:
    """Its file is watched no more, and its task can run: another thread may look in between."""
    queue = SimpleNamespace(queue=[], idempotent_queue=[])
    runner = SimpleNamespace(runq=list[str](), entry_queue=queue)

    class Run(virtual_trio._Run):
        def _files(self) -> dict[int, tuple[int, object]]:
            runner.runq.append("the task")
            return {}

    assert not Run(None, runner).blocked()


LOOKS: dict[str, Callable[[Scheduler], object]] = {
    "a thread that blocks": Scheduler.pass_on,
    "the watchdog": lambda scheduler: scheduler._watchdog._look(0, 0),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_who_gets_an_answer_meanwhile_keeps_the_time(look: Callable[[Scheduler], object]) -> None:
    """Time stands still until it runs: it was pending when somebody began to look."""

    class Getting(Waiter):
        answers: tuple[PendingAnswer, ...] = (PendingAnswer(lambda: "a server"),)

        def pending(self) -> tuple[PendingAnswer, ...]:
            return self.answers

        def blocked(self) -> bool:
            self.answers = ()
            return True

    with Clock() as clock:
        scheduler = scheduling.current
        assert scheduler is not None
        with scheduler.mutex:
            scheduler.parked[0] = waiter = Getting(60 * SECOND)
            look(scheduler)
            del scheduler.parked[0]
        assert (clock.elapsed, waiter.woken) == (0, False)

"""A pipe between threads of one process brings no answer from outside."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import select
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from freezegun import api as real

from fakebatch.errors import FakeBatchWarning
from fakebatch.vtime import Clock

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(not hasattr(select, "poll"), reason="Windows cannot wait for pipes"),
]


class Pipe:
    """Both ends of a pipe."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def put(self, message: bytes) -> None:
        os.write(self.writing, message)

    def close(self) -> None:
        os.close(self.reading)
        os.close(self.writing)

    def read(self) -> bytes:
        return os.read(self.reading, 1)

    def poll(self) -> bytes:
        """As watchdog waits for its own thread to be stopped."""
        poll = select.poll()
        poll.register(self.reading, select.POLLIN)
        poll.poll()
        return self.read()

    def read_by_a_loop(self) -> bytes:
        async def read() -> bytes:
            reader = asyncio.StreamReader()
            file = os.fdopen(os.dup(self.reading), "rb", 0)
            protocol = asyncio.StreamReaderProtocol(reader)
            pipe, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, file)
            message = await reader.read(1)
            pipe.close()
            return message

        return asyncio.run(read())


class Queue:
    """As loguru hands its records to a thread, and QueueListener gets them."""

    def __init__(self) -> None:
        self._queue: Any = multiprocessing.get_context("spawn").SimpleQueue()
        self.put, self.get, self.close = self._queue.put, self._queue.get, self._queue.close


READERS: dict[str, tuple[Callable[[], Any], str]] = {
    "C code that reads": (Pipe, "read"),
    "poll": (Pipe, "poll"),
    "an event loop": (Pipe, "read_by_a_loop"),
    "a queue of multiprocessing": (Queue, "get"),
}


@pytest.mark.parametrize(("make", "get"), READERS.values(), ids=READERS)
def test_who_reads_what_only_another_thread_writes_holds_nothing_up(
    make: Callable[[], Any], get: str, clock: Clock
) -> None:
    """No time stands still for it; the message comes at the moment at which it is written."""
    pipe, messages = make(), list[tuple[bytes, float]]()
    began = real.real_monotonic()

    def listen() -> None:
        while (message := getattr(pipe, get)()) != b"q":
            messages.append((message, clock.elapsed))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    for message in (b"a", b"b", b"q"):
        time.sleep(3600)
        pipe.put(message)
        time.sleep(0.001)
    thread.join()
    pipe.close()

    assert messages == [(b"a", 3600.0), (b"b", 7200.001)]
    assert real.real_monotonic() - began < 8


def test_calls_of_c_with_a_timeout_of_their_own_do_not_hold_time_for_ever() -> None:
    """Consumers of brokers look again and again: all looks together are one wait of io_wait."""
    poll, ended = ctypes.CDLL(None).poll, threading.Event()
    began = real.real_monotonic()

    def consume() -> None:
        while not ended.is_set():
            poll(None, 0, 150)  # in real time

    with warnings.catch_warnings(record=True) as caught, Clock(io_wait="0.4s") as clock:
        warnings.simplefilter("always")
        thread = threading.Thread(target=consume, daemon=True)
        thread.start()
        for _ in range(10):
            time.sleep(60)
        ended.set()
        thread.join()
        assert clock.elapsed == 600.0

    assert real.real_monotonic() - began < 8
    # Where the system does not tell what a thread waits for, there is none.
    assert [warning.category for warning in caught] in ([FakeBatchWarning], [])

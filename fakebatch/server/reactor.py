"""The reactor: one thread waits for all connections, and serves them; slow ones get one each.

The leader waits in a selector, and serves what is ready itself, one connection after the other. A
second thread watches it. Where serving takes longer than a tick, or hands over as it will pause or
send much, the watcher leads, and a new thread watches; the thread that was slow serves this
connection to its end, returns it to the selector, and ends. So quick requests never contend for the
interpreter, and slow ones hold up nobody.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Protocol, Self

TICK = 0.001
"""The watcher looks every so many seconds. What it sees twice is slow."""
QUIET = 100
"""After so many ticks in which nothing was served, the watcher sleeps until something is."""
SCAN = 0.5
"""Sources whose deadline has passed are looked for every so many seconds."""
CLOSING = 5.0
"""For how many seconds the end of what is being served is awaited."""

_CLOCK = (time.monotonic,)  # in a tuple, where freezegun does not find it


def real_seconds() -> float:
    """A clock that goes on while a test in this process freezes the time."""
    return _CLOCK[0]()


class Source(Protocol):
    """A socket, and what to do when something arrives there."""

    @property
    def socket(self) -> socket.socket:
        """The socket."""
        ...

    @property
    def deadline(self) -> float:
        """When it is closed if nothing arrives, in `real_seconds`."""
        ...

    def serve(self) -> bool:
        """Act on what has arrived. Returns whether the socket stays open."""
        ...


class Reactor:
    """Serves sources, from the time when they are added until they end. It runs within `with`."""

    def __init__(self) -> None:
        self.is_closing = threading.Event()
        """Is set when `with` ends."""
        self._sources = set[Source]()
        self._threads = set[threading.Thread]()
        self._awake, self._wakes = socket.socketpair()
        self._bell = threading.Lock()
        """Wakes the watcher when it is released."""
        self._lock = threading.Lock()
        """Of what follows. Only the leader, and the watcher that takes its place, uses the
        selector."""
        self._selector = selectors.DefaultSelector()
        self._leader: int | None = None
        """The ident of its thread; None: it has handed over."""
        self._serving: Source | None = None
        """What the leader serves; None: it waits."""
        self._served = 0
        """How often something was served; tells the watcher whether it still is the same."""
        self._watcher_sleeps = False
        self._returned = deque[Source]()
        """Sources for the selector, from other threads."""

    def __enter__(self) -> Self:
        self._selector.register(self._awake, selectors.EVENT_READ)
        self._bell.acquire()
        with self._lock:
            self._add_watcher()
        return self

    def __exit__(self, *_: object) -> None:
        """Close every socket, also of what is being served."""
        with self._lock:  # no thread is added from now on
            self.is_closing.set()
            self._ring()
        self._wakes.send(b".")
        for source in [*self._sources]:
            with suppress(OSError):  # it has ended meanwhile
                source.socket.shutdown(socket.SHUT_RDWR)
        until = real_seconds() + CLOSING
        for thread in [*self._threads]:
            thread.join(max(until - real_seconds(), 0))
        self._selector.close()
        for sock in (*(source.socket for source in [*self._sources]), self._awake, self._wakes):
            sock.close()

    def __len__(self) -> int:
        """The number of sources."""
        return len(self._sources)

    def add(self, source: Source) -> None:
        """Serve a source from now on; any thread may call this."""
        self._sources.add(source)
        with self._lock:
            if self._leader == threading.get_ident():
                self._selector.register(source.socket, selectors.EVENT_READ, source)
                return
            self._returned.append(source)
        self._wakes.send(b".")

    def hand_over(self) -> None:
        """Let another thread lead, before something slow is done in `serve` of a source."""
        with self._lock:
            if self._leader == threading.get_ident():
                self._leader = None
                self._ring()

    # --- the life of a thread: it watches, leads, and ends once it was slow

    def _add_watcher(self) -> bool:
        """Start a thread. Returns whether the system allows another one."""
        thread = threading.Thread(target=self._live, name="fakebatch server", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._threads.add(thread)
        return True

    def _live(self) -> None:
        try:
            if self._watch():
                self._lead()
        finally:
            self.hand_over()  # where an error ends the leader
            self._threads.discard(threading.current_thread())

    def _watch(self) -> bool:
        """Take the lead when nobody has it, or the leader is slow. Returns False at the end."""
        seen = quiet = 0
        while True:
            self._bell.acquire(timeout=TICK if quiet < QUIET else -1)
            with self._lock:
                if self.is_closing.is_set():
                    return False
                is_same = self._served == seen
                is_slow = self._leader is None or (self._serving is not None and is_same)
                if is_slow and self._add_watcher():
                    if self._serving is not None:
                        self._selector.unregister(self._serving.socket)
                    self._leader, self._serving = threading.get_ident(), None
                    return True
                quiet = quiet + 1 if is_same and not is_slow else 0
                self._watcher_sleeps = quiet >= QUIET
                seen = self._served

    def _lead(self) -> None:
        """Serve what is ready, until the end or until another thread leads."""
        scans = real_seconds() + SCAN
        while True:
            for key, _ in self._selector.select(SCAN):
                if key.data is None:
                    self._awake.recv(1024)
                    with self._lock:
                        while self._returned:
                            source = self._returned.popleft()
                            self._selector.register(source.socket, selectors.EVENT_READ, source)
                elif not self._serve(key.data):
                    return
            if self.is_closing.is_set():
                return
            if (now := real_seconds()) > scans:
                scans = now + SCAN
                for key in [*self._selector.get_map().values()]:
                    if key.data is not None and key.data.deadline < now:
                        self._selector.unregister(key.fileobj)
                        self._close(key.data)

    def _serve(self, source: Source) -> bool:
        """Serve a source once. Returns whether this thread leads on."""
        with self._lock:
            self._served, self._serving = self._served + 1, source
            if self._watcher_sleeps:
                self._ring()
        stays = False
        try:
            stays = source.serve()
        finally:
            with self._lock:
                leads = self._leader == threading.get_ident() and not self.is_closing.is_set()
                if leads:
                    self._serving = None
                    if not stays:
                        self._selector.unregister(source.socket)
            if not stays or self.is_closing.is_set():
                self._close(source)
            elif not leads:
                self.add(source)
        return leads

    def _close(self, source: Source) -> None:
        self._sources.discard(source)
        source.socket.close()

    def _ring(self) -> None:
        self._watcher_sleeps = False
        if self._bell.locked():
            self._bell.release()

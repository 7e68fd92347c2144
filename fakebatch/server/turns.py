"""Who has sent something gets a turn: one thread leads from turn to turn, and another watches.

Between its turns a connection has no thread. It stands in a selector; the leader waits there, and
takes the turns itself, one after the other. If a turn takes longer than a tick or hands over (it
will pause, or send much), the watcher takes the lead, and a new thread watches; the one that was
slow ends this turn, puts the connection back, and ends. So quick requests never contend for the
interpreter, and slow ones hold nobody up.
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
"""The watcher looks every so many seconds. A turn that it sees twice is slow."""
QUIET = 100
"""After so many ticks without a turn the watcher sleeps until the next one."""
SCAN = 0.5
"""How often, in seconds, those whose time is over are looked for."""
CLOSING = 5.0
"""For how many seconds the end of turns is awaited."""

_CLOCK = (time.monotonic,)  # in a tuple, where freezegun does not find it


def real_seconds() -> float:
    """A clock that goes on while a test in this process freezes the time."""
    return _CLOCK[0]()


class Seat(Protocol):
    """A socket, and what to do when something has arrived there."""

    @property
    def socket(self) -> socket.socket:
        """The socket."""
        ...

    @property
    def deadline(self) -> float:
        """When it is closed if nothing arrives before, in `real_seconds`."""
        ...

    def serve(self) -> bool:
        """Take a turn. Returns whether the socket stays open."""
        ...


class Turns:
    """Gives every seat its turns. It runs within `with`; all methods are thread-safe."""

    def __init__(self) -> None:
        self.is_closing = threading.Event()
        """Is set at the end of `with`."""
        self._seats = set[Seat]()
        self._threads = set[threading.Thread]()
        self._awake, self._wakes = socket.socketpair()
        self._bell = threading.Lock()
        """Wakes the watcher when it is released."""
        self._lock = threading.Lock()
        """Of what follows. The selector is the leader's."""
        self._selector = selectors.DefaultSelector()
        self._leader: int | None = None
        self._turn = 0
        """The number of the last turn."""
        self._serving: Seat | None = None
        """Whose turn it is; None: the leader waits."""
        self._watcher_sleeps = False
        self._returned = deque[Seat]()
        """Those that the leader puts into the selector, which `_awake` tells."""

    def __enter__(self) -> Self:
        self._selector.register(self._awake, selectors.EVENT_READ)
        self._bell.acquire()
        with self._lock:
            self._add_watcher()
        return self

    def __exit__(self, *_: object) -> None:
        """Close every socket, also one in the middle of its turn."""
        with self._lock:
            self.is_closing.set()
            self._ring()
        self._wakes.send(b".")
        for seat in [*self._seats]:
            with suppress(OSError):  # it has ended meanwhile
                seat.socket.shutdown(socket.SHUT_RDWR)
        until = real_seconds() + CLOSING
        for thread in [*self._threads]:
            thread.join(max(until - real_seconds(), 0))
        self._selector.close()
        for sock in (*(seat.socket for seat in [*self._seats]), self._awake, self._wakes):
            sock.close()

    def __len__(self) -> int:
        """How many seats there are."""
        return len(self._seats)

    def add(self, seat: Seat) -> None:
        """Give a seat its turns from now on."""
        self._seats.add(seat)
        with self._lock:
            if self._leader == threading.get_ident():
                self._selector.register(seat.socket, selectors.EVENT_READ, seat)
                return
            self._returned.append(seat)
        self._wakes.send(b".")

    def hand_over(self) -> None:
        """Let another thread lead, since the turn that this one takes will be slow."""
        with self._lock:
            if self._leader == threading.get_ident():
                self._leader = None
                self._ring()

    # --- the life of a thread: it watches, leads, and ends after a turn that was slow

    def _add_watcher(self) -> None:
        thread = threading.Thread(target=self._live, name="fakebatch server", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _live(self) -> None:
        try:
            if self._watch():
                self._lead()
        finally:
            self.hand_over()  # where an error ends it
            self._threads.discard(threading.current_thread())

    def _watch(self) -> bool:
        """Wait until nobody leads, or who leads is slow, and take the lead; False at the end."""
        seen, quiet = 0, 0
        while True:
            self._bell.acquire(timeout=TICK if quiet < QUIET else -1)
            with self._lock:
                if self.is_closing.is_set():
                    return False
                is_slow = self._serving is not None and self._turn == seen
                if self._leader is None or is_slow:
                    if self._serving is not None:
                        self._selector.unregister(self._serving.socket)
                    self._leader, self._serving = threading.get_ident(), None
                    self._add_watcher()
                    return True
                quiet = quiet + 1 if self._turn == seen else 0
                self._watcher_sleeps = quiet >= QUIET
                seen = self._turn

    def _lead(self) -> None:
        """Wait, and take turns, until the end or until one was slow."""
        scan = real_seconds() + SCAN
        while not self.is_closing.is_set():
            for key, _ in self._selector.select(SCAN):
                if key.data is None:
                    self._awake.recv(1024)
                    with self._lock:
                        while self._returned:
                            seat = self._returned.popleft()
                            self._selector.register(seat.socket, selectors.EVENT_READ, seat)
                elif not self._take_turn(key.data):
                    return
            if (now := real_seconds()) > scan:
                scan = now + SCAN
                for key in [*self._selector.get_map().values()]:
                    if key.data is not None and key.data.deadline < now:
                        self._selector.unregister(key.fileobj)
                        self._close(key.data)

    def _take_turn(self, seat: Seat) -> bool:
        """Let a seat take its turn. Returns whether this thread still leads."""
        with self._lock:
            self._turn, self._serving = self._turn + 1, seat
            if self._watcher_sleeps:
                self._ring()
        stays = False
        try:
            stays = seat.serve()
        finally:
            with self._lock:
                leads = self._leader == threading.get_ident()
                if leads:
                    self._serving = None
                    if not stays:
                        self._selector.unregister(seat.socket)
            if not stays:
                self._close(seat)
            elif not leads:
                self.add(seat)
        return leads

    def _close(self, seat: Seat) -> None:
        self._seats.discard(seat)
        seat.socket.close()

    def _ring(self) -> None:
        self._watcher_sleeps = False
        if self._bell.locked():
            self._bell.release()

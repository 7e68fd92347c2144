"""Answers from outside of virtual time: sockets, pipes and child processes.

An answer is pending once bytes were written to a socket and none were read from it since. While one
is pending and somebody waits for it, time stands still: else a database that answers after 20 ms
would be too late for every timeout. A connection without a question, such as a pooled one, holds
nothing up.
"""

from __future__ import annotations

import math
import select
import socket
import ssl
import stat
import subprocess
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from os import fstat
from selectors import EVENT_READ, EVENT_WRITE
from threading import get_ident
from typing import Any
from weakref import WeakSet

from fakebatch.vtime import pipes
from fakebatch.vtime.callsite import caller, is_harness
from fakebatch.vtime.patches import Patch, Real, wrap
from fakebatch.vtime.scheduler import Scheduler, Waiter, for_this_thread
from fakebatch.vtime.watchdog import PendingAnswer

# Windows has none.
_real_poll: Any = getattr(select, "poll", None)
_POLLIN, _POLLOUT = getattr(select, "POLLIN", 1), getattr(select, "POLLOUT", 4)


@dataclass(slots=True)
class _Socket:
    """What is known of a descriptor."""

    by_python: bool = False
    """Python code reads and writes it, so that `answer` tells everything."""
    served: bool = False
    """It was accepted here: what is written to it is an answer."""
    answer: PendingAnswer | None = None
    """It was written to, and not read from since."""
    wait: tuple[object, PendingAnswer | None] = None, None
    """Who waits until C code can read it, or until it can be written to, and for what."""


_sockets: dict[int, _Socket] = {}
"""By descriptor."""
_inside: set[Any] = set()
"""The addresses at which threads of the scope accept connections."""


def forget_all() -> None:
    """A new session of clocks begins."""
    _sockets.clear()
    _inside.clear()
    _thread_pools.clear()


def _known(fd: int) -> _Socket:
    return _sockets.setdefault(fd, _Socket())  # no defaultdict: two threads might make two


def pending_answers(
    fd: int, events: int, waiter: object, *, by_python: bool
) -> Iterable[PendingAnswer]:
    """The answers for which somebody waits at a descriptor.

    Args:
        fd: the descriptor.
        events: EVENT_READ, EVENT_WRITE or both.
        waiter: tells one wait from the next.
        by_python: whether Python code reads it; else whoever waits for it has written to it.
    """
    known = _known(fd)
    # Nobody has seen what C code asks; and who waits to write has written more than was read.
    unseen = events & EVENT_WRITE if by_python or known.by_python else events
    answer = known.answer if events & EVENT_READ else None
    if not (answer or unseen) or _answered_inside(fd):
        return
    if answer:
        yield answer
    if unseen:
        who, answer = known.wait
        if answer is None or who != waiter:
            answer = PendingAnswer(lambda: _name(fd))
            known.wait = waiter, answer
        yield answer


@contextmanager
def _socket_at(fd: int) -> Generator[socket.SocketType]:
    sock = socket.SocketType(fileno=fd)  # of C: nothing is patched there
    try:
        yield sock
    finally:
        sock.detach()


def _answered_inside(fd: int) -> bool:
    """Whether nobody outside of virtual time can answer on a descriptor."""
    try:
        mode = fstat(fd).st_mode
        if not stat.S_ISSOCK(mode):
            return not stat.S_ISFIFO(mode) or pipes.is_written_here(fd)
        with _socket_at(fd) as sock:
            if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return True
            with suppress(OSError):
                peer = sock.getpeername()
                # A socketpair has no names: both ends are here.
                return not peer or _address(peer) in _inside
            return False  # it is being connected
    except OSError:
        return True


def _address(name: Any) -> Any:
    return name if isinstance(name, str | bytes) else name[:2]


def _name(fd: int) -> str:
    with suppress(OSError), _socket_at(fd) as sock:
        peer = _address(sock.getpeername())
        return f"an answer of {peer if isinstance(peer, str) else '{}:{}'.format(*peer)}"
    return f"the descriptor {fd}"


# --- threads that wait for sockets


class _Files(Waiter):
    """A thread that waits for descriptors, in real time."""

    def __init__(self, events: dict[int, int]) -> None:
        super().__init__(None)
        self._events = events
        self._thread = get_ident()
        self.is_over = False

    def blocked(self) -> bool:
        """Whether none is ready."""
        return not (self.is_over or is_ready(self._events))

    def watches_files(self) -> bool:
        """It does nothing else."""
        return True

    def pending(self) -> Iterable[PendingAnswer]:
        for fd, events in self._events.items():
            yield from pending_answers(fd, events, self._thread, by_python=False)


def is_ready(events: dict[int, int], milliseconds: float | None = 0) -> bool:
    """Whether one of some descriptors is ready, or becomes so in time, without reading it."""
    if not events:
        return False
    poll = _real_poll()
    for fd, mask in events.items():
        reads = _POLLIN if mask & EVENT_READ else 0
        poll.register(fd, reads | (_POLLOUT if mask & EVENT_WRITE else 0))
    return bool(poll.poll(milliseconds))


@contextmanager
def when_ready(
    scheduler: Scheduler, events: dict[int, int], seconds: float | None
) -> Generator[bool]:
    """Let others go on until a descriptor is ready; the block may then use it without waiting.

    Args:
        scheduler: the one by which the calling thread lives.
        events: what is waited for, by descriptor.
        seconds: for how long, in real time.

    Yields:
        Whether one is ready; also where nobody else could go on, and the block may wait by itself.
    """
    if seconds == 0 or scheduler.scope.alone() or _real_poll is None:
        yield True
        return
    waiter = _Files(events)
    with scheduler.blocked(waiter):
        ready = is_ready(events, None if seconds is None else math.ceil(seconds * 1000))
        for fd in events if ready else ():
            _known(fd).wait = None, None  # the next wait is for another answer
        waiter.is_over = True  # before anything is read: what is read is ready no more
        yield ready


def _select(  # noqa: PLR0917 - those of select.select
    scheduler: Scheduler,
    real_select: Real,
    readers: Any,
    writers: Any,
    errors: Any,
    timeout: float | None = None,
) -> Any:
    if is_harness(caller(2)):
        return real_select(readers, writers, errors, timeout)
    files: dict[int, int] = {}
    for event, objects in ((EVENT_READ, readers), (EVENT_WRITE, writers)):
        for fd in map(_fileno, objects):
            files[fd] = files.get(fd, 0) | event
    with when_ready(scheduler, files, timeout) as ready:
        return real_select(readers, writers, errors, timeout if ready else 0)


class _Poll:
    """What select.poll() makes for a thread that lives in virtual time."""

    def __init__(self) -> None:
        self._real = _real_poll()
        self._files: dict[int, int] = {}

    def register(self, file: Any, mask: int = _POLLIN | _POLLOUT) -> None:
        self._real.register(file, mask)
        reads = EVENT_READ if mask & _POLLIN else 0
        self._files[_fileno(file)] = reads | (EVENT_WRITE if mask & _POLLOUT else 0)

    modify = register

    def unregister(self, file: Any) -> None:
        self._real.unregister(file)
        self._files.pop(_fileno(file), None)

    def poll(self, timeout: float | None = None) -> Any:
        scheduler = for_this_thread()
        if scheduler is None:
            return self._real.poll(timeout)
        seconds = None if timeout is None else timeout / 1000
        with when_ready(scheduler, self._files, seconds) as ready:
            return self._real.poll(timeout if ready else 0)


def _poll(_: object, real_poll: Real) -> Any:
    return real_poll() if is_harness(caller(2)) else _Poll()


def _fileno(file: Any) -> int:
    return file if isinstance(file, int) else int(file.fileno())


def write(_: object, real_write: Real, sock: Any, *args: Any, **kwargs: Any) -> Any:
    """Write to a socket: whoever reads from it next waits for an answer."""
    result = real_write(sock, *args, **kwargs)
    fd = sock.fileno()
    known = _known(fd)
    known.by_python = True
    if known.answer is None and not known.served:
        known.answer = PendingAnswer(lambda: _name(fd))
    return result


def read(scheduler: Scheduler, real_read: Real, sock: Any, *args: Any, **kwargs: Any) -> Any:
    """Read from a socket: it has been answered."""
    known = _known(sock.fileno())
    known.by_python = True
    decrypted = isinstance(sock, ssl.SSLSocket) and sock.pending()
    with nullcontext() if decrypted else _when_readable(scheduler, sock):
        result = real_read(sock, *args, **kwargs)
        known.answer = None
        return result


def accept(scheduler: Scheduler, real_accept: Real, sock: Any) -> Any:
    """Accept a connection, whose other end has nothing to wait for outside."""
    with _when_readable(scheduler, sock):
        connection, address = real_accept(sock)
        _known(connection.fileno()).served = True
        _inside.add(_address(connection.getsockname()))
        return connection, address


@contextmanager
def _when_readable(scheduler: Scheduler, sock: Any) -> Generator[None]:
    fd = sock.fileno()
    with when_ready(scheduler, {fd: EVENT_READ}, sock.gettimeout() if fd >= 0 else 0) as ready:
        if not ready:
            raise TimeoutError("timed out")
        yield


def do_handshake(scheduler: Scheduler, real_handshake: Real, sock: Any, *args: Any) -> Any:
    """Begin TLS: C code asks and reads the answers."""
    fd = sock.fileno()
    waits_outside = sock.gettimeout() != 0 and not _answered_inside(fd)
    with scheduler.waiting_for(_name(fd)) if waits_outside else nullcontext():
        return real_handshake(sock, *args)


def close(_: object, real_close: Real, sock: Any) -> Any:
    """Forget a descriptor: another file may get its number."""
    _sockets.pop(sock.fileno(), None)
    return real_close(sock)


# --- child processes


def wait_for_child(
    scheduler: Scheduler, real_wait: Real, process: Any, *args: Any, **kwargs: Any
) -> Any:
    """Let time stand still while a thread waits for a child process."""
    with scheduler.waiting_for(_child(process)):
        return real_wait(process, *args, **kwargs)


async def await_child(
    scheduler: Scheduler, real_wait: Real, process: Any, *args: Any, **kwargs: Any
) -> Any:
    """Let time stand still while a task waits for a child process."""
    with scheduler.waiting_for(_child(process)):
        return await real_wait(process, *args, **kwargs)


def _child(process: Any) -> str:
    pid = getattr(process, "pid", None)
    return _POOL if pid is None else f"the child process {pid}"


_POOL = "a process of a pool"


def submit(scheduler: Scheduler, real_submit: Real, pool: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Let time stand still until a process of a pool has done its work."""
    future = real_submit(pool, *args, **kwargs)
    waiting = ExitStack()
    waiting.enter_context(scheduler.waiting_for(_POOL))
    future.add_done_callback(lambda _: waiting.close())  # pyright: ignore[reportUnknownLambdaType]
    return future


_thread_pools: WeakSet[Any] = WeakSet()
"""The pools of multiprocessing whose threads live in virtual time."""


def make_thread_pool(
    scheduler: Scheduler, real_init: Real, pool: Any, *args: Any, **kwargs: Any
) -> None:
    """Start the threads of a ThreadPool: they are of the scope, though multiprocessing starts them.

    All but the one that looks after the others every 0.1 s.
    """
    _thread_pools.add(pool)
    scheduler.scope.making_pools.append(get_ident())
    try:
        real_init(pool, *args, **kwargs)
    finally:
        scheduler.scope.making_pools.remove(get_ident())


def wait_for_pool(
    scheduler: Scheduler, real_wait: Real, waiter: Any, *args: Any, **kwargs: Any
) -> Any:
    """Let time stand still while a thread waits for processes of a pool; threads can be seen."""
    if waiter in _thread_pools or getattr(waiter, "_pool", None) in _thread_pools:
        return real_wait(waiter, *args, **kwargs)
    return wait_for_child(scheduler, real_wait, waiter, *args, **kwargs)


def replacements() -> list[Patch]:
    """What to patch in modules that are always there."""
    return [
        *wrap(socket.socket, "send sendall sendto sendmsg", write),
        *wrap(socket.socket, "recv recv_into recvfrom recvfrom_into recvmsg recvmsg_into", read),
        *wrap(socket.socket, "accept", accept),
        *wrap(socket.socket, "close detach", close, everywhere=True),
        *wrap(ssl.SSLSocket, "write send", write),
        *wrap(ssl.SSLSocket, "read", read),
        *wrap(ssl.SSLSocket, "do_handshake", do_handshake),
        *wrap(select, "select", _select),
        *wrap(select, "poll", _poll),
        *wrap(subprocess.Popen, "wait communicate", wait_for_child),
    ]


LATER: dict[str, Callable[[Any], list[Patch]]] = {
    "multiprocessing.process": lambda module: wrap(module.BaseProcess, "join", wait_for_child),
    "multiprocessing.pool": lambda module: [
        *wrap(module.ApplyResult, "wait", wait_for_pool),
        *wrap(module.IMapIterator, "next", wait_for_pool),
        *wrap(module.Pool, "terminate join", wait_for_pool),
        *wrap(module.ThreadPool, "__init__", make_thread_pool),
    ],
    "concurrent.futures.process": lambda module: wrap(module.ProcessPoolExecutor, "submit", submit),
}
"""What to patch in modules that may be imported at any moment, by their names."""

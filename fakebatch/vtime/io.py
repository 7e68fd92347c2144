"""Answers from outside of virtual time: sockets, pipes and child processes.

An answer is owed once bytes were written to a socket and none were read from it since. While one is
owed and somebody waits for it, time stands still: else a database that answers after 20 ms would be
too late for every timeout. A connection that owes nothing, such as a pooled one, holds nothing.
"""

from __future__ import annotations

import math
import select
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from os import fstat
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector
from threading import get_ident
from typing import Any, TypeVar

from fakebatch.vtime.callsite import is_harness
from fakebatch.vtime.scheduler import Scheduler, Waiter, for_this_thread
from fakebatch.vtime.watchdog import Debt

_T = TypeVar("_T")
Patch = tuple[Any, str, Any]
"""What to replace: the owner, the name, the new value."""

_WRITES = ("send", "sendall", "sendto", "sendmsg")
_READS = ("recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into")


@dataclass(slots=True)
class _Sockets:
    """What is known of descriptors, by their numbers."""

    debts: dict[int, Debt] = field(default_factory=dict[int, Debt])
    """Of those that were written to and not read from since."""
    handled: set[int] = field(default_factory=set[int])
    """Python code reads and writes them, so that `debts` tells everything."""
    served: set[int] = field(default_factory=set[int])
    """They were accepted here: what they write is an answer."""
    inside: set[Any] = field(default_factory=set[Any])
    """The addresses at which threads of the scope accept."""
    waits: dict[tuple[int, int], tuple[object, Debt]] = field(
        default_factory=dict[tuple[int, int], tuple[object, Debt]]
    )
    """Debts of those that C code uses or that are full, by descriptor and event, with who waits."""

    def forget(self, fd: int) -> None:
        """A descriptor is closed; another socket may get its number."""
        self.debts.pop(fd, None)
        self.handled.discard(fd)
        self.served.discard(fd)
        for event in (EVENT_READ, EVENT_WRITE):
            self.waits.pop((fd, event), None)


_sockets = _Sockets()


def forget_all() -> None:
    """A new clock begins."""
    _sockets.__init__()  # type: ignore[misc]


def debts_of(fd: int, events: int, waiter: object, by_python: bool) -> Iterable[Debt]:
    """The answers that somebody who waits for a descriptor is owed.

    Args:
        fd: the descriptor.
        events: EVENT_READ, EVENT_WRITE or both.
        waiter: tells one wait from the next.
        by_python: whether Python code reads it; else whoever waits for it has written to it.
    """
    debt = _sockets.debts.get(fd)
    if debt is not None and events & EVENT_READ and not _answered_inside(fd):
        yield debt
    foreign = not by_python and fd not in _sockets.handled
    for event in (EVENT_READ if foreign else 0, EVENT_WRITE):
        if events & event and not _answered_inside(fd):
            known, debt = _sockets.waits.get((fd, event), (None, None))
            if debt is None or known != waiter:
                debt = Debt(lambda: _name(fd))
                _sockets.waits[fd, event] = waiter, debt
            yield debt


def _answered_inside(fd: int) -> bool:
    """Whether nobody outside of virtual time can answer on a descriptor."""
    try:
        mode = fstat(fd).st_mode
        if stat.S_ISFIFO(mode):
            return False
        if not stat.S_ISSOCK(mode):
            return True
        probe = socket.SocketType(fileno=fd)  # of C: nothing is patched there
    except OSError:
        return True
    try:
        if probe.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return True
        peer = probe.getpeername()
    except OSError:
        return False  # it is being connected
    finally:
        probe.detach()
    # A socketpair has no names: both ends are here.
    return not peer or _address(peer) in _sockets.inside


def _address(name: Any) -> Any:
    return name if isinstance(name, str | bytes) else name[:2]


def _name(fd: int) -> str:
    with suppress(OSError):
        probe = socket.SocketType(fileno=fd)
        try:
            peer = _address(probe.getpeername())
        finally:
            probe.detach()
        return f"an answer of {peer if isinstance(peer, str) else '{}:{}'.format(*peer)}"
    return f"the descriptor {fd}"


# --- threads that wait for sockets


@dataclass(slots=True, eq=False)
class _Waits(Waiter):
    """A thread that waits for descriptors, in real time."""

    events: dict[int, int] = field(kw_only=True)
    thread: int = field(default_factory=get_ident)

    def blocked(self) -> bool:
        """Whether none is ready."""
        return not is_ready(self.events)

    def hopeless(self) -> bool:
        """A descriptor can wake it."""
        return False

    def debts(self) -> Iterable[Debt]:
        """What it is owed from outside."""
        for fd, events in self.events.items():
            yield from debts_of(fd, events, self.thread, False)


def is_ready(events: dict[int, int], milliseconds: float | None = 0) -> bool:
    """Whether one of these descriptors is ready, or becomes so in time, without reading it."""
    poll = _real_poll()
    for fd, mask in events.items():
        reads = select.POLLIN if mask & EVENT_READ else 0
        poll.register(fd, reads | (select.POLLOUT if mask & EVENT_WRITE else 0))
    return bool(poll.poll(milliseconds))


def _blocking(
    scheduler: Scheduler,
    events: dict[int, int],
    seconds: float | None,
    call: Callable[[bool], _T],
) -> _T:
    """Make a call once one of these descriptors is ready, and let others go on until then.

    Args:
        scheduler: the clock the calling thread lives by.
        events: what the call waits for, by descriptor.
        seconds: for how long, in real time.
        call: told whether one became ready in time.
    """
    if scheduler.scope.alone() or _real_poll is None:
        return call(True)  # which waits by itself
    waiter = _Waits(None, events=events)
    owed = scheduler.holds_time(waiter.debts())
    with scheduler.blocked(waiter):
        ready = is_ready(events, None if seconds is None else math.ceil(seconds * 1000))
        waiter.due = True  # before anything is read: what is read is ready no more
    for key in [(fd, event) for fd in events for event in (EVENT_READ, EVENT_WRITE)]:
        if ready:
            _sockets.waits.pop(key, None)  # the next wait is for another answer
    result = call(ready)
    if not owed:
        scheduler.take_turn(waiter.order)
    return result


def select_in_thread(
    real: Callable[..., Any], selector: BaseSelector, timeout: float | None, scheduler: Scheduler
) -> Any:
    """Wait for the files of a selector that belongs to no event loop."""
    files = {key.fd: key.events for key in (selector.get_map() or {}).values()}
    return _blocking(
        scheduler, files, timeout, lambda ready: real(selector, timeout if ready else 0)
    )


def _select(readers: Any, writers: Any, errors: Any, timeout: float | None = None, /) -> Any:
    scheduler = for_this_thread()
    if scheduler is None or timeout == 0 or _asked_by_harness():
        return _real_select(readers, writers, errors, timeout)
    files: dict[int, int] = {}
    for event, objects in ((EVENT_READ, readers), (EVENT_WRITE, writers)):
        for it in objects:
            fd = it if isinstance(it, int) else it.fileno()
            files[fd] = files.get(fd, 0) | event
    return _blocking(
        scheduler,
        files,
        timeout,
        lambda ready: _real_select(readers, writers, errors, timeout if ready else 0),
    )


_real_select = select.select
_real_poll: Any = getattr(select, "poll", None)


class _Poll:
    """What select.poll() makes for a thread that lives in virtual time."""

    def __init__(self) -> None:
        self._real = _real_poll()
        self._files: dict[int, int] = {}

    def register(self, file: Any, mask: int = select.POLLIN | select.POLLOUT) -> None:
        """Watch a file."""
        self._real.register(file, mask)
        reads = EVENT_READ if mask & select.POLLIN else 0
        fd = file if isinstance(file, int) else file.fileno()
        self._files[fd] = reads | (EVENT_WRITE if mask & select.POLLOUT else 0)

    modify = register

    def unregister(self, file: Any) -> None:
        """Watch a file no more."""
        self._real.unregister(file)
        self._files.pop(file if isinstance(file, int) else file.fileno(), None)

    def poll(self, timeout: float | None = None) -> Any:
        """Wait for so many milliseconds."""
        scheduler = for_this_thread()
        if scheduler is None or timeout == 0:
            return self._real.poll(timeout)
        seconds = None if timeout is None else timeout / 1000
        return _blocking(
            scheduler, self._files, seconds, lambda ready: self._real.poll(timeout if ready else 0)
        )


def _poll() -> Any:
    return _real_poll() if for_this_thread() is None or _asked_by_harness() else _Poll()


def _asked_by_harness() -> bool:
    return is_harness(sys._getframe(2).f_globals.get("__name__", ""))  # noqa: SLF001 - who asks


def _writing(real: Callable[..., Any]) -> Callable[..., Any]:
    def write(sock: Any, *args: Any, **kwargs: Any) -> Any:
        result = real(sock, *args, **kwargs)
        if for_this_thread() is not None:
            fd = sock.fileno()
            _sockets.handled.add(fd)
            if fd not in _sockets.debts and fd not in _sockets.served:
                _sockets.debts[fd] = Debt(lambda: _name(fd))
        return result

    return write


def _reading(real: Callable[..., Any]) -> Callable[..., Any]:
    def reads(sock: Any, *args: Any, **kwargs: Any) -> Any:
        if for_this_thread() is None:
            return real(sock, *args, **kwargs)
        fd = sock.fileno()
        _sockets.handled.add(fd)

        def call() -> Any:
            result = real(sock, *args, **kwargs)
            _sockets.debts.pop(fd, None)
            return result

        decrypted = isinstance(sock, ssl.SSLSocket) and sock.pending()
        return call() if decrypted else _once_readable(sock, call)

    return reads


def _accept(sock: Any) -> Any:
    def call() -> Any:
        connection, address = _real_accept(sock)
        _sockets.served.add(connection.fileno())
        _sockets.inside.add(_address(connection.getsockname()))
        return connection, address

    return _real_accept(sock) if for_this_thread() is None else _once_readable(sock, call)


def _once_readable(sock: Any, call: Callable[[], _T]) -> _T:
    scheduler, timeout = for_this_thread(), sock.gettimeout()
    if scheduler is None or timeout == 0:
        return call()

    def call_in_time(ready: bool) -> _T:
        if not ready:
            raise TimeoutError("timed out")
        return call()

    return _blocking(scheduler, {sock.fileno(): EVENT_READ}, timeout, call_in_time)


_real_accept = socket.socket.accept


def _closing(real: Callable[..., Any]) -> Callable[..., Any]:
    def close(sock: Any) -> Any:
        _sockets.forget(sock.fileno())
        return real(sock)

    return close


# --- child processes


def waiting_for_child(name: str) -> AbstractContextManager[None]:
    """Let time stand still for a child process, if the calling thread lives in virtual time."""
    scheduler = for_this_thread()
    return nullcontext() if scheduler is None else scheduler.waiting_for_child(name)


def _waiting(real: Callable[..., Any]) -> Callable[..., Any]:
    def wait(process: Any, *args: Any, **kwargs: Any) -> Any:
        with waiting_for_child(child(process)):
            return real(process, *args, **kwargs)

    return wait


def child(process: Any) -> str:
    """How a warning names a child process."""
    pid = getattr(process, "pid", None)
    return "a process of a pool" if pid is None else f"the child process {pid}"


def replacements() -> list[Patch]:
    """What to patch in modules that are always there."""
    tcp, tls, popen = socket.socket, ssl.SSLSocket, subprocess.Popen
    return [
        *((tcp, name, _writing(getattr(tcp, name))) for name in _WRITES if hasattr(tcp, name)),
        *((tcp, name, _reading(getattr(tcp, name))) for name in _READS if hasattr(tcp, name)),
        *((tcp, name, _closing(getattr(tcp, name))) for name in ("close", "detach")),
        *((tls, name, _writing(getattr(tls, name))) for name in ("write", "send")),
        *((tls, name, _reading(getattr(tls, name))) for name in ("read", "do_handshake")),
        (socket.socket, "accept", _accept),
        (select, "select", _select),
        *([(select, "poll", _poll)] if _real_poll is not None else ()),
        *((popen, name, _waiting(getattr(popen, name))) for name in ("wait", "communicate")),
    ]


def _of_processes(module: Any) -> list[Patch]:
    kind = module.BaseProcess
    return [(kind, "join", _waiting(kind.join))]


def _of_pools(module: Any) -> list[Patch]:
    waits = [(module.ApplyResult, "wait"), (module.IMapIterator, "next")]
    waits += [(module.Pool, name) for name in ("terminate", "join")]
    return [(owner, name, _waiting(getattr(owner, name))) for owner, name in waits]


def _of_executors(module: Any) -> list[Patch]:
    executor = module.ProcessPoolExecutor
    real = executor.submit

    def submit(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        future = real(self, *args, **kwargs)
        held = ExitStack()
        held.enter_context(waiting_for_child("a process of a pool"))
        future.add_done_callback(lambda _: held.close())  # pyright: ignore[reportUnknownLambdaType]
        return future

    return [(executor, "submit", submit)]


LATER: dict[str, Callable[[Any], list[Patch]]] = {
    "multiprocessing.process": _of_processes,
    "multiprocessing.pool": _of_pools,
    "concurrent.futures.process": _of_executors,
}
"""What to patch in modules that may be imported at any moment, by their names."""

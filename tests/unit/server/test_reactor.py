"""Who is served while others are slow, silent or many; and by how many threads."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from freezegun import freeze_time

from fakebatch.server import reactor
from fakebatch.server import server as server_module
from fakebatch.server.connection import BLOCK, WHOLE
from fakebatch.server.server import Server
from fakebatch.wire.messages import Broken, Pause, Reply, Request, Script
from support.sockets import (
    PATIENCE,
    client,
    echo,
    exchange,
    get,
    has_two_threads,
    plain,
    post,
    rest,
    serving,
)

FORM = "Content-Type: multipart/form-data; boundary=b"


def polls(server: Server, times: int = 50) -> None:
    """Another client is answered, again and again."""
    with client(server) as sock:
        for _ in range(times):
            sock.sendall(get("/poll", close=False))
            assert sock.recv(BLOCK).endswith(b"GET /poll ")


HALVES = {
    "a request line": (b"GET /slow HT", b"TP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    "some headers": (b"GET /slow HTTP/1.1\r\nHost: x\r\nConn", b"ection: close\r\n\r\n"),
    "a head": (post(b"body")[:-4], b"body"),
    "a body": (post(b"body")[:-2], b"dy"),
    "a long form": (post(b"x" * 2 * WHOLE, FORM)[:-WHOLE], b"x" * WHOLE),
    "a reply that was not read": (get("/big", close=False) * 60, get("/slow")),
    "a pause": (get("/pause", close=False), get("/slow")),
}


@pytest.mark.parametrize(("half", "other_half"), HALVES.values(), ids=HALVES)
def test_others_are_answered_while_a_client_is_slow(half: bytes, other_half: bytes) -> None:
    """Wherever it stops. It is answered when it goes on."""

    def answer(request: Request) -> Reply:
        if request.path == "/big":
            return plain(b"x" * 200_000)
        if request.path == "/pause":
            return plain(b"")._replace(script=Script((Pause(200_000),)))
        return echo(request)

    with serving(answer) as server, client(server) as slow:
        slow.sendall(half)
        polls(server)
        sender = threading.Thread(target=slow.sendall, args=(other_half,))
        sender.start()
        answered = rest(slow)
        sender.join()
        assert answered.count(b"HTTP/1.1 200 OK") == half.count(b"/big") + half.count(b"/pause") + 1


@pytest.mark.parametrize("quiet", [1, 100], ids=["it slept", "it was awake"])
def test_others_are_answered_while_an_answer_is_computed(
    monkeypatch: pytest.MonkeyPatch, quiet: int
) -> None:
    """Such as the judgement of 50,000 lines: the thread that watches takes over."""
    monkeypatch.setattr(reactor, "QUIET", quiet)
    done = list[str]()

    def answer(request: Request) -> Reply:
        if request.path == "/heavy":
            until = time.monotonic() + PATIENCE
            while not done and time.monotonic() < until:
                pass
            return plain(b"after the polls" if done else b"before")
        return echo(request)

    with serving(answer) as server, client(server) as heavy:
        exchange(server, get())
        while quiet == 1 and not server._reactor._watcher_sleeps:
            pass
        heavy.sendall(get("/heavy"))
        polls(server)
        done.append("polls")
        assert rest(heavy).endswith(b"after the polls")


def test_connections_without_a_request_have_no_threads() -> None:
    """Two threads for any number: one serves, the other watches. Each is answered again later."""
    with serving(echo) as server, ExitStack() as stack:
        socks = [stack.enter_context(client(server)) for _ in range(200)]
        for path in ("/one", "/two"):
            for sock in socks:
                sock.sendall(get(path, close=False))
            for sock in socks:
                assert sock.recv(BLOCK).endswith(f"GET {path} ".encode())
        assert has_two_threads(server)


def test_a_thread_that_was_slow_ends_with_the_reply() -> None:
    """Not with the connection, which goes on."""
    script = Script((Pause(50_000),))

    def answer(request: Request) -> Reply:
        return plain(b"")._replace(script=script if request.path == "/" else None)

    with serving(answer) as server, ExitStack() as stack:
        socks = [stack.enter_context(client(server)) for _ in range(20)]
        for _ in range(2):
            for sock in socks:
                sock.sendall(get(close=False))
            for sock in socks:
                assert sock.recv(BLOCK).startswith(b"HTTP/1.1 200 ")
        assert has_two_threads(server)


def test_one_client_more_waits_until_another_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who are connected are answered meanwhile."""
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 2)
    with serving(echo) as server, ExitStack() as stack:
        first, second, third = (stack.enter_context(client(server)) for _ in range(3))
        third.sendall(get("/third"))
        for sock in (first, second) * 50:
            sock.sendall(get("/poll", close=False))
            assert sock.recv(BLOCK).endswith(b"GET /poll ")
        third.setblocking(False)
        with pytest.raises(BlockingIOError):
            third.recv(1)
        second.close()
        third.settimeout(PATIENCE)
        assert rest(third).endswith(b"GET /third ")


def test_a_client_may_have_gone_when_it_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """On macOS its socket then refuses options. The next client is answered."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    with serving(echo) as server:
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "setsockopt", refuse)
            exchange(server, get())
        polls(server, 1)


def test_silence_is_measured_in_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test in this process that freezes the time ends no connection."""
    monkeypatch.setattr(reactor, "SCAN", 0.001)
    with serving(echo) as server, client(server) as sock:
        with freeze_time("1970-01-01"):  # when freezegun's `monotonic` begins
            sock.sendall(get("/frozen", close=False))
            assert sock.recv(BLOCK).endswith(b"GET /frozen ")
        polls(server)
        sock.sendall(get("/after"))
        assert rest(sock).endswith(b"GET /after ")


def test_a_server_without_room_for_a_thread_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tries again; meanwhile what is slow holds up the others."""
    start, failures = threading.Thread.start, iter([True] * 200)

    def fail(thread: threading.Thread) -> None:
        if thread.name == "fakebatch server" and next(failures, False):
            raise RuntimeError("can't start new thread")
        start(thread)

    script = Script((Broken("read_timeout"),))

    def answer(request: Request) -> Reply:
        return plain(b"")._replace(script=script) if request.path == "/hang" else echo(request)

    with serving(answer) as server, client(server) as hangs:
        exchange(server, get())
        monkeypatch.setattr(threading.Thread, "start", fail)
        hangs.sendall(get("/hang"))
        polls(server)
    assert next(failures, None) is None


def test_an_error_of_ours_ends_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported as that of any thread, and the next client is answered."""

    def broken() -> Iterator[bytes]:
        yield b"begun"
        raise ZeroDivisionError

    def answer(request: Request) -> Reply:
        if request.path == "/poll":
            return echo(request)
        if request.path == "/raise":
            raise ZeroDivisionError
        return Reply(200, {"transfer-encoding": "chunked"}, b"", broken())

    errors = list[type[BaseException] | None]()
    monkeypatch.setattr(threading, "excepthook", lambda error: errors.append(error.exc_type))
    with serving(answer) as server:
        for path in ("/raise", "/body"):
            assert b"0\r\n\r\n" not in exchange(server, get(path))
            polls(server, 1)
    assert errors == [ZeroDivisionError] * 2


@pytest.mark.parametrize("when", ["at once", "while the server closes", "when it has closed"])
def test_a_server_may_close_while_it_answers(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], when: str
) -> None:
    """The client gets no reply, or all of it; no thread is left, and no traceback."""
    begun, closed = threading.Event(), threading.Event()
    if when == "when it has closed":
        monkeypatch.setattr(reactor, "CLOSING", 0)

    def answer(_: Request) -> Reply:
        begun.set()
        if when != "at once":
            ends = server._reactor.is_closing if "while" in when else closed
            ends.wait(PATIENCE)
        return plain(b"whole")

    before = {*threading.enumerate()}
    with ExitStack() as stack:
        with serving(answer) as server:
            sock = stack.enter_context(client(server))
            sock.sendall(get())
            assert begun.wait(PATIENCE)
        closed.set()
        answered = rest(sock)
    assert not answered or answered.endswith(b"whole")
    for thread in {*threading.enumerate()} - before:
        assert when == "when it has closed"
        thread.join(PATIENCE)
    assert {*threading.enumerate()} <= before
    assert capfd.readouterr().err == ""

"""A connection, byte by byte: what arrives is read, and every script is played on the socket."""

from __future__ import annotations

import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator

import httpx
import pytest
import requests

from fakebatch.interception.calls import request_from
from fakebatch.server.connection import BLOCK, WHOLE
from fakebatch.server.server import Server
from fakebatch.wire.messages import Broken, Pause, Reply, Request, Script, Step
from support.sockets import client, echo, exchange, get, has_two_threads, plain, post, rest, serving

FORM = "Content-Type: multipart/form-data; boundary=b"


def test_requests_on_one_connection_are_answered_in_turn() -> None:
    """Keep-alive, as every client pool uses it."""
    with serving(echo) as server, client(server) as sock:
        for path in ("/one", "/two"):
            sock.sendall(get(path, close=False))
            assert sock.recv(BLOCK).endswith(f"GET {path} ".encode())


def test_requests_sent_ahead_are_answered_in_order() -> None:
    """Pipelining."""
    with serving(echo) as server:
        answers = exchange(server, get("/one", close=False) + get("/two", close=False) + get("/3"))
    assert [answers.index(path) for path in (b"/one", b"/two", b"/3")] == sorted(
        answers.index(path) for path in (b"/one", b"/two", b"/3")
    )


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"

READ = {
    "chunks": (
        CHUNKED + b"Connection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"POST / abcde",
    ),
    "an encoded path": (get("/w/a%20b"), b"GET /w/a b "),
    "the form of a request to a proxy": (get("http://api.openai.com/v1/files?a=1"), b"/v1/files "),
    "HTTP/1.0": (b"GET /old HTTP/1.0\r\n\r\n", b"GET /old "),
    "an offer of HTTP/2": (get("/", "Upgrade: h2c", "Connection: Upgrade"), b"GET / "),
    "a long form in pieces": (post(b"x" * (WHOLE + 1), FORM), b"x" * (WHOLE + 1)),
    "a long body that is not a form": (post(b"x" * (WHOLE + 1)), b"x" * (WHOLE + 1)),
}


TARGETS = {
    "an encoded slash in an id": "/v1/files/a%2Fb/content",
    "an encoded percent sign": "/v1/files/a%252Fb",
    "letters beyond ASCII": "/v1/models/%C3%A9%20x",
    "bytes that are not UTF-8": "/v1/models/%FF",
    "a parameter twice": "/v1/files?limit=1&limit=2",
    "an empty parameter": "/v1/files?after=&order",
    "a plus sign": "/v1/files?after=a+b%2Bc",
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_target_is_read_as_by_our_transports(target: str) -> None:
    """The same path and the same query, whichever way a request comes."""
    requests_: list[Request] = []

    def keep(request: Request) -> Reply:
        requests_.append(request)
        return plain(b"")

    with serving(keep) as server:
        exchange(server, get(target))
    expected = request_from(httpx.Request("GET", f"https://api.openai.com{target}"))
    assert [(each.path, each.query) for each in requests_] == [(expected.path, expected.query)]


@pytest.mark.parametrize(("request_", "answer"), READ.values(), ids=READ)
def test_every_way_to_send_a_request_is_read(request_: bytes, answer: bytes) -> None:
    """The answer gets the decoded path and the whole body."""
    with serving(echo) as server:
        assert exchange(server, request_).endswith(answer)


def test_a_client_that_expects_a_100_gets_it_before_it_sends_the_body() -> None:
    """`curl` does so from 1 MiB on, .NET if it is set."""
    with serving(echo) as server, client(server) as sock:
        head, body = post(b"abc", "Expect: 100-continue").split(b"\r\n\r\n")
        sock.sendall(head + b"\r\n\r\n")
        assert sock.recv(BLOCK).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        assert rest(sock).endswith(b"POST / abc")


def test_a_refused_upload_is_never_sent_if_the_client_waits_for_a_100() -> None:
    """The answer that does not read the body comes in place of the 100, and ends the connection."""
    with serving(lambda _: plain(b"no", 401)) as server:
        head, _ = post(b"x" * WHOLE * 2, FORM, "Expect: 100-continue", close=False).split(
            b"\r\n\r\n"
        )
        assert exchange(server, head + b"\r\n\r\n").startswith(b"HTTP/1.1 401 ")


def test_a_body_that_the_answer_does_not_read_is_drained() -> None:
    """Else the kernel might turn the answer into a reset; the connection goes on."""
    with serving(lambda _: plain(b"no", 401)) as server, client(server) as sock:
        for _ in range(2):
            sock.sendall(post(b"x" * WHOLE * 4, FORM, close=False))
            assert sock.recv(BLOCK).endswith(b"no")


@pytest.mark.parametrize("status", [200, 204, 304])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_reply_without_a_body_has_its_length_only(method: str, status: int) -> None:
    """HEAD, 204 and 304."""
    with serving(lambda _: plain(b"abc", status)) as server:
        answer = exchange(server, get().replace(b"GET", method.encode()))
    assert answer.endswith(b"abc" if (method, status) == ("GET", 200) else b"\r\n\r\n")


FRAMED = {
    "a length": (get(), {"content-length": "6"}, b"\r\nconnection: close\r\n\r\nabcdef"),
    "chunks": (get(), {"transfer-encoding": "chunked"}, b"\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n"),
    "the end of the connection": (
        get(close=False),
        {"connection": "keep-alive, Close"},
        b" OK\r\nconnection: close\r\n\r\nabcdef",
    ),
    "the end, for a client that knows no chunks": (
        b"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        {"transfer-encoding": "chunked"},
        b" OK\r\nconnection: close\r\n\r\nabcdef",
    ),
}


@pytest.mark.parametrize("in_pieces", [False, True], ids=["whole", "in pieces"])
@pytest.mark.parametrize(("request_", "headers", "end"), FRAMED.values(), ids=FRAMED)
def test_a_body_ends_as_the_headers_say(
    request_: bytes, headers: dict[str, str], end: bytes, in_pieces: bool
) -> None:
    """And as the client can read it."""
    body, pieces = (b"", [b"abc", b"def"]) if in_pieces else (b"abcdef", None)
    with serving(lambda _: Reply(200, headers, body, pieces)) as server:
        assert exchange(server, request_).endswith(end)


REFUSED = {
    "no HTTP": (b"\x16\x03\x01 hello\r\n\r\n", b"HTTP/1.1 400 "),
    "a head without end": (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, b"HTTP/1.1 431 "),
    "a body that says it is too long": (post(b"", "Content-Length: 9999999"), b"HTTP/1.1 4"),
    "a long body": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n",
        b"HTTP/1.1 413 ",
    ),
    "chunks without end": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"10000\r\n" + b"x" * 65_536 + b"\r\n10000\r\n" + b"x" * 1000,
        b"HTTP/1.1 413 ",
    ),
    "a wrong chunk": (
        CHUNKED + b"\r\nzz\r\n",
        b"HTTP/1.1 400 ",
    ),
    "a length that is not a number": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 400 ",
    ),
}


@pytest.mark.parametrize(("request_", "answer"), REFUSED.values(), ids=REFUSED)
def test_a_bad_request_is_refused_and_the_server_goes_on(request_: bytes, answer: bytes) -> None:
    """The next client is answered."""
    with serving(echo, body_bytes=66_000) as server:
        assert exchange(server, request_).startswith(answer)
        assert exchange(server, get("/next")).endswith(b"GET /next ")


def test_half_a_request_is_not_answered() -> None:
    """A client that leaves within its body is gone; the server goes on."""
    with serving(echo) as server:
        with client(server) as sock:
            sock.sendall(post(b"x" * 2 * WHOLE, FORM)[:WHOLE])
        assert exchange(server, get("/next")).endswith(b"GET /next ")


def test_a_silent_client_is_given_up() -> None:
    """After `idle_seconds`, so that dead connections do not fill the server."""
    with serving(echo, idle_seconds=0.05) as server:
        assert exchange(server, b"GET / HT") == b""


# --- what rules do

BODY = b"0123456789"


def scripted(script: Script) -> Reply:
    return plain(BODY)._replace(script=script)


def test_a_reset_is_one() -> None:
    """The client gets ECONNRESET, not an orderly end."""
    for kind in ("reset", "refused", "dns", "tls"):
        with (
            serving(lambda _: scripted(Script((Broken(kind),)))) as server,  # noqa: B023
            pytest.raises(ConnectionResetError),
        ):
            exchange(server, post(b"x" * WHOLE))


def test_a_disconnect_is_an_orderly_end_without_an_answer() -> None:
    """Never a reset, however much the client has sent."""
    with serving(lambda _: scripted(Script((Broken("disconnected"),)))) as server:
        assert exchange(server, post(b"x" * WHOLE, close=False)) == b""


CUT: dict[str, tuple[Reply, bytes]] = {
    "a content-length that is too long": (
        scripted(Script(body=(b"0123", Broken("incomplete")))),
        b"content-length: 10\r\n\r\n0123",
    ),
    "a chunk without the last": (
        Reply(
            200,
            {"transfer-encoding": "chunked"},
            BODY,
            None,
            Script(body=(b"0123", Broken("incomplete")), framing="chunked"),
        ),
        b"transfer-encoding: chunked\r\n\r\n4\r\n0123\r\n",
    ),
    "an end that looks like the end of the body": (
        Reply(
            200,
            {"connection": "close"},
            BODY,
            None,
            Script(body=(b"0123", Broken("incomplete")), framing="close"),
        ),
        b"connection: close\r\n\r\n0123",
    ),
}


@pytest.mark.parametrize(("reply", "end"), CUT.values(), ids=CUT)
def test_a_body_is_cut(reply: Reply, end: bytes) -> None:
    """The client gets exactly these bytes, and then the end of the connection."""
    with serving(lambda _: reply) as server:
        answer = exchange(server, get(close=False))
    assert answer.lower().endswith(end)
    framings = (b"content-length", b"transfer-encoding")
    assert sum(name in answer.lower() for name in framings) == sum(name in end for name in framings)


def test_pauses_last_as_long_as_the_scale_says() -> None:
    """A first byte after 40 s and a gap of 40 s are 0.2 s at a scale of 1/400."""
    steps: tuple[Step, ...] = (b"01234", Pause(40_000_000), b"56789")
    reply = scripted(Script((Pause(40_000_000),), steps))
    with serving(lambda _: reply, time_scale=1 / 400) as server:
        began = time.monotonic()
        assert exchange(server, get()).endswith(BODY)
    assert 0.2 <= time.monotonic() - began < 10


def test_a_client_may_leave_within_a_pause() -> None:
    """The thread of its connection ends with it, not with the pause."""
    script = Script((Broken("read_timeout"),))

    def answer(request: Request) -> Reply:
        return scripted(script) if request.path == "/pause" else echo(request)

    with serving(answer) as server:
        with client(server) as sock:
            sock.sendall(get("/pause"))
            sock.settimeout(0.05)
            with pytest.raises(TimeoutError):
                sock.recv(1)
        assert has_two_threads(server)


def test_a_request_sent_ahead_survives_a_pause() -> None:
    """It is answered after the slow reply."""
    replies = iter([scripted(Script((Pause(50_000),))), plain(b"second")])
    with serving(lambda _: next(replies)) as server:
        assert exchange(server, get(close=False) + get()).endswith(b"second")


def test_a_header_that_cannot_be_sent_is_an_error_of_the_server() -> None:
    """A rule may have any header; one with a line end would be two."""
    with serving(lambda _: plain(b"", headers={"x-bad": "a\r\nb"})) as server:
        assert exchange(server, get()).startswith(b"HTTP/1.1 500 ")


def test_other_headers_are_sent_as_utf_8() -> None:
    """As httpx reads them."""
    with serving(lambda _: plain(b"", headers={"x-name": "ü"})) as server:
        assert "x-name: ü".encode() in exchange(server, get())


# --- large bodies


def test_a_body_in_pieces_is_joined_to_blocks() -> None:
    """A packet for each line of a result file would be slow; an empty piece sends at once."""
    pieces = [b"a\n"] * BLOCK + [b""] + [b"end"]
    reply = Reply(200, {"transfer-encoding": "chunked"}, b"", pieces)
    with serving(lambda _: reply) as server:
        answer = exchange(server, get())
    chunks = answer.partition(b"\r\n\r\n")[2].split(b"\r\n")
    assert [int(size, 16) for size in chunks[::2] if size] == [BLOCK, BLOCK, 3, 0]


def test_a_download_takes_as_long_as_the_client_needs() -> None:
    """`idle_seconds` is for silence, not for the whole body."""
    body = b"x" * 80_000_000
    with serving(lambda _: plain(body), idle_seconds=1) as server, client(server) as sock:
        sock.sendall(get())
        size, until = 0, time.monotonic() + 1.5
        while piece := sock.recv(BLOCK if time.monotonic() > until else 512):
            size += len(piece)
    assert size > len(body)


def test_an_upload_is_held_once() -> None:
    """A form is handed on in pieces as they arrive; nothing keeps them."""
    seen = 0

    def count(request: Request) -> Reply:
        nonlocal seen
        seen = sum(map(len, request.pieces or ()))
        return plain(b"ok")

    size = 50_000_000
    with serving(count) as server, client(server) as sock:
        head = post(b"", FORM).replace(b"Content-Length: 0", b"Content-Length: %d" % size)
        tracemalloc.start()
        sock.sendall(head)
        block = b"x" * 500_000
        for _ in range(100):
            sock.sendall(block)
        assert rest(sock).endswith(b"ok")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert seen == size
    assert peak < size // 10


# --- the end


def test_the_server_ends_with_open_connections(capfd: pytest.CaptureFixture[str]) -> None:
    """Idle, or within an upload, a pause or a download: at once, without a traceback."""

    def endless(_: Request) -> Iterator[bytes]:
        while True:
            yield b"x" * BLOCK

    def answer(request: Request) -> Reply:
        if request.pieces is not None:
            return echo(request)
        if request.path == "/download":
            return Reply(200, {"transfer-encoding": "chunked"}, b"", endless(request))
        return scripted(Script((Broken("read_timeout"),)))

    before = {*threading.enumerate()}
    with serving(answer) as server:
        socks = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
        socks[1].sendall(post(b"x" * 2 * WHOLE, FORM)[:WHOLE])
        socks[2].sendall(get())
        socks[3].sendall(get("/download"))
        assert socks[3].recv(10)
    for sock in socks:
        sock.close()
    assert {*threading.enumerate()} <= before
    assert capfd.readouterr().err == ""


def test_the_server_says_where_it_is() -> None:
    """Of all interfaces the one of this machine; IPv6 in brackets."""
    addresses = {}
    for host in ("127.0.0.1", "0.0.0.0", "::1", "::"):  # noqa: S104
        try:
            with Server(echo, host) as server:
                addresses[host] = server.url.removesuffix(f":{server.port}")
                assert requests.get(f"{server.url}/x", timeout=10).text == "GET /x "
        except OSError:  # no IPv6 here
            continue
    known = {"127.0.0.1": "http://127.0.0.1", "0.0.0.0": "http://127.0.0.1"}  # noqa: S104
    known |= {"::1": "http://[::1]", "::": "http://[::1]"}
    assert addresses == {host: known[host] for host in addresses}
    assert "127.0.0.1" in addresses


def test_a_port_that_is_taken_is_an_error() -> None:
    """Of the operating system."""
    with serving(echo) as server, pytest.raises(OSError, match="in use"):
        Server(echo, port=server.port)

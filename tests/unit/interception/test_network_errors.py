"""What breaks, breaks as it would on a real socket: for either stack, sync and async."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import httpx
import httpx2
import openai
import pytest
import trio

from fakebatch import FakeBatch, FakeBatchError
from fakebatch.rules.calls import OnCall

KEY = {"Authorization": "Bearer sk-some-key"}
LIST = "https://api.openai.com/v1/batches"

Get = Callable[..., Any]
AddFault = Callable[[OnCall], object]


def plain(module: Any) -> Get:
    def get(url: str, timeout: float | None = 30) -> Any:
        with module.Client(headers=KEY, timeout=timeout) as client:
            return client.get(url)

    return get


def in_a_loop(module: Any, run: Callable[..., Any] = asyncio.run) -> Get:
    async def get(url: str, timeout: float | None) -> Any:  # noqa: ASYNC109
        async with module.AsyncClient(headers=KEY, timeout=timeout) as client:
            return await client.get(url)

    def called(url: str, timeout: float | None = 30) -> Any:
        return run(get(url, timeout)) if run is asyncio.run else run(get, url, timeout)

    return called


MODULES: list[Any] = [httpx, httpx2]
CLIENTS = [
    pytest.param(kind(module), module, id=f"{module.__name__}, {name}")
    for module in MODULES
    for name, kind in {"sync": plain, "async": in_a_loop}.items()
]


@contextmanager
def server(answer: bytes, *, reset: bool) -> Generator[str]:
    """A real server that answers one request so, and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)
                if reset:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        thread.join()


def head(status: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"", b""])


BODY = b"x" * 1000

REAL: dict[str, tuple[AddFault, bytes, bool]] = {
    "a body shorter than its length": (
        lambda c: c.truncate(0.3),
        head(b"200 OK", b"content-length: 1000") + BODY[:300],
        False,
    ),
    "a body without its last chunk": (
        lambda c: c.truncate(0.3, framing="chunked"),
        head(b"200 OK", b"transfer-encoding: chunked") + b"12c\r\n" + BODY[:300] + b"\r\n",
        False,
    ),
    "a body that just ends": (
        lambda c: c.truncate(0.3, framing="silent"),
        head(b"200 OK", b"connection: close") + BODY[:300],
        False,
    ),
    "a server that hangs up": (lambda c: c.disconnect(), b"", False),
    "a reset connection": (lambda c: c.reset(), b"", True),
    "a body that is not gzip": (
        lambda c: c.headers({"content-encoding": "gzip"}),
        head(b"200 OK", b"content-length: 1000", b"content-encoding: gzip") + BODY,
        False,
    ),
}


def seen(get: Get, url: str) -> Any:
    """The length of what a client gets, or its exception and what that says."""
    try:
        return len(get(url).content)
    except Exception as error:  # noqa: BLE001
        return type(error), str(error)


@pytest.mark.parametrize("row", REAL.values(), ids=list(REAL))
@pytest.mark.parametrize(("get", "module"), CLIENTS)
def test_a_fault_is_what_a_real_socket_does(get: Get, module: Any, row: Any) -> None:
    """The same exception, of the same stack, with the same words; or the same bytes."""
    add_fault, answer, reset = row
    with server(answer, reset=reset) as url:
        real = seen(get, url)
    with FakeBatch() as fake:
        uploaded = openai.OpenAI().files.create(file=BODY, purpose="vision")
        add_fault(fake.on_call("files.content"))
        assert real == seen(get, f"https://api.openai.com/v1/files/{uploaded.id}/content")


@pytest.mark.parametrize(("get", "module"), CLIENTS)
def test_a_refused_connection_is_what_a_closed_port_does(get: Get, module: Any) -> None:
    """Nobody listens at a port that was just given back."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    real = seen(get, f"http://127.0.0.1:{port}/")
    with FakeBatch() as fake:
        fake.on_call().connect_error()
        assert real == seen(get, LIST)


NAMES: dict[str, tuple[AddFault, str]] = {
    "no answer in time": (lambda c: c.timeout(), "ReadTimeout"),
    "a first byte too late": (lambda c: c.slow(first_byte="31s"), "ReadTimeout"),
    "a body that stalls": (lambda c: c.slow(gap="31s"), "ReadTimeout"),
    "no connection in time": (lambda c: c.connect_error("connect_timeout"), "ConnectTimeout"),
    "a reset connection": (lambda c: c.reset(), "ReadError"),
    "a server that hangs up": (lambda c: c.disconnect(), "RemoteProtocolError"),
    "a refused connection": (lambda c: c.connect_error(), "ConnectError"),
    "a name that does not resolve": (lambda c: c.connect_error("dns"), "ConnectError"),
    "a broken TLS handshake": (lambda c: c.connect_error("tls"), "ConnectError"),
    "a cut body": (lambda c: c.truncate(0), "RemoteProtocolError"),
}


@pytest.mark.parametrize(("add_fault", "name"), NAMES.values(), ids=NAMES)
@pytest.mark.parametrize(("get", "module"), CLIENTS)
def test_an_exception_is_the_clients_own(
    fakebatch: FakeBatch, get: Get, module: Any, add_fault: AddFault, name: str
) -> None:
    """`except httpx2.ReadTimeout` catches it, and it knows its request."""
    add_fault(fakebatch.on_call("batches.list"))
    with pytest.raises(getattr(module, name)) as caught:
        get(LIST)

    assert type(caught.value) is getattr(module, name)
    assert caught.value.request.url == LIST
    assert fakebatch.clock.elapsed == (30 if "Timeout" in name else 0)


@pytest.mark.parametrize(("get", "module"), CLIENTS)
def test_what_the_test_mocks_breaks_as_the_client_would(
    fakebatch: FakeBatch, get: Get, module: Any
) -> None:
    """A side effect of the other library comes as the client's own exception."""
    other = httpx2 if module is httpx else httpx
    for effect in (other.ReadTimeout("slow"), other.ReadTimeout):
        fakebatch.router["batches.list"].mock(side_effect=effect)
        with pytest.raises(module.ReadTimeout):
            get(LIST)


@pytest.mark.parametrize("module", [httpx, httpx2])
def test_a_stream_of_the_tests_own_breaks_as_the_client_would(
    fakebatch: FakeBatch, module: Any
) -> None:
    """What breaks while it is read, too."""

    class Stream(httpx.SyncByteStream):
        def __iter__(self) -> Generator[bytes]:
            yield b"{"
            raise httpx.ReadError("gone")

    fakebatch.router["batches.list"].mock(return_value=httpx.Response(200, stream=Stream()))
    with pytest.raises(module.ReadError, match="gone"):
        plain(module)(LIST)


@pytest.mark.parametrize(
    "add_fault",
    [lambda c: c.timeout(), lambda c: c.connect_error("connect_timeout")],
    ids=["to read", "to connect"],
)
@pytest.mark.parametrize(("get", "module"), CLIENTS)
def test_a_client_without_a_timeout_is_told(
    fakebatch: FakeBatch, get: Get, module: Any, add_fault: AddFault
) -> None:
    """It would wait for ever; the test fails instead of hanging."""
    add_fault(fakebatch.on_call())
    with pytest.raises(FakeBatchError) as caught:
        get(LIST, timeout=None)

    came, known, to_do = str(caught.value).split("\n")
    assert came.startswith("fakebatch: this call would never return: its client has no ")
    assert came.endswith(" timeout.")
    assert known == "A rule keeps it waiting, and only a timeout of the client could end the wait."
    assert to_do == "Give the client one, for example openai.OpenAI(timeout=60)."


@pytest.mark.parametrize(("get", "module"), CLIENTS)
def test_a_client_without_a_timeout_waits_for_what_comes(
    fakebatch: FakeBatch, get: Get, module: Any
) -> None:
    """A slow answer is an answer."""
    fakebatch.on_call().slow(first_byte="2h", gap="1h", pieces=2)
    assert get(LIST, timeout=None).json()["data"] == []
    assert fakebatch.clock.elapsed == 3 * 3600


@pytest.mark.parametrize("module", [httpx, httpx2])
def test_trio_waits_in_virtual_time_too(fakebatch: FakeBatch, module: Any) -> None:
    """A slow body, and a timeout."""
    get = in_a_loop(module, trio.run)
    fakebatch.on_call(nth=1).slow(gap="10s", pieces=4)
    fakebatch.on_call(nth=2).timeout()
    assert get(LIST).json()["data"] == []
    with pytest.raises(module.ReadTimeout):
        get(LIST)
    assert fakebatch.clock.elapsed == 60


def test_slow_answers_do_not_wait_for_each_other(fakebatch: FakeBatch) -> None:
    """Three at once take as long as one."""

    async def main() -> None:
        async with httpx.AsyncClient(headers=KEY) as client:
            await asyncio.gather(*(client.get(LIST, timeout=90) for _ in range(3)))

    fakebatch.on_call().slow(first_byte="1m")
    asyncio.run(main())
    assert fakebatch.clock.elapsed == 60


def test_in_real_time_nobody_waits() -> None:
    """A timeout of ten minutes is raised at once."""
    with FakeBatch(clock="real") as fake:
        fake.on_call(times=1).timeout()
        with pytest.raises(openai.APITimeoutError):
            openai.OpenAI(max_retries=0, timeout=600).batches.list()
        assert fake.clock.elapsed < 60


def test_a_call_without_an_answer_is_recorded_as_such(fakebatch: FakeBatch) -> None:
    """Respx's calls show three attempts, the last of which was answered."""
    fakebatch.on_call(times=2).reset()
    openai.OpenAI().batches.list()
    calls = fakebatch.router["batches.list"].calls

    assert [call.has_response for call in calls] == [False, False, True]


@pytest.mark.fakebatch(unused_rules="ignore")
def test_a_route_the_test_mocks_meets_no_fault(fakebatch: FakeBatch) -> None:
    """The mock answers in place of the emulator, and of its faults."""
    fault = fakebatch.on_call().fail(503)
    fakebatch.router["batches.list"].respond(418)
    assert plain(httpx)(LIST).status_code == 418
    assert fault.hits == 0

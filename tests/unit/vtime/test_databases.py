"""Real databases beside virtual time: PostgreSQL and redis, where this machine has them.

pip install asyncpg psycopg redis; apt install postgresql redis-server
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from freezegun import api as real

from fakebatch.errors import FakeBatchWarning
from fakebatch.vtime import Clock

pytestmark = pytest.mark.timeout(120)
HOST = "127.0.0.1"


def program(name: str) -> str:
    """The path of a program, or skip."""
    debian = sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))
    path = shutil.which(name) or next(iter(debian), None)
    if path is None:
        pytest.skip(f"this machine has no {name}")
    return path


def unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to be run by root."""
    return {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}


def free_port() -> int:
    with socket.create_server((HOST, 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    for _ in range(600):
        with suppress(OSError), socket.create_connection((HOST, port)):
            return
        time.sleep(0.05)
    pytest.fail("the server does not listen")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid() == 0:
            shutil.chown(name, "nobody", "nogroup")
        yield Path(name)


@pytest.fixture(scope="module")
def postgres(folder: Path) -> Iterator[dict[str, Any]]:
    """A PostgreSQL of our own: how to connect."""
    data, port = folder / "data", free_port()
    options: dict[str, Any] = {
        "cwd": folder,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    initialise = [program("initdb"), "-D", str(data), "-U", "tester", "-A", "trust"]
    subprocess.run(initialise, check=True, **options, **unprivileged())  # noqa: S603
    serve = [program("postgres"), "-D", str(data), "-p", str(port), "-h", HOST, "-k", str(folder)]
    server = subprocess.Popen(serve, **options, **unprivileged())  # noqa: S603
    wait_for(port)
    yield {"host": HOST, "port": port, "user": "tester"}
    server.terminate()
    server.wait()


@pytest.fixture(scope="module")
def redis_port(folder: Path) -> Iterator[int]:
    """A redis of our own."""
    port = free_port()
    serve = [program("redis-server"), "--port", str(port), "--bind", HOST, "--save", ""]
    server = subprocess.Popen(serve, cwd=folder, stdout=subprocess.DEVNULL)  # noqa: S603
    wait_for(port)
    yield port
    server.terminate()
    server.wait()


async def by_asyncpg(where: dict[str, Any]) -> None:
    asyncpg: Any = pytest.importorskip("asyncpg")
    connection = await asyncpg.connect(database="postgres", **where)
    await connection.fetchval("select pg_sleep(0.3)")
    await connection.close()


async def by_psycopg(where: dict[str, Any]) -> None:
    psycopg: Any = pytest.importorskip("psycopg")
    async with await psycopg.AsyncConnection.connect(dbname="postgres", **where) as connection:
        await connection.execute("select pg_sleep(0.3)")


def blocking_by_psycopg(where: dict[str, Any]) -> None:
    psycopg: Any = pytest.importorskip("psycopg")
    with psycopg.connect(dbname="postgres", **where) as connection:
        connection.execute("select pg_sleep(0.3)")


async def by_psycopg_in_a_thread(where: dict[str, Any]) -> None:
    await asyncio.to_thread(blocking_by_psycopg, where)


QUERIES: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
    "asyncpg": by_asyncpg,
    "psycopg on asyncio": by_psycopg,
    "psycopg in a thread": by_psycopg_in_a_thread,
}


@pytest.mark.parametrize("timeout", [1, 60, 3600])
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_that_takes_real_time_takes_no_virtual_time(
    query: Callable[[dict[str, Any]], Awaitable[None]],
    timeout: float,
    postgres: dict[str, Any],
    clock: Clock,
) -> None:
    """`pg_sleep(0.3)` under a timeout, beside pollers in a task and in a thread."""
    log: list[tuple[float, str]] = []

    async def poll() -> None:
        for _ in range(4):
            await asyncio.sleep(0.4)
            log.append((clock.elapsed, "task"))

    def poll_in_a_thread() -> None:
        for _ in range(2):
            time.sleep(0.7)
            log.append((clock.elapsed, "thread"))

    async def main() -> None:
        async def asks() -> None:
            await asyncio.sleep(0.5)
            async with asyncio.timeout(timeout):
                await query(postgres)
            log.append((clock.elapsed, "answered"))

        await asyncio.gather(poll(), asyncio.to_thread(poll_in_a_thread), asks())

    asyncio.run(main())

    assert log == [
        (0.4, "task"),
        (0.5, "answered"),
        (0.7, "thread"),
        (0.8, "task"),
        (1.2, "task"),
        (1.4, "thread"),
        (1.6, "task"),
    ]


def test_an_idle_connection_of_a_pool_slows_no_sleep(
    postgres: dict[str, Any], clock: Clock
) -> None:
    """A thousand sleeps beside a pool of five connections."""
    asyncpg: Any = pytest.importorskip("asyncpg")

    async def main() -> float:
        pool = await asyncpg.create_pool(database="postgres", min_size=5, max_size=5, **postgres)
        assert await pool.fetchval("select 1") == 1
        began = real.real_monotonic()
        for _ in range(1_000):
            await asyncio.sleep(60)
        took = real.real_monotonic() - began
        assert await pool.fetchval("select 2") == 2
        await pool.close()
        return took

    assert asyncio.run(main()) < 2
    assert clock.elapsed == 60_000.0


async def by_redis(port: int) -> None:
    redis: Any = pytest.importorskip("redis.asyncio")
    client = redis.Redis(host=HOST, port=port)
    async with asyncio.timeout(60):
        await client.set("batch", "batch_1")
        assert await client.get("batch") == b"batch_1"
    for _ in range(100):
        await asyncio.sleep(60)
        assert await client.get("batch") == b"batch_1"
    await client.aclose()


def sleep_often(times: int) -> None:
    for _ in range(times):
        time.sleep(60)


def blocking_by_redis(port: int) -> None:
    redis: Any = pytest.importorskip("redis")
    client = redis.Redis(host=HOST, port=port)
    sleeper = threading.Thread(target=sleep_often, args=(100,))
    sleeper.start()
    for _ in range(100):
        client.set("batch", "batch_1")
        assert client.get("batch") == b"batch_1"
        time.sleep(60)
    sleeper.join()
    client.close()


@pytest.mark.parametrize(
    "keeps", [lambda port: asyncio.run(by_redis(port)), blocking_by_redis], ids=["async", "sync"]
)
def test_ids_are_kept_in_redis(keeps: Callable[[int], None], redis_port: int, clock: Clock) -> None:
    """Each answer is there at once, by the virtual clock."""
    keeps(redis_port)

    assert clock.elapsed == 6_000.0


def test_a_wait_for_what_does_not_come_is_named(redis_port: int) -> None:
    """BLPOP is owed an answer for as long as it lasts: time goes on after io_wait."""
    redis: Any = pytest.importorskip("redis.asyncio")

    async def main() -> None:
        client = redis.Redis(host=HOST, port=redis_port, socket_timeout=None)
        waits = asyncio.create_task(client.blpop("nothing", timeout=0))
        await asyncio.sleep(60)
        waits.cancel()
        with suppress(asyncio.CancelledError):
            await waits
        await client.aclose()

    with Clock(io_wait="0.2s") as clock:
        with pytest.warns(FakeBatchWarning, match=rf"0.2 s for an answer of {HOST}:{redis_port}"):
            asyncio.run(main())
        assert clock.elapsed == 60.0

"""Whoever waits for its turn may hold the lock for which an answer from outside waits."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fakebatch.vtime import Clock

pytestmark = pytest.mark.timeout(60)


def connect(path: Path) -> sqlite3.Connection:
    # It gives up after 5 real seconds, less than the 10 for which virtual time stands still.
    return sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=False)


def in_threads(holder: sqlite3.Connection, other: sqlite3.Connection) -> None:
    done = threading.Event()

    def hold() -> None:
        done.wait()
        holder.commit()

    def take() -> None:
        done.set()
        other.execute("begin immediate")

    holder.execute("begin immediate")
    threads = [threading.Thread(target=target) for target in (hold, take)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_tasks(holder: sqlite3.Connection, other: sqlite3.Connection) -> None:
    async def run() -> None:
        await asyncio.to_thread(holder.execute, "begin immediate")
        taking = asyncio.create_task(asyncio.to_thread(other.execute, "begin immediate"))
        await asyncio.sleep(0)
        await asyncio.to_thread(holder.commit)
        await taking

    asyncio.run(run())


@pytest.mark.parametrize("use", [in_threads, in_tasks])
def test_a_lock_in_a_database_is_released_while_another_thread_waits_for_it(
    use: Callable[[sqlite3.Connection, sqlite3.Connection], None], tmp_path: Path
) -> None:
    """C code that waits for what a thread holds that waits for its turn gets it, at one moment."""
    with Clock() as clock:
        holder, other = connect(tmp_path / "jobs.db"), connect(tmp_path / "jobs.db")
        use(holder, other)
        assert other.in_transaction
        assert not holder.in_transaction
    assert clock.elapsed == 0
    holder.close()
    other.close()

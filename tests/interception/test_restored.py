"""Nothing stays patched."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import socket
import time
from typing import Any

import httpcore
import httpcore2
import pytest
from respx.mocks import Mocker

from fakebatch import FakeBatch

NAMES: list[tuple[Any, str]] = [
    *((time, name) for name in ("time", "time_ns", "monotonic", "perf_counter", "sleep")),
    *((time, name) for name in ("gmtime", "localtime", "strftime", "monotonic_ns")),
    *((dt, name) for name in ("datetime", "date")),
    *((asyncio.BaseEventLoop, name) for name in ("time", "_run_once", "getaddrinfo")),
    (socket, "getaddrinfo"),
    *(
        (getattr(core, name), method)
        for core in (httpcore, httpcore2)
        for name, method in (
            ("HTTPConnection", "handle_request"),
            ("ConnectionPool", "handle_request"),
            ("HTTPProxy", "handle_request"),
            ("AsyncHTTPConnection", "handle_async_request"),
            ("AsyncConnectionPool", "handle_async_request"),
            ("AsyncHTTPProxy", "handle_async_request"),
        )
    ),
]


def _now() -> list[object]:
    names = [owner.__dict__.get(name) for owner, name in NAMES]
    return [*names, dict(os.environ), [[*m.routers] for m in Mocker.registry.values()]]


@pytest.mark.parametrize("clock", ["virtual", "manual", "real"])
@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_every_patched_name_is_itself_again(clock: str, error: type[BaseException] | None) -> None:
    """After the block each name is the very object it was, whatever ended the block."""
    before = _now()
    try:
        with FakeBatch(clock=clock), FakeBatch(clock=clock):
            if error:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass

    after = _now()
    assert [x is y or x == y for x, y in zip(before, after, strict=True)] == [True] * len(before)

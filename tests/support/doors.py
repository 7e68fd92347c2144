"""The doors of the emulator over which the contract runs, and why some of it stays in process.

By `respx` and by `transport` (the clients that a FakeBatch makes) a client shares the process and
the clock with the emulator. At the `socket` it does not: a server answers, the test has a `Remote`
in the place of the FakeBatch, and the clock of its world is `manual`: sleeps of the client move it
there (tests/contract/conftest.py), because nothing else moves a clock that polls do not move. With
`polls` it would matter how often somebody looks, which the contract forbids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest

DOORS = ("respx", "transport", "socket")

CALLABLE = pytest.mark.not_over("socket", reason="a callable of the test stays in its process")
RECORDING = pytest.mark.not_over("socket", reason="no request makes the server read a recording")
WEBHOOK = pytest.mark.not_over("socket", reason="webhooks are delivered in process")
ATTEMPT = pytest.mark.not_over("socket", reason="a Remote does not show the attempts that were hit")
CONNECTION = pytest.mark.not_over("socket", reason="a connection that exists cannot be refused")
TIME = pytest.mark.not_over("socket", reason="the time of a client is real, that of its world not")
ONE_IN_PROCESS = pytest.mark.not_over(
    "transport", reason="what becomes of a batch is the same by both doors in process"
)
"""For files about rules, not about calls.

tests/unit/rules/test_verbs.py runs every verb over a transport, test_differential.py compares what
clients of both doors observe.
"""

Refused = Callable[[], AbstractContextManager[list[str]]]
"""Catches what the emulator refuses in its block; afterwards the list has the three lines."""


def rows(table: Mapping[str, Any], marks: Mapping[str, pytest.MarkDecorator]) -> list[Any]:
    """The rows of a table as parameters; some have a mark."""
    assert marks.keys() <= table.keys(), marks.keys() - table.keys()
    return [pytest.param(row, id=name, marks=marks.get(name, ())) for name, row in table.items()]

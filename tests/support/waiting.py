"""A client that waits, its service, and a clock moved by hand. Times in seconds."""

from __future__ import annotations

import json
import re
from threading import get_ident
from typing import Any, get_args, get_type_hints

import pytest

from fakebatch import FakeBatchError
from fakebatch.dialects import OPENAI, Dialect
from fakebatch.durations import SECOND
from fakebatch.inspection.endless import Endless
from fakebatch.rules import calls
from fakebatch.rules.batches import BatchRule, Fail, Stall
from fakebatch.rules.calls import CallRule
from fakebatch.rules.scenario import Scenario
from fakebatch.service import Service
from fakebatch.vtime.clock import Sleep
from fakebatch.wire.app import App
from fakebatch.wire.messages import Reply
from support.batches import CHAT, SCHEDULE, T0, requests
from support.calling import FORM, form
from support.calling import call as send

HOUR = 3_600
DAY = 24 * HOUR


def batches(*verbs: dict[str, Any]) -> Scenario:
    """Rules for every batch, one for each verb."""
    return Scenario(schedule=SCHEDULE, on_batch=tuple(BatchRule(**verb) for verb in verbs))


FAILS = batches({"fail": Fail()})
"""Every batch fails after ten seconds."""

STALLS = {
    status: batches({"stall": Stall(status)}) for status in get_args(get_type_hints(Stall)["at"])
}
"""Every batch stalls in a status."""


def outage(**selection: Any) -> Scenario:
    """Batches cannot be retrieved."""
    rule = CallRule("batches.retrieve", **selection, fail=calls.Fail(503))
    return Scenario(schedule=SCHEDULE, on_call=(rule,))


def message(error: BaseException) -> list[str]:
    """The three lines of an error, the first without the place in a test file that it names."""
    came, known, to_do = str(only(error)).splitlines()
    return [re.sub(r"(?<= at )\S+\.py:\d+", "test.py", came), known, to_do]


def only(error: BaseException) -> BaseException:
    """The one error in a group of groups, as task groups raise them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class Run:
    """One service, and a client that calls and sleeps."""

    def __init__(
        self,
        scenario: Scenario = Scenario(schedule=SCHEDULE),  # noqa: B008  # frozen
        dialect: Dialect = OPENAI,
        **limits: Any,
    ) -> None:
        self._now = T0
        self.service = Service(dialect, seed=b"0")
        self.service.state.scenario = scenario
        self.endless = Endless(
            [self.service],
            clock=lambda: self._now,
            elapsed=lambda now: now - T0,
            **limits,
        )
        self.app = App(
            self.service, clock=lambda: self._now, api_keys=None, observers=[self.endless.called]
        )

    @property
    def elapsed(self) -> float:
        return (self._now - T0) / SECOND

    def call(self, path: str, method: str = "GET", body: Any = b"", **headers: str) -> Reply:
        return send(self.app, method, path, body, headers=headers)

    def advance(self, seconds: float) -> None:
        self._now += round(seconds * SECOND)

    def sleep(self, seconds: float, *, side_by_side: int = 1) -> None:
        end = self._now - T0 + round(seconds * SECOND)
        sleep = Sleep(end, lambda: "app.py:7", get_ident(), side_by_side)
        error = self.endless.before_sleep(sleep)
        if error is not None:
            raise error
        self.advance(seconds)

    def upload(self) -> str:
        body = form(requests(10), purpose="batch")
        return str(json.loads(self.call("/files", "POST", body, **FORM).body)["id"])

    def try_to_create(self, file: str, window: str = "24h") -> Reply:
        params = {"input_file_id": file, "endpoint": CHAT, "completion_window": window}
        return self.call("/batches", "POST", params)

    def create(self, window: str = "24h") -> str:
        """The path of a new batch."""
        return f"/batches/{json.loads(self.try_to_create(self.upload(), window).body)['id']}"

    def polls(self, path: str, every: float = 600, until: float = 1_000 * DAY) -> None:
        """Poll until a deadline of the client's own."""
        while self.elapsed < until:
            self.call(path)
            self.sleep(every)

    def is_ended(self, path: str, every: float = 600) -> float:
        """When a client that polls on and on gets an error, in seconds since the start."""
        with pytest.raises(FakeBatchError):
            self.polls(path, every)
        return self.elapsed

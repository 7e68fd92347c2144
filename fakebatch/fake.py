"""FakeBatch: the object users hold; an Emulator whose clock owns time, and interception."""

from __future__ import annotations

import os
from collections import deque
from contextlib import ExitStack
from datetime import datetime
from inspect import signature
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

from fakebatch import active
from fakebatch.durations import Duration, microseconds
from fakebatch.emulator import Emulator, Snapshot, UnusedRules
from fakebatch.endless import Endless
from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.ids import seeded_random
from fakebatch.interception import (
    DUMMY_KEY,
    WEBHOOKS,
    Clients,
    EmulatedRouter,
    LostErrors,
    dummy_environment,
    installed,
    is_loopback,
    shared_tls_context,
    unresolvable,
)
from fakebatch.rules.loading import Incident
from fakebatch.vtime import Clock, moments
from fakebatch.vtime.clock import Sleep
from fakebatch.webhooks.delivered import DeliveredWebhooks
from fakebatch.wire.app import Handled
from fakebatch.wire.sites import DialectChoice


class FakeBatch(Emulator, Clients):
    """An OpenAI Batch API of your own, active between `with` and the end of its block.

    Args:
        seed: decides ids, shuffles and vectors: the same seed gives the same bytes.
        clock: "virtual" (the default: sleeping moves time), "manual" (only `clock.advance` does),
            or "real" (nothing is patched; the emulator goes by `time.time()`).
        start: when the frozen clock begins: a datetime, ISO text or unix seconds.
        dialect: the provider to emulate: a name, a TOML file or a Dialect (docs/dialects.md).
        dialects: several at once, told apart by their addresses.
        base_url: where it is emulated, in place of the provider's own addresses.
        api_keys: the keys that are accepted; by default every key is.
        models: the models that exist; by default every plausible name does.
        limits: what the service accepts: `{"batch_lines": 10}`; an unknown name is told the others.
        incident: a known incident by name, a Scenario, a `.toml` or `.json` file, or several.
        unused_rules: what to do at the end about rules of the test that nothing met: "error",
            "warn" or "ignore". Those of an incident are only mentioned in the report.
        max_idle: how long a client may poll, in virtual time, after the last change that it could
            see, while none is scheduled; then its wait never ends, and it gets an error that says
            so. By default twice the longest completion window of the batches that have not ended,
            at least 48 h.
        max_sleeps: how often a thread, or a task of an event loop, may sleep after such a change.
        max_elapsed: how much virtual time may pass in all.
        io_wait: for how long, in real time, virtual time stands still while a real socket owes an
            answer or a child process is waited for; then a warning names it, and time goes on.

    Raises:
        UsageError: an argument without meaning.
    """

    def __init__(
        self,
        *,
        seed: int | str = 0,
        clock: str | None = None,
        start: datetime | str | float | None = None,
        dialect: DialectChoice | None = None,
        dialects: list[DialectChoice] | None = None,
        base_url: str | None = None,
        api_keys: list[str] | None = None,
        models: list[str] | None = None,
        limits: dict[str, int] | None = None,
        incident: Incident = (),
        unused_rules: UnusedRules = "error",
        max_idle: Duration | None = None,
        max_sleeps: int = 1_000_000,
        max_elapsed: Duration = "400d",
        io_wait: Duration = "10s",
    ) -> None:
        super().__init__(
            seed=seed,
            dialect=dialect,
            dialects=dialects,
            base_url=base_url,
            api_keys=api_keys,
            models=models,
            limits=limits,
            incident=incident,
            unused_rules=unused_rules,
        )
        self._lost_errors = LostErrors()
        self.webhooks: DeliveredWebhooks = DeliveredWebhooks(self._service.state, moments.now)
        """What the service tells of batches that have ended: `due`, `deliver_to`, `secret`."""
        self._sender = self.webhooks.sender
        self.clock = Clock(
            clock,
            start=start,
            before_sleep=self._before_sleep,
            after_sleep=self.journal.slept,
            io_wait=io_wait,
        )
        """The time everybody sees, and the way to move it."""
        self._endless = Endless(
            self._services,
            clock=moments.now,
            elapsed=self._elapsed,
            max_idle=max_idle,
            max_sleeps=max_sleeps,
            max_elapsed=max_elapsed,
        )
        self.router = EmulatedRouter(self._sites)
        """A respx router; `router["batches.retrieve"]` is the route of an operation."""
        self._ready_key = api_keys[0] if api_keys else DUMMY_KEY
        self._environment = {
            **{name: DUMMY_KEY for each in self.dialects for name in each.environment},
            WEBHOOKS: self.webhooks.secret,
        }
        self._active = ExitStack()
        self._entered = self._has_ended_a_wait = False
        self._began = self._left = 0

    @property
    def never_used(self) -> tuple[str, ...]:
        """After the end, the rules that nothing had met, in the words of the test."""
        return () if self._entered else self._unmet()

    def __enter__(self) -> Self:
        if self._entered:
            raise UsageError(
                "This FakeBatch is active already.",
                "It was entered by `with` or by the fixture, and is not left yet.",
                "Use it as it is, or make another one: with FakeBatch() as inner.",
            )
        hosts = frozenset(host for host in self._sites.hosts if not is_loopback(host))
        with ExitStack() as stack:
            stack.enter_context(active.in_this_thread())
            stack.enter_context(dummy_environment(self._environment))
            stack.enter_context(seeded_random(self._service.state.mint))
            stack.enter_context(unresolvable(hosts, self._lost_errors))
            stack.enter_context(installed(self.router, self._lost_errors))
            stack.enter_context(shared_tls_context())
            self.clock.start()
            stack.callback(self.clock.stop)
            self._endless.start()
            stack.callback(self._endless.stop)
            self._has_ended_a_wait = False
            stack.callback(self._sender.close)
            self.router.belong_to_this_process()
            self._active = stack.pop_all()
            self._entered = True
        self._began = moments.now()
        _ENTERED[self] = None
        if "PYTEST_CURRENT_TEST" in os.environ:
            latest.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left, self._entered = moments.now(), False
        self._active.close()
        unheard = self._lost_errors.lost()
        lost = self._sender.error() or unheard
        if lost is not None and not isinstance(error, FakeBatchError):
            raise lost
        if error is None:
            self.check_rules(stacklevel=3)

    def _before_sleep(self, sleep: Sleep) -> FakeBatchError | None:
        sender = self._sender
        error = sender.error() if sender.unreported else self._endless.before_sleep(sleep)
        # the first alone: those who wait beside it get errors of their own, which nobody looks at
        if error is not None and not self._has_ended_a_wait:
            self._has_ended_a_wait = True
            self._lost_errors.note(error)
        return error

    def now(self) -> int:
        """What time it is, in microseconds since the epoch; after the end, when that was."""
        return super().now() if self._entered or not self._left else self._left

    def restore(self, saved: Snapshot) -> None:
        """As if nothing had been done since the snapshot; the clock alone goes on."""
        super().restore(saved)
        self._sender.look()

    def _elapsed(self, now: int) -> int:  # noqa: ARG002  # the clock has a line of its own
        return microseconds(self.clock.elapsed)  # to which a freeze within the test adds nothing

    def _noted(self, handled: Handled) -> None:
        super()._noted(handled)
        if handled.done and handled.request.method != "GET":
            self._sender.look()
        self._endless.called(handled)


_ENTERED: WeakKeyDictionary[FakeBatch, None] = WeakKeyDictionary()


latest: deque[FakeBatch] = deque(maxlen=8)
"""The last fakes of a test, kept for its report: a `with FakeBatch()` leaves nobody to hold one."""


def entered() -> list[FakeBatch]:
    """The fakes that are or were active and still exist, in the order they became so."""
    return [*_ENTERED]


KEYWORDS = tuple(name for name in signature(FakeBatch).parameters)
"""What FakeBatch, and so the marker, can be told."""

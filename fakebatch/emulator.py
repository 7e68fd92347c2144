"""FakeBatch: the object users hold; wires clock, service and interception together."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import datetime
from inspect import signature
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self
from weakref import WeakKeyDictionary

from fakebatch import active
from fakebatch.dialects import Dialect
from fakebatch.durations import Duration, microseconds
from fakebatch.endless import Endless
from fakebatch.errors import FakeBatchError, FakeBatchWarning, UsageError
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
from fakebatch.journal import Called, Journal, Noted
from fakebatch.rules.catalogue import Incident
from fakebatch.rules.fluent import Rules
from fakebatch.rules.scenario import AnyRule, Place, Scenario
from fakebatch.service import State
from fakebatch.testing import placing
from fakebatch.testing.asserting import Asserting
from fakebatch.testing.timeline import Notes, timeline
from fakebatch.testing.unused import checked, complaint, hits, injected, unused
from fakebatch.vtime import Clock, moments
from fakebatch.vtime.clock import Sleep
from fakebatch.webhooks import Webhooks
from fakebatch.wire.app import App, Handled
from fakebatch.wire.faults import Faults
from fakebatch.wire.operations import OPERATIONS
from fakebatch.wire.sites import DialectChoice, Sites, providers, services


class FakeBatch(Asserting, Rules, Clients):
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
        unused_rules: Literal["error", "warn", "ignore"] = "error",
        max_idle: Duration | None = None,
        max_sleeps: int = 1_000_000,
        max_elapsed: Duration = "400d",
        io_wait: Duration = "10s",
    ) -> None:
        super().__init__()
        for name, several in (("api_keys", api_keys), ("models", models), ("dialects", dialects)):
            if isinstance(several, str):
                raise _no_list(name, several)
        self.dialects = providers(dialect, dialects, base_url, limits)
        """The providers that are emulated, as values."""
        self._services = services(self.dialects, seed=str(seed).encode(), models=models)
        self._service = self._services[0]
        self.journal = Journal([operation.name for operation in OPERATIONS])
        """The calls that were made, and the sleeps between them."""
        self.files = placing.Files(self._services, self.journal)
        """The files by id, in order of creation; result files are among them once they exist."""
        self.batches = placing.Batches(self._services, self.files)
        """The batches by id, in order of creation."""
        self._lost_errors = LostErrors()
        self.webhooks = Webhooks(self._service.state, moments.now)
        """What the service tells of batches that have ended: `due`, `deliver_to`, `secret`."""
        self.clock = Clock(
            clock,
            start=start,
            before_sleep=self._before_sleep,
            after_sleep=self.journal.slept,
            io_wait=io_wait,
        )
        """The time everybody sees, and the way to move it."""
        self.faults = Faults(self._service.state)
        """What `on_call` let go wrong: the requests that were hit are `fired`."""
        self._endless = Endless(
            self._services,
            clock=moments.now,
            elapsed=self._elapsed,
            max_idle=max_idle,
            max_sleeps=max_sleeps,
            max_elapsed=max_elapsed,
        )
        keys = None if api_keys is None else frozenset(api_keys)
        apps = [
            App(
                service,
                clock=moments.now,
                api_keys=keys,
                faults=self.faults,
                elapsed=self._elapsed,
                noted=self._noted,
            )
            for service in self._services
        ]
        self._sites = Sites(apps)
        self.base_url = self.dialects[0].base_urls[0].replace("*", "fakebatch")
        """Where clients find the service: `https://api.openai.com/v1`."""
        self.router = EmulatedRouter(self._sites)
        """A respx router; `router["batches.retrieve"]` is the route of an operation."""
        self._ready_key = api_keys[0] if api_keys else DUMMY_KEY
        self._environment = {
            **{name: DUMMY_KEY for one in self.dialects for name in one.environment},
            WEBHOOKS: self.webhooks.secret,
        }
        self._active = ExitStack()
        self._entered = self._has_ended_a_wait = False
        self._began = self._left = 0
        self.unused_rules = checked(unused_rules)
        """"error", "warn" or "ignore": what to do at the end about rules that nothing met."""
        self.incident(incident)

    @property
    def scenario(self) -> Scenario:
        """What shall happen from now on: all rules, as one value."""
        return self._service.state.scenario

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        for service in self._services:
            service.state.scenario = scenario

    @property
    def dialect(self) -> Dialect:
        """The provider, of several the first."""
        return self._service.dialect

    def incident(self, which: Incident, **parameters: Any) -> None:
        """Let a known incident happen: its name, a Scenario, a file, or several as a tuple.

        `fakebatch incidents` lists the names, `fakebatch incidents NAME` the parameters of one.

        Raises:
            UsageError: there is no such incident, or it has no such parameter.
        """
        own = {place for place, _ in self.scenario.rules}
        super().incident(which, **parameters)
        new = {place for place, _ in self.scenario.rules} - own
        self._service.state.incidental |= new

    def hits(self, place: Place) -> int:
        """How often the rule at a place of the scenario met something."""
        return hits(self._services, self.faults, place)

    def snapshot(self) -> Snapshot:
        """All files and batches, what shall happen to new ones, and the journal: for `restore`."""
        saved = tuple(service.snapshot() for service in self._services)
        return Snapshot(saved, self.journal.snapshot())

    def restore(self, saved: Snapshot) -> None:
        """As if nothing had been done since the snapshot; the clock alone goes on."""
        for service, was in zip(self._services, saved.services, strict=True):
            service.restore(was)
        self.journal.restore(saved.journal)
        self.webhooks.sender.look()

    @property
    def never_used(self) -> tuple[str, ...]:
        """After the end, the rules that nothing had met, in the words of the test."""
        return () if self._entered else tuple(str(rule) for _, rule in self._unused())

    def timeline(self) -> str:
        """What happened, in at most 40 lines; pytest shows it where a test fails."""
        now = moments.now() if self._entered else self._left
        return timeline(self._services, self.journal, self._notes(), self._began, now)

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
            stack.callback(self.webhooks.sender.close)
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
        lost = self.webhooks.sender.error() or unheard
        if lost is not None and not isinstance(error, FakeBatchError):
            raise lost
        if error is None:
            self._complain()

    def _before_sleep(self, sleep: Sleep) -> FakeBatchError | None:
        sender = self.webhooks.sender
        error = sender.error() if sender.unreported else self._endless.before_sleep(sleep)
        # the first alone: those who wait beside it get errors of their own, which nobody looks at
        if error is not None and not self._has_ended_a_wait:
            self._has_ended_a_wait = True
            self._lost_errors.note(error)
        return error

    def _noted(self, handled: Handled) -> None:
        request, operation, id_, reply, hit, done, at = handled
        name = operation.name if operation else f"{request.method} {request.path}"
        changes = done and request.method != "GET"
        status = reply.status if reply.arrives else None
        called = Called(name, id_, status, None if hit is None else str(hit.rule))
        self.journal.called(at, called, changes=changes)
        if changes:
            self.webhooks.sender.look()
        self._endless.called(handled)

    def _elapsed(self, _: int) -> int:
        return microseconds(self.clock.elapsed)

    def _notes(self) -> Notes:
        absorbed = (hit.rule for hit in self.faults.fired if hit.absorbed)
        return Notes(
            _sentences(injected(self._services, self.faults)),
            _sentences(absorbed),
            _sentences(rule for _, rule in self._unused()),
        )

    def _unused(self) -> list[tuple[Place, AnyRule]]:
        return [] if self.unused_rules == "ignore" else unused(self._services, self.faults)

    def _complain(self) -> None:
        if self.unused_rules == "ignore":
            return
        incidental = self._service.state.incidental
        rules = [rule for place, rule in self._unused() if place not in incidental]
        selections = [selection for selection in self._selections if not selection.has_verb]
        if rules or selections:
            error = complaint(rules, selections, self._services)
            if self.unused_rules == "error":
                raise error
            warnings.warn(FakeBatchWarning(str(error)), stacklevel=3)


_ENTERED: WeakKeyDictionary[FakeBatch, None] = WeakKeyDictionary()


latest: deque[FakeBatch] = deque(maxlen=8)
"""The last fakes of a test, kept for its report: a `with FakeBatch()` leaves nobody to hold one."""


def entered() -> list[FakeBatch]:
    """The fakes that are or were active and still exist, in the order they became so."""
    return [*_ENTERED]


class Snapshot(NamedTuple):
    """The state of a FakeBatch at one moment."""

    services: tuple[State, ...]
    journal: Noted


def _sentences(rules: Iterable[AnyRule]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(str, rules)))


def _no_list(name: str, given: str) -> UsageError:
    return UsageError(
        f"{name}={given!r} is a text.",
        f"{name} takes a list of texts.",
        f"Write {name}=[{given!r}].",
    )


KEYWORDS = tuple(name for name in signature(FakeBatch).parameters)
"""What FakeBatch, and so the marker, can be told."""

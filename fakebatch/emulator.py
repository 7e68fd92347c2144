"""Emulator: the service without a network. It imports no HTTP library, and goes by any clock.

A server in front of it needs `handle`. What a test holds (rules, journal, files and batches,
checks, snapshots) works on it as on a FakeBatch, which adds a clock that owns time, interception,
and webhooks that are brought.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from fakebatch.dialects import Dialect, choose
from fakebatch.errors import FakeBatchWarning, RefusedRequest, UsageError
from fakebatch.inspection import seeding
from fakebatch.inspection.checks import Checks, hits, unused, used_rules
from fakebatch.inspection.journal import Journal, Recorder, Recording
from fakebatch.report.events import history
from fakebatch.report.text import timeline
from fakebatch.rules.fluent import Rules
from fakebatch.rules.loading import Incident
from fakebatch.rules.scenario import Place, Scenario
from fakebatch.service import Service, State
from fakebatch.vtime import moments
from fakebatch.webhooks.webhooks import Webhooks
from fakebatch.wire.app import App, Handled, Sites
from fakebatch.wire.faults import Faults
from fakebatch.wire.messages import Reply, Request
from fakebatch.wire.operations import OPERATIONS

DialectChoice = str | Path | Dialect
"""A dialect by its name, as a TOML file, or as a value."""

UnusedRules = Literal["error", "warn", "ignore"]


class Snapshot(NamedTuple):
    """The state of an Emulator at one moment."""

    services: tuple[State, ...]
    recording: Recording


class Emulator(Checks, Rules):
    """The providers, what shall happen to their calls and batches, and what has happened.

    Args:
        clock: the time, in microseconds since the epoch; by default that of the wall.
        prefix: a path such as `/w/name`, below which every host answers:
            `http://127.0.0.1:1234/w/name/v1/batches`.
        seed: decides ids, shuffles and vectors: the same seed gives the same bytes.
        dialect: the provider to emulate: a name, a TOML file or a Dialect (docs/dialects.md).
        dialects: several at once, told apart by their addresses.
        base_url: where it is emulated, in place of the provider's own addresses.
        api_keys: the keys that are accepted; by default every key is.
        models: the models that exist; by default every plausible name does.
        limits: what the service accepts: `{"batch_lines": 10}`; an unknown name is told the others.
        incident: a known incident by name, a Scenario, a `.toml` or `.json` file, or several.
        unused_rules: what `check_rules` does about rules of the test that nothing met: "error",
            "warn" or "ignore". Those of an incident are only mentioned in the report.

    Raises:
        UsageError: an argument without meaning.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], int] = moments.now,
        prefix: str = "",
        seed: int | str = 0,
        dialect: DialectChoice | None = None,
        dialects: list[DialectChoice] | None = None,
        base_url: str | None = None,
        api_keys: list[str] | None = None,
        models: list[str] | None = None,
        limits: dict[str, int] | None = None,
        incident: Incident = (),
        unused_rules: UnusedRules = "error",
    ) -> None:
        super().__init__()
        for name, several in (("api_keys", api_keys), ("models", models), ("dialects", dialects)):
            if isinstance(several, str):
                raise UsageError(
                    f"{name}={several!r} is one string.",
                    f"{name} takes a list of strings.",
                    f"Write {name}=[{several!r}].",
                )
        self.dialects = providers(dialect, dialects, base_url, limits)
        """The providers that are emulated, as values."""
        known_models = None if models is None else frozenset(models)
        self._services = [
            # the first makes ids as if it were alone; no two make the same ones
            Service(dialect, seed=f"{seed}{f'/{n}' if n else ''}".encode(), models=known_models)
            for n, dialect in enumerate(self.dialects)
        ]
        self._service = self._services[0]
        self._clock = clock
        self._began = clock()
        self._recorder = Recorder()
        self.journal = Journal(self._recorder, [operation.name for operation in OPERATIONS])
        """The calls that were made, and the sleeps between them."""
        self.files = seeding.Files(self._services, self.now, self.journal)
        """The files by id, in order of creation; result files are among them once they exist."""
        self.batches = seeding.Batches(self._services, self.now, self.files)
        """The batches by id, in order of creation."""
        self.webhooks = Webhooks(self._service.state, clock)
        """What the service tells of batches that have ended: `due`, `secret`."""
        self.faults = Faults(self._service.state, self._elapsed)
        """What `on_call` let go wrong: the requests that were hit are `fired`."""
        self._observers: list[Callable[[Handled], object]] = [self._recorder.note]
        """Each is called with every request that was handled."""
        keys = None if api_keys is None else frozenset(api_keys)
        apps = [
            App(service, clock=clock, api_keys=keys, faults=self.faults, observers=self._observers)
            for service in self._services
        ]
        self._sites = Sites(apps, prefix)
        self.base_url = self.dialects[0].base_urls[0].replace("*", "fakebatch")
        """Where clients find the service: `https://api.openai.com/v1`."""
        if unused_rules not in get_args(UnusedRules):
            raise UsageError(
                f"unused_rules={unused_rules!r} is unknown.",
                f"Known are {', '.join(map(repr, get_args(UnusedRules)))}.",
                "Leave it out, and rules that were never used are an error.",
            )
        self.unused_rules = unused_rules
        """"error", "warn" or "ignore": what to do at the end about rules that nothing met."""
        self.broke_off = False
        """Whether the test failed: then it need not have met every rule."""
        self.incident(incident)

    def handle(self, request: Request) -> Reply:
        """The reply of the provider whose address a request goes to; a transport plays it.

        Raises:
            RefusedRequest: nobody has the address, or the real service has this route alone.
            UsageError: the test gave an answer that is none.
        """
        target = self._sites.find(request)
        if target is None:
            port = "" if request.port is None else f":{request.port}"
            raise RefusedRequest(
                f"Nobody answers {request.method} {request.scheme}://{request.host}{port}"
                f"{request.path}.",
                f"Emulated are: {', '.join(self._sites.base_urls)}.",
                "Give the client an emulated base_url.",
            )
        return target.handle(request)

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
        """Make a known incident happen: its name, a Scenario, a file, or several as a tuple.

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
        return hits(self._services, place)

    def snapshot(self) -> Snapshot:
        """All files and batches, what shall happen to new ones, and the journal: for `restore`."""
        saved = tuple(service.state.copy() for service in self._services)
        return Snapshot(saved, self._recorder.snapshot())

    def restore(self, saved: Snapshot) -> None:
        """As if nothing had been done since the snapshot; the clock alone goes on."""
        for service, was in zip(self._services, saved.services, strict=True):
            service.state.restore(was)
        self._recorder.restore(saved.recording)

    def timeline(self) -> str:
        """What happened, in at most 40 lines; pytest shows it where a test fails."""
        now, services, recorder = self.now(), self._services, self._recorder
        rules = self._unused()
        return timeline(
            history(services, recorder, self.faults, unused=rules, began=self._began, now=now)
        )

    def check_rules(self, *, stacklevel: int = 2) -> None:
        """Raise or warn if nothing has met a rule of the test, or a selection got no verb.

        Args:
            stacklevel: whose line a warning shows, as of `warnings.warn`.

        Raises:
            UsageError: there is such a rule, and `unused_rules` is "error".
        """
        if self.unused_rules == "ignore" or self.broke_off:
            return
        rules = used_rules(self._services, self.faults, self._selections, self._began)
        for finding in rules:
            error = UsageError(*finding.message)
            if self.unused_rules == "error":
                raise error
            warnings.warn(FakeBatchWarning(str(error)), stacklevel=stacklevel)

    def now(self) -> int:
        """What time it is, in microseconds since the epoch; result files are in place by then."""
        now = self._clock()
        for service in self._services:
            service.state.settle(now)
        return now

    def _elapsed(self, now: int) -> int:
        """The time since the start at a moment, both in microseconds."""
        return now - self._began

    def _unused(self) -> tuple[str, ...]:
        """The rules that nothing met, and the selections without a verb, as the test has them."""
        if self.unused_rules == "ignore":
            return ()
        return tuple(unused(self._services, self.faults, self._selections))


def providers(
    dialect: DialectChoice | None,
    dialects: list[DialectChoice] | None,
    base_url: str | None,
    limits: dict[str, int] | None,
) -> tuple[Dialect, ...]:
    """The dialects that the arguments of an Emulator name.

    Raises:
        UsageError: there is no such dialect, or `dialects` is empty or not alone.
    """
    if dialects is None:
        choices = ["openai" if dialect is None else dialect]
    elif dialect is None and base_url is None and dialects:
        choices = dialects
    else:
        raise UsageError(
            f"dialects={dialects!r} came with dialect={dialect!r} and base_url={base_url!r}.",
            "Several dialects are told apart by their own addresses; the list needs at least one.",
            "Pass dialects alone; to move one to another address, pass a Dialect or a TOML file.",
        )
    return tuple(choose(each, base_url=base_url, limits=limits) for each in choices)

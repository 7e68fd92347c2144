"""Emulator: the service without a network. It imports no HTTP library and takes any clock.

A server in front of it needs only `handle`. Rules, journal, files, batches, checks and snapshots
work as on a FakeBatch, which adds a clock of its own, interception and the delivery of webhooks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from fakebatch.dialects import Dialect, DialectName, choose
from fakebatch.errors import FakeBatchWarning, RefusedRequest, UsageError
from fakebatch.inspection import seeding
from fakebatch.inspection.checks import Checks, Finding, hits, unused, used_rules
from fakebatch.inspection.journal import Journal, Recorder, Recording
from fakebatch.inspection.planned import PlannedCalls, When
from fakebatch.report.events import history
from fakebatch.report.text import timeline
from fakebatch.rules.catalogue import Incident
from fakebatch.rules.fluent import Rules
from fakebatch.rules.scenario import AnyRule, Place, Scenario
from fakebatch.service import Service, State
from fakebatch.vtime import moments
from fakebatch.webhooks.webhooks import Webhooks
from fakebatch.wire.app import App, Handled, Sites, Target
from fakebatch.wire.faults import Faults
from fakebatch.wire.messages import Reply, Request
from fakebatch.wire.operations import OPERATIONS

DialectChoice = DialectName | Path | Dialect
"""A dialect by its name, as a TOML file, or as a value."""

UnusedRules = Literal["error", "warn", "ignore"]


class Snapshot(NamedTuple):
    """The state of an Emulator at one moment."""

    services: tuple[State, ...]
    recording: Recording


class Emulator(Checks, Rules):
    """One or more providers without a network, the rules of a test, and a record of the calls.

    Args:
        clock: returns the time in microseconds since the epoch; by default that of `time.time()`.
        prefix: a path such as `/w/name`, below which requests to any host are answered:
            `http://127.0.0.1:1234/w/name/v1/batches`.
        seed: decides ids, shuffles and vectors: the same seed gives the same bytes.
        dialect: the provider to emulate: a name, a TOML file or a Dialect (docs/dialects.md).
        dialects: several at once, told apart by their addresses.
        base_url: the address to emulate it at, in place of the provider's own.
        api_keys: the keys that are accepted; by default every key is.
        organizations: the organization of a key, `{"sk-a": "one", "sk-b": "two"}`. None sees the
            files and batches of another. Keys without an entry share one more.
        models: the models that exist; by default every plausible name does.
        limits: limits of the service that differ: `{"batch_lines": 10}`; see docs/dialects.md.
        strict_bodies: whether requests fail whose body the service refuses (docs/answers.md).
        incident: a known incident by name, a Scenario, a `.toml` or `.json` file, or several.
        unused_rules: what `check_rules` does if a rule of the test was never used: "error", "warn"
            or "ignore". Rules of an incident are only mentioned in the report.

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
        organizations: Mapping[str, str] | None = None,
        models: list[str] | None = None,
        limits: dict[str, int] | None = None,
        strict_bodies: bool = True,
        incident: Incident = (),
        unused_rules: UnusedRules = "error",
    ) -> None:
        super().__init__()
        for name, several in (("api_keys", api_keys), ("models", models), ("dialects", dialects)):
            if isinstance(several, str):
                shown = "'…'" if name == "api_keys" else repr(several)
                raise UsageError(
                    f"{name}={shown} is one string.",
                    f"{name} takes a list of strings.",
                    f"Write {name}=[{shown}].",
                )
        organizations = {} if organizations is None else organizations
        if not isinstance(organizations, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(
                f"organizations={organizations!r} is not a mapping.",
                "It maps API keys to the names of organizations.",
                "Write organizations={'sk-a': 'one', 'sk-b': 'two'}.",
            )
        self.dialects = providers(dialect, dialects, base_url, limits, strict_bodies=strict_bodies)
        """The providers that are emulated, as values."""
        known_models = None if models is None else frozenset(models)
        owners = ["", *dict.fromkeys(organizations.values())]
        self.services = [
            # the ids of the first do not depend on the others; no two services share an id
            Service(dialect, seed=f"{seed}{f'/{n}' if n else ''}".encode(), models=known_models)
            for n, dialect in enumerate(self.dialects * len(owners))
        ]
        """The services that are emulated, each with its state."""
        self._service = self.services[0]
        self._clock = clock
        self._began = clock()
        self._recorder = Recorder()
        self.journal = Journal(self._recorder, [operation.name for operation in OPERATIONS])
        """The calls that were made, and the sleeps."""
        self.files = seeding.Files(self.services, self.now, self.journal)
        """The files by id, in order of creation; result files are among them once they exist."""
        self.batches = seeding.Batches(self.services, self.now, self.files, self._has_changed)
        """The batches by id, in order of creation."""
        self.uploads = seeding.Uploads(self.services, self.now)
        """The uploads in parts by id, in order of creation."""
        self.webhooks = Webhooks(self._service.state, clock)
        """Webhooks of the batches that have ended: `due`, `secret`."""
        self.faults = Faults(self._service.state, self._elapsed)
        """The requests that rules of `on_call` have hit: `fired`."""
        self._observers: list[Callable[[Handled], object]] = [self._recorder.note]
        """They are called with every request that was handled."""
        self._planned = PlannedCalls(lambda: self._began)
        self._before: list[Callable[[int], object]] = []
        """They are called with the time of every request before it is handled."""
        self._after_changes: list[Callable[[], object]] = []
        """They are called after each change that the test has made without a call."""
        keys = None if api_keys is None else frozenset([*api_keys, *organizations])
        apps = [
            App(
                service,
                clock=clock,
                api_keys=keys,
                faults=self.faults,
                before=self._before,
                observers=self._observers,
                left=self._recorder.note_left,
            )
            for service in self.services
        ]
        count = len(self.dialects)
        own = {
            key: apps[owners.index(owner) * count :][:count] for key, owner in organizations.items()
        }
        self._sites = Sites(apps[:count], prefix, own)
        self.base_url = self.dialects[0].base_urls[0].replace("*", "fakebatch")
        """The address for clients: `https://api.openai.com/v1`."""
        if unused_rules not in get_args(UnusedRules):
            raise UsageError(
                f"unused_rules={unused_rules!r} is unknown.",
                f"It is {' or '.join(map(repr, get_args(UnusedRules)))}.",
                "Leave it out to make rules that were never used an error.",
            )
        self.unused_rules: UnusedRules = unused_rules
        """What happens if a rule of the test was never used: "error", "warn" or "ignore"."""
        self._broke_off = False
        """Whether the test has failed: then it need not have used every rule."""
        self.incident(incident)

    def handle(self, request: Request) -> Reply:
        """Answer a request as the provider that has its address does; a transport plays the reply.

        Raises:
            RefusedRequest: no provider has the address, or the route is not emulated.
            UsageError: a rule of the test has a reply that cannot be sent.
        """
        return self.target(request).handle(request)

    def target(self, request: Request) -> Target:
        """The provider and the operation to which a request goes.

        Raises:
            RefusedRequest: no provider has the address.
        """
        target = self._sites.find(request)
        if target is None:
            port = "" if request.port is None else f":{request.port}"
            raise RefusedRequest(
                f"{request.method} {request.scheme}://{request.host}{port}{request.path} "
                "is no address of an emulated provider.",
                f"Emulated are {', '.join(self._sites.base_urls)}.",
                "Give the client an emulated base_url.",
            )
        return target

    def observe(self, observer: Callable[[Handled], object]) -> None:
        """Call a function with every request from now on, once it was handled."""
        self._observers.append(observer)

    def before_calls(self, prepare: Callable[[int], object]) -> None:
        """Call a function with the time of every request from now on, before it is handled."""
        self._before.append(prepare)

    def note_refused(self, request: Request, reply: Reply) -> None:
        """Record a request that was refused; the reply is what the client gets instead."""
        operation, id_ = None, ""
        if (target := self._sites.find(request)) is not None:
            operation, id_ = target.operation, target.id
            request = request._replace(path=target.path)
        now = self._clock()
        handled = Handled(request, operation, id_, reply, None, False, now, reply.status)
        for observe in self._observers:
            observe(handled)

    @property
    def scenario(self) -> Scenario:
        """All rules, as one value; assign another to replace them."""
        return self._service.state.scenario

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        for service in self.services:
            service.state.scenario = scenario
        self._has_changed()

    @property
    def dialect(self) -> Dialect:
        """The provider; of several the first."""
        return self._service.state.dialect

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

    def at(self, when: When, do: Callable[[], object]) -> None:
        """Call `do` when the clock reaches a moment, for example to act as an operator.

        A virtual or manual clock stops at that moment, and `do` runs on a thread of its own while
        the code under test waits. With any other clock it runs before the first request after that
        moment, or when the test next looks at files, batches or the time. Of calls for the same
        moment the one planned first is made first. An error of `do` fails the test, and so does a
        call that was never made, like a rule that was never used.

        Args:
            when: a duration since the start, such as "20m", or a datetime.
            do: called without arguments; a coroutine that it returns is run.

        Raises:
            UsageError: `do` is not callable, or the moment is past.
        """
        call = self._planned.add(when, do, self._clock())
        if self._planned.run_due not in self._before:
            self._before.append(self._planned.run_due)
        self._look_at(call.moment(self._began))

    def _look_at(self, moment: int) -> None:
        """Have the planned calls made at a moment, if the clock can stop there."""

    def _hits(self, place: Place) -> int:
        """How often the rule at a place of the scenario was used."""
        return hits(self.services, place)

    def uses(self) -> Iterator[tuple[Place, AnyRule, int]]:
        """All rules, each with its place in the scenario, and how often it was used."""
        return ((place, rule, self._hits(place)) for place, rule in self.scenario.rules)

    def snapshot(self) -> Snapshot:
        """The files, batches, webhooks, rules and journal as they are now, for `restore`."""
        saved = tuple(service.state.copy() for service in self.services)
        return Snapshot(saved, self._recorder.snapshot())

    def restore(self, saved: Snapshot) -> None:
        """Go back to a snapshot in everything but the clock, which keeps its time."""
        for service, was in zip(self.services, saved.services, strict=True):
            service.state.restore(was)
        self._recorder.restore(saved.recording)
        self._has_changed()

    def _has_changed(self) -> None:
        for call in self._after_changes:
            call()

    def timeline(self) -> str:
        """What happened, in at most 40 lines; pytest shows it where a test fails."""
        events = history(
            self.services,
            self._recorder,
            self.faults,
            unused=self._unused(),
            began=self._began,
            now=self.now(),
        )
        return timeline(events)

    def check_rules(self, *, stacklevel: int = 2) -> None:
        """Raise or warn if a rule of the test was never used, or a selection has no verb.

        Args:
            stacklevel: the frame that a warning shows, as for `warnings.warn`.

        Raises:
            UsageError: there is such a rule, and `unused_rules` is "error".
        """
        for finding in () if self._broke_off else self.unused_findings():
            error = UsageError(*finding.message)
            if self.unused_rules == "error":
                raise error
            warnings.warn(FakeBatchWarning(str(error)), stacklevel=stacklevel)

    def unused_findings(self) -> Iterator[Finding]:
        """Rules of the test that were never used, as data: what `check_rules` raises."""
        if self.unused_rules == "ignore":
            return iter(())
        planned = [*map(str, self._planned.pending)]
        return used_rules(self.services, self.faults, self._selections, self._began, planned)

    def now(self) -> int:
        """The time in microseconds since the epoch; result files that are due by then exist."""
        now = self._clock()
        self._planned.run_due(now)
        for service in self.services:
            service.state.settle(now)
        return now

    def _elapsed(self, now: int) -> int:
        """The time since the start at a moment, both in microseconds."""
        return now - self._began

    def _unused(self) -> tuple[str, ...]:
        """The rules that were never used, and selections without a verb, as the test wrote them."""
        if self.unused_rules == "ignore":
            return ()
        planned = map(str, self._planned.pending)
        return (*unused(self.services, self.faults, self._selections), *planned)


def providers(
    dialect: DialectChoice | None,
    dialects: list[DialectChoice] | None,
    base_url: str | None,
    limits: dict[str, int] | None,
    *,
    strict_bodies: bool = True,
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
    chosen = tuple(choose(each, base_url=base_url, limits=limits) for each in choices)
    return chosen if strict_bodies else tuple(each.set(body_checks="none") for each in chosen)

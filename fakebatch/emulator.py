"""Emulator: the service without a network. It imports no HTTP library, and goes by any clock.

A server in front of it needs `handle`. What a test holds (rules, journal, files and batches,
checks, snapshots) works on it as on a FakeBatch, which adds a clock that owns time, interception,
and webhooks that are brought.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from fakebatch.dialects import Dialect
from fakebatch.errors import Misuse, RefusedRequest
from fakebatch.incidents import Incident
from fakebatch.journal import Called, Journal, Noted
from fakebatch.scenario import Rule, Scenario
from fakebatch.scenario.as_said import as_said
from fakebatch.service import Saved
from fakebatch.testing import placing
from fakebatch.testing.asserting import Asserting
from fakebatch.testing.scripting import Scripting
from fakebatch.testing.timeline import Notes, timeline
from fakebatch.testing.unused import checked, complaint, injected, unused
from fakebatch.vtime import moments
from fakebatch.wire.app import App, Handled
from fakebatch.wire.faults import CallHits, Faults
from fakebatch.wire.messages import Reply, Request
from fakebatch.wire.operations import OPERATIONS
from fakebatch.wire.sites import DialectChoice, Sites, providers, services


class Snapshot(NamedTuple):
    """The state of an Emulator at one moment."""

    services: tuple[Saved, ...]
    call_hits: CallHits
    journal: Noted


class Emulator(Asserting, Scripting):
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
        unused: what to do about rules that nothing met, in `check_rules` and the timeline: "error",
            "note" or "ignore". Rules of an incident are only noted.

    Raises:
        Misuse: an argument without meaning.
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
        unused: str = "error",
    ) -> None:
        for name, several in (("api_keys", api_keys), ("models", models), ("dialects", dialects)):
            if isinstance(several, str):
                raise _no_list(name, several)
        self.dialects = providers(dialect, dialects, base_url, limits)
        """The providers that are emulated, as values."""
        self._services = services(
            self.dialects, clock=clock, seed=str(seed).encode(), models=models
        )
        self._service = self._services[0]
        self._began = self._service.world.clock()
        self.journal = Journal([operation.name for operation in OPERATIONS])
        """The calls that were made, and the sleeps between them."""
        self.files = placing.Files(self._services, self.journal)
        """The files by id, in order of creation; result files are among them once they exist."""
        self.batches = placing.Batches(self._services, self.files)
        """The batches by id, in order of creation."""
        self.faults = Faults(self._service.world.mint)
        """What `on_call` let go wrong: `fired`; and what it never did: `unused(scenario.calls)`."""
        keys = None if api_keys is None else frozenset(api_keys)
        apps = [
            App(
                service,
                api_keys=keys,
                faults=self.faults,
                elapsed=self._elapsed,
                noted=self._noted,
            )
            for service in self._services
        ]
        self._sites = Sites(apps, prefix)
        self.base_url = self.dialects[0].base_urls[0].replace("*", "fakebatch")
        """Where clients find the service: `https://api.openai.com/v1`."""
        self.unused = checked(unused)
        """"error", "note" or "ignore": what to do at the end about rules that nothing met."""
        self._incidental: set[int] = set()
        self.incident(incident)

    def handle(self, request: Request) -> Reply:
        """The reply of the provider whose address a request goes to; a transport plays it.

        Raises:
            RefusedRequest: nobody has the address, or the real service has this route alone.
            Misuse: the test gave an answer that is none.
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
        """What shall happen from now on: all that was said, as one value."""
        return self._service.world.scenario

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        for service in self._services:
            service.world.scenario = scenario

    @property
    def dialect(self) -> Dialect:
        """The provider, of several the first."""
        return self._service.world.dialect

    def incident(self, which: Incident, **parameters: Any) -> None:
        """Let a known incident happen: its name, a Scenario, a file, or several as a tuple.

        `fakebatch incidents` lists the names, `fakebatch incidents NAME` the parameters of one.

        Raises:
            Misuse: there is no such incident, or it has no such parameter.
        """
        own = {id(rule) for rule in self.scenario.said}
        super().incident(which, **parameters)
        self._incidental |= {id(rule) for rule in self.scenario.said} - own

    def snapshot(self) -> Snapshot:
        """All files and batches, what shall happen to new ones, and the journal: for `restore`."""
        saved = tuple(service.save() for service in self._services)
        return Snapshot(saved, self.faults.hits.copy(), self.journal.snapshot())

    def restore(self, saved: Snapshot) -> None:
        """As if nothing had been done since the snapshot; the clock alone goes on."""
        for service, was in zip(self._services, saved.services, strict=True):
            service.restore(was)
        self.faults.hits = saved.call_hits.copy()
        self.journal.restore(saved.journal)

    def timeline(self) -> str:
        """What happened, in at most 40 lines; pytest shows it where a test fails."""
        return timeline(self._services, self.journal, self._notes(), self._began, self._now())

    def check_rules(self) -> None:
        """With unused="error", raise if there are rules of the test that nothing has met.

        Raises:
            Misuse: there are.
        """
        if self.unused != "error":
            return
        rules = [rule for rule in self._unused() if id(rule) not in self._incidental]
        if rules:
            raise complaint(rules, self._services)

    def _now(self) -> int:
        return self._service.world.clock()

    def _elapsed(self, now: int) -> int:
        """The time since the start at a moment, both in microseconds."""
        return now - self._began

    def _noted(self, handled: Handled) -> None:
        """Called with every request."""
        request, operation, id_, reply, hit, done, at = handled
        name = operation.name if operation else f"{request.method} {request.path}"
        status = reply.status if reply.arrives else None
        called = Called(name, id_, status, None if hit is None else as_said(hit.fault))
        self.journal.called(at, called, changes=done and request.method != "GET")

    def _notes(self) -> Notes:
        absorbed = (hit.fault for hit in self.faults.fired if hit.absorbed)
        return Notes(
            *map(_sentences, (injected(self._services, self.faults), absorbed, self._unused()))
        )

    def _unused(self) -> list[Rule]:
        return [] if self.unused == "ignore" else unused(self._services, self.faults)


def _sentences(rules: Iterable[Rule]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(as_said, rules)))


def _no_list(name: str, value: str) -> Misuse:
    return Misuse(
        f"{name}={value!r} is a text.",
        f"{name} takes a list of texts.",
        f"Write {name}=[{value!r}].",
    )

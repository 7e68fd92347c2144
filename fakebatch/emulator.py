"""FakeBatch: the object users hold; wires clock, service and interception together."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from inspect import signature
from types import TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary

from fakebatch.dialects import DIALECTS, Dialect
from fakebatch.durations import microseconds
from fakebatch.errors import FakeBatchError, Misuse
from fakebatch.incidents import Incident
from fakebatch.interception import (
    EmulatedRouter,
    doors,
    dummy_environment,
    is_loopback,
    unresolvable,
)
from fakebatch.journal import Called, Journal, Noted
from fakebatch.loud import Witness
from fakebatch.patience import Patience
from fakebatch.scenario import Breaks, Rule, Scenario
from fakebatch.scenario.as_said import as_said
from fakebatch.service import Saved, Service
from fakebatch.testing import placing
from fakebatch.testing.asserting import Asserting
from fakebatch.testing.scripting import Scripting
from fakebatch.testing.timeline import Notes, timeline
from fakebatch.testing.unused import complaint, unused
from fakebatch.vtime import Clock, wall
from fakebatch.vtime.limits import Site
from fakebatch.webhooks import Webhooks
from fakebatch.wire.app import OPERATIONS, App, Operation
from fakebatch.wire.exchange import Reply, Request
from fakebatch.wire.faults import Fired

UNUSED = ("error", "note", "ignore")


class FakeBatch(Asserting, Scripting):
    """An OpenAI Batch API of your own, active between `with` and the end of its block.

    Args:
        seed: decides ids, shuffles and vectors: the same seed gives the same bytes.
        clock: "virtual" (the default: sleeping moves time), "manual" (only `clock.advance` does),
            or "real" (nothing is patched; the emulator goes by `time.time()`).
        start: when the frozen clock begins: a datetime, ISO text or unix seconds.
        dialect: the provider to emulate.
        base_url: where it is emulated, in place of the provider's own addresses.
        api_keys: the keys that are accepted; by default every key is.
        models: the models that exist; by default every plausible name does.
        limits: what the service accepts: `{"batch_lines": 10}`; an unknown name is told the others.
        incident: a known incident by name, a Scenario, a `.toml` or `.json` file, or several.
        unused: what to do about rules of the test that nothing met: "error" at the end, "note" in
            the timeline and the report alone, "ignore". Rules of an incident are only noted.

    Raises:
        Misuse: an argument without meaning.
    """

    def __init__(
        self,
        *,
        seed: int | str = 0,
        clock: str | None = None,
        start: datetime | str | float | None = None,
        dialect: str = "openai",
        base_url: str | None = None,
        api_keys: list[str] | None = None,
        models: list[str] | None = None,
        limits: dict[str, int] | None = None,
        incident: Incident = (),
        unused: str = "error",
    ) -> None:
        if unused not in UNUSED:
            raise _no_way(unused)
        for name, several in (("api_keys", api_keys), ("models", models)):
            if isinstance(several, str):
                raise _no_list(name, several)
        chosen = _dialect(dialect, base_url, limits or {})
        seeded = str(seed).encode()
        self._service = Service(
            chosen,
            clock=wall.microseconds,
            seed=seeded,
            models=None if models is None else frozenset(models),
        )
        self.journal = Journal([operation.name for operation in OPERATIONS])
        """The calls that were made, and the sleeps between them."""
        self.files = placing.Files(self._service, self.journal)
        """The files by id, in order of creation; result files are among them once they exist."""
        self.batches = placing.Batches(self._service, self.files)
        """The batches by id, in order of creation."""
        keys = None if api_keys is None else frozenset(api_keys)
        self._patience = Patience(self._service)
        self.webhooks = Webhooks(self._service.world)
        """What the service tells of batches that have ended: `due`, `deliver_to`, `secret`."""
        self.clock = Clock(clock, start=start, verdict=self._verdict)
        """The time everybody sees, and the way to move it."""
        self.clock.on_sleep = self.journal.slept
        app = App(
            self._service,
            api_keys=keys,
            seed=seeded,
            told=self._told,
            noted=self._noted,
            elapsed=self._elapsed,
        )
        self.faults = app.faults
        """Which faults of `on_call` hit a request (`fired`), and which never did (`unused()`)."""
        self.base_url = chosen.base_urls[0]
        """Where clients find the service: `https://api.openai.com/v1`."""
        self.router = EmulatedRouter(dict.fromkeys(chosen.base_urls, app))
        """A respx router; `router["batches.retrieve"]` is the route of an operation."""
        self._witness = Witness()
        self._active = ExitStack()
        self._entered = False
        self._began = self._left = 0
        self.unused = unused
        """"error", "note" or "ignore": what to do at the end about rules that nothing met."""
        self._incidental: set[int] = set()
        self.incident(incident)

    @property
    def scenario(self) -> Scenario:
        """What shall happen from now on: all that was said, as one value."""
        return self._service.world.scenario

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        self._service.world.scenario = scenario

    @property
    def dialect(self) -> Dialect:
        """The provider."""
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
        return Snapshot(self._service.save(), self.journal.snapshot())

    def restore(self, saved: Snapshot) -> None:
        """As if nothing had been done since the snapshot; the clock alone goes on."""
        self._service.restore(saved.service)
        self.journal.restore(saved.journal)
        self._patience.renewed()
        self.clock.progress()

    @property
    def never_used(self) -> tuple[str, ...]:
        """After the end, the rules that nothing had met, in the words of the test."""
        return () if self._entered else tuple(map(as_said, self._unused()))

    def timeline(self) -> str:
        """What happened, in at most 40 lines; pytest shows it where a test fails."""
        now = self._service.world.clock() if self._entered else self._left
        return timeline(self._service, self.journal, self._notes(), self._began, now)

    def __enter__(self) -> Self:
        if self._entered:
            raise Misuse(
                "This FakeBatch is active already.",
                "It was entered by `with` or by the fixture, and is not left yet.",
                "Use it as it is, or make another one: with FakeBatch() as inner.",
            )
        hosts = frozenset(host for host in self.router.hosts if not is_loopback(host))
        with ExitStack() as stack:
            stack.enter_context(dummy_environment(self.webhooks.secret))
            stack.enter_context(unresolvable(hosts, self._witness))
            stack.enter_context(doors(self.router, self._witness))
            self.clock.start()
            stack.callback(self.clock.stop)
            stack.callback(self.webhooks.courier.close)
            self._active = stack.pop_all()
            self._entered = True
        self._began = self._service.world.clock()
        _ENTERED[self] = None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left, self._entered = self._service.world.clock(), False
        self._active.close()
        lost = self.webhooks.courier.error() or self._witness.lost()
        if lost is not None and not isinstance(error, FakeBatchError):
            raise lost
        if error is None:
            self._complain()

    def _told(self, operation: Operation, id_: str) -> None:
        if operation.method == "GET":
            self._patience.asked(id_)
        else:
            self._patience.renewed()
            self.clock.progress()
            self.webhooks.courier.look()

    def _verdict(self, site: Site) -> FakeBatchError | None:
        return self.webhooks.courier.error() or self._patience.verdict(site)

    def _noted(
        self,
        request: Request,
        operation: Operation | None,
        id_: str,
        reply: Reply,
        hit: Fired | None,
    ) -> None:
        name = operation.name if operation else f"{request.method} {request.path}"
        status = None if isinstance(reply.trouble, Breaks) else reply.status
        called = Called(name, id_, status, None if hit is None else as_said(hit.fault))
        changes = request.method != "GET" and reply.status < 400
        self.journal.called(self._service.world.clock(), called, changes=changes)

    def _notes(self) -> Notes:
        fired = self.faults.fired
        return Notes(
            injected=tuple({as_said(one.fault): None for one in fired}),
            absorbed=tuple({as_said(one.fault): None for one in fired if one.absorbed}),
            unused=tuple(map(as_said, self._unused())),
        )

    def _unused(self) -> list[Rule]:
        return [] if self.unused == "ignore" else unused(self._service, self.faults)

    def _complain(self) -> None:
        if self.unused != "error":
            return
        asked = [rule for rule in self._unused() if id(rule) not in self._incidental]
        if asked:
            raise complaint(asked, self._service)

    def _elapsed(self) -> int:
        return microseconds(self.clock.elapsed)


_ENTERED: WeakKeyDictionary[FakeBatch, None] = WeakKeyDictionary()


def entered() -> list[FakeBatch]:
    """The fakes that are or were active and still exist, in the order they became so."""
    return [*_ENTERED]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a FakeBatch at one moment."""

    service: Saved
    journal: Noted


def _no_way(given: str) -> Misuse:
    return Misuse(
        f"unused={given!r} is nothing that can be done about rules that nothing met.",
        f"Known are {', '.join(map(repr, UNUSED))}.",
        "Leave it out to be told of them as an error.",
    )


def _no_list(name: str, given: str) -> Misuse:
    return Misuse(
        f"{name}={given!r} is a text.",
        f"{name} takes a list of texts.",
        f"Write {name}=[{given!r}].",
    )


def _dialect(name: str, base_url: str | None, limits: dict[str, int]) -> Dialect:
    dialect = DIALECTS.get(name)
    if dialect is None:
        raise Misuse(
            f"There is no dialect {name!r}.",
            f"Known are {', '.join(map(repr, DIALECTS))}.",
            "Name one of these; base_url='…' puts it at another address.",
        )
    known = dialect.limits.__dataclass_fields__
    unknown = [limit for limit in limits if limit not in known]
    if unknown:
        raise Misuse(
            f"There is no limit {', '.join(map(repr, unknown))}.",
            f"Known are {', '.join(known)}.",
            "Write for example FakeBatch(limits={'batch_lines': 10}).",
        )
    if base_url is not None and not base_url.startswith(("http://", "https://")):
        raise Misuse(
            f"base_url={base_url!r} is no address.",
            f"The provider's own is {dialect.base_urls[0]}.",
            "Write it with its scheme: base_url='http://localhost:8000/v1'.",
        )
    dialect = replace(dialect, limits=replace(dialect.limits, **limits))
    return dialect if base_url is None else replace(dialect, base_urls=(base_url.rstrip("/"),))


KEYWORDS = tuple(name for name in signature(FakeBatch).parameters)
"""What FakeBatch, and so the marker, can be told."""

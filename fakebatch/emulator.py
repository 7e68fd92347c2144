"""FakeBatch: the object users hold; wires clock, service and interception together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from inspect import signature
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from fakebatch.dialects import DIALECTS, Dialect
from fakebatch.durations import Duration, microseconds
from fakebatch.errors import FakeBatchError, Misuse
from fakebatch.interception import (
    DUMMY_KEY,
    EmulatedRouter,
    doors,
    dummy_environment,
    is_loopback,
    ready_client,
    transport,
    unresolvable,
)
from fakebatch.loud import Witness
from fakebatch.patience import Patience
from fakebatch.request_line import RequestLine
from fakebatch.scenario import Answer, LineRule, Says
from fakebatch.service import Service
from fakebatch.testing import looking, saying
from fakebatch.vtime import Clock, wall
from fakebatch.wire.app import App, Operation

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI


class FakeBatch:
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
    ) -> None:
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
        keys = None if api_keys is None else frozenset(api_keys)
        self._patience = Patience(self._service)
        self.clock = Clock(clock, start=start, verdict=self._patience.verdict)
        """The time everybody sees, and the way to move it."""
        app = App(self._service, api_keys=keys, seed=seeded, told=self._told)
        self.base_url = chosen.base_urls[0]
        """Where clients find the service: `https://api.openai.com/v1`."""
        self.router = EmulatedRouter(dict.fromkeys(chosen.base_urls, app))
        """A respx router; `router["batches.retrieve"]` is the route of an operation."""
        self._api_key = DUMMY_KEY if not api_keys else api_keys[0]
        self._witness = Witness()
        self._active = ExitStack()
        self._entered = False

    @property
    def batches(self) -> looking.Seen[looking.Batch]:
        """The batches by id, in order of creation."""
        service = self._service
        return looking.Seen(
            "batches",
            service.batches.known,
            service.batches.has,
            lambda id_: looking.Batch(id_, service.batches.retrieve),
        )

    @property
    def files(self) -> looking.Seen[looking.File]:
        """The files by id, in order of creation; result files are among them once they exist."""
        service = self._service
        return looking.Seen(
            "files",
            service.files.known,
            service.files.has,
            lambda id_: looking.File(id_, service),
        )

    def openai(self, **options: Any) -> OpenAI:
        """A client of the openai SDK that ends here: no respx in between, no TLS context.

        It works without `with` too: then nothing is patched, and time is the one of `time.time()`.

        Args:
            options: what else `openai.OpenAI` shall be told: `api_key`, `max_retries` and so on.
        """
        client: OpenAI = ready_client(
            "OpenAI", "DefaultHttpxClient", self.transport, self._options(options)
        )
        return client

    def async_openai(self, **options: Any) -> AsyncOpenAI:
        """The same for `openai.AsyncOpenAI`."""
        client: AsyncOpenAI = ready_client(
            "AsyncOpenAI", "DefaultAsyncHttpxClient", self.transport, self._options(options)
        )
        return client

    def transport(self, stack: ModuleType) -> Any:
        """A transport that ends here: `httpx2.Client(transport=fakebatch.transport(httpx2))`.

        Args:
            stack: the library of the client, httpx or httpx2; for its AsyncClient as well.
        """
        return transport(stack, self.router, self._witness)

    def schedule(
        self,
        *,
        validating: Duration | None = None,
        in_progress: Duration | None = None,
        finalizing: Duration | None = None,
    ) -> None:
        """How long batches created from now on stay in each status; what is left out stays."""
        given = {"validating": validating, "in_progress": in_progress, "finalizing": finalizing}
        changed = {name: microseconds(d) for name, d in given.items() if d is not None}
        scenario = self._service.world.scenario
        self._service.world.scenario = replace(
            scenario, schedule=replace(scenario.schedule, **changed)
        )

    def on(self, where: Callable[[RequestLine], bool] | None = None, **which: Any) -> saying.On:
        """Select lines by custom_id, index, model, endpoint, contains, or a predicate.

        Among rules that match a line the later wins. Batches that exist already keep theirs.
        """
        usual = self._service.world.dialect.line_errors
        return saying.On(saying.which(where, which), self._add_rule, usual)

    def reply(self, answer: Answer) -> None:
        """What answers where no rule does: a text, a response body, or a callable(line)."""
        self._otherwise(Says(saying.checked_answer(answer)))

    def reply_from(self, path: str | Path, *, missing: str | None = None) -> None:
        """Answer from a recorded output file, by custom_id, where no rule does.

        A custom_id the file lacks fails the test, unless `missing` is "echo".
        """
        self._otherwise(saying.recording(path, missing))

    def __enter__(self) -> Self:
        if self._entered:
            raise Misuse(
                "This FakeBatch is active already.",
                "It was entered by `with` or by the fixture, and is not left yet.",
                "Use it as it is, or make another one: with FakeBatch() as inner.",
            )
        hosts = frozenset(host for host in self.router.hosts if not is_loopback(host))
        with ExitStack() as stack:
            stack.enter_context(dummy_environment())
            stack.enter_context(unresolvable(hosts, self._witness))
            stack.enter_context(doors(self.router, self._witness))
            self.clock.start()
            stack.callback(self.clock.stop)
            self._active = stack.pop_all()
            self._entered = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._entered = False
        self._active.close()
        lost = self._witness.lost()
        if lost is not None and not isinstance(error, FakeBatchError):
            raise lost

    def _options(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"api_key": self._api_key, "base_url": self.base_url, **given}

    def _told(self, operation: Operation, id_: str) -> None:
        if operation.method == "GET":
            self._patience.asked(id_)
        else:
            self._patience.renewed()
            self.clock.progress()

    def _add_rule(self, rule: LineRule) -> None:
        self._service.world.scenario = self._service.world.scenario.with_rule(rule)

    def _otherwise(self, outcome: saying.Outcome) -> None:
        self._service.world.scenario = replace(self._service.world.scenario, otherwise=outcome)


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

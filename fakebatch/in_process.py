"""The gauntlet in this process: a Python client, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import chdir, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from inspect import isawaitable, iscoroutine
from tempfile import TemporaryDirectory
from typing import Any, cast

from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.fake import FakeBatch
from fakebatch.gauntlet.answers import Requests
from fakebatch.gauntlet.card import Card
from fakebatch.gauntlet.case import Case, cases
from fakebatch.gauntlet.known import Known, KnownFailures, known_failures
from fakebatch.gauntlet.record import Killed, Watch
from fakebatch.gauntlet.report import Failure, Report, id_of
from fakebatch.gauntlet.verdicts import Verdict, judge

BASE_URL = "https://api.openai.com/v1"
"""Where every provider is emulated: clients need not know which one an incident is of."""
RESTART = "1m"
"""How long it takes in virtual time until a client that was killed is started again."""

Results = Mapping[str, Any]
"""By custom_id the answer, a text or a response body, or the exception that stands for it."""

Client = Callable[[list[dict[str, Any]]], Results | Awaitable[Results]]


def run_gauntlet(
    run: Client,
    *,
    only: str | Sequence[str] = (),
    known: Known = None,
    shard: tuple[int, int] = (1, 1),
    leftovers: bool = False,
    strict: bool = False,
    check: bool = True,
) -> Card:
    """Run a client through the known incidents, each in a world of its own, in virtual time.

    `run` is called with the request lines of a case, and returns by custom_id the answer: the text
    of the assistant or the response body, or an exception for a request without an answer. It may
    be async. An exception that it raises stands for every request that it does not report. Each
    case has a working directory of its own; in those of the group `resume`, the client is killed,
    and called again in the same directory.

    Args:
        run: the client.
        only: ids, names, groups or globs of incidents; by default all.
        known: a TOML file of known failures, or a mapping from their ids to reasons.
        shard: which part of how many: `(1, 4)`.
        leftovers: whether files that the client leaves behind make it unclean.
        strict: whether `unclean` and `info` are failures.
        check: whether failures that are not known are raised.

    Raises:
        AssertionError: a case failed that is not known to, or one did not that is.
        UsageError: `only` selects nothing, or `known` cannot be read.
    """
    failures = known_failures(known)
    verdicts = list[Verdict]()
    for case in cases(only, shard):
        reason = failures.skipped(case.id)
        if reason is None:
            verdicts.append(Trial(case, leftovers=leftovers).run(run))
        else:
            verdicts.append(Verdict(case.id, "not run", reason=reason))
    options = {"leftovers": leftovers, "strict": strict}
    more = "".join(f", {name}=True" for name, on in options.items() if on)
    card = Card(
        tuple(verdicts), failures, strict, f"fakebatch.run_gauntlet(run, only={{id!r}}{more})"
    )
    if check and card.problems:
        raise AssertionError("\n\n".join([*card.problems, card.summary()]))
    return card


@dataclass(slots=True, eq=False)
class Trial:
    """A case in this process, while a client is run through it.

    Attributes:
        case: the incident and the requests.
        fake: the FakeBatch that the client talks to.
        verdict: what `check` has found.
    """

    case: Case
    known: KnownFailures = field(default_factory=KnownFailures)
    leftovers: bool = False
    strict: bool = False
    verdict: Verdict | None = None
    fake: FakeBatch = field(init=False)
    watch: Watch = field(init=False)

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The request lines for the client, as dicts of its own."""
        return [deepcopy({**request}) for request in self.case.requests]

    @contextmanager
    def running(self) -> Generator[Trial]:
        """Emulate the case. Its client may keep state in the working directory, which is new."""
        self.fake = FakeBatch(base_url=BASE_URL, **self.case.options())
        with TemporaryDirectory(prefix="gauntlet-") as path, chdir(path), self.fake:
            self.watch = Watch(self.fake, Requests(self.case.requests), self.case.kills)
            yield self

    def run(self, run: Client) -> Verdict:
        """Run a client, and judge it."""
        report = Report(raised="its wait had no end")
        try:
            with self.running():
                report = self._report(run)
        except FakeBatchError as error:
            if not self.has_ended(error):
                raise
        return self.judge(report)

    def has_ended(self, error: FakeBatchError) -> bool:
        """Whether an error has ended a wait without end; others say that a test is wrong."""
        is_end = type(error) is FakeBatchError
        if is_end:
            self.watch.endless = error.args
        return is_end

    def _report(self, run: Client) -> Report:
        """Call the client until it is not killed."""
        while True:
            try:
                results = run(self.requests)
                if isawaitable(results):
                    results = _run_to_end(results)
                report = reported(results)
            except BaseException as error:  # noqa: BLE001
                report = Report(raised=self._raised(error))
            if not self.watch.is_dead or self.watch.endless:
                return report
            self.fake.clock.advance(RESTART)
            self.watch.revive()

    def _raised(self, error: BaseException) -> str:
        """In words what the client raised. What is not its own is raised again."""
        cause = origin(error)
        if isinstance(cause, (Exception, SystemExit, asyncio.CancelledError)):
            return in_words(cause)
        if self.watch.is_dead and isinstance(error, (Killed, BaseExceptionGroup)):
            return "it was killed"
        raise cause

    def judge(self, report: Report) -> Verdict:
        """The verdict on a client that has ended."""
        record = self.watch.record()
        self.verdict = judge(self.case, record, report, leftovers=self.leftovers)
        return self.verdict

    def check(self, results: Results) -> Verdict:
        """Judge what a client has returned.

        Args:
            results: by custom_id the answer, or the exception that stands for it.

        Raises:
            AssertionError: it fails, and is not known to, or the other way round.
        """
        __tracebackhide__ = True
        verdict = self.judge(reported(results))
        problem = self.problem(verdict)
        if problem:
            raise AssertionError(problem)
        return verdict

    def problem(self, verdict: Verdict) -> str:
        """Why a verdict fails a test, beside the known failures; empty: it does not."""
        alone = "pytest -k '{id}'"
        return "\n".join(Card((verdict,), self.known, self.strict, alone).problems)


def _run_to_end(results: Awaitable[Results]) -> Results:
    """What an async client returns.

    Raises:
        UsageError: an event loop runs in this thread already.
    """

    async def awaited() -> Results:
        return await results

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(awaited())
    if iscoroutine(results):
        results.close()  # else Python warns that it was never awaited
    raise UsageError(
        f"run_gauntlet was called within {loop}.",
        "An async client runs in an event loop of its own, and a thread has only one.",
        "Call it from a function that is not async, or use @pytest.mark.fakebatch_gauntlet.",
    )


def reported(results: object) -> Report:
    """What a client says that it got, from what it returned.

    Raises:
        UsageError: it returned something else than a mapping.
    """
    if not isinstance(results, Mapping):
        raise UsageError(
            f"The client returned {type(results).__name__}, not a mapping.",
            "It returns by custom_id the answer, a text or a response body, or an exception.",
            "Write for example return {'row-1': 'text', 'row-2': ValueError('400')}.",
        )
    pairs = dict[Any, Any](results)  # pyright: ignore[reportUnknownArgumentType]
    return Report(tuple((id_of(id_), _plain(answer)) for id_, answer in pairs.items()))


def _plain(answer: Any) -> Any:
    """An answer as data: a Failure for an exception, a dict for a typed response of an SDK.

    The vectors of embeddings may be arrays.
    """
    if isinstance(answer, BaseException):
        return Failure(in_words(origin(answer)))
    if isinstance(answer, dict):
        return {name: _plain(value) for name, value in cast("dict[str, Any]", answer).items()}
    if isinstance(answer, list):
        return [*map(_plain, answer)]  # pyright: ignore[reportUnknownArgumentType]
    dump = getattr(answer, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    to_list = getattr(answer, "tolist", None)
    return to_list() if callable(to_list) else answer


def origin(error: BaseException) -> BaseException:
    """What a client raised: of a task group an error of ours, or else the first one.

    If its handler of webhooks raised, that exception.
    """
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        origins = [origin(each) for each in group.exceptions]
        return next((each for each in origins if isinstance(each, FakeBatchError)), origins[0])
    is_of_handler = isinstance(error, FakeBatchError) and isinstance(error.__cause__, Exception)
    return (is_of_handler and error.__cause__) or error


def in_words(error: BaseException) -> str:
    """An exception as one line: `ValueError: no such row`."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

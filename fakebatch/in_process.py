"""The gauntlet in this process: a Python client, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from copy import deepcopy
from inspect import isawaitable
from pathlib import Path
from typing import Any

from fakebatch.errors import FakeBatchError, UsageError
from fakebatch.fake import FakeBatch
from fakebatch.gauntlet.answers import Requests
from fakebatch.gauntlet.card import Card
from fakebatch.gauntlet.case import Case, cases
from fakebatch.gauntlet.known import Known, KnownFailures, known_failures
from fakebatch.gauntlet.record import Killed, Record, Watch
from fakebatch.gauntlet.verdicts import Failure, Report, Verdict, judge

BASE_URL = "https://api.openai.com/v1"
"""Where every provider is emulated: clients need not know which one an incident is of."""

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
    verdicts = [
        not_run(case, why)
        if (why := failures.skipped(case.id)) is not None
        else verdict_of(run, case, leftovers=leftovers)
        for case in cases(only, shard)
    ]
    card = Card(tuple(verdicts), failures, strict)
    if check and card.problems:
        raise AssertionError("\n\n".join([*card.problems, card.summary()]))
    return card


def not_run(case: Case, why: str) -> Verdict:
    """The verdict on a case that is out of the scope of a client."""
    return Verdict(case.id, "not run", reason=why)


def verdict_of(run: Client, case: Case, *, leftovers: bool = False) -> Verdict:
    """Run a client through one case."""
    record, report = run_case(run, case)
    return judge(case, record, report, leftovers=leftovers)


def run_case(run: Client, case: Case) -> tuple[Record, Report]:
    """Run a client through one case. What it did, and what it says that it got."""
    watch, report = None, Report(raised="its wait had no end")
    try:
        with own_directory(), FakeBatch(base_url=BASE_URL, **case.options) as fake:
            watch = Watch(fake, Requests(case.requests), case.kills)
            report = _run(run, case, watch)
    except FakeBatchError as error:
        # of its subclasses, one says that a test is wrong, the other that a host is not emulated
        if watch is None or type(error) is not FakeBatchError:
            raise
        watch.endless = error.args
    return watch.record(), report


@contextlib.contextmanager
def own_directory() -> Generator[Path]:
    """A new working directory for a client, which may keep its state there."""
    with tempfile.TemporaryDirectory(prefix="gauntlet-") as path, contextlib.chdir(path):
        yield Path(path)


def _run(run: Client, case: Case, watch: Watch) -> Report:
    """Call the client until it is not killed."""
    while True:
        try:
            results = run([deepcopy({**request}) for request in case.requests])
            if isawaitable(results):
                results = asyncio.run(_awaited(results))
            report = reported(results)
        except (Exception, SystemExit, Killed, asyncio.CancelledError) as error:
            report = Report(raised=in_words(error))
        except BaseExceptionGroup as error:
            if not watch.is_dead:
                raise
            report = Report(raised=in_words(error))
        if not watch.is_dead or watch.endless:
            return report
        watch.revive()


async def _awaited(results: Awaitable[Results]) -> Results:
    return await results


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
    pairs: Mapping[Any, Any] = results
    return Report(
        tuple(
            (str(id_), Failure(in_words(answer)) if isinstance(answer, BaseException) else answer)
            for id_, answer in pairs.items()
        )
    )


def in_words(error: BaseException) -> str:
    """An exception as one line: `ValueError: no such row`."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

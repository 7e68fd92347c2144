"""Adds the timelines of the fakes that a test used to its report. Imports only pytest."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pytest

if TYPE_CHECKING:
    from fakebatch import FakeBatch, Remote

_CALLS_BEFORE = pytest.StashKey[WeakKeyDictionary["FakeBatch", int]]()
"""Of the fakes that there were before the test, until it is reported. Weak: a stash lives long."""
_TIMELINES = 3
"""How many are shown: a test of Hypothesis has a fake for each example, and the last one failed."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember how many calls the fakes of wider scope have had so far."""
    if module := sys.modules.get("fakebatch.fake"):
        module.latest.clear()
    item.stash[_CALLS_BEFORE] = WeakKeyDictionary({fake: fake.journal.count() for fake in _fakes()})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add timelines to the first report that fails, unused rules to that of a passed teardown."""
    report = yield
    adds = report.failed or report.when == "teardown" or call.excinfo is not None
    before = item.stash.get(_CALLS_BEFORE, None)
    if not adds or before is None:
        return report
    fakes: list[FakeBatch | Remote] = [
        fake for fake in _fakes() if before.get(fake) != fake.journal.count()
    ]
    fixtures: dict[str, Any] = getattr(item, "funcargs", None) or {}
    fakes += filter(None, [fixtures.get("fakebatch_server")])
    if report.failed:
        report.sections.extend(_timelines(fakes))
    elif report.when == "teardown":
        report.sections.extend(_unused_rules(fakes))
    if call.excinfo is not None:
        for fake in fakes:  # a test that failed need not have used every rule
            fake._broke_off = True  # noqa: SLF001
    if report.failed or report.when == "teardown":
        del item.stash[_CALLS_BEFORE]
    return report


def _fakes() -> list[FakeBatch]:
    module = sys.modules.get("fakebatch.fake")
    return [] if module is None else [*module.entered]


def _timelines(fakes: list[FakeBatch | Remote]) -> Generator[tuple[str, str]]:
    of = len(fakes) if len(fakes) <= _TIMELINES else f"the last {_TIMELINES}"
    for number, fake in enumerate(fakes[-_TIMELINES:], 1):
        which = f" {number} of {of}" if len(fakes) > 1 else ""
        timeline = _text(fake, lambda fake: fake.timeline())
        yield f"fakebatch timeline{which}: {fake.base_url}", timeline


def _unused_rules(fakes: list[FakeBatch | Remote]) -> Generator[tuple[str, str]]:
    # for a test that passed, pytest -rP only shows sections with "teardown" in their titles
    for fake in fakes:
        rules = _text(fake, lambda fake: "\n".join(fake._never_used))  # noqa: SLF001
        if rules:
            yield f"fakebatch teardown, never used: {fake.base_url}", rules


def _text(fake: FakeBatch | Remote, report: Callable[[Any], str]) -> str:
    from fakebatch.errors import FakeBatchError  # noqa: PLC0415

    try:
        return report(fake)
    except (Exception, FakeBatchError) as error:  # noqa: BLE001  # a rule of the test may be wrong
        return f"There is no timeline: {error}"

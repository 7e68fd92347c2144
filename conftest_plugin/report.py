"""What a test shows of the fakes it used: if it fails, the timeline. Imports pytest alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fakebatch import FakeBatch

_BEFORE = pytest.StashKey[dict["FakeBatch", int]]()
_SHOWN = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember which fakes of wider scope there are, and what was done with them so far."""
    if module := sys.modules.get("fakebatch.fake"):
        module.latest.clear()
    item.stash[_BEFORE] = {fake: fake.journal.count() for fake in _fakes()}
    item.stash[_SHOWN] = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The first report of a failure gets the timelines; that of a good end, what was noted."""
    report = yield
    if item.stash.get(_SHOWN, True):
        return report
    fakes = _used(item.stash[_BEFORE])
    if report.failed:
        item.stash[_SHOWN] = True
        report.sections.extend(_sections(fakes))
    elif report.when == "teardown":
        report.sections.extend(_noted(fakes))
    if call.excinfo is not None:
        for fake in fakes:  # what broke off, or was expected to fail, need not have met every rule
            fake.broke_off = True
    return report


def _fakes() -> list[FakeBatch]:
    module = sys.modules.get("fakebatch.fake")
    return [] if module is None else [*module.entered]


def _used(before: dict[FakeBatch, int]) -> list[FakeBatch]:
    return [fake for fake in _fakes() if before.get(fake) != fake.journal.count()]


def _sections(fakes: list[FakeBatch]) -> Generator[tuple[str, str]]:
    for number, fake in enumerate(fakes, 1):
        which = f" {number} of {len(fakes)}" if len(fakes) > 1 else ""
        yield f"fakebatch timeline{which}: {fake.base_url}", _text(fake.timeline)


def _noted(fakes: list[FakeBatch]) -> Generator[tuple[str, str]]:
    # of a test that passed pytest shows (-rP) only sections with "teardown" in their titles
    for fake in fakes:
        rules = _text(partial(_never_used, fake))
        if rules:
            yield f"fakebatch teardown, never used: {fake.base_url}", rules


def _never_used(fake: FakeBatch) -> str:
    return "\n".join(fake.never_used)


def _text(draw: Callable[[], str]) -> str:
    from fakebatch.errors import FakeBatchError  # noqa: PLC0415

    try:
        return draw()
    except (Exception, FakeBatchError) as error:  # noqa: BLE001  # a rule of the test may be wrong
        return f"There is no timeline: {error}"

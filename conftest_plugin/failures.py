"""How an error of ours ends a test: what is shown of it, and that pytest clears up after it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import TracebackType

import _pytest.fixtures
import _pytest.runner
import pytest


def clear_up_after_groups() -> None:
    """Let pytest clear up after a BaseExceptionGroup as after any other failure.

    A task group or a nursery in somebody's teardown wraps an error of ours, and pytest itself makes
    a group of two in one fixture. It stops at both: what it has still to tear down stays as it is,
    for all tests that follow. The exceptions it goes on after are `TEST_OUTCOME` (pytest 8 and 9).
    """
    for names in (_pytest.runner.__dict__, _pytest.fixtures.__dict__):
        outcomes = names.get("TEST_OUTCOME")
        if outcomes and BaseExceptionGroup not in outcomes:
            names["TEST_OUTCOME"] = (*outcomes, BaseExceptionGroup)


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Let the traceback of an error of ours end at the last line that belongs to the user.

    What comes after it is the SDK, an HTTP stack and fakebatch. No wrapper does this: the error of
    a `unittest.TestCase` is put into `call` when they have begun.
    """
    excinfo = call.excinfo
    if excinfo is None or "fakebatch.errors" not in sys.modules:
        return
    from fakebatch.errors import FakeBatchError  # noqa: PLC0415

    if not isinstance(excinfo.value, FakeBatchError) or item.config.getoption("fulltrace"):
        return
    links = [*_links(excinfo.tb)]
    of_the_user = [place for place, link in enumerate(links) if _is_of_the_user(link)]
    if not of_the_user:
        excinfo.value.pytrace = False  # the message alone
        return
    shown = None  # pytest goes along tb_next, so a slice would not do
    for link in reversed(links[of_the_user[0] : of_the_user[-1] + 1]):
        if not _is_ours(link):
            shown = TracebackType(shown, link.tb_frame, link.tb_lasti, link.tb_lineno)
    excinfo.traceback = type(excinfo.traceback)(shown or excinfo.tb)


def _links(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _is_of_the_user(link: TracebackType) -> bool:
    from fakebatch.vtime.callsite import is_installed  # noqa: PLC0415

    return not is_installed(link.tb_frame.f_code.co_filename) and not _is_ours(link)


def _is_ours(link: TracebackType) -> bool:
    package = str(link.tb_frame.f_globals.get("__name__")).partition(".")[0]
    return package in {"fakebatch", "conftest_plugin"}

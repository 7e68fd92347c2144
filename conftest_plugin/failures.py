"""Errors of fakebatch in a test: pytest cleans up after them, and shows a short traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import TracebackType

import _pytest.fixtures
import _pytest.runner
import pytest


def clean_up_after_groups() -> None:
    """Let pytest clean up after a BaseExceptionGroup as after any other failure.

    A task group or nursery in a teardown puts our error in such a group, and so does pytest if a
    fixture raises two errors. Without this, pytest skips the remaining teardowns. It only goes on
    after the exceptions in `TEST_OUTCOME` (pytest 8 and 9).
    """
    for names in (_pytest.runner.__dict__, _pytest.fixtures.__dict__):
        outcomes = names.get("TEST_OUTCOME")
        if outcomes and BaseExceptionGroup not in outcomes:
            names["TEST_OUTCOME"] = (*outcomes, BaseExceptionGroup)


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """End the traceback of an error of fakebatch at the last line of the user's code.

    After that line come the SDK, an HTTP stack and fakebatch. This is not a hook wrapper, because
    pytest adds the error of a `unittest.TestCase` to `call` only after wrappers have started.
    """
    excinfo = call.excinfo
    if excinfo is None or "fakebatch.errors" not in sys.modules:
        return
    from fakebatch.errors import FakeBatchError  # noqa: PLC0415
    from fakebatch.vtime.callsite import is_users  # noqa: PLC0415

    if not isinstance(excinfo.value, FakeBatchError) or item.config.getoption("fulltrace"):
        return
    links = [*_links(excinfo.tb)]
    users = [i for i, link in enumerate(links) if is_users(link.tb_frame) and not _is_ours(link)]
    if not users:
        excinfo.value.pytrace = False  # show only the message
        return
    shown = None  # pytest follows tb_next, so a slice is not enough
    for link in reversed(links[users[0] : users[-1] + 1]):
        if not _is_ours(link):
            shown = TracebackType(shown, link.tb_frame, link.tb_lasti, link.tb_lineno)
    excinfo.traceback = type(excinfo.traceback)(shown or excinfo.tb)


def _links(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _is_ours(link: TracebackType) -> bool:
    package = str(link.tb_frame.f_globals.get("__name__")).partition(".")[0]
    return package in {"fakebatch", "conftest_plugin"}

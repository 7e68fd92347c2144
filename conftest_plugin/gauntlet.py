"""Marker and fixture `fakebatch_gauntlet`: a test for each incident. Imports only pytest."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fakebatch.in_process import Trial

NAME = "fakebatch_gauntlet"
MARKER = (
    f"{NAME}(*only, known=..., leftovers=..., strict=...): run this test once for each known "
    "incident, or for those whose ids, names, groups or globs are given"
)
KEYWORDS = ("known", "leftovers", "strict")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each case."""
    marker = metafunc.definition.get_closest_marker(NAME)
    if marker is None:
        return
    from fakebatch.errors import UsageError  # noqa: PLC0415
    from fakebatch.gauntlet.case import cases  # noqa: PLC0415

    unknown = [name for name in marker.kwargs if name not in KEYWORDS]
    if unknown or NAME not in metafunc.fixturenames:
        raise UsageError(
            f"@pytest.mark.{NAME} does not know {', '.join(unknown)}."
            if unknown
            else f"{metafunc.function.__name__} has the marker {NAME}, and not the fixture.",
            f"The marker takes {', '.join(KEYWORDS)}; the fixture has `requests` and `check`.",
            f"Write def test_my_client({NAME}): {NAME}.check(my_client({NAME}.requests)).",
        )
    chosen = cases(marker.args)
    metafunc.parametrize(NAME, chosen, ids=[case.id for case in chosen], indirect=True)


@pytest.fixture
def fakebatch_gauntlet(request: pytest.FixtureRequest) -> Generator[Trial]:
    """One case: `requests` for the client, and `check` for what it returns."""
    from fakebatch.errors import UsageError  # noqa: PLC0415
    from fakebatch.gauntlet.known import known_failures  # noqa: PLC0415
    from fakebatch.in_process import Trial  # noqa: PLC0415

    marker = request.node.get_closest_marker(NAME)
    if marker is None:
        raise UsageError(
            f"{request.node.name} has the fixture {NAME}, and not the marker.",
            "The marker says which incidents there are a test for.",
            f"Write @pytest.mark.{NAME} above the test.",
        )
    options: dict[str, Any] = {**marker.kwargs, "known": known_failures(marker.kwargs.get("known"))}
    trial = Trial(request.param, **options)
    reason = trial.known.skipped(trial.case.id)
    if reason is not None:
        pytest.skip(reason)
    with trial.running():
        yield trial


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Judge a client that raised, call one again that was killed, and know the known failures."""
    __tracebackhide__ = True  # an error of any test passes through here
    trial: Any = pyfuncitem.funcargs.get(NAME)
    if trial is None:
        return (yield)
    from fakebatch.errors import FakeBatchError, UsageError  # noqa: PLC0415
    from fakebatch.gauntlet.report import Report  # noqa: PLC0415
    from fakebatch.in_process import in_words, origin  # noqa: PLC0415

    result: object = True
    raised: BaseException | None = None
    try:
        result = yield
    except BaseException as error:  # noqa: BLE001
        raised = origin(error)
    if trial.watch.is_dead and not trial.watch.endless:
        trial.watch.revive()
        trial.verdict = None
        return pyfuncitem.ihook.pytest_pyfunc_call(pyfuncitem=pyfuncitem)
    if trial.verdict is None and raised is not None:
        ends = isinstance(raised, FakeBatchError) and trial.has_ended(raised)
        if not ends and not isinstance(raised, (Exception, SystemExit)) and not trial.watch.endless:
            raise raised
        trial.judge(Report(raised=in_words(raised)))
        raised = None
    verdict = trial.verdict
    if verdict is None:
        raise UsageError(
            f"{pyfuncitem.name} did not check what its client got.",
            f"The fixture {NAME} was never given any results.",
            f"Write {NAME}.check(my_client({NAME}.requests)).",
        )
    if verdict.outcome == "fail" and verdict.id in trial.known.fails:
        pytest.xfail(trial.known.fails[verdict.id])
    if raised is not None:
        raise raised
    problem = trial.problem(verdict)
    if problem:
        pytest.fail(problem, pytrace=False)
    return result

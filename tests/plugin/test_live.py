"""A live run, with an emulator in the place of the real service."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.contract_table import CASES

TESTS = Path(__file__).parents[1]
FILES = ("conftest.py", "support", "contract/test_table.py")
ELSEWHERE = """
from fakebatch import FakeBatch

def pytest_configure():
    global fake
    fake = FakeBatch(clock="real", api_keys=["sk-live"], limits={limits}).__enter__()

def pytest_unconfigure():
    fake.__exit__(None, None, None)
"""


@pytest.fixture
def live(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The contract table by itself, and a key for it."""
    for name in FILES:
        path = pytester.path / name
        path.parent.mkdir(exist_ok=True)
        if (TESTS / name).is_dir():
            shutil.copytree(TESTS / name, path)
        else:
            shutil.copy(TESTS / name, path)
    pytester.makeini("[pytest]\nmarkers = live\n")
    monkeypatch.setenv("FAKEBATCH_LIVE_KEY", "sk-live")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ordinary")
    return pytester


def run(live: pytest.Pytester, limits: dict[str, int]) -> tuple[Any, dict[str, Any]]:
    """The outcome of a live run, and the record it has written."""
    live.makepyfile(elsewhere=ELSEWHERE.replace("{limits}", repr(limits)))
    live.makepyfile("def test_another(): raise AssertionError('no row of the table')")
    asked = ("-p", "elsewhere", "-p", "no:asyncio", "--live", ".")
    result = live.runpytest_subprocess(*asked)
    (record,) = (live.path / "tests/contract/live").glob("20??-??-??-openai-*.json")
    return result, json.loads(record.read_text())


def test_a_live_run_asks_the_table_alone_with_its_own_key(live: pytest.Pytester) -> None:
    """Every row is asked, no other test, and a service that is as told leaves an empty record."""
    result, record = run(live, {})
    result.assert_outcomes(passed=2 * len(CASES))
    assert record == {}


def test_a_live_run_records_what_differs(live: pytest.Pytester) -> None:
    """A row that the service answers otherwise fails, and both answers are kept."""
    result, record = run(live, {"metadata_key": 3})
    result.assert_outcomes(passed=2 * len(CASES) - 2, failed=2)
    ((name, both),) = record.items()
    assert name == "metadata that is no text"
    assert both["table"] == CASES[name].expected
    assert both["service"]["body"]["error"]["code"] == "property_name_above_max_length"


def test_a_live_run_needs_its_own_key(
    live: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ordinary key never starts one."""
    monkeypatch.delenv("FAKEBATCH_LIVE_KEY")
    result = live.runpytest_inprocess("-p", "no:asyncio", "--live", ".")
    result.stderr.fnmatch_lines(["*--live needs an API key in FAKEBATCH_LIVE_KEY.*"])

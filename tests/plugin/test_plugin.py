"""The fixture and the marker, in a pytest of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

LISTS = "openai.OpenAI().batches.list()"


def run(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(f"import openai, pytest\n\n{code}")
    return pytester.runpytest_subprocess(*options, "-p", "no:randomly")


def test_the_fixture_and_the_marker_alone_activate(pytester: pytest.Pytester) -> None:
    """Either is enough; a test with neither is left alone."""
    code = f"""
def test_fixture(fakebatch):
    {LISTS}

@pytest.mark.fakebatch
def test_marker():
    {LISTS}

@pytest.mark.fakebatch
class TestClass:
    def test_in_class(self):
        {LISTS}

def test_neither():
    import respx.mocks
    assert respx.mocks.HTTPCoreMocker.routers == []
"""
    run(pytester, code).assert_outcomes(passed=4)


def test_markers_merge_and_the_closest_wins(pytester: pytest.Pytester) -> None:
    """Keyword by keyword: function over class over module."""
    code = """
pytestmark = pytest.mark.fakebatch(api_keys=["sk-module"], start="2030-01-01")

@pytest.mark.fakebatch(api_keys=["sk-class"])
class TestClass:
    def test_merged(self, fakebatch):
        assert fakebatch.clock.now.year == 2030
        openai.OpenAI(api_key="sk-class").batches.list()

    @pytest.mark.fakebatch(start="2031-01-01")
    def test_closest(self, fakebatch):
        assert fakebatch.clock.now.year == 2031
        with pytest.raises(openai.AuthenticationError):
            openai.OpenAI(api_key="sk-module").batches.list()
"""
    run(pytester, code).assert_outcomes(passed=2)


def test_an_unknown_keyword_is_told(pytester: pytest.Pytester) -> None:
    """Three lines: what came, what is known, what to write."""
    code = "@pytest.mark.fakebatch(sed=7)\ndef test_it(): pass\n"
    run(pytester, code).stdout.fnmatch_lines(
        [
            "*fakebatch: @pytest.mark.fakebatch does not know sed.",
            "*It takes the keywords seed, clock, start, dialect, base_url, api_keys, models, *.",
            "*Write for example @pytest.mark.fakebatch(seed=7).",
        ],
        consecutive=True,
    )


def test_a_refusal_lost_in_a_thread_is_an_error_of_the_test(pytester: pytest.Pytester) -> None:
    """The test passes, its teardown does not."""
    code = """
import httpx, threading

def test_it(fakebatch):
    def work():
        try:
            httpx.get("https://example.com")
        except BaseException:
            pass
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""
    result = run(pytester, code)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*GET https://example.com/ was refused: nothing leaves*"])


def test_a_unittest_case_can_be_marked(pytester: pytest.Pytester) -> None:
    """The marker works where no fixture can be asked for."""
    code = f"""
import unittest

@pytest.mark.fakebatch
class TestOld(unittest.TestCase):
    def test_it(self):
        {LISTS}
"""
    run(pytester, code).assert_outcomes(passed=1)


def test_a_wider_fixture_of_ones_own_and_the_inner_one(pytester: pytest.Pytester) -> None:
    """`with FakeBatch()` in a session fixture serves all; the function's own wins."""
    code = f"""
from fakebatch import FakeBatch

@pytest.fixture(scope="session", autouse=True)
def wide():
    with FakeBatch() as fake:
        yield fake

def test_wide(wide):
    {LISTS}
    assert wide.router["batches.list"].call_count == 1

def test_inner(wide, fakebatch):
    {LISTS}
    assert fakebatch.router["batches.list"].call_count == 1
    assert wide.router["batches.list"].call_count == 1
"""
    run(pytester, code).assert_outcomes(passed=2)


@pytest.mark.parametrize("options", [["-p", "no:fakebatch"], ["-n", "2"]])
def test_it_can_be_switched_off_and_distributed(
    pytester: pytest.Pytester, options: list[str]
) -> None:
    """`-p no:fakebatch` takes the fixture away; under xdist each worker has its own."""
    result = run(pytester, f"def test_it(fakebatch):\n    {LISTS}\n", *options)
    off = options[0] == "-p"
    result.assert_outcomes(errors=1) if off else result.assert_outcomes(passed=1)


def test_loading_the_plugin_loads_nothing_heavy() -> None:
    """Every pytest run of an environment pays for what the plugin imports."""
    code = (
        "import sys, conftest_plugin\n"
        "print([m for m in ('respx', 'httpx', 'httpx2', 'freezegun', 'pydantic', 'openai')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"

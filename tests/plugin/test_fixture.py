"""The fixture and the marker, in a pytest of their own."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

IMPORTS = "import os, threading, unittest\nimport httpx, openai, pytest\n"
LISTS = "openai.OpenAI().batches.list()"


def run(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(f"{IMPORTS}\n{code}")
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return pytester.runpytest_subprocess("-p", "no:randomly", *options)


ACTIVATED = {
    "by the fixture": f"def test_it(fakebatch): {LISTS}",
    "by the marker alone": f"@pytest.mark.fakebatch\ndef test_it(): {LISTS}",
    "by the marker of a class": f"""
@pytest.mark.fakebatch
class TestIt:
    def setup_method(self): {LISTS}
    def test_it(self): {LISTS}
""",
    "by the marker of a module": f"pytestmark = pytest.mark.fakebatch\ndef test_it(): {LISTS}",
    "by the marker of a parameter": f"""
@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.fakebatch(seed=1))])
def test_it(x): {LISTS}
""",
    "before a fixture that makes a client": """
@pytest.fixture
def client(): return openai.OpenAI()

@pytest.mark.fakebatch
def test_it(client): client.batches.list()
""",
    "by usefixtures": f"@pytest.mark.usefixtures('fakebatch')\ndef test_it(): {LISTS}",
    "by a fixture of one's own": """
@pytest.fixture
def service(request): return request.getfixturevalue("fakebatch")

@pytest.mark.fakebatch(start="2030-01-01")
def test_it(service): assert service.clock.now.year == 2030
""",
    "in a unittest case": f"""
@pytest.mark.fakebatch
class TestOld(unittest.TestCase):
    def setUp(self): {LISTS}
    def test_it(self): {LISTS}
    def tearDown(self): {LISTS}
""",
    "in an async test of pytest asyncio": """
@pytest.mark.asyncio
async def test_it(fakebatch):
    assert (await openai.AsyncOpenAI().batches.list()).data == []
""",
    "in an async test of anyio": """
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_it(anyio_backend, fakebatch):
    assert (await openai.AsyncOpenAI().batches.list()).data == []
""",
}


def test_it_is_active_however_it_is_asked_for(pytester: pytest.Pytester) -> None:
    """Each row of the table is a file of its own, with one test that passes."""
    files = {"test_" + re.sub(r"\W", "_", name): IMPORTS + code for name, code in ACTIVATED.items()}
    pytester.makepyfile(**files)
    result = run(pytester, "")

    result.assert_outcomes(passed=len(ACTIVATED))


def test_a_test_that_asks_for_nothing_is_left_alone(pytester: pytest.Pytester) -> None:
    """After one that does, nothing is patched."""
    code = f"""
def test_one(fakebatch): {LISTS}

def test_two():
    import respx.mocks
    assert not any(mocker.routers for mocker in respx.mocks.Mocker.registry.values())
    assert "fakebatch" not in os.environ.get("OPENAI_API_KEY", "")
"""
    run(pytester, code).assert_outcomes(passed=2)


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


@pytest.mark.parametrize(
    ("arguments", "unknown"),
    [
        pytest.param("sed=7, strat=1", "sed, strat", id="two keywords"),
        pytest.param("'virtual'", "'virtual'", id="an argument without a keyword"),
    ],
)
def test_what_the_marker_does_not_know_is_told(
    pytester: pytest.Pytester, arguments: str, unknown: str
) -> None:
    """Three lines: what came, what is known, what to write."""
    result = run(pytester, f"@pytest.mark.fakebatch({arguments})\ndef test_it(): pass\n")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            f"*fakebatch: @pytest.mark.fakebatch does not know {unknown}.",
            "*It takes the keywords seed, clock, start, dialect, dialects, base_url, *.",
            "*Write for example @pytest.mark.fakebatch(seed=7).",
        ],
        consecutive=True,
    )


def test_a_wrong_marker_harms_no_other_test(pytester: pytest.Pytester) -> None:
    """It is an error of its own test; the next one is set up as ever."""
    code = f"""
@pytest.mark.fakebatch(sed=7)
def test_wrong(): pass

def test_right(fakebatch): {LISTS}
"""
    run(pytester, code).assert_outcomes(errors=1, passed=1)


LOSES = """
def lose():
    try:
        httpx.get("https://example.com/")
    except BaseException:
        pass

def in_a_thread():
    thread = threading.Thread(target=lose)
    thread.start()
    thread.join()
"""


def test_a_refusal_that_got_lost_is_an_error_of_the_test(pytester: pytest.Pytester) -> None:
    """The test passes, its teardown does not, and says what was refused; the next test is well."""
    code = f"{LOSES}\ndef test_it(fakebatch): in_a_thread()\n\ndef test_next(fakebatch): {LISTS}"
    result = run(pytester, code)

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_it*"])
    result.stdout.fnmatch_lines(
        [
            "*GET https://example.com/ was refused: nothing leaves this machine.",
            "*fakebatch emulates https://api.openai.com/v1; no route of yours matched.",
            "*Mock it with respx, or give the client an emulated base_url.",
        ],
        consecutive=True,
    )


def test_a_refusal_that_got_lost_stops_no_other_teardown(pytester: pytest.Pytester) -> None:
    """The fixtures that were there before are torn down as ever."""
    code = f"""
{LOSES}

def test_it(monkeypatch, fakebatch):
    monkeypatch.setenv("STAYS", "1")
    in_a_thread()

def test_next(): assert "STAYS" not in os.environ
"""
    run(pytester, code).assert_outcomes(passed=2, errors=1)


def test_a_refusal_that_nobody_expects_fails_the_test(pytester: pytest.Pytester) -> None:
    """Code that swallows every Exception and retries is stopped."""
    code = """
def test_it(fakebatch):
    for _ in range(3):
        try:
            httpx.get("https://example.com/")
        except Exception:
            pass
"""
    result = run(pytester, code)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E  *fakebatch.RefusedRequest: fakebatch: GET https://example*"])


def test_loading_the_plugin_loads_nothing_heavy() -> None:
    """Every pytest run of an environment pays for what the plugin imports."""
    code = "import json, sys, conftest_plugin\nprint(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    heavy = {"respx", "httpx", "httpx2", "httpcore", "freezegun", "pydantic", "openai"}

    assert heavy & {*json.loads(done.stdout)} == set()

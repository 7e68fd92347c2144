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
    return pytester.runpytest_inprocess("-p", "no:randomly", *options)


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


MARKERS = f"""
def test_one(fakebatch): {LISTS}

def test_two():
    import respx.mocks
    assert not any(mocker.routers for mocker in respx.mocks.Mocker.registry.values())
    assert "fakebatch" not in os.environ.get("OPENAI_API_KEY", "")

@pytest.mark.fakebatch(api_keys=["sk-outer"], start="2030-01-01")
class TestOuter:
    @pytest.mark.fakebatch(api_keys=["sk-class"])
    class TestClass:
        def test_merged(self, fakebatch):
            assert fakebatch.clock.now.year == 2030
            openai.OpenAI(api_key="sk-class").batches.list()

        @pytest.mark.fakebatch(start="2031-01-01")
        def test_closest(self, fakebatch):
            assert fakebatch.clock.now.year == 2031
            with pytest.raises(openai.AuthenticationError):
                openai.OpenAI(api_key="sk-outer").batches.list()

@pytest.mark.fakebatch(sed=7, strat=1)
def test_wrong(): pass

@pytest.mark.fakebatch('virtual')
def test_wrong_too(): pass

def test_right(fakebatch): {LISTS}
"""


def test_markers_merge_and_a_wrong_one_harms_no_other_test(pytester: pytest.Pytester) -> None:
    """Keyword by keyword: function over class over what is around it.

    A test that asks for nothing is left alone after one that does: nothing is patched. What the
    marker does not know is told in three lines: what came, what is known, what to write.
    """
    result = run(pytester, MARKERS)

    result.assert_outcomes(passed=5, errors=2)
    for unknown in ("sed, strat", "'virtual'"):
        result.stdout.fnmatch_lines(
            [
                f"*fakebatch: @pytest.mark.fakebatch does not know {unknown}.",
                "*It takes the keywords seed, clock, start, dialect, dialects, base_url, *.",
                "*Write for example @pytest.mark.fakebatch(seed=7).",
            ],
            consecutive=True,
        )


LOSES = f"""
def lose():
    try:
        httpx.get("https://example.com/")
    except BaseException:
        pass

def test_loses(monkeypatch, fakebatch):
    monkeypatch.setenv("STAYS", "1")
    thread = threading.Thread(target=lose)
    thread.start()
    thread.join()

def test_next(fakebatch):
    {LISTS}
    assert "STAYS" not in os.environ

def test_swallows(fakebatch):
    for _ in range(3):
        try:
            httpx.get("https://example.org/")
        except Exception:
            pass
"""


def test_a_refusal_that_nobody_expects_fails_the_test(pytester: pytest.Pytester) -> None:
    """Code that swallows every Exception and retries is stopped.

    If the refusal got lost the test passes, its teardown does not, and says what was refused. The
    fixtures that were there before are torn down as ever, and the next test is well.
    """
    result = run(pytester, LOSES)

    result.assert_outcomes(passed=2, errors=1, failed=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_loses*"])
    result.stdout.fnmatch_lines(
        [
            "*GET https://example.com/ was refused: nothing leaves this machine.",
            "*fakebatch emulates https://api.openai.com/v1; no route of yours matched.",
            "*Mock it with respx, or give the client an emulated base_url.",
        ],
        consecutive=True,
    )
    result.stdout.fnmatch_lines(
        ["E  *fakebatch.RefusedRequest: fakebatch: GET https://example.org*"]
    )


KEYS = """
KEY = "OPENAI_API_KEY"

def test_before(): assert os.environ.get(KEY) == {key!r}
def test_it(monkeypatch, fakebatch): monkeypatch.setenv(KEY, "sk-of-the-test")
def test_after(): assert os.environ.get(KEY) == {key!r}
"""


@pytest.mark.parametrize("key", [None, "sk-of-the-user"], ids=["no key", "a key of the user"])
def test_a_monkeypatch_that_ends_after_the_fake_leaves_no_dummy_key(
    key: str | None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It puts back what it saw, which was ours; a later test would take it for a key."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)

    run(pytester, KEYS.format(key=key)).assert_outcomes(passed=3)


def test_loading_the_plugin_loads_nothing_heavy() -> None:
    """Every pytest run of an environment pays for what the plugin imports."""
    code = "import json, sys, conftest_plugin\nprint(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    heavy = {"respx", "httpx", "httpx2", "httpcore", "freezegun", "pydantic", "openai"}

    assert heavy & {*json.loads(done.stdout)} == set()

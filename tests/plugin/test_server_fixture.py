"""The fixture `fakebatch_server` and its marker, in a pytest of their own."""

from __future__ import annotations

import pytest

IMPORTS = """
import json, os, subprocess, sys, urllib.request
import pytest

def get(world, path):
    headers = {"authorization": "Bearer " + world.env["OPENAI_API_KEY"]}
    request = urllib.request.Request(world.url + path, headers=headers)
    return json.load(urllib.request.urlopen(request))

CLIENT = '''
import os, urllib.request
headers = {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
url = os.environ["OPENAI_BASE_URL"] + "/models"
urllib.request.urlopen(urllib.request.Request(url, headers=headers)).read()
'''
"""


def run(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(IMPORTS + code)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return pytester.runpytest_inprocess("-p", "no:randomly", *options)


PASSES = {
    "a subprocess": """
def test_it(fakebatch_server):
    env = {**os.environ, **fakebatch_server.env}
    subprocess.run([sys.executable, "-c", CLIENT], env=env, check=True)
    assert fakebatch_server.journal.count("models.list") == 1
""",
    "a world for each test": """
@pytest.mark.parametrize("n", range(3))
def test_it(fakebatch_server, n):
    assert get(fakebatch_server, "/files")["data"] == []
    fakebatch_server.files.add(b"{}\\n")
    assert len(get(fakebatch_server, "/files")["data"]) == 1
""",
    "options by a marker, the closest wins": """
pytestmark = pytest.mark.fakebatch_server(clock="60x", dialect="azure")

@pytest.mark.fakebatch_server(clock="manual")
def test_it(fakebatch_server):
    assert fakebatch_server.clock.mode == "manual"
    assert fakebatch_server.url.endswith("/openai/v1")
""",
    "rules that are used": """
def test_it(fakebatch_server):
    fakebatch_server.on_call("files.list").reply({"data": 1})
    assert get(fakebatch_server, "/files") == {"data": 1}
""",
    "beside the fixture of this process": """
import openai

def test_it(fakebatch_server, fakebatch):
    fakebatch.files.add(b"{}\\n")
    client = openai.OpenAI(base_url="https://api.openai.com/v1")
    assert len(client.files.list().data) == 1
    assert get(fakebatch_server, "/files")["data"] == []
    fakebatch.clock.advance("5h")
    assert fakebatch_server.clock.elapsed == 0

def test_after_it(fakebatch):
    import time
    time.sleep(1000)
    assert fakebatch.clock.elapsed == 1000
""",
}


@pytest.mark.parametrize("code", PASSES.values(), ids=PASSES)
def test_it_is_a_world_on_a_server(pytester: pytest.Pytester, code: str) -> None:
    """One server for all tests, a world for each."""
    result = run(pytester, code)
    outcomes = result.parseoutcomes()
    assert {*outcomes} <= {"passed"}, result.stdout.str()


FAILS = {
    "a rule that was never used": (
        'def test_it(fakebatch_server): fakebatch_server.on_call("files.list").fail(500)',
        "*1 rule was never used: on_call('files.list').fail(500)*",
        {"passed": 1, "errors": 1},
    ),
    "a request that was refused": (
        """
def test_it(fakebatch_server):
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(fakebatch_server, "/assistants")
    refused.value.close()
""",
        "fakebatch: GET /assistants is not emulated.",
        {"passed": 1, "errors": 1},
    ),
    "an option that does not exist": (
        """
@pytest.mark.fakebatch_server(speed=1)
def test_it(fakebatch_server): pass
""",
        "*@pytest.mark.fakebatch_server does not know speed.*",
        {"errors": 1},
    ),
    "an option without its name": (
        """
@pytest.mark.fakebatch_server("manual")
def test_it(fakebatch_server): pass
""",
        "*@pytest.mark.fakebatch_server does not know 'manual'.*",
        {"errors": 1},
    ),
}


@pytest.mark.parametrize(("code", "line", "outcomes"), FAILS.values(), ids=FAILS)
def test_what_is_wrong_is_an_error(
    pytester: pytest.Pytester, code: str, line: str, outcomes: dict[str, int]
) -> None:
    """As with the fixture `fakebatch`."""
    result = run(pytester, code)
    assert result.parseoutcomes() == outcomes
    result.stdout.fnmatch_lines([line])
    if "passed" in outcomes:
        result.stdout.fnmatch_lines(["*- fakebatch timeline: *", "+00:00:00*"])


def test_a_failing_test_shows_the_timeline(pytester: pytest.Pytester) -> None:
    """Rules that it did not reach are no further error."""
    code = """
def test_it(fakebatch_server):
    fakebatch_server.on_call("files.list").fail(500)
    get(fakebatch_server, "/models")
    assert 0
"""
    result = run(pytester, code)
    assert result.parseoutcomes() == {"failed": 1}
    result.stdout.fnmatch_lines(
        ["*- fakebatch timeline: http://127.0.0.1:*/w/test-1/v1 -*", "+00:00:00  models.list*200*"]
    )


def test_workers_have_servers_of_their_own(pytester: pytest.Pytester) -> None:
    """pytest-xdist: each on its own port."""
    code = """
@pytest.mark.parametrize("n", range(4))
def test_it(fakebatch_server, n):
    get(fakebatch_server, "/models")
    assert fakebatch_server.journal.count() == 1
"""
    pytester.makepyfile(IMPORTS + code)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    result = pytester.runpytest_subprocess("-n", "2", "-p", "no:randomly")
    assert result.parseoutcomes()["passed"] == 4

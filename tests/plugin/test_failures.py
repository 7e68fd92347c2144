"""An error of fakebatch as pytest sees it: what is shown of it, and what is cleared up."""

from __future__ import annotations

import re

import pytest

CONFTEST = """
import os, time
import httpcore, httpcore2, pytest
from respx.mocks import Mocker

os.environ["OPENAI_API_KEY"] = "sk-own"
PATCHED = [(time, "time"), (time, "sleep")] + [
    (stack.ConnectionPool, "handle_request") for stack in (httpcore, httpcore2)
]
BEFORE = [getattr(*place) for place in PATCHED]

def leftovers():
    return [
        *(place for place, was in zip(PATCHED, BEFORE) if getattr(*place) is not was),
        *(["the date"] if time.strftime("%Y-%m-%d") == "2026-01-01" else []),
        *(["the key"] if os.environ["OPENAI_API_KEY"] != "sk-own" else []),
        *(name for name, mocker in Mocker.registry.items() if mocker.routers),
    ]

@pytest.fixture(autouse=True)
def cleared():
    yield
    with open("cleared", "a") as file: file.write("cleared\\n")

def pytest_unconfigure():
    print("left at the end:", leftovers())
"""

HEAD = """
import asyncio, threading, time, unittest
import anyio, httpx, openai, pytest
from fakebatch import FakeBatch

def refused(): httpx.post("https://metrics.internal/flush")

async def refused_async():
    async with httpx.AsyncClient() as client: await client.post("https://metrics.internal/flush")

def never_ends():
    client = openai.OpenAI()
    while True: client.batches.list(); time.sleep(60)

def lost():
    def work():
        try: refused()
        except BaseException: pass
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""

NEXT = """
def test_next():
    from conftest import leftovers
    assert leftovers() == []
"""

ERRORS = {
    "in the teardown of a fixture": """
@pytest.fixture
def metrics(fakebatch):
    yield
    refused()
def test_it(metrics): pass
""",
    "in the teardown of a fixture that came before the fake": """
@pytest.fixture
def metrics():
    yield
    with FakeBatch(): refused()
def test_it(metrics, fakebatch): pass
""",
    "in the teardown of an autouse fixture": """
@pytest.fixture(autouse=True)
def metrics(fakebatch):
    yield
    refused()
def test_it(): pass
""",
    "in the teardown of a fixture of a class": """
@pytest.fixture(scope="class")
def service():
    with FakeBatch() as fake: yield fake
@pytest.fixture(scope="class")
def metrics(service):
    yield
    refused()
@pytest.mark.usefixtures("metrics")
class TestIt:
    def test_it(self): pass
""",
    "in the teardown of a fixture of a module": """
@pytest.fixture(scope="module")
def service():
    with FakeBatch() as fake: yield fake
@pytest.fixture(scope="module")
def metrics(service):
    yield
    refused()
def test_it(metrics): pass
""",
    "in a finalizer": """
@pytest.fixture
def metrics(request, fakebatch): request.addfinalizer(refused)
def test_it(metrics): pass
""",
    "in two finalizers of a fixture": """
@pytest.fixture
def metrics(request, fakebatch):
    request.addfinalizer(refused)
    request.addfinalizer(refused)
def test_it(metrics): pass
""",
    "in a finalizer of the test": """
def test_it(request, fakebatch): request.node.addfinalizer(refused)
""",
    "in two fixtures": """
@pytest.fixture
def metrics(fakebatch):
    yield
    refused()
@pytest.fixture
def traces(metrics):
    yield
    refused()
def test_it(traces): pass
""",
    "in an async fixture of pytest asyncio": """
import pytest_asyncio
@pytest_asyncio.fixture
async def metrics(fakebatch):
    yield
    await refused_async()
@pytest.mark.asyncio
async def test_it(metrics): pass
""",
    "in a task group in an async fixture of pytest asyncio": """
import pytest_asyncio
@pytest_asyncio.fixture
async def metrics(fakebatch):
    yield
    async with asyncio.TaskGroup() as group: group.create_task(refused_async())
@pytest.mark.asyncio
async def test_it(metrics): pass
""",
    "in an async fixture of anyio on asyncio": """
@pytest.fixture
def anyio_backend(): return "asyncio"
@pytest.fixture
async def metrics(anyio_backend, fakebatch):
    yield
    await refused_async()
@pytest.mark.anyio
async def test_it(metrics): pass
""",
    "in a task group in an async fixture of anyio on trio": """
@pytest.fixture
def anyio_backend(): return "trio"
@pytest.fixture
async def metrics(anyio_backend, fakebatch):
    yield
    async with anyio.create_task_group() as group: group.start_soon(refused_async)
@pytest.mark.anyio
async def test_it(metrics): pass
""",
    "in teardown_method": """
class TestIt:
    def teardown_method(self):
        with FakeBatch(): refused()
    def test_it(self, fakebatch): pass
""",
    "in teardown_function": """
def teardown_function():
    with FakeBatch(): refused()
def test_it(fakebatch): pass
""",
    "in teardown_class": """
@pytest.fixture(scope="class")
def service():
    with FakeBatch() as fake: yield fake
@pytest.mark.usefixtures("service")
class TestIt:
    @classmethod
    def teardown_class(cls):
        with FakeBatch(): refused()
    def test_it(self): pass
""",
    "in teardown_module": """
def teardown_module():
    with FakeBatch(): refused()
def test_it(fakebatch): pass
""",
    "in tearDown": """
@pytest.mark.fakebatch
class TestIt(unittest.TestCase):
    def tearDown(self): refused()
    def test_it(self): pass
""",
    "in asyncTearDown": """
@pytest.mark.fakebatch
class TestIt(unittest.IsolatedAsyncioTestCase):
    async def asyncTearDown(self): await refused_async()
    async def test_it(self): pass
""",
    "in a clean-up of unittest": """
@pytest.mark.fakebatch
class TestIt(unittest.TestCase):
    def test_it(self): self.addCleanup(refused)
""",
    "in tearDownClass": """
class TestIt(unittest.TestCase):
    @classmethod
    def setUpClass(cls): cls.enterClassContext(FakeBatch())
    @classmethod
    def tearDownClass(cls): refused()
    def test_it(self): pass
""",
    "in the setup of a fixture": """
@pytest.fixture
def metrics(fakebatch): refused()
def test_it(metrics): pass
def test_it_too(metrics): pass
""",
    "in a task group in the setup of a fixture": """
@pytest.fixture
def metrics(fakebatch):
    async def main():
        async with asyncio.TaskGroup() as group: group.create_task(refused_async())
    asyncio.run(main())
def test_it(metrics): pass
def test_it_too(metrics): pass
""",
    "in setup_method": """
class TestIt:
    def setup_method(self):
        with FakeBatch(): refused()
    def test_it(self): pass
""",
    "in setUp": """
@pytest.mark.fakebatch
class TestIt(unittest.TestCase):
    def setUp(self): refused()
    def test_it(self): pass
""",
    "of a wait that never ends, in a teardown": """
@pytest.fixture
def metrics(fakebatch):
    yield
    never_ends()
def test_it(metrics): pass
""",
    "of a rule that nothing met, at the end of the fake": """
def test_it(fakebatch): fakebatch.on(custom_id="x").fail(429)
""",
    "that got lost in a thread, at the end of the fake": """
def test_it(fakebatch): lost()
""",
    "of misuse, in a teardown": """
@pytest.fixture
def metrics(fakebatch):
    yield
    fakebatch.clock.move_to("1999-01-01")
def test_it(metrics): pass
""",
}


def run(pytester: pytest.Pytester, *options: str, **files: str) -> pytest.RunResult:
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(**{name: HEAD + code for name, code in files.items()})
    # in a process of its own: an error raised by tracing stays the context of later ones
    return pytester.runpytest_subprocess("-p", "no:randomly", "-rA", *options)


def test_after_an_error_anywhere_the_next_test_finds_nothing_of_it(
    pytester: pytest.Pytester,
) -> None:
    """And what was set up before it is torn down, as after any other error."""
    names = {"test_" + re.sub(r"\W", "_", name): code for name, code in ERRORS.items()}
    result = run(pytester, "-W", "error", **names, **{f"{name}_next": NEXT for name in names})

    passed = [line for line in result.outlines if line.startswith("PASSED")]
    assert {f"PASSED {name}_next.py::test_next" for name in names} <= {*passed}
    tests = sum(code.count("def test_it") for code in names.values()) + len(names)
    assert (pytester.path / "cleared").read_text().count("cleared") == tests
    assert "left at the end: []" in result.outlines


UVLOOP = """
import asyncio

class Loop(asyncio.AbstractEventLoop):
    # does what a loop does, and is no BaseEventLoop
    def __init__(self): self.loop = asyncio.SelectorEventLoop()

def forwarded(name): return lambda self, *args, **kwargs: getattr(self.loop, name)(*args, **kwargs)

for name in dir(asyncio.AbstractEventLoop):
    if not name.startswith("__"): setattr(Loop, name, forwarded(name))

class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self): return Loop()
"""

UNDER_UVLOOP = """
import uvloop

@pytest.fixture(scope="session")
def event_loop_policy(): return uvloop.EventLoopPolicy()

@pytest.mark.asyncio
@pytest.mark.fakebatch
async def test_it(): await asyncio.sleep(1)

@pytest.mark.asyncio
async def test_other(): await asyncio.sleep(0)
"""


def test_under_a_loop_policy_of_uvloop_only_tests_of_the_fake_fail(
    pytester: pytest.Pytester,
) -> None:
    """They are refused, even where the loop is closed; the loops of other tests run."""
    pytester.makepyfile(uvloop=UVLOOP)
    result = run(pytester, "-W", "error::RuntimeWarning", test_it=UNDER_UVLOOP + NEXT)

    result.assert_outcomes(failed=1, errors=1, passed=2)
    result.stdout.fnmatch_lines(["*the event loop is a uvloop.Loop.*"])


CALLS = """
def helper():
    openai.OpenAI(base_url="https://elsewhere.example/v1").batches.list()

def test_it(fakebatch):
    helper()

@pytest.mark.fakebatch
class TestOld(unittest.TestCase):
    def test_old(self): helper()

@pytest.mark.fakebatch(clock="sideways")
def test_setup(): pass

def test_end(fakebatch): fakebatch.on(custom_id="x").fail(429)
"""


def test_the_traceback_ends_where_the_code_of_the_user_ends(pytester: pytest.Pytester) -> None:
    """At the line that called, not in the SDK or in ours; without such a line it is left out."""
    result = run(pytester, "--tb=short", test_it=CALLS)

    refused = "E   fakebatch.RefusedRequest: fakebatch: GET https://elsewhere.example/v1/batches *"
    for name in ("test_it", "test_old"):
        result.stdout.fnmatch_lines(
            [f"test_it.py:*: in {name}", "test_it.py:*: in helper", refused]
        )
    result.stdout.no_fnmatch_line("*site-packages*")
    for title, message in (
        ("setup of test_setup", "fakebatch: clock='sideways' is no mode of the clock."),
        (
            "teardown of test_end",
            "fakebatch: 1 rule was never used: on(custom_id='x').fail(429).",
        ),
    ):
        result.stdout.fnmatch_lines([f"*ERROR at {title}*", message], consecutive=True)


def test_the_whole_traceback_is_shown_to_who_wants_it(pytester: pytest.Pytester) -> None:
    """As pytest's own option says."""
    result = run(pytester, "--full-trace", test_it=CALLS)

    result.stdout.fnmatch_lines(["*openai*_base_client.py:*", "*httpx*_client.py:*"])

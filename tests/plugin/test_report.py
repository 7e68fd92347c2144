"""What the report of a test shows of its fakes; how it is drawn is tested in tests/unit/report."""

from __future__ import annotations

import re

import pytest

from fakebatch import FakeBatch
from fakebatch.inspection.journal import Journal
from support.timelines import CODE, HEAD, SILENT, ZERO, run, timelines

FAILS = """
def test_it(fakebatch):
    create("a", "b", "c")
    time.sleep(60)
    assert not "well"
"""


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["in one process", "with xdist"])
def test_a_failing_test_shows_what_happened(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    """In a section of its own."""
    result = run(pytester, FAILS, *options)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([HEAD])
    assert timelines(result) == [
        [
            ZERO,
            "+00:00:00  files.create     200  file-2PbNWcDDgw3QXQKkvgK3Wk",
            "+00:00:00  batches.create   200  batch_6955b900a0c48190a7711bcd6d8a12bb",
            "+00:00:00  slept 1m",
            "+00:01:00  now",
            "  batch_…8a12bb validating",
        ]
    ]


WITH_A_FAKE = {
    "in its setup": """
@pytest.fixture
def broken(fakebatch): raise OSError
def test_it(broken): pass
""",
    "in its teardown": """
@pytest.fixture
def broken(fakebatch):
    yield
    raise OSError
def test_it(broken): pass
""",
    "in the teardown of the fake": """
class Loses(FakeBatch):
    def __exit__(self, *error):
        super().__exit__(*error)
        raise OSError
@pytest.fixture
def service():
    with Loses() as fake: yield fake
def test_it(service): pass
""",
    "with a fake of its own": """
def test_it():
    with FakeBatch(): assert not "well"
""",
    "with a fixture of its own": """
@pytest.fixture
def service():
    with FakeBatch() as fake: yield fake
def test_it(service): assert not "well"
""",
    "in call and teardown, once": """
@pytest.fixture
def broken(fakebatch):
    yield
    raise OSError
def test_it(broken): assert not "well"
""",
    "by pytest.fail": """
def test_it(fakebatch): pytest.fail("so")
""",
}


def test_it_shows_wherever_a_test_fails(pytester: pytest.Pytester) -> None:
    """Once, and even where nothing was called: that may be the very fault."""
    files = {f"test_{number}": CODE + code for number, code in enumerate(WITH_A_FAKE.values())}
    pytester.makepyfile(**files)
    result = run(pytester, "")

    result.assert_outcomes(failed=4, passed=2, errors=4)
    assert timelines(result) == [SILENT] * len(WITH_A_FAKE)


SHOWN = """
@pytest.fixture(scope="module")
def service():
    with FakeBatch(base_url="https://wide.test/v1") as fake:
        yield fake

def test_passes(fakebatch): create("a")
def test_uses_none(): assert not "none"
def test_uses_it(service): openai.OpenAI(base_url=service.base_url).batches.list()
def test_leaves_it_alone(service): assert not "alone"

def test_several(fakebatch):
    with FakeBatch(base_url="https://other.test/v1") as other:
        openai.OpenAI(base_url=other.base_url).batches.list()
        assert not "well"

def test_wrong_rule(fakebatch):
    fakebatch.on(lambda line: 1 / 0).fail(429)
    create("a")
    time.sleep(3600)
    assert not "well"
"""


def test_the_fakes_that_a_failing_test_has_used_are_shown(pytester: pytest.Pytester) -> None:
    """Each of several, numbered; not one of wider scope that it has left alone.

    What keeps a timeline from being drawn, such as a wrong rule, stands in its place.
    """
    result = run(pytester, SHOWN)

    result.assert_outcomes(passed=2, failed=4)
    lines = [line.strip("- ") for line in result.outlines if "-- fakebatch timeline" in line]
    assert lines == [
        "fakebatch timeline 1 of 2: https://api.openai.com/v1",
        "fakebatch timeline 2 of 2: https://other.test/v1",
        "fakebatch timeline: https://api.openai.com/v1",
    ]
    result.stdout.fnmatch_lines(
        [
            "+00:00:00  batches.list     200",
            HEAD,
            (
                "There is no timeline: fakebatch: The predicate given to fakebatch.on raised "
                "ZeroDivisionError: division by zero"
            ),
        ]
    )


UNUSED = """
def test_error(fakebatch): fakebatch.on(custom_id="c").fail(429); create("a", "b")

def test_incident(fakebatch): fakebatch.incident("download-truncated")

@pytest.mark.fakebatch(unused_rules="warn")
def test_marker(fakebatch): fakebatch.on().fail(429)

@pytest.mark.fakebatch(unused_rules="ignore")
def test_silent(fakebatch): fakebatch.on().fail(429)

@pytest.mark.fakebatch(unused_rules="ignore")
class TestThem:
    @pytest.mark.fakebatch(unused_rules="warn")
    def test_closest(self, fakebatch): fakebatch.on().fail(429)

@pytest.fixture
def service():
    with FakeBatch() as fake: yield fake

def test_fixture_of_its_own(service): service.on().fail(429)

def test_failure(fakebatch): fakebatch.on(); assert not "well"
def test_expected_to_fail(fakebatch): fakebatch.on().fail(429); pytest.xfail("so")
def test_left_out(fakebatch): fakebatch.on().fail(429); pytest.skip("so")
def test_failure_with_a_fixture_of_its_own(service): service.on().fail(429); assert not "well"
"""


def sections(result: pytest.RunResult, title: str) -> list[list[str]]:
    """The lines below each title that matches."""
    shown: list[list[str]] = []
    inside = False
    for line in result.outlines:
        if re.fullmatch(title, line):
            shown.append([])
            inside = True
        elif line.startswith(("___", "---", "===")):
            inside = False
        elif inside:
            shown[-1].append(line)
    return shown


def test_a_rule_that_was_never_used_fails_a_test_that_passed(pytester: pytest.Pytester) -> None:
    """With the timeline below, unless a marker says otherwise, of which the closest wins.

    A test that broke off need not have met every rule. What is no error is there for -rP.
    """
    result = run(pytester, UNUSED, "-rP")

    result.assert_outcomes(passed=6, errors=2, failed=2, xfailed=1, skipped=1, warnings=2)
    of_fixture, of_test = sections(result, "_+ ERROR at teardown of test_.* _+")
    assert of_fixture == [
        "fakebatch: 1 rule was never used: on(custom_id='c').fail(429).",
        "Uploads: 1; batches: 1; custom_ids: 'a', 'b'.",
        "Fix the rule or the test, or use FakeBatch(unused_rules='warn') or 'ignore'.",
    ]
    error = "E       fakebatch.UsageError: fakebatch: 1 rule was never used: on().fail(429)."
    assert error in of_test
    assert [lines[-1] for lines in timelines(result)] == [
        "  never used: on(custom_id='c').fail(429)",
        "  never used: on().fail(429)",
        "  never used: on(), which has no verb",
        "  never used: on().fail(429)",
    ]
    assert sections(result, "-+ fakebatch teardown, never used: https://api.openai.com/v1 -+") == [
        ["on_call('files.content', times=1).truncate(0.3, framing='silent')"],
        ["on().fail(429)"],
        ["on().fail(429)"],
    ]


def test_of_many_fakes_the_last_are_shown(pytester: pytest.Pytester) -> None:
    """As Hypothesis has them, whose last example is the one that it reports."""
    result = run(
        pytester,
        """
def test_it():
    for count in range(1, 13):
        with FakeBatch():
            create(*map(str, range(count)))
    assert not "well"
""",
    )

    heads = [line.strip(" -") for line in result.outlines if " fakebatch timeline" in line]
    url = "https://api.openai.com/v1"
    assert heads == [f"fakebatch timeline {i} of the last 3: {url}" for i in (1, 2, 3)]


NOT_OURS = """
def test_before(before): pass
def test_after(after): pass
def test_helper(): helper()
"""


def test_a_failure_that_is_not_ours_does_not_show_the_plugin(pytester: pytest.Pytester) -> None:
    """All frames are shown if a fixture of another file fails: none of them is ours."""
    pytester.makeconftest("""
        import pytest

        @pytest.fixture
        def before(): raise OSError

        @pytest.fixture
        def after():
            yield
            raise OSError
    """)

    pytester.makepyfile(NOT_OURS)
    result = pytester.runpytest_inprocess("-p", "no:asyncio")  # which shows frames of its own

    result.assert_outcomes(passed=1, failed=1, errors=2)
    result.stdout.no_fnmatch_line("*conftest_plugin*")


def test_fakes_of_earlier_tests_are_asked_twice(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a test that passes: before and after it. There may be hundreds that still exist."""
    with FakeBatch() as left:
        pass
    asked: list[Journal] = []
    count = Journal.count

    def noted(journal: Journal) -> int:
        asked.append(journal)
        return count(journal)

    monkeypatch.setattr(Journal, "count", noted)
    pytester.makepyfile("def test_a(): pass\ndef test_b(): pass\ndef test_c(): pass")
    pytester.runpytest_inprocess("-p", "no:asyncio").assert_outcomes(passed=3)
    assert len([journal for journal in asked if journal is left.journal]) == 6


def test_fakes_of_earlier_tests_are_freed(pytester: pytest.Pytester) -> None:
    """Nothing of a session keeps one, so the last of a thousand tests is as fast as the first."""
    result = run(
        pytester,
        """
import gc, weakref

FAKES = []

@pytest.mark.parametrize("number", range(4))
def test_it(number, fakebatch):
    create("a")
    FAKES.append(weakref.ref(fakebatch))

def test_last():
    gc.collect()
    assert [number for number, fake in enumerate(FAKES) if fake()] == []
""",
    )

    result.assert_outcomes(passed=5)

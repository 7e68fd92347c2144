"""What the report of a failing test shows, word for word."""

from __future__ import annotations

import pytest

from support.timelines import CODE, HEAD, SILENT, ZERO, run, timelines

FAILS = """
def test_it(fakebatch):
    fakebatch.on(custom_id="b").fail(429)
    batch = ended(create("a", "b", "c"))
    assert len(openai.OpenAI().files.content(batch.output_file_id).text.splitlines()) == 3
"""

TIMELINE = [
    ZERO,
    "+00:00:00  files.create     200  file-2PbNWcDDgw3QXQKkvgK3Wk",
    "+00:00:00  batches.create   200  batch_6955b900a0c48190a7711bcd6d8a12bb",
    "+00:00:00  slept 60 s  60 times, until +01:00:00",
    "+00:01:00  batches.retrieve 200  batch_…8a12bb",
    "+00:01:05    batch_…8a12bb: in_progress",
    "+00:02:00  batches.retrieve 200  batch_…8a12bb  57 times, every 60 s, until +00:58:00",
    "+00:58:55    batch_…8a12bb: finalizing",
    "+00:59:00  batches.retrieve 200  batch_…8a12bb",
    "+01:00:00    batch_…8a12bb: completed",
    "+01:00:00  batches.retrieve 200  batch_…8a12bb",
    "+01:00:00  files.content    200  file-7tQkLy…",
    "+01:00:00  now",
    "  batch_…8a12bb completed: 2 of 3 lines succeeded, 1 failed",
    "    output file-7tQkLy… downloaded",
    "    errors file-4EHET7… never downloaded",
    "  injected: on(custom_id='b').fail(429)",
]


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["in one process", "with xdist"])
def test_a_failing_test_shows_what_happened(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    """Calls and sleeps against statuses, polls in one line, and what was never downloaded."""
    result = run(pytester, FAILS, *options)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([HEAD])
    assert timelines(result) == [TIMELINE]


def test_who_passes_or_uses_no_fake_shows_nothing(pytester: pytest.Pytester) -> None:
    """Nor does a fake of wider scope that a failing test has not used."""
    code = """
@pytest.fixture(scope="module")
def service():
    with FakeBatch() as fake:
        yield fake

def test_passes(fakebatch): create("a")
def test_uses_none(): assert not "none"
def test_uses_it(service): create("a")
def test_leaves_it_alone(service): assert not "alone"
"""
    result = run(pytester, code)

    result.assert_outcomes(passed=2, failed=2)
    assert timelines(result) == []


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
    def __exit__(self, *given):
        super().__exit__(*given)
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
    "because pytest was told so": """
def test_it(fakebatch): pytest.fail("so")
""",
}


def test_it_shows_wherever_a_test_fails(pytester: pytest.Pytester) -> None:
    """Once, and even where nothing was called: that may be the very fault."""
    files = {f"test_{number}": CODE + code for number, code in enumerate(WITH_A_FAKE.values())}
    pytester.makepyfile(**files)
    result = run(pytester, "")

    result.assert_outcomes(failed=4, passed=2, errors=4)
    assert timelines(result) == [SILENT[1:]] * len(WITH_A_FAKE)


def test_each_of_several_fakes_has_its_own(pytester: pytest.Pytester) -> None:
    """Numbered, with its address."""
    code = """
def test_it(fakebatch):
    create("a")
    with FakeBatch(base_url="https://other.test/v1") as other:
        openai.OpenAI(base_url=other.base_url).batches.list()
        assert not "well"
"""
    result = run(pytester, code)

    result.stdout.fnmatch_lines(
        [
            "*-- fakebatch timeline 1 of 2: https://api.openai.com/v1 --*",
            "*-- fakebatch timeline 2 of 2: https://other.test/v1 --*",
            "+00:00:00  batches.list     200",
        ]
    )


def test_many_pollers_are_told_together(pytester: pytest.Pytester) -> None:
    """What differs in the object alone is one line."""
    code = """
def test_it(fakebatch):
    batches, client = [create(f"r{n}") for n in range(20)], fakebatch.openai()
    for _ in range(40):
        for batch in batches: client.batches.retrieve(batch.id)
        time.sleep(100)
    assert not "well"
"""
    assert timelines(run(pytester, code)) == [
        [
            ZERO,
            "+00:00:00  files.create     200  20 files",
            "+00:00:00  batches.create   200  20 batches",
            "+00:00:00  batches.retrieve 200  20 batches",
            "+00:00:00  slept 100 s  40 times, until +01:06:40",
            "+00:01:05    20 batches: in_progress",
            "+00:01:40  batches.retrieve 200  20 batches  700 times, until +00:58:20",
            "+00:58:55    20 batches: finalizing",
            "+01:00:00    20 batches: completed",
            "+01:00:00  batches.retrieve 200  20 batches  80 times, until +01:05:00",
            "+01:06:40  now",
            "  batch_…8a12bb completed: 1 of 1 lines succeeded, 0 failed",
            "    output file-7tQkLy… never downloaded",
            "  batch_…821dd8 completed: 1 of 1 lines succeeded, 0 failed",
            "    output file-1mJCXM… never downloaded",
            "  … 18 more batches",
        ]
    ]


def test_uneven_polls_are_one_line(pytester: pytest.Pytester) -> None:
    """With the least and the longest interval; the sleeps likewise."""
    code = """
def test_it(fakebatch):
    batch = create("a")
    for n in range(7):
        openai.OpenAI().batches.retrieve(batch.id)
        time.sleep(2 ** n)
    assert not "well"
"""
    [lines] = timelines(run(pytester, code))

    assert lines[2:] == [
        "+00:00:00  batches.create   200  batch_6955b900a0c48190a7711bcd6d8a12bb",
        (
            "+00:00:00  batches.retrieve 200  batch_…8a12bb"
            "  7 times, every 1 s to 32 s, until +00:01:03"
        ),
        "+00:00:00  slept 1 s to 64 s  7 times, until +00:02:07",
        "+00:01:05    batch_…8a12bb: in_progress",
        "+00:02:07  now",
        "  batch_…8a12bb in_progress: 0 of 1 lines succeeded, 0 failed",
    ]


def test_a_long_story_loses_its_middle(pytester: pytest.Pytester) -> None:
    """At most 40 lines: the beginning, and twice as much of the end."""
    code = """
def test_it(fakebatch):
    for n in range(30):
        openai.OpenAI().files.create(file=b"{}", purpose="batch")
        time.sleep(n + 0.5)
    assert not "well"
"""
    [lines] = timelines(run(pytester, code))

    assert len(lines) == 40
    assert lines[1:3] == [
        "+00:00:00  files.create     200  file-2PbNWcDDgw3QXQKkvgK3Wk",
        "+00:00:00  slept 0.5 s",
    ]
    assert lines[13] == "        …  23 lines left out"
    assert lines[-2:] == ["+00:07:00.5  slept 29.5 s", "+00:07:30  now"]


def test_what_was_there_before_has_its_age(pytester: pytest.Pytester) -> None:
    """Moments before the test are negative."""
    code = """
def test_it(fakebatch):
    line = {"custom_id": "a", "method": "POST", "url": "/v1/embeddings"}
    lines = [{**line, "body": {"model": "m", "input": "hi"}}]
    batch = fakebatch.batches.add(lines, status="cancelling", created="-5h")
    fakebatch.clock.advance("1h")
    assert not "well"
"""
    assert timelines(run(pytester, code)) == [
        [
            ZERO,
            "-05:00:00    batch_…8a12bb: validating",
            "-04:58:55    batch_…8a12bb: in_progress",
            "-00:05:03    batch_…8a12bb: cancelling",
            "+00:05:03    batch_…8a12bb: cancelled",
            "+01:00:00  now",
            "  batch_…8a12bb cancelled: 0 of 1 lines succeeded, 0 failed",
            "    errors file-4EHET7… never downloaded",
        ]
    ]


def test_a_wrong_rule_takes_no_report_away(pytester: pytest.Pytester) -> None:
    """What keeps the timeline from being drawn stands in its place."""
    code = """
def test_it(fakebatch):
    fakebatch.on(lambda line: 1 / 0).fail(429)
    create("a")
    time.sleep(3600)
    assert not "well"
"""
    result = run(pytester, code)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            HEAD,
            (
                "There is no timeline: fakebatch: A predicate given to fakebatch.on raised "
                "ZeroDivisionError: division by zero"
            ),
        ],
        consecutive=True,
    )


def test_what_went_wrong_on_purpose_stands_below(pytester: pytest.Pytester) -> None:
    """Injected, absorbed, never used: a sentence each, of many the first four."""
    code = """
from fakebatch.testing.timeline import Notes

class Troubled(FakeBatch):
    def _notes(self):
        many = tuple(f"on_call nth={n}" for n in range(6))
        return Notes(("create: 503",), ("create: one retry",), many)

def test_it():
    with Troubled(): assert not "well"
"""
    assert timelines(run(pytester, code)) == [
        [
            *SILENT[1:],
            "  injected: create: 503",
            "  absorbed: create: one retry",
            "  never used: on_call nth=0",
            "  never used: on_call nth=1",
            "  never used: on_call nth=2",
            "  never used: on_call nth=3",
            "  never used: … 2 more",
        ]
    ]

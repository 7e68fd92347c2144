"""What a test hears at the end of rules that met nothing, word for word."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from fakebatch import FakeBatch, FakeBatchWarning
from support.timelines import ZERO, run, timelines

ADVICE = "Mend the rule or the test, or use FakeBatch(unused_rules='warn') or 'ignore'."
NOTHING = "Uploads: 0; batches: 0; custom_ids: none."
TWO = "Uploads: 1; batches: 1; custom_ids: 'a', 'b'."

UNMET: dict[str, tuple[str, str, str]] = {
    # what a test does, what met nothing, what there was
    "a custom_id that no file had": (
        'fakebatch.on(custom_id="c").fail(429); create("a", "b")',
        "on(custom_id='c').fail(429)",
        TWO,
    ),
    "many custom_ids, and not this one": (
        'fakebatch.on(custom_id="A").drop(); create(*"abcdefgh")',
        "on(custom_id='A').drop()",
        "Uploads: 1; batches: 1; custom_ids: 'a', 'b', 'c', 'd', 'e', ….",
    ),
    "a rule that came after the batch": (
        'create("a", "b"); fakebatch.on(custom_id="a").fail(429)',
        "on(custom_id='a').fail(429)",
        TWO,
    ),
    "a predicate that never held": (
        'fakebatch.on(lambda line: line.model == "x").malformed("null"); create("a", "b")',
        "on(…).malformed('null')",
        TWO,
    ),
    "a fraction of lines that never ran": (
        'fakebatch.on(fraction=0.5).fail(429); create("a", "a")',
        "on(fraction=0.5).fail(429)",
        "Uploads: 1; batches: 1; custom_ids: 'a', 'a'.",
    ),
    "a fault that never fired": (
        'fakebatch.on_call("batches.cancel", nth=2).fail(503); create("a", "b")',
        "on_call('batches.cancel', nth=2).fail(503)",
        TWO,
    ),
    "a batch that was never created": (
        'fakebatch.on_batch(nth=2).expire(); create("a", "b")',
        "on_batch(nth=2).expire()",
        TWO,
    ),
    "an upload that never came": (
        'fakebatch.on_file(purpose="vision").processing("1m"); create("a", "b")',
        "on_file(purpose='vision').processing('1m')",
        TWO,
    ),
    "two of them": (
        'fakebatch.on().hang(); fakebatch.on_call("files.delete").reset()',
        "on().hang(); on_call('files.delete').reset()",
        NOTHING,
    ),
    "a selector without a verb": (
        'fakebatch.on(custom_id="a"); create("a", "b")',
        "on(custom_id='a'), which has no verb",
        TWO,
    ),
    "a selector without a verb beside a rule": (
        'fakebatch.on_call("files.*", nth=2); fakebatch.on_webhook(nth=3).deliver(lost=1)',
        "on_webhook(nth=3).deliver(lost=1); on_call('files.*', nth=2), which has no verb",
        NOTHING,
    ),
    "a rule beside an incident": (
        'fakebatch.on(index=9).change_custom_id("int"); fakebatch.incident("download-truncated")',
        "on(index=9).change_custom_id('int')",
        NOTHING,
    ),
}

FINE = {
    "a line rule": 'fakebatch.on(custom_id="a").fail(429); create("a")',
    "a rule for a line of a file that failed": 'fakebatch.on(index=0).fail(429); create("a", "a")',
    "a batch rule": 'fakebatch.on_batch().result_files(order="input"); create("a")',
    "a file rule": 'fakebatch.on_file().expire("2d"); create("a")',
    "a fault": 'fakebatch.on_call("files.create", nth=1).fail(503); create("a")',
    "a chance that did not come": 'fakebatch.on_call(chance=0.001).fail(503); create("a")',
    "a limit that was kept": 'fakebatch.on_call().rate_limit(100, per="1m"); create("a")',
    "a rule for a direct call": (
        'fakebatch.on(contains="hi").reply("ho")\n'
        '    openai.OpenAI().responses.create(model="m", input="hi")'
    ),
}

MENTIONED = {
    # what passes, and what is mentioned
    "an incident": ('fakebatch.incident("download-truncated")', "truncate(0.3, framing='silent')"),
    "a warning": (
        'fakebatch.unused_rules = "warn"; fakebatch.on(custom_id="c").fail(429)',
        "on(custom_id='c').fail(429)",
    ),
}


def function(name: str, code: str) -> str:
    return f"def test_{re.sub('[^a-z_]', '_', name)}(fakebatch):\n    {code}\n"


def sections(result: pytest.RunResult, title: str) -> list[list[str]]:
    """The lines below each title that matches."""
    found: list[list[str]] = []
    inside = False
    for line in result.outlines:
        if re.fullmatch(title, line):
            found.append([])
            inside = True
        elif line.startswith(("___", "---", "===")):
            inside = False
        elif inside:
            found[-1].append(line)
    return found


def test_a_rule_that_met_nothing_is_an_error(pytester: pytest.Pytester) -> None:
    """In the words of the test, with what there was and what to do, and the timeline below."""
    result = run(pytester, "".join(function(name, code) for name, (code, *_) in UNMET.items()))

    result.assert_outcomes(passed=len(UNMET), errors=len(UNMET))
    assert sections(result, "_+ ERROR at teardown of test_.* _+") == [
        [f"fakebatch: No line, batch, upload or call ever met {rules}.", there_was, ADVICE]
        for _, rules, there_was in UNMET.values()
    ]
    assert len(timelines(result)) == len(UNMET)
    assert timelines(result)[0][-1] == "  never used: on(custom_id='c').fail(429)"


def test_a_rule_that_met_something_is_no_error(pytester: pytest.Pytester) -> None:
    """Nor mentioned; what does not fail the test is there for -rP."""
    good = "".join(function(name, code) for name, code in FINE.items())
    mentioned = "".join(function(name, code) for name, (code, _) in MENTIONED.items())
    ignored = function("ignored", 'fakebatch.unused_rules = "ignore"; fakebatch.on().fail(429)')
    result = run(pytester, good + mentioned + ignored, "-rP")

    result.assert_outcomes(passed=len(FINE) + len(MENTIONED) + 1)
    title = "-+ fakebatch teardown, never used: https://api.openai.com/v1 -+"
    shown = ["on_call('files.content', times=1)." + MENTIONED["an incident"][1]]
    assert sections(result, title) == [shown, [MENTIONED["a warning"][1]]]


SWITCHES = """
@pytest.mark.fakebatch(unused_rules="warn")
def test_marker(fakebatch): fakebatch.on().fail(429)

@pytest.mark.fakebatch(unused_rules="ignore")
def test_silent(fakebatch): fakebatch.on().fail(429)

@pytest.mark.fakebatch(unused_rules="ignore")
class TestThem:
    @pytest.mark.fakebatch(unused_rules="warn")
    def test_closest(self, fakebatch): fakebatch.on().fail(429)

def test_argument():
    with FakeBatch(unused_rules="warn") as fake: fake.on().fail(429)
    assert fake.never_used == ("on().fail(429)",)

@pytest.mark.fakebatch(incident="download-truncated")
def test_incident(): pass

@pytest.fixture
def service():
    with FakeBatch() as fake: yield fake

def test_fixture_of_its_own(service): service.on().fail(429)

@pytest.mark.fakebatch(unused_rules="quiet")
def test_misspelt(): pass
"""


def test_a_switch_decides(pytester: pytest.Pytester) -> None:
    """By marker, the closest wins, or by argument; an unknown switch is an error."""
    result = run(pytester, SWITCHES, "-rP")

    result.assert_outcomes(passed=6, errors=2, warnings=3)
    assert len(sections(result, "-+ fakebatch teardown, never used: .*")) == 4
    assert sections(result, "_+ ERROR at setup of test_misspelt _+") == [
        [
            "fakebatch: unused_rules='quiet' is unknown.",
            "Known are 'error', 'warn', 'ignore'.",
            "Leave it out, and rules that nothing met are an error.",
        ]
    ]


BROKEN = {
    "in a failure": 'fakebatch.on(); assert not "well"',
    "in what is expected to fail": 'fakebatch.on().fail(429); pytest.xfail("so")',
    "in what is left out": 'fakebatch.on().fail(429); pytest.skip("so")',
}


def test_nothing_of_it_is_an_error_where_a_test_broke_off(pytester: pytest.Pytester) -> None:
    """What comes after the end need not have come; a timeline says it all the same."""
    own = """
@pytest.fixture
def service():
    with FakeBatch() as fake: yield fake

def test_with_a_fixture_of_its_own(service): service.on().fail(429); assert not "well"
"""
    code = "".join(function(name, code) for name, code in BROKEN.items()) + own
    result = run(pytester, code, "-rP")

    result.assert_outcomes(failed=2, xfailed=1, skipped=1)
    assert [lines[-1] for lines in timelines(result)] == [
        "  never used: on(), which has no verb",
        "  never used: on().fail(429)",
    ]


def _rule(fake: FakeBatch) -> None:
    fake.on_batch(nth=2).expire(0.5)


def _selector(fake: FakeBatch) -> None:
    fake.on_batch(nth=2)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        pytest.param(_rule, "on_batch(nth=2).expire(0.5)", id="a rule"),
        pytest.param(_selector, "on_batch(nth=2), which has no verb", id="a selector"),
    ],
)
def test_a_warning_has_the_words_of_the_error(
    write: Callable[[FakeBatch], None], words: str
) -> None:
    """The same three lines as a FakeBatchWarning, where the block ends."""
    with pytest.warns(FakeBatchWarning) as caught, FakeBatch(unused_rules="warn") as fake:
        write(fake)
    lines = str(caught[0].message).splitlines()
    assert lines[:2] == [f"fakebatch: No line, batch, upload or call ever met {words}.", NOTHING]
    assert caught[0].filename == __file__
    assert fake.never_used == (words,)


def test_without_pytest_it_is_raised_at_the_end_of_the_block() -> None:
    """Unless something else is raised already."""
    code = """
from fakebatch import FakeBatch
try:
    with FakeBatch() as fake:
        fake.on().fail(429)
        1 / 0
except ZeroDivisionError:
    print("the error of the block")
with FakeBatch() as fake:
    fake.on_batch(nth=2).stall("in_progress")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.stdout == "the error of the block\n"
    assert done.stderr.splitlines()[-3:] == [
        (
            "fakebatch.UsageError: fakebatch: No line, batch, upload or call ever met "
            "on_batch(nth=2).stall('in_progress')."
        ),
        NOTHING,
        ADVICE,
    ]


FAULTS = """
def test_it(fakebatch):
    fakebatch.on_call("batches.create", nth=1).fail(500, retry_after="1s", applied=True)
    fakebatch.on_call("batches.retrieve", nth=3, through_retries=True).fail(
        502, body="<html>", retry_after="1s"
    )
    fakebatch.on_call("batches.retrieve", nth=9).fail(429, retry_after="20s")
    fakebatch.on_call("files.content", nth=1).fail(503, retry_after="1s")
    fakebatch.on_call("batches.cancel").timeout()
    fakebatch.on(custom_id="c").fail(429)
    batch = create("a", "b")
    while batch.status != "completed":
        time.sleep(600)
        try:
            batch = openai.OpenAI().batches.retrieve(batch.id)
        except openai.InternalServerError:
            pass
    openai.OpenAI().files.content(batch.output_file_id)
    assert len(fakebatch.batches) == 1
"""


CREATE = "on_call('batches.create', nth=1).fail(500, retry_after='1s', applied=True)"
POLL = (
    "on_call('batches.retrieve', nth=3, through_retries=True).fail(502, body=…, retry_after='1s')"
)
DOWNLOAD = "on_call('files.content', nth=1).fail(503, retry_after='1s')"


def test_a_timeline_tells_of_faults(pytester: pytest.Pytester) -> None:
    """Beside the call that one hit, and below: what fired, what only cost a retry, what never."""
    result = run(pytester, FAULTS)

    result.assert_outcomes(failed=1)
    assert timelines(result) == [
        [
            ZERO,
            "+00:00:00  files.create     200  file-2PbNWcDDgw3QXQKkvgK3Wk",
            (
                "+00:00:00  batches.create   500  batch_6955b900a0c48190a7711bcd6d8a12bb"
                f"  injected: {CREATE}"
            ),
            "+00:00:00  slept 1 s",
            "+00:00:01  batches.create   200  batch_6955b90102a88190a16a539f0c78de0b",
            "+00:00:01  slept 10m  3 times, until +00:30:01",
            "+00:01:05    batch_…8a12bb: in_progress",
            "+00:01:06    batch_…78de0b: in_progress",
            "+00:10:01  batches.retrieve 200  batch_…78de0b  2 times, every 10m, until +00:20:01",
            (
                f"+00:30:01  batches.retrieve 502  batch_…78de0b  "
                f"injected: {POLL}"
                "  3 times, every 1 s, until +00:30:03"
            ),
            "+00:30:01  slept 1 s to 10m  5 times, until +01:00:03",
            "+00:40:03  batches.retrieve 200  batch_…78de0b  2 times, every 10m, until +00:50:03",
            "+00:58:55    batch_…8a12bb: finalizing",
            "+00:58:56    batch_…78de0b: finalizing",
            "+01:00:00    batch_…8a12bb: completed",
            "+01:00:01    batch_…78de0b: completed",
            "+01:00:03  batches.retrieve 200  batch_…78de0b",
            f"+01:00:03  files.content    503  file-Bfogf3…  injected: {DOWNLOAD}",
            "+01:00:03  slept 1 s",
            "+01:00:04  files.content    200  file-Bfogf3…",
            "+01:00:04  now",
            "  batch_…8a12bb completed: 2 of 2 lines succeeded, 0 failed",
            "    output file-7tQkLy… never downloaded",
            "  batch_…78de0b completed: 2 of 2 lines succeeded, 0 failed",
            "    output file-Bfogf3… downloaded",
            f"  injected: {CREATE}",
            f"  injected: {POLL}",
            f"  injected: {DOWNLOAD}",
            f"  absorbed: {CREATE}",
            f"  absorbed: {DOWNLOAD}",
            "  never used: on(custom_id='c').fail(429)",
            "  never used: on_call('batches.retrieve', nth=9).fail(429, retry_after='20s')",
            "  never used: on_call('batches.cancel').timeout()",
        ]
    ]

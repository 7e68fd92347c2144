"""What cannot be said of lines, batches and files, here and in a file, and what is told then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from fakebatch import FakeBatch, Misuse, Scenario
from fakebatch.dialects import Limits
from fakebatch.scenario import (
    Corruption,
    Counting,
    Damage,
    Fails,
    Life,
    LineRule,
    Spoils,
    Stall,
    Stallable,
    Unusable,
    Which,
)
from fakebatch.scenario.batches import STATUSES
from fakebatch.scenario.text import dump, load, read

Say = Callable[[FakeBatch], object]


def told(call: Callable[[], object]) -> list[str]:
    with pytest.raises(Misuse) as caught:
        call()
    return str(caught.value).split("\n")


NO_TURN = [
    "Batches and files are counted from 1, in the order in which they come.",
    "Write for example on_batch(nth=2, times=1).",
]
NO_FRACTION = [
    "A fraction is more than 0, and 1 at most.",
    "Write for example fakebatch.on(fraction=0.1).fail(429).",
]
NO_CURVE = [
    "Its points (part of the time, part of the lines) ascend from (0, 0) to (1, 1).",
    "Write for example on_batch().schedule(curve=[(0.5, 0.1), (0.9, 0.8)]).",
]
NO_EXPIRY = [
    "It goes from 0 (nothing) to 1 (all of it).",
    "Write for example on_batch().expire(finished=0.1).",
]
NO_DURATION = [
    (
        "A duration is a number of seconds, a timedelta, or text of d/h/m/s such as '1h30m'; "
        "never negative."
    ),
    "Write for example 90, timedelta(minutes=1.5) or '1m30s'.",
]


def unknown(value: str, what: str, *known: str) -> list[str]:
    return [
        f"fakebatch: {value!r} is no {what}.",
        f"Known are {', '.join(map(repr, known))}.",
        "Use one of these.",
    ]


def verb(what: str, *args: Any, **kwargs: Any) -> Say:
    """`on_batch().stall(…)` and the like, with values that types forbid."""
    selector, _, name = what.partition(".")
    return lambda fake: getattr(getattr(fake, selector)(), name)(*args, **kwargs)


SPOILS, CORRUPT, COUNTS = get_args(Unusable), get_args(Corruption), get_args(Counting)


VALUES: dict[str, tuple[Say, list[str]]] = {
    "no fraction": (
        lambda f: f.on(fraction=0),
        ["fakebatch: fraction=0 selects no lines.", *NO_FRACTION],
    ),
    "more than all lines": (
        lambda f: f.on(fraction=1.5),
        ["fakebatch: fraction=1.5 selects no lines.", *NO_FRACTION],
    ),
    "a fraction of text": (
        lambda f: f.on(fraction="half"),
        ["fakebatch: fraction='half' selects no lines.", *NO_FRACTION],
    ),
    "an unknown spoil": (verb("on.spoil", "short"), unknown("short", "spoil", *SPOILS)),
    "an unknown corruption": (verb("on.corrupt", "bad"), unknown("bad", "corrupt", *CORRUPT)),
    "an unknown renaming": (
        verb("on.rename", "str"),
        unknown("str", "custom_id", "int", "trim", "upper", "lower", "null"),
    ),
    "an unknown conflict": (
        verb("on.duplicate", conflict="both"),
        unknown("both", "conflict", "success", "error"),
    ),
    "an unknown shape": (
        verb("on.fail", 429, shape="none"),
        unknown("none", "shape", "body", "top", "both", "string"),
    ),
    "an unknown file": (
        verb("on.fail", 429, file="log"),
        unknown("log", "file", "error", "output"),
    ),
    "fewer copies than none": (
        verb("on.duplicate", -1),
        [
            "fakebatch: A line cannot be written -1 times.",
            "It is written once; never (0) if it is dropped, and twice if it is duplicated.",
            "Write for example fakebatch.on(index=3).duplicate(2).",
        ],
    ),
    "a rule that says nothing": (
        lambda _: LineRule(Which()),
        [
            "fakebatch: A rule selects lines and says nothing of them.",
            "It has an outcome, or a damage to their results.",
            "Write for example outcome = { status = 429 }, or damage = { copies = 0 }.",
        ],
    ),
    "a failure of nothing": (
        lambda _: LineRule(Which(), Fails(times=2)),
        [
            "fakebatch: A failure without a status and without a body says nothing.",
            "A line fails with an HTTP status of 400 to 599 or 0, or with a code.",
            "Write for example { status = 429 }, or { body = { code = 'request_timeout' } }.",
        ],
    ),
    "the zeroth batch": (
        lambda f: f.on_batch(0),
        ["fakebatch: nth=0, times=None selects nothing.", *NO_TURN],
    ),
    "no file": (
        lambda f: f.on_file(times=0),
        ["fakebatch: nth=1, times=0 selects nothing.", *NO_TURN],
    ),
    "a stall in no status": (
        verb("on_batch.stall", "running"),
        unknown("running", "status that can stall", *get_args(Stallable)),
    ),
    "progress where there is none": (
        verb("on_batch.stall", "finalizing", progress=0.5),
        [
            "fakebatch: A batch cannot stall in 'finalizing' with progress=0.5.",
            "Progress is between 0 and 1, and there is some in 'in_progress' alone.",
            "Write for example on_batch().stall('in_progress', progress=0.99).",
        ],
    ),
    "an expiry while it is validated": (
        verb("on_batch.stall", "validating", until="expiry"),
        [
            "fakebatch: A stall in 'validating' cannot both end by itself and last until expiry.",
            "Only a batch in progress expires, and either the window ends a stall or a time.",
            "Write on_batch().stall('in_progress', until='expiry').",
        ],
    ),
    "more than all at expiry": (
        verb("on_batch.expire", 2),
        ["fakebatch: finished=2 is no part of a whole.", *NO_EXPIRY],
    ),
    "a curve that falls": (
        verb("on_batch.schedule", curve=[(0.1, 0.9), (0.5, 0.1)]),
        ["fakebatch: curve=((0.1, 0.9), (0.5, 0.1)) is no progress.", *NO_CURVE],
    ),
    "a curve of text": (
        verb("on_batch.schedule", curve=[("1m", 0.9)]),
        ["fakebatch: curve=(('1m', 0.9),) is no progress.", *NO_CURVE],
    ),
    "an unknown end of a cancel": (
        verb("on_batch.cancel_to", "failed"),
        unknown("failed", "end of a cancel", "cancelled", "completed"),
    ),
    "an unknown status": (verb("on_batch.vanish", "done"), unknown("done", "status", *STATUSES)),
    "an unknown status to show": (
        verb("on_batch.show", statuses={"done": "completed"}),
        unknown("done", "status", *STATUSES),
    ),
    "a status that is shown as nothing": (
        verb("on_batch.show", statuses={"failed": []}),
        [
            "fakebatch: 'failed' cannot be shown as ().",
            "It is shown as a text, or as one text after the other.",
            "Write for example show(statuses={'in_progress': ['running', 'paused']}).",
        ],
    ),
    "an unknown way to count": (
        verb("on_batch.count", "none"),
        unknown("none", "way to count", *COUNTS),
    ),
    "an unknown way to write moments": (
        verb("on_batch.show", moments="ms"),
        unknown("ms", "way to write moments", "milliseconds", "float", "iso", "null"),
    ),
    "an unknown order": (
        verb("on_batch.write", order="random"),
        unknown("random", "order", "shuffled", "input", "reversed"),
    ),
    "an unknown newline": (
        verb("on_batch.write", newline="\n"),
        unknown("\n", "newline", "lf", "crlf"),
    ),
    "half a blank line": (
        verb("on_batch.write", trailing=0.5),
        [
            "fakebatch: trailing=0.5 is no number of blank lines.",
            "It is how many of them come last in a result file: 0, 1, 2.",
            "Write for example on_batch().write(trailing=2).",
        ],
    ),
    "no duration": (
        verb("on_file.pend", "a while"),
        ["fakebatch: 'a while' is not a duration.", *NO_DURATION],
    ),
    "an unknown limit": (
        lambda _: Scenario(limits={"lines": 10}),
        [
            "fakebatch: There is no limit 'lines'.",
            f"Known are {', '.join(Limits.__dataclass_fields__)}.",
            "Write for example FakeBatch(limits={'batch_lines': 10}).",
        ],
    ),
    "what spoils and was made directly": (
        lambda _: (Damage(copies=0), Spoils("soft")),  # type: ignore[arg-type]
        unknown("soft", "spoil", *SPOILS),
    ),
}


@pytest.mark.parametrize(("say", "expected"), VALUES.values(), ids=VALUES)
def test_a_value_that_means_nothing_is_told_when_it_is_said(say: Say, expected: list[str]) -> None:
    """In three lines: what came, what was known, what to do."""
    assert told(lambda: say(FakeBatch())) == expected


FAILS = {"fails": ()}
STALL = Stall("in_progress")
CONTRADICTIONS: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    # a life, another, what they cannot both be, why
    "fails and stalls": (
        FAILS,
        {"stall": STALL},
        f"fails=() and stall={STALL}",
        "It fails when it is validated; schedule(validating='2h') makes it late.",
    ),
    "expires and stalls": (
        {"finished": 0.1},
        {"stall": STALL},
        f"finished=0.1 and stall={STALL}",
        "Both say how much is done when the window ends.",
    ),
    "fails and expires": (
        FAILS,
        {"finished": 0.0},
        "fails=() and finished=0.0",
        "A batch that fails validation never runs, so that it cannot expire.",
    ),
    "fails and overruns": (
        {"fails": "null"},
        {"overruns": True},
        "fails='null' and overruns=True",
        "A batch that fails validation never runs, so that it cannot overrun.",
    ),
    "expires and overruns": (
        {"finished": 0.1},
        {"overruns": True},
        "finished=0.1 and overruns=True",
        "A batch either expires with its window or goes on after it.",
    ),
    "expires, and takes no time": (
        {"finished": 0.1},
        {"in_progress": 0},
        "finished=0.1 and in_progress=0",
        "A batch that expires is in progress until its window ends.",
    ),
    "a curve, and an expiry": (
        {"curve": ((0.5, 0.5),)},
        {"finished": 0.1},
        "curve=((0.5, 0.5),) and finished=0.1",
        "Both say how much is done when.",
    ),
    "counts that lie late": (
        {"counts": "zero"},
        {"counts_lag": 0},
        "counts='zero' and counts_lag=0",
        "Counts are either late or lie.",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_what_cannot_be_true_of_one_batch_is_told(case: tuple[Any, Any, str, str]) -> None:
    """Whether it is said at once or one after the other."""
    one, other, what, why = case
    expected = [
        f"fakebatch: A batch cannot have both {what}.",
        why,
        "Say one of them, or say them of different batches: on_batch(nth=2).",
    ]
    assert told(lambda: Life(**one, **other)) == expected


def test_a_stall_until_expiry_contradicts_a_life_without_one() -> None:
    """Such a batch would never end, which is said more simply."""
    fake = FakeBatch()
    fake.on_batch().overrun()
    assert told(lambda: fake.on_batch().stall("in_progress", until="expiry")) == [
        "fakebatch: A batch cannot both go on after its window and stall until its window ends.",
        "Nothing would ever end it.",
        "Say on_batch().stall('in_progress') for a batch that never ends.",
    ]


OVERLAPS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "all, and the third": ({}, {"nth": 3, "times": 1}, True),
    "the first two, and from the second on": ({"times": 2}, {"nth": 2}, True),
    "the first two, and from the third on": ({"times": 2}, {"nth": 3}, False),
    "all of one endpoint": ({}, {"endpoint": "/v1/embeddings"}, True),
    "two endpoints": ({"endpoint": "/v1/responses"}, {"endpoint": "/v1/embeddings"}, False),
}


@pytest.mark.parametrize(("one", "other", "overlap"), OVERLAPS.values(), ids=OVERLAPS)
def test_a_contradiction_is_told_where_selections_overlap(
    one: dict[str, Any], other: dict[str, Any], *, overlap: bool
) -> None:
    """When the second of two rules is said, or two scenarios are put together."""
    first, second = FakeBatch(), FakeBatch()
    first.on_batch(**one).fail()
    second.on_batch(**other).expire()
    if overlap:
        assert told(lambda: first.scenario | second.scenario)[0].endswith(
            "fails=() and finished=0.0."
        )
        assert told(lambda: first.on_batch(**other).expire())[0].endswith("finished=0.0.")
    else:
        assert len((first.scenario | second.scenario).batches) == 2


LIFE = ", ".join(Life.__dataclass_fields__)
READ: dict[str, tuple[dict[str, Any], str, str, str]] = {
    # what a file has, where it is wrong and why, what is there, what is known there
    "an unknown part": (
        {"lines": []},
        "lines: Unexpected keyword argument",
        "'[]'",
        "schedule, rules, otherwise, batches, files, limits, calls, arrivals",
    ),
    "an unknown name in a life": (
        {"batches": [{"which": {}, "life": {"vanish": "failed"}}]},
        "batches.0.life.vanish: Unexpected keyword argument",
        "'failed'",
        LIFE,
    ),
    "an unknown name in a failure": (
        {"rules": [{"which": {}, "outcome": {"status": 503, "text": "x"}}]},
        "rules.0.outcome.text: Unexpected keyword argument",
        "'x'",
        "status, body, times, file, shape",
    ),
    "an outcome of no kind": (
        {"rules": [{"which": {}, "outcome": {"sttus": 3}}]},
        "rules.0.outcome.sttus: Unexpected keyword argument",
        "'3'",
        "then, status, body, times, file, shape",
    ),
    "an outcome of two kinds": (
        {"calls": [{"which": {}, "outcome": {"status": 503, "fraction": 0.3}}]},
        "calls.0.outcome.fraction: Unexpected keyword argument",
        "'0.3'",
        "status, body, headers, retry_after, dated, applied, fraction, framing",
    ),
    "an answer of another type": (
        {"rules": [{"which": {}, "outcome": {"answer": 5}}]},
        "rules.0.outcome.answer: Input should be a valid string",
        "'5'",
        "answer",
    ),
    "a number that is none": (
        {"calls": [{"which": {"nth": "third"}, "outcome": {"how": "reset"}}]},
        (
            "calls.0.which.nth: Input should be a valid integer, unable to parse string as an "
            "integer"
        ),
        "'third'",
        "operation, nth, times, since, until, chance, key, through_retries",
    ),
    "a part that is missing": (
        {"files": [{"keeping": {}}]},
        "files.0.which: Field required",
        "\"{'keeping': {}}\"",
        "which, keeping",
    ),
    "one where several go": (
        {"batches": {"life": {}}},
        "batches: Input should be a valid tuple",
        "\"{'life': {}}\"",
        "schedule, rules, otherwise, batches, files, limits, calls, arrivals",
    ),
}


@pytest.mark.parametrize(("said", "wrong", "there", "known"), READ.values(), ids=READ)
def test_what_cannot_be_read_is_told(
    said: dict[str, Any], wrong: str, there: str, known: str
) -> None:
    """Where it is, what is there, what is known in that part."""
    assert told(lambda: read(said, "night.toml")) == [
        f"fakebatch: night.toml cannot be read at {wrong}.",
        f"It has {there} there. Known in this part are {known}.",
        "docs/scenarios.md shows each part.",
    ]


FILES: dict[str, tuple[str, str, str]] = {
    "of another kind": (
        "a.yaml",
        "",
        "A scenario is read from a file that ends in .toml or .json.",
    ),
    "no TOML": ("a.toml", "x =", "It cannot be parsed: Invalid value (at end of document)."),
    "no object": ("a.json", "[1]", "It holds an array, and a scenario is an object."),
}


@pytest.mark.parametrize(("name", "content", "why"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_scenario_is_told(
    name: str, content: str, why: str, tmp_path: Path
) -> None:
    """With its path, and why."""
    path = tmp_path / name
    path.write_text(content)
    assert told(lambda: load(path)) == [
        f"fakebatch: {str(path)!r} is no scenario.",
        why,
        "Give the path of a scenario, the name of an incident, or a Scenario.",
    ]


def test_a_file_that_is_not_there_is_told() -> None:
    """With the folder from which relative paths count."""
    assert told(lambda: FakeBatch(incident="no/such.toml"))[:2] == [
        "fakebatch: 'no/such.toml' is no scenario.",
        f"No such file or directory; relative paths count from {Path.cwd()}.",
    ]


def test_a_callable_cannot_be_written() -> None:
    """It is the test's, and no file can hold it."""
    fake = FakeBatch()
    fake.on(lambda line: line.index == 0).fail(429)
    assert told(lambda: dump(fake.scenario)) == [
        (
            "fakebatch: This scenario cannot be written: Unable to serialize unknown type: "
            "<class 'function'>"
        ),
        "It has a predicate, or a callable that replies.",
        "Select lines by custom_id, index, model, endpoint, contains or fraction instead.",
    ]

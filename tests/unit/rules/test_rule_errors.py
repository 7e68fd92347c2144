"""What a rule cannot be, in Python and in a file, and the message that says so."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakebatch import FakeBatch, Scenario, UsageError
from fakebatch.rules.batches import BatchRule
from fakebatch.rules.calls import CallRule
from fakebatch.rules.lines import LineRule
from fakebatch.rules.loading import dump, read

Attempt = Callable[[Any], object]
"""Given a FakeBatch; no type checker would let most of it pass."""

WRONG: dict[str, tuple[Attempt, str]] = {
    "no fraction": (
        lambda f: f.on(fraction=0),
        "on.fraction: Input should be greater than 0; it was 0.",
    ),
    "more than all lines": (
        lambda f: f.on(fraction=1.5),
        "on.fraction: Input should be less than or equal to 1; it was 1.5.",
    ),
    "a fraction of text": (
        lambda f: f.on(fraction="half"),
        "on.fraction: Input should be a valid number; it was 'half'.",
    ),
    "a predicate that is none": (
        lambda f: f.on("r-1"),
        "on.where: Input should be callable; it was 'r-1'.",
    ),
    "an unknown answer": (
        lambda f: f.on().malformed("short"),
        (
            "on(…).malformed.how: Input should be 'length', 'refusal', 'content_filter', "
            "'tool_calls', 'null', 'empty', 'truncated_json', 'wrong_types', 'split' or "
            "'reversed'; it was 'short'."
        ),
    ),
    "an unknown corruption": (
        lambda f: f.on().corrupt("bad"),
        (
            "on(…).corrupt.how: Input should be 'cut', 'array', 'garbage', 'null', 'blank', "
            "'no_custom_id', 'no_response' or 'no_body'; it was 'bad'."
        ),
    ),
    "one copy": (
        lambda f: f.on().duplicate(1),
        "on(…).duplicate.copies: Input should be greater than or equal to 2; it was 1.",
    ),
    "a reply of a number": (
        lambda f: f.reply(5),
        (
            "fakebatch.reply.answer: Input should be a valid string or a valid dictionary or "
            "callable; it was 5."
        ),
    ),
    "a failure of nothing": (
        lambda f: f.on().fail(),
        "fail(status=None, code=None) does not describe a failure.",
    ),
    "a success that fails": (
        lambda f: f.on().fail(200),
        "fail(status=200, code=None) does not describe a failure.",
    ),
    "a status of text": (
        lambda f: f.on().fail("429"),
        "on(…).fail.status: Input should be a valid integer; it was '429'.",
    ),
    "a parameter that is unknown": (
        lambda f: f.on().fail(429, text="x"),
        "on(…).fail.text: there is no such parameter; it was 'x'.",
    ),
    "a parameter that is missing": (
        lambda f: f.on_call().truncate(),
        "on_call(…).truncate.fraction: it is required.",
    ),
    "the zeroth batch": (
        lambda f: f.on_batch(0),
        "on_batch.nth: Input should be greater than or equal to 1; it was 0.",
    ),
    "no file": (
        lambda f: f.on_file(times=0),
        (
            "on_file.times: times must be a whole number from 1, or math.inf (in a file: inf); "
            "it was 0."
        ),
    ),
    "half a call": (
        lambda f: f.on_call(times=1.5),
        (
            "on_call.times: times must be a whole number from 1, or math.inf (in a file: inf); "
            "it was 1.5."
        ),
    ),
    "no chance": (
        lambda f: f.on_call(chance=0),
        "on_call.chance: Input should be greater than 0; it was 0.",
    ),
    "an end before the beginning": (
        lambda f: f.on_call(between=("2h", "1h")),
        "on_call(between=('2h', '1h')) selects no call.",
    ),
    "one time": (
        lambda f: f.on_call(between="1h30m"),
        "on_call.between: Input should be a valid tuple; it was '1h30m'.",
    ),
    "no duration": (lambda f: f.on_file().processing("a while"), "'a while' is not a duration."),
    "an unknown operation": (
        lambda f: f.on_call("batchs.list"),
        "There is no operation 'batchs.list'.",
    ),
    "a stall in no status": (
        lambda f: f.on_batch().stall("running"),
        (
            "on_batch(…).stall.at: Input should be 'validating', 'in_progress', 'finalizing' or "
            "'cancelling'; it was 'running'."
        ),
    ),
    "progress where there is none": (
        lambda f: f.on_batch().stall("finalizing", progress=0.5),
        "A batch cannot stall in 'finalizing' with progress=0.5.",
    ),
    "an expiry while it is validated": (
        lambda f: f.on_batch().stall("validating", until="expiry"),
        "A stall in 'validating' cannot last until expiry.",
    ),
    "more than all at expiry": (
        lambda f: f.on_batch().expire(2),
        "on_batch(…).expire.finished: Input should be less than or equal to 1; it was 2.",
    ),
    "a curve that falls": (
        lambda f: f.on_batch().schedule(curve=[(0.1, 0.9), (0.5, 0.1)]),
        "curve=((0.1, 0.9), (0.5, 0.1)) does not describe progress.",
    ),
    "a status that is shown as nothing": (
        lambda f: f.on_batch().override(statuses={"failed": []}),
        "'failed' cannot be shown as ().",
    ),
    "counts that are neither wrong nor late": (
        lambda f: f.on_batch().miscount(),
        "miscount(how=None, late=None) needs exactly one of the two.",
    ),
    "half a blank line": (
        lambda f: f.on_batch().result_files(trailing=0.5),
        "on_batch(…).result_files.trailing: Input should be a valid integer; it was 0.5.",
    ),
    "a body that is no JSON": (
        lambda f: f.on_call().fail(500, body={"a": math.nan}),
        "body={'a': nan} is not JSON.",
    ),
    "headers that are no texts": (
        lambda f: f.on_call().headers({"x": 1}),
        "on_call(…).headers.headers.x: Input should be a valid string; it was 1.",
    ),
    "headers that break a line": (
        lambda f: f.on_call().headers({"x": "a\nb"}),
        (
            "on_call(…).headers.headers: the names and values of headers must be printable "
            "strings; it was {'x': 'a\\nb'}."
        ),
    ),
    "another response that is the same": (
        lambda f: f.on_call("batches.list").override(),
        "override() changes nothing.",
    ),
    "slow, but not slow": (
        lambda f: f.on_call().slow(gap="1m", pieces=1),
        "slow() needs first_byte, or a gap and at least two pieces.",
    ),
    "a limit within no time": (
        lambda f: f.on_call().rate_limit(1, per=0),
        "rate_limit(1, per=0) would limit nothing.",
    ),
    "a limit for the third": (
        lambda f: f.on_call(nth=3).rate_limit(1, per=1),
        "A rate_limit cannot have nth, times, chance or through_retries.",
    ),
    "a webhook of no event": (
        lambda f: f.on_webhook(event="batch.done"),
        (
            "on_webhook.event: Input should be 'batch.completed', 'batch.failed', 'batch.expired' "
            "or 'batch.cancelled'; it was 'batch.done'."
        ),
    ),
    "an unknown limit": (lambda _: Scenario(limits={"lines": 10}), "There is no limit 'lines'."),
    "a file that is not there": (
        lambda f: f.reply_from("no/such.jsonl"),
        "replay cannot read 'no/such.jsonl': No such file or directory.",
    ),
}


@pytest.mark.parametrize(("attempt", "first"), WRONG.values(), ids=WRONG)
def test_what_has_no_meaning_raises_at_the_line_that_writes_it(
    attempt: Attempt, first: str
) -> None:
    """In three lines: what came, what was known, what to do."""
    with pytest.raises(UsageError) as caught:
        attempt(FakeBatch())
    lines = str(caught.value).split("\n")
    assert (lines[0], len(lines)) == (f"fakebatch: {first}", 3)
    assert all(line.endswith((".", "}")) for line in lines)


UNREADABLE: dict[str, tuple[dict[str, Any], str, str]] = {
    "an unknown part": (
        {"lines": []},
        "night.toml.lines: there is no such parameter; it was [].",
        "It takes schedule, otherwise, limits, on, on_batch, on_file, on_call, on_webhook.",
    ),
    "an unknown name in a verb": (
        {"on": [{"fail": {"status": 503, "text": "x"}}]},
        "night.toml.on.1.fail.text: there is no such parameter; it was 'x'.",
        "It takes status, code, message, body, file, shape.",
    ),
    "a verb that is no table": (
        {"on": [{"drop": {}}, {"fail": 429}]},
        (
            "night.toml.on.2.fail: it must be a table of parameters, which may be empty: {}; "
            "it was 429."
        ),
        "It takes status, code, message, body, file, shape.",
    ),
    "no verb": (
        {"on_call": [{"nth": 3}]},
        "night.toml: A rule of on_call has no verb.",
        f"It takes exactly one of {', '.join(CallRule.verbs)}.",
    ),
    "two verbs": (
        {"on_call": [{"reset": {}, "timeout": {}}]},
        "night.toml: A rule of on_call has timeout and reset.",
        f"It takes exactly one of {', '.join(CallRule.verbs)}.",
    ),
    "an nth of lines": (
        {"on": [{"nth": 3, "drop": {}}]},
        "night.toml.on.1.nth: there is no such parameter; it was 3.",
        "It takes where, custom_id, times, index, model, endpoint, contains, fraction, "
        + ", ".join(LineRule.verbs)
        + ".",
    ),
    "a number that is none": (
        {"on_call": [{"nth": "third", "reset": {}}]},
        "night.toml.on_call.1.nth: Input should be a valid integer; it was 'third'.",
        "It takes operation, nth, times, between, chance, key, through_retries, id, "
        "longer_than, where, " + ", ".join(CallRule.verbs) + ".",
    ),
    "one where several go": (
        {"on_batch": {"expire": {}}},
        "night.toml.on_batch: Input should be a valid tuple; it was {'expire': {}}.",
        "It takes nth, times, endpoint, metadata, model, contains, where, "
        + ", ".join(BatchRule.verbs)
        + ".",
    ),
    "a corruption that answers": (
        {"otherwise": {"drop": {}}},
        "night.toml: otherwise cannot be on().drop().",
        "It decides how lines end, by reply, fail, echo, malformed, hang or replay.",
    ),
}


@pytest.mark.parametrize(("data", "first", "known"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_located(data: dict[str, Any], first: str, known: str) -> None:
    """The file, the place in it, what is there, and what is known in that part."""
    with pytest.raises(UsageError) as caught:
        read(data, "night.toml")
    assert str(caught.value).split("\n")[:2] == [f"fakebatch: {first}", known]


FILES: dict[str, tuple[str, str, str]] = {
    "of another kind": (
        "a.yaml",
        "",
        "The name of a scenario file must end in .toml or .json.",
    ),
    "no TOML": ("a.toml", "x =", "It cannot be parsed: Invalid value (at end of document)."),
    "no object": ("a.json", "[1]", "It is an array; a scenario is an object."),
}


@pytest.mark.parametrize(("name", "content", "why"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_scenario(name: str, content: str, why: str, tmp_path: Path) -> None:
    """The message has its path, and why."""
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UsageError) as caught:
        FakeBatch(incident=path)
    assert str(caught.value).split("\n") == [
        f"fakebatch: {str(path)!r} cannot be read as a scenario.",
        why,
        "Give the path of a scenario file, or the name of an incident.",
    ]


CALLABLES: dict[str, Attempt] = {
    "a predicate": lambda f: f.on(lambda line: line.index == 0).fail(429),
    "a predicate of batches": lambda f: f.on_batch(where=bool).ignore_window(),
    "a predicate of files": lambda f: f.on_file(where=bool).expire("1h"),
    "a predicate of calls": lambda f: f.on_call(where=bool).fail(503),
    "a reply": lambda f: f.on().reply(lambda line: line.model),
    "the reply of all": lambda f: f.reply(lambda line: line.model),
}


@pytest.mark.parametrize("write", CALLABLES.values(), ids=CALLABLES)
def test_a_callable_cannot_be_written(write: Attempt) -> None:
    """It is the test's, and no file can hold it: nor can a pickle."""
    fake = FakeBatch()
    write(fake)
    with pytest.raises(UsageError, match=r"written: it holds (where|answer)=.*\nA callable"):
        dump(fake.scenario)
    with pytest.raises(UsageError, match=r"pickled while its scenario holds (where|answer)="):
        pickle.dumps(fake.snapshot())

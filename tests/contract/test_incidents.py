"""The named incidents: whom they break, and whom they do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch, Scenario, UsageError
from fakebatch.rules.batches import BatchRule, Expire
from fakebatch.rules.loading import known
from support.careful import Found, careful, reasons
from support.client import Driver, chat

pytestmark = pytest.mark.sync
TWENTY = [chat(f"r{number:02}", f"question {number:02}") for number in range(20)]
IDS = [line["custom_id"] for line in TWENTY]
ANSWERS = {f"r{number:02}": f"question {number:02}" for number in range(20)}
BAD_NIGHT = Path(__file__).parents[2] / "examples/bad-night.toml"


def content(line: Any) -> str:
    text: str = line["response"]["body"]["choices"][0]["message"]["content"]
    return text


def downloads_the_output_of_what_completed(do: Driver) -> object:
    return do.results(do.run(TWENTY).output_file_id)


def reads_the_error_file_only_where_lines_failed(do: Driver) -> int:
    done = do.run(TWENTY)
    errors = do.results(done.error_file_id) if done.request_counts.failed else []
    return len(do.results(done.output_file_id)) + len(errors)


def looks_for_the_reason_in_the_error_file(do: Driver) -> object:
    return do.results(do.run(TWENTY).error_file_id)


def leaves_the_retry_of_a_creation_to_the_sdk(do: Driver) -> int:
    do.create(TWENTY)
    return len(do.all(do.client.batches.list))


def skips_what_is_no_json(do: Driver) -> int:
    rows = 0
    for line in do(do.client.files.content, do.run(TWENTY).output_file_id).content.splitlines():
        try:
            rows += bool(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def submits_all_at_once(do: Driver) -> list[str]:
    batches = [do.create(TWENTY[start : start + 5]) for start in (0, 5, 10, 15)]
    return [do.poll(batch, every=600)[-1].status for batch in batches]


def throws_away_what_expired(do: Driver) -> int:
    done = do.run(TWENTY)
    return len(do.results(done.output_file_id)) if done.status == "completed" else 0


def takes_a_failed_poll_for_the_end(do: Driver) -> object:
    return do.run(TWENTY)


def pairs_by_position(do: Driver) -> dict[str, str]:
    return dict(zip(IDS, map(content, do.results(do.run(TWENTY).output_file_id)), strict=True))


def splits_at_any_line_end(do: Driver) -> object:
    text = do(do.client.files.content, do.run(TWENTY).output_file_id).text
    return [json.loads(line) for line in text.splitlines()]


Naive = Callable[[Driver], object]
BROKEN: dict[str, tuple[Naive, object, Callable[[Found], bool], int]] = {
    # the incident, whom it breaks and how, what the careful client finds, in how many batches
    "completed-null-output": (
        downloads_the_output_of_what_completed,
        ValueError,
        lambda found: found.failures == dict.fromkeys(IDS, "unsupported_parameter"),
        1,
    ),
    "counts-lie-status-zero": (
        reads_the_error_file_only_where_lines_failed,
        19,
        lambda found: (len(found.answers), [*found.failures.values()]) == (19, ["0"]),
        1,
    ),
    "create-ok-then-failed": (
        looks_for_the_reason_in_the_error_file,
        ValueError,
        lambda found: found.reasons == [("invalid_json_line", 1)],
        1,
    ),
    "create-retried-duplicate-batch": (
        leaves_the_retry_of_a_creation_to_the_sdk,
        2,
        lambda found: found.answers == ANSWERS,
        1,
    ),
    "download-truncated": (skips_what_is_no_json, 6, lambda found: found.answers == ANSWERS, 1),
    "enqueued-token-limit": (
        submits_all_at_once,
        ["failed", "failed", "completed", "completed"],
        lambda found: found.answers == ANSWERS,
        3,
    ),
    "expired-with-partial-output": (
        throws_away_what_expired,
        0,
        lambda found: (len(found.answers), {*found.failures.values()}) == (2, {"batch_expired"}),
        1,
    ),
    "poll-5xx-kills-loop": (
        takes_a_failed_poll_for_the_end,
        openai.InternalServerError,
        lambda found: found.answers == ANSWERS,
        1,
    ),
    "shuffled-order": (
        pairs_by_position,
        {f"r{number:02}": f"question {19 - number:02}" for number in range(20)},
        lambda found: found.answers == ANSWERS,
        1,
    ),
    "unicode-line-separators": (
        splits_at_any_line_end,
        json.JSONDecodeError,
        lambda found: found.answers == {i: f"{a}\u2028\u2029\x85" for i, a in ANSWERS.items()},
        1,
    ),
}


def test_every_incident_is_here() -> None:
    """None is shipped that was not seen to break somebody."""
    assert [*BROKEN] == [*known()]


@pytest.mark.parametrize(
    ("fakebatch", "naive", "breaks"),
    [pytest.param(name, naive, how, id=name) for name, (naive, how, *_) in BROKEN.items()],
    indirect=["fakebatch"],
)
def test_an_incident_breaks_whom_it_says(do: Driver, naive: Naive, breaks: Any) -> None:
    """An exception where none is expected, or a wrong result without one."""
    if isinstance(breaks, type):
        with pytest.raises(breaks):
            naive(do)
    else:
        assert naive(do) == breaks


@pytest.mark.parametrize(
    ("fakebatch", "holds", "batches"),
    [pytest.param(name, *careful, id=name) for name, (_, _, *careful) in BROKEN.items()],
    indirect=["fakebatch"],
)
def test_an_incident_does_not_break_a_careful_client(
    do: Driver, fakebatch: FakeBatch, holds: Callable[[Found], bool], batches: int
) -> None:
    """Every request is accounted for, as what it is, and no batch was created for nothing."""
    found = careful(do, TWENTY)

    assert holds(found), found
    assert len(fakebatch.batches) == batches


PARAMETERS: dict[str, tuple[str, dict[str, Any], Callable[[Found], object], object]] = {
    "another code": (
        "completed-null-output",
        {"code": "billing_hard_limit_reached", "status": 429},
        lambda found: {*found.failures.values()},
        {"billing_hard_limit_reached"},
    ),
    "more lines": (
        "counts-lie-status-zero",
        {"fraction": 0.5},
        lambda found: len(found.failures),
        10,
    ),
    "another line": (
        "create-ok-then-failed",
        {"code": "duplicate_custom_id", "line": 7},
        lambda found: found.reasons,
        [("duplicate_custom_id", 7)],
    ),
    "more of it": (
        "expired-with-partial-output",
        {"finished": 0.75},
        lambda found: len(found.answers),
        15,
    ),
    "other characters": (
        "unicode-line-separators",
        {"separators": "\x0b"},
        lambda found: found.answers["r00"],
        "question 00\x0b",
    ),
}


@pytest.mark.parametrize("case", PARAMETERS.values(), ids=PARAMETERS)
def test_parameters_change_an_incident(
    do: Driver,
    fakebatch: FakeBatch,
    case: tuple[str, dict[str, Any], Callable[[Found], object], object],
) -> None:
    """What is left out stays as the file says."""
    name, parameters, look, expected = case
    fakebatch.incident(name, **parameters)
    assert look(careful(do, TWENTY)) == expected


@pytest.mark.fakebatch(incident="enqueued-token-limit")
def test_the_marker_takes_a_name(do: Driver) -> None:
    """The first batch fails."""
    assert reasons(do.run(TWENTY)) == [("token_limit_exceeded", None)]


@pytest.mark.fakebatch(incident=("shuffled-order", "counts-lie-status-zero", BAD_NIGHT))
def test_the_marker_takes_several(do: Driver, fakebatch: FakeBatch) -> None:
    """From left to right; all hold at once, and of what two say of the same the later holds."""
    found = careful(do, TWENTY)

    assert len(fakebatch.batches) == 2
    assert sorted(found.failures.values()) == ["0", *["rate_limit_exceeded"] * 4]
    assert [*found.answers] == sorted(found.answers, reverse=True)
    assert fakebatch.scenario.on_batch[-1].fail
    assert fakebatch.clock.elapsed > 20 * 3600


FIRST_EXPIRES = Scenario(on_batch=(BatchRule(times=1, expire=Expire(finished=0.5)),))


@pytest.mark.fakebatch(incident=FIRST_EXPIRES)
def test_the_marker_takes_a_scenario(do: Driver) -> None:
    """A value that was built once and is used by many tests."""
    assert [do.run(TWENTY).status for _ in range(2)] == ["expired", "completed"]


@pytest.mark.fakebatch(incident=str(BAD_NIGHT))
def test_the_marker_takes_a_file(do: Driver) -> None:
    """TOML or JSON."""
    assert reasons(do.run(TWENTY)) == [("token_limit_exceeded", None)]


@pytest.mark.fakebatch(seed=7, incident="shuffled-order")
@pytest.mark.parametrize(
    "fakebatch",
    ["create-ok-then-failed", ("create-ok-then-failed",), FIRST_EXPIRES, BAD_NIGHT],
    indirect=True,
    ids=["a name", "several", "a Scenario", "a path"],
)
def test_a_parameter_takes_the_same(do: Driver, fakebatch: FakeBatch) -> None:
    """And in place of what the marker says."""
    assert do.run(TWENTY).status in ("failed", "expired")
    assert all(rule.result_files is None for rule in fakebatch.scenario.on_batch)


def test_what_a_json_file_says_is_the_same(tmp_path: Path) -> None:
    """TOML and JSON are two ways to write one mapping."""
    path = tmp_path / "x.json"
    path.write_text('{"on_batch": [{"times": 1, "expire": {"finished": 0.5}}]}')
    assert FakeBatch(incident=path).scenario == FIRST_EXPIRES


NAMES = ", ".join(known())
NO_INCIDENT: dict[str, tuple[Callable[[FakeBatch], object], list[str]]] = {
    "an unknown name": (
        lambda fake: fake.incident("download-cut"),
        [
            "fakebatch: There is no incident 'download-cut'.",
            f"Known incidents: {NAMES}.",
            "Use one of these, or the path of a .toml or .json file.",
        ],
    ),
    "something else": (
        lambda fake: fake.incident(5),  # type: ignore[arg-type]
        [
            "fakebatch: There is no incident 5.",
            f"Known incidents: {NAMES}.",
            "Use one of these, or the path of a .toml or .json file.",
        ],
    ),
    "an unknown parameter": (
        lambda fake: fake.incident("download-truncated", part=0.5),
        [
            "fakebatch: Incident 'download-truncated' has no parameter 'part'.",
            "It has fraction=0.3, framing='silent', times=1.",
            "`fakebatch incidents download-truncated` describes them.",
        ],
    ),
    "a parameter that means nothing": (
        lambda fake: fake.incident("download-truncated", fraction=1.5),
        [
            (
                "fakebatch: Incident download-truncated.on_call.1.truncate.fraction: "
                "Input should be less than 1; it was 1.5."
            ),
            "It takes fraction, framing.",
            "Write for example truncate(0.3).",
        ],
    ),
    "a parameter of another kind": (
        lambda fake: fake.incident("enqueued-token-limit", times="twice"),
        [
            (
                "fakebatch: Incident enqueued-token-limit.on_batch.1.times: times must be a "
                "whole number from 1, or math.inf (in a file: inf); it was 'twice'."
            ),
            "It takes nth, times, endpoint, metadata, model, contains, where, "
            + ", ".join(BatchRule.verbs)
            + ".",
            "Write for example on_batch(nth=2).fail('token_limit_exceeded').",
        ],
    ),
    "a parameter of several": (
        lambda fake: fake.incident(("shuffled-order", "download-truncated"), times=2),
        [
            "fakebatch: times=2 cannot be set here.",
            "Only incidents by name have parameters.",
            "Write for example fakebatch.incident('download-truncated', fraction=0.5).",
        ],
    ),
    "incidents that contradict each other": (
        lambda fake: fake.incident(("create-ok-then-failed", "expired-with-partial-output")),
        [
            (
                "fakebatch: A batch cannot have both fail('invalid_json_line', line=1) "
                "and expire(0.1)."
            ),
            "A batch that fails validation never runs, so it cannot expire.",
            "Use one of them, or select different batches: on_batch(nth=2).",
        ],
    ),
}


@pytest.mark.parametrize(("write", "expected"), NO_INCIDENT.values(), ids=NO_INCIDENT)
def test_what_is_no_incident_is_an_error(
    write: Callable[[FakeBatch], object], expected: list[str]
) -> None:
    """In three lines, where it is written."""
    with pytest.raises(UsageError) as caught:
        write(FakeBatch())
    assert str(caught.value).split("\n") == expected

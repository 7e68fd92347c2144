"""How a test uses incidents: by name, with parameters, several at once, from files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakebatch import FakeBatch, Scenario, UsageError
from fakebatch.rules.batches import BatchRule, Expire
from fakebatch.rules.catalogue import GROUPS, of_group
from support.careful import Found, careful, reasons
from support.client import Driver, chat
from support.doors import ONE_IN_PROCESS

pytestmark = [pytest.mark.sync, ONE_IN_PROCESS]
TWENTY = [chat(f"r{number:02}", f"question {number:02}") for number in range(20)]
BAD_NIGHT = Path(__file__).parents[2] / "examples/bad-night.toml"

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


@pytest.mark.fakebatch(incident="limits/enqueued-token-limit")
def test_the_marker_takes_a_name(do: Driver) -> None:
    """The first batch fails."""
    assert reasons(do.run(TWENTY)) == [("token_limit_exceeded", None)]


@pytest.mark.fakebatch(incident=("shuffled-order", "results/counts-lie-status-zero", BAD_NIGHT))
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


LISTED = "`fakebatch incidents` lists all; a scenario file is a path that ends in .toml or .json."
NO_INCIDENT: dict[str, tuple[Callable[[FakeBatch], object], list[str]]] = {
    "an unknown name": (
        lambda fake: fake.incident("download-truncate"),
        [
            "fakebatch: There is no incident 'download-truncate'.",
            "Similar names: results/download-truncated, results/download-5xx.",
            LISTED,
        ],
    ),
    "a name in another group": (
        lambda fake: fake.incident("wait/shuffled-order"),
        [
            "fakebatch: There is no incident 'wait/shuffled-order'.",
            "Similar names: results/shuffled-order.",
            LISTED,
        ],
    ),
    "a group": (
        lambda fake: fake.incident("limits"),
        [
            "fakebatch: There is no incident 'limits'.",
            f"Similar names: {', '.join(sorted(each.id for each in of_group('limits')))}.",
            LISTED,
        ],
    ),
    "one whose cause is the input": (
        lambda fake: fake.incident("create/mixed-model-in-file"),
        [
            (
                "fakebatch: Incident 'create/mixed-model-in-file' has no rules, so nothing would "
                "happen."
            ),
            "Its cause is what the client sends.",
            "`fakebatch incidents create/mixed-model-in-file` shows how to make it happen.",
        ],
    ),
    "one of a dialect": (
        lambda fake: fake.incident(("wrong-purpose-or-extension",)),
        [
            (
                "fakebatch: Incident 'upload/wrong-purpose-or-extension' has no rules, so nothing "
                "would happen."
            ),
            "It is how groq and moonshot differ from OpenAI.",
            "`fakebatch incidents upload/wrong-purpose-or-extension` shows how to make it happen.",
        ],
    ),
    "one of a dead client": (
        lambda fake: fake.incident("restart-resubmits"),
        [
            "fakebatch: Incident 'resume/restart-resubmits' has no rules, so nothing would happen.",
            "Its cause is the death of the client.",
            "`fakebatch incidents resume/restart-resubmits` shows how to make it happen.",
        ],
    ),
    "three letters that names have": (
        lambda fake: fake.incident("429"),
        [
            "fakebatch: There is no incident '429'.",
            "Similar names: limits/rate-limited-429.",
            LISTED,
        ],
    ),
    "two letters, which too many names have": (
        lambda fake: fake.incident("do"),
        [
            "fakebatch: There is no incident 'do'.",
            f"The groups are {', '.join(GROUPS)}.",
            LISTED,
        ],
    ),
    "something else": (
        lambda fake: fake.incident(5),  # type: ignore[arg-type]
        [
            "fakebatch: There is no incident 5.",
            f"The groups are {', '.join(GROUPS)}.",
            LISTED,
        ],
    ),
    "an unknown parameter": (
        lambda fake: fake.incident("download-truncated", part=0.5),
        [
            "fakebatch: Incident 'results/download-truncated' has no parameter 'part'.",
            "It has fraction=0.3, framing='silent', times=1.",
            "`fakebatch incidents results/download-truncated` describes them.",
        ],
    ),
    "a parameter that means nothing": (
        lambda fake: fake.incident("download-truncated", fraction=1.5),
        [
            (
                "fakebatch: Incident results/download-truncated.on_call.1.truncate.fraction: "
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
                "fakebatch: Incident limits/enqueued-token-limit.on_batch.1.times: times must be a "
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

"""The gauntlet with the two example clients: its verdicts fail no correct client, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fakebatch
from fakebatch import request_line
from support.examples import example

pytestmark = [pytest.mark.sync, pytest.mark.untyped]

naive, robust = example("naive_client"), example("robust_client")

ROOT = Path(__file__).parents[2]
SMOKE = re.findall(r"--only (\S+)", (ROOT / ".ci" / "commands.toml").read_text("utf-8"))
"""The twelve incidents that `.ci/run` runs over the robust client as a command."""


def test_the_robust_client_passes() -> None:
    """A client that does what the catalogue advises gets a pass in each incident.

    Its synchronous edge runs through all of them in tests/docs/test_gauntlet_page.py.
    """
    card = fakebatch.run_gauntlet(robust.run_async, only=SMOKE)
    assert {each.id: each.outcome for each in card if each.outcome != "pass"} == {}
    assert len(card) == 12


def test_a_new_state_directory(fakebatch: fakebatch.FakeBatch, tmp_path: Path) -> None:
    """The robust client makes the directory of its state, as the command of its page needs."""
    results = robust.run([request_line("a", "hi")], tmp_path / "new" / "state")
    assert [*results] == ["a"]
    assert [*(tmp_path / "new" / "state").glob("*.json")]


NAIVE = {
    # the incident, the outcome, the verdict that it is about, and what is said of it
    "shuffled-order": ("pass", "", ""),
    "completed-null-output": ("info", "", ""),
    "create-retried-duplicate-batch": (
        "fail",
        "no double spend",
        "20 lines ran in 2 batches; 10 would do.",
    ),
    "counts-lie-status-zero": (
        "fail",
        "no loss",
        "_6955b900a0c48190a7711bcd6d8a12bb, which the client never downloaded.",
    ),
    "length-refusal-null-content": (
        "fail",
        "no lie",
        "row-8 was cut off (finish_reason is 'length'), and its text was reported as the answer.",
    ),
    "poll-5xx-kills-loop": (
        "fail",
        "no loss",
        "each of row-1, row-2, row-3 and 7 more was given up with InternalServerError: ",
    ),
    "restart-resubmits": (
        "fail",
        "no double spend",
        "20 lines ran in 2 batches; 10 would do.",
    ),
    "duplicate-output-lines": ("unclean", "clean", "The client never downloaded file-"),
}


@pytest.mark.parametrize("incident", NAIVE)
def test_the_naive_client(incident: str) -> None:
    """The loop that everybody writes first fails where the catalogue says, in plain words."""
    outcome, verdict, words = NAIVE[incident]
    [found] = fakebatch.run_gauntlet(naive.run, only=incident, check=False)
    assert found.outcome == outcome
    assert [verdict] == [each.check for each in found.findings[:1]] or not verdict
    assert not words or words in found.findings[0].message[0]


def test_a_wait_without_end() -> None:
    """A client whose wait has no end does not terminate; the run goes on with the next case."""
    only = ("create-ok-then-failed", "new-fields")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLL_INTERVAL", "3600")
        card = fakebatch.run_gauntlet(naive.run, only=only, check=False)
    assert [(each.outcome, [*{f.check for f in each.findings}]) for each in card] == [
        ("fail", ["terminates"]),
        ("pass", []),
    ]

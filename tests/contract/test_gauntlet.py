"""The gauntlet with the two example clients: its verdicts fail no correct client, and no other."""

from __future__ import annotations

import asyncio
import fnmatch
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import openai
import pytest

import fakebatch
from fakebatch import request_line
from support.examples import example
from support.loops import Requests, Results, submitted

pytestmark = [pytest.mark.sync, pytest.mark.untyped]

naive, robust = example("naive_client"), example("robust_client")

Client = Callable[[Requests], Coroutine[Any, Any, Results]]

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


def test_an_answer_that_was_cut_off(fakebatch: fakebatch.FakeBatch, tmp_path: Path) -> None:
    """The robust client reports it as an error, with all of the body, and asks once."""
    fakebatch.on(custom_id="a").malformed("length")
    results = robust.run([request_line("a", "hi"), request_line("b", "hi")], tmp_path)
    assert "cut_off" in str(results["a"])
    assert "length" in str(results["a"])
    assert results["b"]["choices"]
    assert len(fakebatch.batches) == 1


def test_a_pause_that_the_service_asks_for(fakebatch: fakebatch.FakeBatch, tmp_path: Path) -> None:
    """The robust client waits for as long as Retry-After says."""
    fakebatch.on_call("batches.create", times=1).fail(429, retry_after="20m")
    robust.run([request_line("a", "hi")], tmp_path)
    first, second = fakebatch.journal.calls("batches.create")
    assert (second.at - first.at).total_seconds() >= 1_200


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


async def failing(_: object) -> None:
    raise LookupError("no such thing")


async def waiting(requests: Requests) -> None:
    batch = submitted(requests)
    while batch.status != "completed":
        await asyncio.sleep(3600)
        batch = openai.OpenAI(max_retries=0).batches.retrieve(batch.id)


async def interrupted(_: object) -> None:
    raise KeyboardInterrupt


def grouped(*tasks: Callable[[Requests], Coroutine[Any, Any, None]]) -> Client:
    """A client that starts tasks in a group, which raises what they raise as a group."""

    async def run(requests: Requests) -> Results:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(task(requests))
        return {}

    return run


GROUPS: dict[str, tuple[Client, str]] = {
    "an exception": (grouped(failing), "no loss: * was given up with LookupError: no such thing."),
    "several": (grouped(failing, failing), "no loss: * was given up with LookupError: no such *"),
    "a wait without end": (grouped(waiting, waiting), "terminates: the wait at * never ends."),
}


@pytest.mark.parametrize("sentence", GROUPS)
def test_what_a_task_group_raises(sentence: str) -> None:
    """An exception group is judged by what is in it, and the run goes on."""
    client, words = GROUPS[sentence]
    [verdict] = fakebatch.run_gauntlet(client, only="input-deleted-too-early", check=False)
    found = [f"{each.check}: {each.message[0]}" for each in verdict.findings]
    assert fnmatch.filter(found, words), found


def test_an_interrupt_in_a_task_group() -> None:
    """It ends the run, as any interrupt does."""
    with pytest.raises(KeyboardInterrupt):
        fakebatch.run_gauntlet(grouped(interrupted), only="shuffled-order")


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

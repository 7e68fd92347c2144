"""Cards: what known failures change, and the formats of verdicts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import openai
import pytest

import fakebatch
from fakebatch import UsageError
from fakebatch.gauntlet.card import Card
from fakebatch.gauntlet.case import cases
from fakebatch.gauntlet.known import KnownFailures, known_failures
from fakebatch.gauntlet.verdicts import Outcome, Verdict
from fakebatch.inspection.checks import Finding

FINDING = Finding("no loss", ("row-1",), 0, ("row-1 is missing.", "At noon.", "Look for it."))


def card(strict: bool = False, **outcomes: Outcome) -> Card:
    """A card with these outcomes, of which the failure of `known` is known."""
    verdicts = [
        Verdict(f"results/{name}", outcome, (FINDING,) if outcome == "fail" else ())
        for name, outcome in outcomes.items()
    ]
    known = KnownFailures()
    object.__setattr__(known, "fails", {"results/known": "issue 12"})
    return Card(tuple(verdicts), known, strict)


PROBLEMS: dict[str, tuple[Card, list[str]]] = {
    "all pass": (card(a="pass", b="pass"), []),
    "a new failure": (card(a="fail"), ["results/a: fail"]),
    "a known failure": (card(known="fail"), []),
    "a known failure that is mended": (
        card(known="pass"),
        ["results/known: pass, but still listed as a known failure (issue 12)."],
    ),
    "one that was not run is not mended": (card(known="not run"), []),
    "unclean and info pass": (card(a="unclean", b="info"), []),
    "unclean and info are failures if strict": (
        card(strict=True, a="unclean", b="info"),
        ["results/a: unclean", "results/b: info"],
    ),
}


@pytest.mark.parametrize("sentence", PROBLEMS)
def test_problems(sentence: str) -> None:
    """A new failure is a problem, and so is one that is mended but still listed; in JSON too."""
    made, problems = PROBLEMS[sentence]
    assert [each.split("\n")[0] for each in made.problems] == problems
    assert json.loads(made.as_json())["problems"] == made.problems


def test_a_story() -> None:
    """A problem says what happened, and how to see it alone."""
    assert card(a="fail").problems == [
        (
            "results/a: fail\n"
            "  no loss: row-1 is missing.\n"
            "    At noon.\n"
            "    Look for it.\n"
            "  Alone: fakebatch.run_gauntlet(run, only='results/a')"
        )
    ]


def test_the_text() -> None:
    """The matrix has a row for each incident, and a mark where a verdict objects."""
    lines = card(a="fail", known="fail", c="not run").text().split("\n")
    assert lines[:4] == [
        "               loss  lie  spend  ends  clean",
        "results/a       x     .     .     .      .    fail",
        "results/known   x     .     .     .      .    fail (known)",
        "results/c                                     not run",
    ]
    assert lines[-1] == "2 fail, 1 not run (1 known)"


NOTES: dict[str, tuple[Verdict, bool, list[str]]] = {
    "what was unclean": (Verdict("a/b", "unclean", (FINDING,)), False, ["row-1 is missing."]),
    "why a client gave up": (Verdict("a/b", "info", reason="No quota."), False, ["No quota."]),
    "why one was not run": (Verdict("a/b", "not run", reason="No call."), False, ["No call."]),
    "nothing of one that passes": (Verdict("a/b", "pass"), False, []),
    "nothing twice: with strict it is a problem": (
        Verdict("a/b", "info", reason="No quota."),
        True,
        [],
    ),
}


@pytest.mark.parametrize("sentence", NOTES)
def test_notes(sentence: str) -> None:
    """The text says in a line why a verdict is unclean or info, though it is no failure."""
    verdict, strict, words = NOTES[sentence]
    lines = Card((verdict,), strict=strict).text().split("\n")
    noted = [line for line in lines if line.startswith(f"a/b: {verdict.outcome}: ")]
    assert noted == [f"a/b: {verdict.outcome}: {each}" for each in words]


def test_json() -> None:
    """Verdicts as data, with the findings and what they cost."""
    data = json.loads(card(a="fail").as_json())
    assert data["summary"] == "1 fail"
    assert data["cases"][0]["findings"] == [
        {
            "check": "no loss",
            "objects": ["row-1"],
            "since": "1970-01-01T00:00:00Z",
            "message": ["row-1 is missing.", "At noon.", "Look for it."],
        }
    ]


def test_junit() -> None:
    """A test case for each incident; known failures are none, mended ones are."""
    made = card(a="fail", known="pass", c="not run", d="info")
    suite = ET.fromstring(made.junit())  # noqa: S314  # our own
    assert suite.attrib == {
        "name": "fakebatch gauntlet",
        "tests": "4",
        "failures": "2",
        "skipped": "1",
    }
    kinds = {case.attrib["name"]: case[0].tag for case in suite}
    assert kinds == {"a": "failure", "known": "failure", "c": "skipped", "d": "system-out"}


def test_a_verdict_by_its_id() -> None:
    """A card gives the verdict of an incident by its id or its name."""
    made = card(a="fail")
    assert made["a"] is made["results/a"] is made.verdicts[0]
    with pytest.raises(KeyError):
        _ = made["b"]


# --- known failures


def test_a_file_of_known_failures(tmp_path: Path) -> None:
    """[fails] has ids, [not_run] globs, each with a reason."""
    file = tmp_path / "known.toml"
    file.write_text(
        '[fails]\n"results/download-truncated" = "issue 12"\n[not_run]\n"webhook/*" = "README"\n'
    )
    known = known_failures(file)
    assert known.fails == {"results/download-truncated": "issue 12"}
    assert known.skipped("webhook/webhook-before-output") == "README"
    assert known.skipped("results/shuffled-order") is None


WRONG = {
    "no TOML": ("[fails", "cannot be read as a list of known failures"),
    "an unknown table": ("[fail]\n", "fail"),
    "an unknown incident": (
        '[fails]\n"results/nothing" = "why"\n',
        "no incident 'results/nothing'",
    ),
    "a reason that is none": ('[fails]\n"results/download-truncated" = 7\n', "download-truncated"),
}


@pytest.mark.parametrize("content", WRONG)
def test_a_wrong_file(tmp_path: Path, content: str) -> None:
    """A file that is wrong is an error that names its fault."""
    file, (text, words) = tmp_path / "known.toml", WRONG[content]
    file.write_text(text)
    with pytest.raises(UsageError, match=words):
        known_failures(file)


def test_a_missing_file(tmp_path: Path) -> None:
    """So is one that is not there."""
    with pytest.raises(UsageError, match="No such file"):
        known_failures(tmp_path / "known.toml")


def test_known_failures_of_a_run() -> None:
    """A known failure does not fail the run; once it is mended, it does."""

    def run(_: object) -> dict[str, str]:
        return {}

    known = {"results/shuffled-order": "issue 12"}
    made = fakebatch.run_gauntlet(run, only="shuffled-order", known=known)
    assert made.summary() == "1 fail (1 known)"
    with pytest.raises(AssertionError, match="info, but still listed as a known failure"):
        fakebatch.run_gauntlet(
            lambda _: openai.OpenAI().files.create(file=b"{}", purpose="batch"),  # type: ignore[arg-type,return-value]
            only="file-quota-exhausted",
            known={"limits/file-quota-exhausted": "issue 13"},
        )


def test_what_is_not_run() -> None:
    """An incident out of the scope of a client is not run, and the reason is kept."""
    known = KnownFailures(not_run={"webhook/*": "It has no webhooks: README."})

    def run(_: object) -> dict[str, str]:
        raise AssertionError

    made = fakebatch.run_gauntlet(run, only="webhook", known=known)
    assert {(each.outcome, each.reason) for each in made} == {
        ("not run", "It has no webhooks: README.")
    }


# --- which cases there are


def test_selecting_cases() -> None:
    """By group, name, id and glob; in the order of the catalogue."""
    every = [case.id for case in cases()]
    assert [case.id for case in cases("resume")] == [i for i in every if i.startswith("resume/")]
    assert [case.id for case in cases("results/d*")] == [
        i for i in every if i.startswith("results/d")
    ]
    assert [case.id for case in cases(("shuffled-order", "wait/new-fields"))] == [
        "wait/new-fields",
        "results/shuffled-order",
    ]


def test_a_selection_of_nothing() -> None:
    """A pattern that selects nothing is an error."""
    with pytest.raises(UsageError, match="'nothing' selects no incident"):
        cases("nothing")


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards(count: int) -> None:
    """The parts of a sharded run are all cases, each once."""
    parts = [case.id for n in range(count) for case in cases(shard=(n + 1, count))]
    assert sorted(parts) == sorted(case.id for case in cases())


@pytest.mark.parametrize("shard", [(0, 2), (3, 2), (-1, 2), (1, 0)])
def test_a_shard_that_is_none(shard: tuple[int, int]) -> None:
    """Parts are counted from 1: any other number would leave incidents out without a word."""
    with pytest.raises(UsageError, match="is no part of the incidents"):
        cases(shard=shard)


def test_an_async_client_within_a_loop() -> None:
    """An async client needs a loop of its own; that there is one already is no fault of it."""

    async def run(_: object) -> dict[str, str]:
        return {}

    async def test() -> None:
        fakebatch.run_gauntlet(run, only="shuffled-order")

    with pytest.raises(UsageError, match="loop of its own"):
        asyncio.run(test())


def test_a_client_that_returns_no_mapping() -> None:
    """It is an error, which says what a client returns."""
    with pytest.raises(UsageError, match="The client returned list, not a mapping"):
        fakebatch.run_gauntlet(lambda _: [], only="shuffled-order")  # type: ignore[arg-type,return-value]

"""The cards in docs/robust-clients.md are those of the clients in examples/."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest

from fakebatch.gauntlet.card import Card
from fakebatch.rules.catalogue import known
from support.examples import EXAMPLES
from support.gauntlet_page import PAGE, cards

ROW = re.compile(r"^\| ([a-z]+/[a-z0-9-]+) \| ([a-z ]+) \| (?:([a-z ]+): .*)?", re.MULTILINE)
"""The incident, the outcome, and the verdict that objects first; the words vary with Python."""


def printed(name: str) -> dict[str, tuple[str, str]]:
    part = PAGE.read_text(encoding="utf-8").partition(f"<!-- {name} -->")[2]
    rows = ROW.findall(part.partition("<!-- end -->")[0])
    return {id_: (outcome, verdict) for id_, outcome, verdict in rows}


def found(card: Card) -> dict[str, tuple[str, str]]:
    return {
        each.id: (each.outcome, each.findings[0].check if each.findings else "") for each in card
    }


@pytest.mark.untyped
def test_the_cards() -> None:
    """After a change of an incident or a client run tests/support/gauntlet_page.py.

    The robust client passes every incident, or gives up truthfully where no client can do better.
    It takes no webhooks.
    """
    made = cards()
    assert printed("naive") == found(made["naive"])
    robust = found(made["robust"])
    unmet = {each.id for each in made["robust"] if each.unmet}
    assert unmet == {id_ for id_ in known() if id_.startswith("webhook/")}
    explained = {id_: row for id_, row in robust.items() if row[0] != "pass" or id_ in unmet}
    assert printed("robust") == explained
    assert {outcome for outcome, _ in robust.values()} <= {"pass", "info"}
    assert not any(known()[id_].recoverable for id_, row in robust.items() if row[0] == "info")


def test_the_steps() -> None:
    """Their `py` blocks are lines of the example, which has at most 200; the incidents exist."""
    steps = PAGE.read_text(encoding="utf-8").partition("## The cards")[0]
    source = (EXAMPLES / "robust_client.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 200
    lines = [line.strip() for line in source.splitlines()]
    blocks = re.findall(r"^```py\n(.*?)^```", steps, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 10
    for block in blocks:
        assert block == dedent(block)
        for part in re.split(r"\n{2,}", block.strip()):
            found = [line.strip() for line in part.splitlines()]
            starts = range(len(lines) - len(found) + 1)
            assert any(lines[at : at + len(found)] == found for at in starts), part
    linked = re.findall(r"\[([a-z0-9-]+)\]\(incidents\.md#([a-z0-9-]+)\)", steps)
    assert set(linked) <= {(i.id.split("/")[1], i.id.replace("/", "")) for i in known().values()}
    assert len(linked) > 50

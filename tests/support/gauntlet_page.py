"""Writes the cards of docs/robust-clients.md.

`PYTHONPATH=tests python tests/support/gauntlet_page.py`
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import fakebatch
from fakebatch.gauntlet.card import Card
from support.examples import example

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "robust-clients.md"

INTERVAL = "600"
"""At which the naive client polls: at 60 s it takes ten times as long, to the same verdicts."""


def cards() -> dict[str, Card]:
    """The cards of both clients."""
    with patch.dict(os.environ, POLL_INTERVAL=INTERVAL):
        naive = fakebatch.run_gauntlet(example("naive_client").run, check=False)
    robust = fakebatch.run_gauntlet(example("robust_client").run, check=False)
    return {"robust": robust, "naive": naive}


def page() -> str:
    """The text of the page, with the cards of both clients."""
    text, written = PAGE.read_text(encoding="utf-8"), cards()
    for name, lines in (("robust", summary(written["robust"])), ("naive", table(written["naive"]))):
        start, _, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        text = "\n".join([f"{start}<!-- {name} -->", *lines, end + after])
    return text


def summary(card: Card) -> Iterator[str]:
    """The outcomes of a card, and which incidents it does not pass."""
    others = [each for each in card if each.outcome != "pass" or each.unmet]
    yield f"The robust client: {card.summary()} of {len(card)}."
    if others:
        yield "\n| incident | outcome | its words |\n|---|---|---|"
        yield from (
            f"| {each.id} | {each.outcome} | {_cell(each.reason or each.unmet)} |"
            for each in others
        )


def table(card: Card) -> Iterator[str]:
    """A card as a table."""
    yield f"{card.summary()} of {len(card)}.\n\n| incident | outcome | |\n|---|---|---|"
    for each in card:
        findings = (f"{finding.check}: {finding.message[0]}" for finding in each.findings)
        yield f"| {each.id} | {each.outcome} | {_cell(next(findings, each.reason or each.unmet))} |"


def _cell(text: str) -> str:
    """Text for a table: without the path of a file, or the end of a long id."""
    text = re.sub(r"the wait at \S+", "the wait", text)
    text = re.sub(r"(batch_|file-)(\w{4})\w+", r"\1\2…", text)
    text = text.replace("|", "\\|")
    return text if len(text) <= 220 else f"{text[:217]}…"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

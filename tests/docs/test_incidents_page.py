"""docs/incidents.md is what the catalogue says."""

from __future__ import annotations

import re

from fakebatch.rules.catalogue import known
from support.incidents_page import PAGE, page


def test_the_page_is_written_from_the_catalogue() -> None:
    """After a change of an incident: `python tests/support/incidents_page.py`."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_link_of_the_page_has_its_heading() -> None:
    """As GitHub makes anchors: lower case, without slashes."""
    text = page()
    headings = {
        re.sub(r"[^\w -]", "", heading).replace(" ", "-")
        for heading in re.findall(r"^### (.*)$", text, re.MULTILINE)
    }
    anchors = re.findall(r"\]\(#([^)]+)\)", text)
    assert len(anchors) == len(known())
    assert {*anchors} == headings

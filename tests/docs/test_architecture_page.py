"""The diagrams of docs/architecture.md are those of the code."""

from __future__ import annotations

from support.architecture_page import PAGE, page


def test_the_diagrams_are_drawn_from_the_code() -> None:
    """After a change of one: `python tests/support/architecture_page.py`."""
    assert PAGE.read_text(encoding="utf-8") == page()

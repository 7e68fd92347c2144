"""docs/api.md is what the docstrings say."""

from __future__ import annotations

from support.api_page import ATTACHED, PAGE, page


def test_the_page_is_what_the_docstrings_say() -> None:
    """After a change of one: `python tests/support/api_page.py`."""
    assert PAGE.read_text(encoding="utf-8") == page(ATTACHED)

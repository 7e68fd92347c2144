"""What the documents print, runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FIRST_TEST = re.compile(r"def (test_\w+)")


def _name(page: Path, block: str) -> str:
    found = FIRST_TEST.search(block)
    return f"{page.stem}: {found[1] if found else 'script'}"


BLOCKS = [
    pytest.param(block, id=_name(page, block))
    for page in PAGES
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_each_block_passes_as_printed(block: str, pytester: pytest.Pytester) -> None:
    """A Python block is a test file that passes; one without a test is a script that runs."""
    wanted = len(re.findall(r"^(?:async )?def test_", block, re.MULTILINE))
    if not wanted:
        block = "def test_script():\n" + "".join(f"    {line}\n" for line in block.split("\n"))
    pytester.makepyfile(block)
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=wanted or 1)


def test_every_page_the_readme_names_is_there() -> None:
    """No link leads nowhere."""
    links = re.findall(r"\]\(([\w/]+\.md)\)", (ROOT / "README.md").read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []

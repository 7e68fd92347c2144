"""What the documents print, runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEST = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)


def _blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.stem) for page in PAGES if _blocks(page)]
)
def test_each_block_passes_as_printed(page: Path, pytester: pytest.Pytester) -> None:
    """A Python block is a test file that passes; one without a test is a script that runs."""
    files: dict[str, str] = {}
    tests = 0
    for number, block in enumerate(_blocks(page), 1):
        names = TEST.findall(block)
        script = "def test_script():\n" + "".join(f"    {line}\n" for line in block.split("\n"))
        name, text = (names[0], block) if names else ("script", script)
        files[f"test_block_{number}_{name}"] = text
        tests += len(names) or 1
    pytester.makepyfile(**files)

    # one process for a page: the start of one takes longer than its blocks
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider")
    assert [line for line in result.outlines if line.startswith(("FAILED", "ERROR "))] == []
    result.assert_outcomes(passed=tests)


def test_every_page_the_readme_names_is_there() -> None:
    """No link has no target."""
    links = re.findall(r"\]\(([\w/]+\.md)\)", (ROOT / "README.md").read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []

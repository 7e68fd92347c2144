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


def test_each_block_passes_as_printed(pytester: pytest.Pytester) -> None:
    """A Python block is a test file that passes; one without a test is a script that runs."""
    files: dict[str, str] = {}
    tests = 0
    for page in PAGES:
        for number, block in enumerate(_blocks(page), 1):
            names = TEST.findall(block)
            script = "".join(f"    {line}\n" for line in block.split("\n"))
            name, text = (names[0], block) if names else ("script", f"def test_script():\n{script}")
            files[f"test_{page.stem}_{number}_{name}"] = text
            tests += len(names) or 1
    pytester.makepyfile(**files)

    # one process for all: the start of one takes longer than the blocks of a page
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider")
    assert [line for line in result.outlines if line.startswith(("FAILED", "ERROR "))] == []
    result.assert_outcomes(passed=tests)


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    """Relative links, of the README and of the pages of docs/."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\((?!https?:)([^)#]+)[)#]", prose)
    assert [link for link in links if not (page.parent / link).exists()] == []

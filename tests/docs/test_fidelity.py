"""docs/evidence/fidelity.md stays true: every row has its evidence, and its test exists."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SURE = {"observed", "documented", "inferred", "ours"}
HELD = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def rows() -> list[list[str]]:
    """The rows of all tables, as cells."""
    lines = (ROOT / "docs/evidence/fidelity.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("|") and not line.startswith("|---")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]
    return [row for row in cells if row[0] != "Behaviour"]


@cache
def defined_in(path: Path) -> set[str]:
    """The test functions a file defines."""
    return {*re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)}


ROWS = rows()


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:60] for row in ROWS])
def test_a_row_has_a_source_a_level_of_evidence_and_a_test(row: list[str]) -> None:
    """Four cells; the last names a test there is, or a reason why there is none."""
    behaviour, source, sure, held = row
    assert behaviour
    assert source
    assert sure in SURE
    test = HELD.search(held)
    if test is None:
        assert held.startswith("not ")
        assert ": " in held
    else:
        assert test[2] in defined_in(ROOT / "tests" / test[1])

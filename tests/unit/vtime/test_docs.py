"""The page for those who change the clock names what there is."""

from __future__ import annotations

from pathlib import Path

import fakebatch.vtime
from fakebatch.vtime import unsupported

PAGE = (Path(__file__).parents[3] / "docs" / "vtime.md").read_text()


def test_each_file_has_a_row() -> None:
    """And no row is of a file that has gone."""
    files = {path.name for path in Path(fakebatch.vtime.__file__).parent.glob("*.py")}
    rows = [line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `")]

    assert {row for row in rows if row.endswith(".py")} == files - {"__init__.py"}


def test_each_private_name_is_told() -> None:
    """Those of freezegun's functions by their prefix."""
    private = {
        part
        for names in unsupported.PRIVATE.values()
        for name in names
        if not name.startswith(("real_", "fake_"))
        for part in name.split(".")[:3]
    }

    assert {part for part in private if f"{part}`" not in PAGE and f"{part}." not in PAGE} == set()

"""docs/clients.md is what the gauntlet found over real clients."""

from __future__ import annotations

import json
import runpy
import tomllib
from pathlib import Path

import pytest

from fakebatch.gauntlet.known import known_failures

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "benchmarks" / "clients"
NAMES = [*tomllib.loads((CLIENTS / "clients.toml").read_text("utf-8"))]


def test_the_page_is_written_from_the_results() -> None:
    """After a change of either: `python benchmarks/clients/run.py --page`."""
    page = runpy.run_path(str(CLIENTS / "page.py"))["page"]
    assert (ROOT / "docs" / "clients.md").read_text("utf-8") == page()


@pytest.mark.parametrize("name", NAMES)
def test_each_client_has_a_driver_and_was_run(name: str) -> None:
    """A row of the matrix is a client of a known version."""
    assert any((CLIENTS / "drivers" / f"{name}{suffix}").exists() for suffix in (".py", ".mjs"))
    result = json.loads((CLIENTS / "results" / f"{name}.json").read_text("utf-8"))
    assert result["versions"]
    if (listed := CLIENTS / "known" / f"{name}.toml").exists():
        assert known_failures(listed).not_run

"""The files of the catalogue: what they must hold, so that nothing of it is missing or unused."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fakebatch import UsageError
from fakebatch.rules import catalogue
from fakebatch.rules.catalogue import FOLDER, GROUPS, KnownIncident, known, named
from fakebatch.rules.validation import validated

FILES = sorted(FOLDER.rglob("*.*"))


def test_every_file_is_an_incident() -> None:
    """In the folder of a group; names are unique, so that one is enough to find it."""
    assert len(FILES) == len(known())
    assert {path.parent.name for path in FILES} <= {*GROUPS}
    assert len({incident.name for incident in known().values()}) == len(known())


@pytest.mark.parametrize("incident", known().values(), ids=known())
def test_its_parameters_are_those_of_its_scenario(incident: KnownIncident) -> None:
    """None is described and not used, none used and not described."""
    used = re.findall(r'"\$(\w+)"', incident.toml)
    assert {*used} == {*incident.parameters}
    incident.with_parameters(incident.gauntlet.in_real_time)


@pytest.mark.parametrize("incident", known().values(), ids=known())
def test_it_has_something_that_happens(incident: KnownIncident) -> None:
    """Rules, requests of its own, a client that is killed, or a provider that does it anyway."""
    conditions = incident.gauntlet
    assert (
        tomllib.loads(incident.toml)
        or conditions.prompts
        or conditions.requests
        or (conditions.kill or incident.dialects)
    )


@pytest.mark.parametrize("incident", known().values(), ids=known())
def test_it_says_why_it_is_believed(incident: KnownIncident) -> None:
    """By addresses or measurements; what was only inferred says so."""
    assert incident.grade == "F" or any(
        text.startswith(("https://", "Measured ")) for text in incident.evidence
    )
    assert bool(incident.inferred) >= (incident.grade == "F")


@pytest.mark.parametrize("incident", known().values(), ids=known())
def test_it_is_found_by_either_name(incident: KnownIncident) -> None:
    """With its group and without."""
    assert named(incident.id) is named(incident.name) is incident


WHOLE: dict[str, Any] = {
    "id": "wait/x",
    "what": "It rains.",
    "breaks": "Clients without umbrellas.",
    "client": "Stays at home.",
    "frequency": 3,
    "severity": 3,
    "grade": "A",
    "evidence": ["https://example.org"],
    "toml": "",
}
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"sevrity": 3}, "sevrity"),
    "an unknown verdict": ({"verdicts": ["no fun"]}, "verdicts"),
    "no verdict": ({"verdicts": []}, "verdicts"),
    "an unknown dialect": ({"dialects": ["acme"]}, "dialects"),
    "a grade that is none": ({"grade": "C"}, "grade"),
    "a rank that is none": ({"severity": 6}, "severity"),
    "no evidence": ({"evidence": []}, "evidence"),
    "a sentence without an end": ({"what": "It rains"}, "what"),
    "a parameter without a sentence": ({"parameters": {"a": {"default": 1}}}, "parameters"),
    "an unknown condition": ({"gauntlet": {"promts": []}}, "promts"),
}


@pytest.mark.parametrize(("change", "where"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_file_is_an_error(change: dict[str, Any], where: str) -> None:
    """Which names the key."""
    assert validated(KnownIncident, WHOLE, "Incident wait/x").id == "wait/x"
    with pytest.raises(UsageError, match=where):
        validated(KnownIncident, {**WHOLE, **change}, "Incident wait/x")


def test_rules_before_the_first_table_are_an_error(tmp_path: Path) -> None:
    """They would be read, and not be printed."""
    text = (FOLDER / "results/shuffled-order.toml").read_text()
    (tmp_path / "results").mkdir()
    (tmp_path / "results/shuffled-order.toml").write_text(f"limits.batch_lines = 3\n{text}")
    with pytest.raises(UsageError, match="limits"):
        catalogue._read(tmp_path / "results/shuffled-order.toml")

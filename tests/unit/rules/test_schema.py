"""The JSON schema of scenario files, as `fakebatch schema` prints it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from typer.testing import CliRunner

from fakebatch import Scenario, UsageError
from fakebatch.cli.commands import app
from fakebatch.rules.catalogue import known
from fakebatch.rules.loading import dump, read

BAD_NIGHT = Path(__file__).parents[3] / "examples/bad-night.toml"


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    """What `fakebatch schema` prints."""
    printed = json.loads(CliRunner().invoke(app, ["schema"], catch_exceptions=False).stdout)
    Draft202012Validator.check_schema(printed)
    return Draft202012Validator(printed)


SCENARIOS: dict[str, dict[str, Any]] = {
    "bad-night.toml": tomllib.loads(BAD_NIGHT.read_text()),
    **{id_: dump(each.with_parameters({})) for id_, each in known().items() if each.toml},
    **{
        text: tomllib.loads(f"[[on_call]]\nreset = {{}}\n{text}")
        for text in ("times = inf", 'times = "inf"', 'between = ["2h"]', "between = [60, '2h']")
    },
}


@pytest.mark.parametrize("data", SCENARIOS.values(), ids=SCENARIOS)
def test_the_schema_accepts_scenarios(schema: Draft202012Validator, data: dict[str, Any]) -> None:
    """What can be read is valid, so that an editor marks nothing that is right."""
    assert read(data) != Scenario()
    assert [error.message for error in schema.iter_errors(data)] == []


MISTAKES = {
    "no verb": "[[on_call]]\nnth = 2",
    "two verbs": "[[on_call]]\nreset = {}\ntimeout = {}",
    "an unknown parameter": "[[on]]\nfail = { status = 429, shap = 'top' }",
    "an unknown table": "[[on_line]]\nhang = {}",
    "a number below 1": "[[on_batch]]\ntimes = 0\nexpire = {}",
    "a word that is none": "[[on]]\ncorrupt = { how = 'badly' }",
}


@pytest.mark.parametrize("text", MISTAKES.values(), ids=MISTAKES)
def test_the_schema_refuses_mistakes(schema: Draft202012Validator, text: str) -> None:
    """An editor marks what the emulator would raise for."""
    data = tomllib.loads(text)
    assert not schema.is_valid(data)
    with pytest.raises(UsageError):
        read(data)

"""Laws of rules and scenarios: they survive being written, their words make them, they compose."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import fields
from typing import Any

import tomli_w
from hypothesis import given, reject

from fakebatch import FakeBatch, Scenario, UsageError
from fakebatch.rules.loading import dump, read
from fakebatch.rules.scenario import ECHO
from support.any_rule import KINDS, any_rule, scenarios


def both(first: Scenario, second: Scenario) -> Scenario | None:
    """The two composed, or None where they contradict each other."""
    try:
        return first | second
    except UsageError:
        return None


@given(any_rule)
def test_the_words_of_a_rule_make_the_rule(rule: Any) -> None:
    """What a report shows can be pasted into a test, but for bodies, keys and callables."""
    fake = FakeBatch()
    if "…" in str(rule):
        reject()
    selectors = {kind.family: getattr(fake, kind.family) for kind in KINDS}
    assert eval(str(rule), {**selectors, "math": math}).rule == rule  # noqa: S307


@given(scenarios)
def test_a_scenario_survives_being_written(scenario: Scenario) -> None:
    """As plain data, as the text of a JSON file, and as that of a TOML file."""
    data = dump(scenario)

    assert read(data) == scenario
    assert read(json.loads(json.dumps(data))) == scenario
    if "None" not in str(data):  # an end that is left out: TOML has no null
        assert read(tomllib.loads(tomli_w.dumps(data))) == scenario


@given(scenarios, scenarios, scenarios)
def test_composition_is_associative(a: Scenario, b: Scenario, c: Scenario) -> None:
    """However one puts the brackets, also where two of them contradict each other."""
    left, right = both(a, b), both(b, c)
    assert (left and both(left, c)) == (right and both(a, right))


@given(scenarios)
def test_nothing_is_neutral(scenario: Scenario) -> None:
    """On either side."""
    assert Scenario() | scenario == scenario | Scenario() == scenario


@given(scenarios, scenarios)
def test_of_two_the_later_wins(a: Scenario, b: Scenario) -> None:
    """Each field that the later gives is as it is there; what it leaves out is as before."""
    whole = both(a, b)
    if whole is None:
        reject()
    for each in fields(b.schedule):
        left_out = getattr(b.schedule, each.name) == each.default
        expected = getattr((a if left_out else b).schedule, each.name)
        assert getattr(whole.schedule, each.name) == expected
    assert whole.limits == {**a.limits, **b.limits}
    assert whole.otherwise == (a.otherwise if b.otherwise == ECHO else b.otherwise)
    for kind in KINDS:
        first, second = getattr(a, kind.family), getattr(b, kind.family)
        assert getattr(whole, kind.family) == first + second

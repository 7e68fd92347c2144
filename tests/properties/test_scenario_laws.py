"""Laws of scenarios: they survive being written, they compose, and every life is a life."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import pairwise
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import tomli_w
from conftest import chat, jsonl
from fakebatch.scenario import (
    Answer,
    BatchRule,
    Echoes,
    Life,
    Scenario,
    WhichBatches,
)
from fakebatch.scenario.calls import OPERATIONS
from fakebatch.scenario.text import dump, read
from hypothesis import given, reject
from hypothesis import strategies as st

from fakebatch.batch.batch import Batch, BatchCreateParams
from fakebatch.batch.lifecycle import TERMINAL, TRANSITIONS
from fakebatch.batch.output_file import results
from fakebatch.dialects import OPENAI, Limits
from fakebatch.durations import SECOND, Microseconds
from fakebatch.errors import UsageError
from fakebatch.ids import Mint

DAY = 86_400 * SECOND
START = 1_767_225_600 * SECOND

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=5)
durations = st.integers(0, 10) | st.integers(0, 100 * 365 * DAY)
parts = st.floats(0, 1, allow_subnormal=False)
values = st.recursive(
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
"""What JSON and TOML both can hold; TOML has no null."""
objects = st.dictionaries(words, values, max_size=2)

OWN: dict[tuple[str, str], st.SearchStrategy[Any]] = {
    ("WhichCalls", "operation"): st.sampled_from([*OPERATIONS, "*", "batches.*"]),
    ("WhichCalls", "nth"): st.integers(1, 5),
    ("WhichCalls", "times"): st.none() | st.integers(1, 5),
    ("WhichCalls", "chance"): st.none() | st.floats(0.01, 1),
    ("Which", "fraction"): st.none() | st.floats(0.01, 1),
    ("Which", "where"): st.none(),
    ("Answers", "status"): st.integers(200, 599),
    ("Slows", "first_byte"): durations.map(lambda duration: duration + 1),
    ("Slows", "pieces"): st.integers(1, 5),
    ("Throttles", "most"): st.integers(1, 5),
    ("Throttles", "per"): durations.map(lambda duration: duration + 1),
    ("Cuts", "fraction"): st.floats(0, 0.99),
    ("Life", "finished"): st.none() | parts,
    ("Life", "vanishes"): st.none() | st.sampled_from(["in_progress", "completed", "expired"]),
    ("Life", "statuses"): st.dictionaries(
        st.sampled_from(["in_progress", "completed"]),
        words.filter(bool) | st.lists(words, min_size=1, max_size=2).map(tuple),
    ),
    ("Life", "curve"): st.lists(st.tuples(parts, parts), max_size=3).map(
        lambda points: tuple(
            zip(sorted(x for x, _ in points), sorted(y for _, y in points), strict=True)
        )
    ),
    ("Scenario", "limits"): st.dictionaries(
        st.sampled_from([*Limits.__dataclass_fields__]), st.integers(0, 9), max_size=2
    ),
    ("Life", "trailing"): st.integers(0, 3),
}
"""Fields of which not every value of their type will do."""
OWN |= {(kind, "nth"): st.integers(1, 3) for kind in ("WhichBatches", "WhichFiles")}
OWN |= {(kind, "times"): st.none() | st.integers(1, 3) for kind in ("WhichBatches", "WhichFiles")}
OWN |= {("Damage", "copies"): st.integers(0, 3)}


def made(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that a scenario is made of; what means nothing is tried again."""
    inner = get_args(hint)
    known: dict[Any, st.SearchStrategy[Any]] = {
        Microseconds: durations,
        Any: values,
        Answer: words | objects,
        NoneType: st.none(),
        str: words,
    }
    if hint in known:
        return known[hint]
    if is_dataclass(hint):
        return st.deferred(lambda: built(hint))
    if not inner:
        return st.from_type(hint)
    if get_origin(hint) is tuple and inner[-1] is ...:
        return st.lists(made(inner[0]), max_size=2).map(tuple)
    return _several(hint, inner)


def _several(hint: Any, inner: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if get_origin(hint) is Mapping:
        return st.dictionaries(words, made(inner[1]), max_size=2)
    if get_origin(hint) is Literal:
        return st.sampled_from(inner)
    return st.one_of(*map(made, inner))


@st.composite
def built(draw: st.DrawFn, kind: Any) -> Any:
    hints = get_type_hints(kind, include_extras=True)
    drawn: dict[str, Any] = {}
    for one in fields(kind):
        own = OWN.get((kind.__name__, one.name))
        # most of what can be said is not said
        if _required(one) or draw(st.integers(0, 2)) == 0:
            drawn[one.name] = draw(own if own is not None else made(hints[one.name]))
    try:
        return kind(**drawn)
    except UsageError:
        reject()


def _required(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


scenarios = made(Scenario)


def both(one: Scenario, other: Scenario) -> Scenario | None:
    """The two composed, or None where they contradict each other."""
    try:
        return one | other
    except UsageError:
        return None


@given(scenarios)
def test_a_scenario_survives_being_written(scenario: Scenario) -> None:
    """As plain data, as the text of a JSON file, and as that of a TOML file."""
    said = dump(scenario)

    assert read(said) == scenario
    assert read(json.loads(json.dumps(said))) == scenario
    assert read(tomllib.loads(tomli_w.dumps(said))) == scenario


@given(scenarios, scenarios, scenarios)
def test_composition_is_associative(a: Scenario, b: Scenario, c: Scenario) -> None:
    """However one puts the brackets, also where two of them contradict each other."""
    left, right = both(a, b), both(b, c)
    assert (left and both(left, c)) == (right and both(a, right))


@given(scenarios)
def test_nothing_is_neutral(scenario: Scenario) -> None:
    """On either side; nor does it matter whether a thing is said once or twice of the same."""
    assert Scenario() | scenario == scenario | Scenario() == scenario


@given(scenarios, scenarios)
def test_of_two_the_later_wins(a: Scenario, b: Scenario) -> None:
    """Each field that the later says is as it says; what it leaves out is as the earlier has it."""
    whole = both(a, b)
    if whole is None:
        reject()
    for part in ("schedule", "arrivals"):
        usual = getattr(Scenario(), part)
        for one in fields(usual):
            said = getattr(getattr(b, part), one.name)
            left_out = said == getattr(usual, one.name)
            expected = getattr(getattr(a, part), one.name) if left_out else said
            assert getattr(getattr(whole, part), one.name) == expected
    assert whole.limits == {**a.limits, **b.limits}
    assert whole.otherwise == (a.otherwise if b.otherwise == Echoes() else b.otherwise)
    assert whole.said == tuple(
        rule
        for name in ("rules", "batches", "files", "calls")
        for scenario in (a, b)
        for rule in getattr(scenario, name)
    )


def planned(life: Life, lines: int, cancelled: int | None = None) -> Batch:
    scenario = Scenario(batches=(BatchRule(WhichBatches(), life),))
    params = BatchCreateParams("/v1/chat/completions", "24h", "file-1")
    content = jsonl(chat(f"r{number}") for number in range(lines))
    mint = Mint(b"0")
    return Batch(
        "batch_1", START, params, content, scenario, OPENAI, None, mint, cancelled=cancelled
    )


looks = st.lists(st.integers(0, 3 * DAY), max_size=6).map(sorted)


@given(made(Life), st.none() | st.integers(0, 2 * DAY), looks, st.integers(1, 7))
def test_every_life_is_a_life(
    life: Life, cancelled: int | None, moments: list[int], lines: int
) -> None:
    """Its statuses come one after the other, its counts stay within the total and never fall."""
    running = planned(life, lines)
    if cancelled is not None and running.status(START + cancelled) not in TERMINAL:
        running = planned(life, lines, START + cancelled)
    marks = running.timeline.marks

    assert [mark.at for mark in marks] == sorted(mark.at for mark in marks)
    assert marks[0].at == START
    for before, after in pairwise(marks):
        assert after.status in TRANSITIONS[before.status] or life.cancels_to == "completed"
    seen = [running.counts(START + moment) for moment in moments]
    for counts in seen:
        assert 0 <= counts.completed + counts.failed <= counts.total <= lines
    done = [counts.completed for counts in seen]
    assert done == sorted(done)


@given(made(Life), st.integers(1, 5))
def test_every_life_leaves_result_lines_for_its_requests_alone(life: Life, lines: int) -> None:
    """As many as have finished are in the output file, unless it was told to be empty."""
    done = planned(life, lines)
    written = [
        line for line in bytes(results(done).output).split(b"\n") if line.strip(b"\xef\xbb\xbf\r")
    ]
    end = done.timeline.end.at

    assert len(written) == (0 if life.empty else done.counts(end).completed)

"""Laws of rules and scenarios: they survive being written, their words make them, they compose."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import timedelta
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import tomli_w
from hypothesis import given, reject
from hypothesis import strategies as st

from fakebatch import FakeBatch, Scenario, UsageError
from fakebatch.dialects import Limits
from fakebatch.rules import rule as rules
from fakebatch.rules.batches import BatchRule
from fakebatch.rules.calls import OPERATIONS, CallRule
from fakebatch.rules.files import FileRule
from fakebatch.rules.lines import LineRule, Reply
from fakebatch.rules.loading import dump, read
from fakebatch.rules.scenario import ECHO
from fakebatch.rules.webhooks import WebhookRule

KINDS = (LineRule, BatchRule, FileRule, CallRule, WebhookRule)

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=5)
spans = (
    st.integers(0, 10**9)
    | st.floats(0, 10**9, allow_subnormal=False)
    | st.sampled_from(["0s", "90s", "1h30m", "2.5d"])
    | st.timedeltas(timedelta(0), timedelta(days=9))
)
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

OF_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    rules.Span: spans,
    rules.Count: st.integers(1, 5),
    rules.Times: st.integers(1, 5) | st.just(math.inf),
    rules.Part: parts,
    rules.Share: st.floats(0.01, 1),
    Any: values,
    NoneType: st.none(),
    str: words,
    int: st.integers(0, 3),
    bool: st.booleans(),
}
"""Values of the types that parameters have."""

OWN: dict[tuple[str, str], st.SearchStrategy[Any]] = {
    ("CallRule", "operation"): st.sampled_from([*OPERATIONS, "*", "batches.*"]),
    ("CallRule", "between"): st.none() | st.tuples(st.just("1h"), st.none() | st.just(7200)),
    ("Fail", "status"): st.integers(400, 599),
    ("Fail", "body"): st.none() | objects,
    ("Reply", "status"): st.integers(200, 599),
    ("Reply", "answer"): words | objects,
    ("Duplicate", "copies"): st.integers(2, 4),
    ("Truncate", "fraction"): st.floats(0, 0.99),
    ("Override", "statuses"): st.dictionaries(
        st.sampled_from(["in_progress", "completed"]),
        words.filter(bool) | st.lists(words, min_size=1, max_size=2),
    ),
    ("Schedule", "curve"): st.lists(st.tuples(parts, parts), max_size=3).map(
        lambda points: tuple(
            zip(sorted(x for x, _ in points), sorted(y for _, y in points), strict=True)
        )
    ),
    ("LineRule", "where"): st.none(),
    ("Scenario", "otherwise"): words.map(lambda text: LineRule(reply=Reply(text))),
    ("Scenario", "limits"): st.dictionaries(
        st.sampled_from([*Limits.__dataclass_fields__]), st.integers(0, 9), max_size=2
    ),
}
"""Parameters of which not every value of their type will do."""


def made(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that a rule is made of; what has no meaning is tried again."""
    if hint in OF_TYPE:
        return OF_TYPE[hint]
    inner, origin = get_args(hint), get_origin(hint)
    if origin is Annotated:
        return made(inner[0])
    if is_dataclass(hint):
        return st.deferred(lambda: built(hint))
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is Mapping:
        return st.dictionaries(words, made(inner[1]), max_size=2)
    if origin in (tuple, Sequence):
        return st.lists(made(inner[0]), max_size=2).map(tuple)
    return st.one_of(*map(made, inner))


@st.composite
def built(draw: st.DrawFn, kind: Any) -> Any:
    hints = get_type_hints(kind, include_extras=True)
    verbs = getattr(kind, "verbs", ())
    chosen = draw(st.sampled_from([name for name in verbs if name != "replay"])) if verbs else None
    values: dict[str, Any] = {}
    for each in fields(kind):
        if each.name in verbs and each.name != chosen:
            continue
        # most parameters are left out
        if each.name == chosen or _is_required(each) or draw(st.integers(0, 2)) == 0:
            own = OWN.get((kind.__name__, each.name))
            value = draw(own if own is not None else made(hints[each.name]))
            values[each.name] = value
    if chosen is not None and values[chosen] is None:
        reject()
    try:
        return rules.adapter(kind).validate_python(values)
    except (UsageError, ValueError):
        reject()


def _is_required(each: Field[Any]) -> bool:
    return each.default is MISSING and each.default_factory is MISSING


any_rule = st.one_of(*map(built, KINDS))
scenarios = built(Scenario)


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

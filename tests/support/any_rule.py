"""Any rule, and any scenario: strategies that follow from the types of the parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import timedelta
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from hypothesis import reject
from hypothesis import strategies as st

from fakebatch import Scenario, UsageError
from fakebatch.dialects import Limits
from fakebatch.dialects.dialect import OPERATIONS
from fakebatch.rules import rule as rules
from fakebatch.rules.batches import BatchRule
from fakebatch.rules.calls import CallRule
from fakebatch.rules.files import FileRule
from fakebatch.rules.lines import LineRule, Reply
from fakebatch.rules.validation import adapter
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
    rules.Ratio: parts,
    rules.PositiveRatio: st.floats(0.01, 1),
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
    **{(kind.__name__, "where"): st.none() for kind in (LineRule, BatchRule, FileRule, CallRule)},
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
    if is_dataclass(hint):
        return st.deferred(lambda: built(hint))
    return _of_parts(get_origin(hint), get_args(hint))


def _of_parts(origin: Any, inner: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if origin is Annotated:
        return made(inner[0])
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is Mapping:
        return st.dictionaries(words, made(inner[1]), max_size=2)
    if origin in (tuple, Sequence):
        return st.lists(made(inner[0]), max_size=2).map(tuple)
    return st.one_of(*map(made, inner))


@st.composite
def built(draw: st.DrawFn, kind: Any) -> Any:
    """Any value of a rule, a verb or a scenario; of a rule's verbs any but `replay`."""
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
        return adapter(kind).validate_python(values)
    except (UsageError, ValueError):
        reject()


def _is_required(each: Field[Any]) -> bool:
    return each.default is MISSING and each.default_factory is MISSING


any_rule = st.one_of(*map(built, KINDS))
scenarios = built(Scenario)

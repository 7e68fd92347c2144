"""Any schema makes a valid value, or an error that says why not."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fakebatch.replies.pattern import Unsatisfiable
from fakebatch.replies.schema import instance
from support.schemas import NULL, Validator, ref, valid

BOUND = st.integers(-100, 100) | st.floats(-100, 100).map(lambda number: round(number, 3))
LEAVES = st.one_of(
    st.sampled_from([True, {}, NULL, {"type": "boolean"}, {"const": [1]}, {"enum": [None, 2]}]),
    st.builds(
        lambda least, more: {"type": "string", "minLength": least, "maxLength": least + more},
        st.integers(0, 20),
        st.integers(0, 20),
    ),
    st.sampled_from(["date", "date-time", "email", "ipv4", "ipv6", "time", "uuid"]).map(
        lambda form: {"type": "string", "format": form}
    ),
    st.sampled_from([r"^\d{3}$", "[a-c]+z", r"^(\w+) \w?", "^[^a-y]{2,}$", "é|[一-龥]"]).map(
        lambda pattern: {"type": "string", "pattern": pattern}
    ),
    st.builds(
        lambda kind, one, other: {
            "type": kind,
            "minimum": min(one, other),
            "maximum": max(one, other) + 1,
        },
        st.sampled_from(["integer", "number"]),
        BOUND,
        BOUND,
    ),
    st.builds(
        lambda low, step: {"type": "integer", "exclusiveMinimum": low, "multipleOf": step},
        BOUND,
        st.integers(1, 9),
    ),
    st.sampled_from(["a", "b", "c"]).map(
        lambda name: {
            "type": "object",
            "properties": {"next": {"anyOf": [ref(name), NULL]}},
            "required": ["next"],
        }
    ),
)


def composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    arrays = st.fixed_dictionaries(
        {"type": st.just("array"), "items": inner}, optional={"minItems": st.integers(0, 3)}
    )
    objects = st.dictionaries(st.text(), inner, max_size=4).flatmap(
        lambda properties: st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.just(properties),
                "required": st.lists(st.sampled_from([*properties, "more"]), unique=True),
            }
        )
    )
    unions = st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches})
    return arrays | objects | unions


SCHEMAS = st.recursive(LEAVES, composed, max_leaves=10)


@given(
    st.fixed_dictionaries(
        {
            "type": st.just("object"),
            "properties": st.fixed_dictionaries({"it": SCHEMAS}),
            "required": st.just(["it"]),
            "$defs": st.fixed_dictionaries({"a": SCHEMAS, "b": SCHEMAS, "c": SCHEMAS}),
        }
    ),
    st.text(),
)
def test_what_a_schema_makes_is_valid(schema: dict[str, Any], text: str) -> None:
    """For any schema there is a valid value, the same every time, however it recurs."""
    assert valid(schema, text) == instance(schema, text)


VALUES = st.sampled_from(["#", "object", "array", "string", "number", "integer"])
NONSENSE = st.recursive(
    VALUES | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(sorted(Validator.VALIDATORS)), inner)
    ),
)


@given(NONSENSE)
def test_any_schema_makes_json_or_an_error(schema: Any) -> None:
    """Whatever stands where a schema should, there is a value or an error that says why not."""
    with suppress(Unsatisfiable):
        json.dumps(instance(schema, "hi"))

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakebatch.replies.schema import instance
from fakebatch.replies.structured import shaped

jsonschema = pytest.importorskip("jsonschema")
Validator: Any = jsonschema.Draft202012Validator


def valid(schema: Any, text: str = "hi") -> Any:
    """The instance made, once the judge has found it valid."""
    made = instance(schema, text)
    Validator(schema, format_checker=Validator.FORMAT_CHECKER).validate(made)
    return made


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


NULL = {"type": "null"}
MADE = {
    "anything": (True, "hi"),
    "a string": ({"type": "string"}, "hi"),
    "a longer string": ({"type": "string", "minLength": 4}, "hiaa"),
    "a shorter string": ({"type": "string", "maxLength": 1}, "h"),
    "a date": ({"type": "string", "format": "date"}, "2026-01-01"),
    "a text that fits its pattern": ({"type": "string", "pattern": "^h"}, "hi"),
    "a text of a pattern": ({"type": "string", "pattern": r"^[A-Z]{2}-\d+(x|y)?$"}, "AA-0"),
    "a text of a pattern and a length": (
        {"type": "string", "pattern": "^[^a-z]+$", "minLength": 3},
        "000",
    ),
    "zero": ({"type": "integer"}, 0),
    "a number above its minimum": ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, 1),
    "a number within narrow bounds": (
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        0.5,
    ),
    "an integer in steps": ({"type": "integer", "minimum": 10, "multipleOf": 4}, 12),
    "a constant": ({"const": {"a": 1}}, {"a": 1}),
    "the first of an enumeration": ({"type": "string", "enum": ["red", "green"]}, "red"),
    "the type that is not null": ({"type": ["null", "boolean"]}, True),
    "the branch that is not null": ({"anyOf": [NULL, {"type": "integer"}]}, 0),
    "one item": ({"type": "array", "items": {"type": "string"}}, ["hi"]),
    "as many items as needed": ({"type": "array", "items": NULL, "minItems": 2}, [None, None]),
    "no items where none may be": ({"type": "array", "items": {}, "maxItems": 0}, []),
    "a tuple": ({"type": "array", "prefixItems": [NULL, {}], "maxItems": 2}, [None, "hi"]),
    "a property nobody requires": (
        {"type": "object", "properties": {"a": {}}, "required": ["b"]},
        {"a": "hi", "b": "hi"},
    ),
    "what all parts demand": (
        {
            "allOf": [ref("a"), {"properties": {"y": NULL}, "required": ["y"]}],
            "$defs": {"a": {"type": "object", "properties": {"x": NULL}, "required": ["x"]}},
        },
        {"x": None, "y": None},
    ),
    "a list that ends": (
        {
            "$ref": "#/$defs/node",
            "$defs": {
                "node": {
                    "type": "object",
                    "properties": {"next": {"anyOf": [ref("node"), NULL]}},
                    "required": ["next"],
                },
            },
        },
        {"next": None},
    ),
    "a tree without branches": (
        {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}},
        {"kids": []},
    ),
}


@pytest.mark.parametrize(("schema", "expected"), MADE.values(), ids=MADE)
def test_a_schema_makes(schema: Any, expected: Any) -> None:
    """A value is valid, says the text where it may, and is no deeper than it must be."""
    assert valid(schema) == expected


def test_types_that_all_refer_to_each_other_make_little() -> None:
    """A value grows with a few steps from the root, not with every way through the schema."""
    names = [f"t{number}" for number in range(14)]
    each = {"type": "object", "properties": {n: {"anyOf": [ref(n), NULL]} for n in names}}
    made = valid(ref("t0") | {"$defs": dict.fromkeys(names, each | {"required": names})})
    assert len(json.dumps(made)) < 100_000


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
    st.sampled_from([r"^\d{3}$", "[a-c]+z", r"^(\w+) \1?", "^[^a-y]{2,}$", "é|[一-龥]"]).map(
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
def test_any_schema_is_answered(schema: Any) -> None:
    """Whatever stands where a schema should, there is an answer."""
    assert isinstance(shaped("hi", {"type": "json_schema", "schema": schema}), str)

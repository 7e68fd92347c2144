from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, Field, TypeAdapter

from fakebatch.replies.pattern import Unmet
from fakebatch.replies.schema import instance

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
    "items that differ": (
        {"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": True},
        ["hi", "hi1", "hi2"],
    ),
    "enumerated items that differ": (
        {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2, "uniqueItems": True},
        ["a", "b"],
    ),
    "items of a narrow range that differ": (
        {
            "type": "array",
            "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "minItems": 2,
            "uniqueItems": True,
        },
        [0.5, 1 / 3],
    ),
    "objects that differ": (
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"id": {"type": "integer"}, "kind": {"const": "a"}},
                "required": ["id", "kind"],
            },
            "minItems": 2,
            "uniqueItems": True,
        },
        [{"id": 0, "kind": "a"}, {"id": 1, "kind": "a"}],
    ),
    "a format within its length": (
        {"type": "string", "format": "email", "maxLength": 16},
        "user@example.com",
    ),
    "the value of an enumeration that has the type": (
        {"type": "integer", "enum": ["red", 2]},
        2,
    ),
    "null, where an enumeration begins with it": (
        {"type": ["string", "null"], "enum": [None, "red"]},
        None,
    ),
    "a count that is a whole decimal": (
        {"type": "array", "items": NULL, "minItems": 2.0},
        [None, None],
    ),
    "a number above both minimums": (
        {"type": "integer", "allOf": [{"minimum": 3}, {"minimum": 7}]},
        7,
    ),
    "a multiple of both steps": (
        {"type": "integer", "minimum": 1, "allOf": [{"multipleOf": 4}, {"multipleOf": 6}]},
        12,
    ),
    "a decimal in steps": ({"type": "number", "minimum": 0.25, "multipleOf": 0.1}, 0.4),
    "what a reference into a list points at": (
        {
            "anyOf": [
                {"type": "object", "properties": {"x": {"$ref": "#/anyOf/1"}}, "required": ["x"]},
                {"type": "integer"},
            ]
        },
        {"x": 0},
    ),
    "what an escaped reference points at": (
        {"$ref": "#/$defs/a%20b~1c", "$defs": {"a b/c": {"type": "integer"}}},
        0,
    ),
    "what a mixin demands twice": (
        {
            "allOf": [ref("a"), {"allOf": [ref("a"), {"required": ["y"]}]}],
            "$defs": {"a": {"type": "object", "properties": {"y": NULL}}},
        },
        {"y": None},
    ),
    "as many properties as needed": (
        {"type": "object", "properties": {"a": NULL}, "minProperties": 2},
        {"a": None, "key0": "hi"},
    ),
    "no more properties than may be": (
        {"type": "object", "properties": {"a": NULL, "b": NULL}, "maxProperties": 1},
        {},
    ),
    "a property whose name has a pattern": (
        {
            "type": "object",
            "patternProperties": {"^x-": {"type": "integer"}},
            "additionalProperties": False,
            "required": ["x-a"],
        },
        {"x-a": 0},
    ),
    "one branch alone": (
        {"oneOf": [{"type": "string", "maxLength": 1}, {"type": "string", "minLength": 1}]},
        "hi",
    ),
    "what is not forbidden": ({"not": {"type": "string"}}, 0),
    "a text after a lookahead": (
        {"type": "string", "pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"},
        "-00.0",
    ),
    "a password": (
        {"type": "string", "pattern": r"^(?=.*[A-Z])(?=.*\d)[A-Za-z\d]{8}$"},
        "0Abcdefg",
    ),
    "a text of a pattern whatever its case": ({"type": "string", "pattern": "(?i)^HI$"}, "hi"),
    "a text of a pattern with repeated repeats": (
        {"type": "string", "pattern": r"^(\w+\s?)+$"},
        "hi",
    ),
}


@pytest.mark.parametrize(("schema", "expected"), MADE.values(), ids=MADE)
def test_a_schema_makes(schema: Any, expected: Any) -> None:
    """A value is valid, says the text where it may, and is no deeper than it must be."""
    assert valid(schema) == expected


TOLD = {
    "no type": ({"type": "string", "allOf": [{"type": "integer"}]}, "No value was found for"),
    "no number": ({"type": "integer", "minimum": 3, "maximum": 2}, '"minimum": 3'),
    "a number beyond all decimals": (
        {"type": "number", "exclusiveMinimum": float("1e400")},
        '"exclusiveMinimum": Infinity',
    ),
    "an integer beyond all decimals": ({"type": "integer", "minimum": 10**400}, "No value"),
    "a format that is too long": (
        {"type": "string", "format": "date-time", "maxLength": 10},
        '"maxLength": 10',
    ),
    "too few values that differ": (
        {"type": "array", "items": {"type": "boolean"}, "minItems": 3, "uniqueItems": True},
        "uniqueItems",
    ),
    "a false property": (
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        "Part of it is `false`",
    ),
    "an object that contains itself": (
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        "'#' contains itself",
    ),
    "a reference to nothing": ({"$ref": "#/$defs/a"}, "'#/$defs/a' leads nowhere"),
    "a reference to another file": ({"$ref": "a.json"}, "'a.json' leads nowhere"),
    "a keyword that is unknown": ({"if": {"type": "string"}, "then": False}, "what 'if' in a"),
    "a pattern of JavaScript": ({"type": "string", "pattern": r"^\p{L}$"}, "cannot be read"),
    "a pattern that refers back": (
        {"type": "string", "pattern": r"^(.)\1$"},
        "what GROUPREF in a pattern",
    ),
    "a pattern of too many parentheses": (
        {"type": "string", "pattern": "(" * 1200 + "a" + ")" * 1200},
        "cannot be read",
    ),
    "a pattern that nothing matches": (
        {"type": "string", "pattern": "^a(?=b)$"},
        "No value was found",
    ),
    "a text of a billion characters": (
        {"type": "string", "pattern": "((a{1000}){1000}){1000}"},
        "is too large",
    ),
    "a text of a given billion": ({"type": "string", "minLength": 10**9}, "is too large"),
    "nine million items": (
        {"type": "array", "minItems": 3000, "items": {"type": "array", "minItems": 3000}},
        "is too large",
    ),
    "ten levels of five properties": (
        ref("level0")
        | {
            "$defs": {
                f"level{level}": {
                    "type": "object",
                    "properties": {name: ref(f"level{level + 1}") for name in "abcde"},
                    "required": [*"abcde"],
                }
                for level in range(10)
            }
            | {"level10": {"type": "string"}}
        },
        "is too large",
    ),
    "a paradox": ({"not": {"$ref": "#"}}, "is too large"),
}


@pytest.mark.parametrize(("schema", "message"), TOLD.values(), ids=TOLD)
def test_what_cannot_be_met_is_an_error(schema: Any, message: str) -> None:
    """It says which part of the schema, and comes soon, whatever the schema."""
    with pytest.raises(Unmet) as caught:
        instance(schema, "hi")
    assert message in str(caught.value)


SLOW = {
    "repeated repeats": r"^(\w+\s?)+$",
    "repeats of the same": r"^(a|a|ab?)+$",
    "repeats in a row": r"^a*a*a*a*a*a*a*b$",
    "repeats of nothing": r"^((a*)*)*$",
    "a search from everywhere": r"\d+\s*\w*!!$",
    "lookaheads everywhere": r"((?=(a*)*b)a|c)+$",
}


@pytest.mark.parametrize("pattern", SLOW.values(), ids=SLOW)
@pytest.mark.parametrize("length", [30, 10_000])
def test_a_search_ends_soon(pattern: str, length: int) -> None:
    """No pattern is searched for in every possible way."""
    made = instance({"type": "string", "pattern": pattern}, "a" * length + "?")
    assert len(made) < 100


def test_a_generous_value_that_is_too_large_is_made_without_what_is_optional() -> None:
    """Before a value is given up, it is tried again with nothing but what is required."""
    levels: Any = {"type": "string"}
    for _ in range(20):
        levels = {"type": "object", "properties": {"a": levels, "b": levels}}
    assert valid(levels) == {}


class Colour(Enum):
    """An enumeration."""

    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    """A variant of a union."""

    kind: Literal["cat"]
    lives: Annotated[int, Field(ge=1, le=9)]


class Dog(BaseModel):
    """Another, which contains itself."""

    kind: Literal["dog"]
    name: Annotated[str, Field(pattern="^[A-Z][a-z]+$")]
    friends: list[Dog] = []


class Everything(BaseModel):
    """A field of each kind."""

    price: Decimal
    ratio: Annotated[float, Field(gt=0, lt=1, multiple_of=0.05)]
    tags: Annotated[set[str], Field(min_length=2)]
    codes: Annotated[dict[Annotated[str, Field(pattern="^[a-z]{2}$")], int], Field(max_length=3)]
    counts: dict[Literal["a", "b"], int]
    colour: Colour
    maybe: Colour | None = None
    pets: Annotated[list[Annotated[Cat | Dog, Field(discriminator="kind")]], Field(min_length=2)]
    pair: tuple[int, str]
    when: datetime
    how_long: timedelta
    id: UUID
    home: AnyUrl
    anything: Any


USUAL = {
    "everything that pydantic has": Everything.model_json_schema(),
    "a list of pydantic models": TypeAdapter(list[Cat | Dog]).json_schema(),
    "the steps of OpenAI's guide": {
        "type": "object",
        "properties": {
            "steps": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "explanation": {"type": "string"},
                        "output": {"type": "string"},
                    },
                    "required": ["explanation", "output"],
                    "additionalProperties": False,
                },
            },
            "final_answer": {"type": "string"},
        },
        "required": ["steps", "final_answer"],
        "additionalProperties": False,
    },
    "the user interface of OpenAI's guide": {
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": ["div", "button"]},
            "label": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#"}},
            "attributes": {"type": "array", "items": {"$ref": "#/$defs/attribute"}},
        },
        "$defs": {
            "attribute": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
            }
        },
        "required": ["type", "label", "children", "attributes"],
        "additionalProperties": False,
    },
    "an object of zod": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "email": {
                "type": "string",
                "format": "email",
                "pattern": r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@"
                r"([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$",
            },
            "age": {
                "type": "integer",
                "minimum": -9007199254740991,
                "maximum": 9007199254740991,
                "exclusiveMinimum": 0,
            },
            "record": {
                "type": "object",
                "propertyNames": {"type": "string"},
                "additionalProperties": {"type": "number"},
            },
            "slug": {"type": "string", "pattern": "^[a-z0-9]+(?:-[a-z0-9]+)*$", "minLength": 9},
            "shape": {
                "oneOf": [
                    {"type": "object", "properties": {"r": {"type": "number"}}, "required": ["r"]},
                    {"type": "object", "properties": {"w": {"type": "number"}}, "required": ["w"]},
                ]
            },
        },
        "required": ["email", "age", "record", "slug", "shape"],
        "additionalProperties": False,
    },
}


@pytest.mark.parametrize("schema", USUAL.values(), ids=USUAL)
@pytest.mark.parametrize("text", ["hi", "What is 8x + 7 = -23?", ""])
def test_usual_schemas_are_met(schema: Any, text: str) -> None:
    """Those that pydantic and zod make, and those of OpenAI's guide."""
    valid(schema, text)


def test_a_model_reads_what_its_schema_made() -> None:
    """What is valid for the schema of a pydantic model makes one."""
    Everything.model_validate(instance(Everything.model_json_schema(), "hi"))


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
    with suppress(Unmet):
        json.dumps(instance(schema, "hi"))

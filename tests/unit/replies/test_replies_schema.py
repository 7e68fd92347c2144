from __future__ import annotations

import json
from typing import Any

import pytest

from fakebatch.replies.pattern import Unsatisfiable
from fakebatch.replies.schema import instance
from support.schemas import NULL, ref, valid

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
    "a reference to nothing": ({"$ref": "#/$defs/a"}, "'#/$defs/a' has no target"),
    "a reference to another file": ({"$ref": "a.json"}, "'a.json' has no target"),
    "a keyword that is unknown": ({"if": {"type": "string"}, "then": False}, "support 'if' in a"),
    "a pattern of JavaScript": ({"type": "string", "pattern": r"^\p{L}$"}, "cannot be read"),
    "a pattern that refers back": (
        {"type": "string", "pattern": r"^(.)\1$"},
        "support GROUPREF in a pattern",
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
    with pytest.raises(Unsatisfiable) as caught:
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


def test_types_that_all_refer_to_each_other_make_little() -> None:
    """A value grows with a few steps from the root, not with every way through the schema."""
    names = [f"t{number}" for number in range(14)]
    each = {"type": "object", "properties": {n: {"anyOf": [ref(n), NULL]} for n in names}}
    made = valid(ref("t0") | {"$defs": dict.fromkeys(names, each | {"required": names})})
    assert len(json.dumps(made)) < 100_000

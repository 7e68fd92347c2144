"""Schemas of pydantic, zod, instructor, OpenAI's SDKs and guide, and of every keyword."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import FrameType
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AnyUrl, BaseModel, Field

from fakebatch.replies import schema as schemas
from fakebatch.replies.pattern import Unsatisfiable
from fakebatch.replies.schema import instance
from support.schemas import Draft4Validator, cases, corpus, valid

USUAL = {
    "guide": 16,
    "openai": 30,
    "openai-node": 26,
    "pydantic": 64,
    "instructor": 17,
    "zod": 97,
    "zod-to-json-schema": 69,
}
"""The number of schemas in each file."""

REFUSED = {"emoji, input", "emoji, output"}  # a pattern with \\p{…}, which Python does not have

TEXTS = {"a word": "hi", "a question": "What is 8x + 7 = -23?\n", "nothing": ""}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_usual_schemas_are_met(text: str) -> None:
    """At least 99 % of them; the others are an error."""
    met = {}
    for group, size in USUAL.items():
        made, failed = judged(corpus(group), text)
        assert failed <= REFUSED
        assert len(made) + len(failed) == size
        met[group] = len(made)
    fractions = [f"{group}: {met[group]} of {size}" for group, size in USUAL.items()]
    assert sum(met.values()) / sum(USUAL.values()) >= 0.99, "\n".join(fractions)


def judged(group: dict[str, Any], text: str) -> tuple[dict[str, Any], set[str]]:
    """The values made, which are valid, by name, and the names of the schemas without a value."""
    made: dict[str, Any] = {}
    failed: set[str] = set()
    for name, schema in group.items():
        try:
            # this target of zod-to-json-schema is in fact draft 4
            draft = Draft4Validator if name.endswith("for OpenAI") else None
            made[name] = valid(schema, text, draft)
        except Unsatisfiable:
            failed.add(name)
    return made, failed


UNSUPPORTED = {
    *("if", "dependencies", "dependentRequired", "dependentSchemas"),
    *("unevaluatedItems", "unevaluatedProperties", "minContains", "maxContains"),
    *("$anchor", "$dynamicRef"),
}
UNMET = {  # keyword: the number of its schemas for which nothing is found, or nothing exists
    "contains": 1,
    "propertyNames": 1,
    "not": 1,
    "boolean schemas": 1,
    "$id": 2,
    "format": 3,  # with a pattern that the sample does not match
}


@pytest.mark.parametrize("draft", ["draft2020-12", "draft7"])
def test_every_keyword_is_met_or_an_error(draft: str) -> None:
    """A value is valid whichever keywords a schema has; there is one for all common keywords."""
    groups = cases(draft)
    named = {f"{n}: {case['description']}": case["schema"] for n, case in enumerate(groups)}
    _, failed = judged(named, "What is 8x + 7 = -23?")
    keywords = [name.split(": ")[1] for name in failed]
    assert {word for word in keywords if word not in UNSUPPORTED} <= UNMET.keys()
    assert all(keywords.count(word) <= most for word, most in UNMET.items())


CASES = {
    f"{draft} {number} {case['description']}": case
    for draft in ("draft2020-12", "draft7")
    for number, case in enumerate(cases(draft))
    if isinstance(case["schema"], dict)
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_no_value_is_made_of_what_a_schema_forbids(case: dict[str, Any]) -> None:
    """Where only one value is left, it is made if it is valid for the schema, else none."""
    schema, recursive = case["schema"], case["description"] == "$ref"
    for test in case["tests"]:
        branches = [*schema.get("allOf", []), {"enum": [test["data"]]}]
        one = schema | {"allOf": branches}
        if not test["valid"]:
            with pytest.raises(Unsatisfiable):
                instance(one, "hi")
        elif case["description"] not in UNSUPPORTED | {"$id"} and not recursive:
            assert instance(one, "hi") == test["data"]


HOSTILE: dict[str, Any] = {
    "unions in a row": {
        "allOf": [*({"anyOf": [{"type": "string"}, {"type": "integer"}]} for _ in range(30)), False]
    },
    "a union of itself": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
    "many objects that differ": {
        "type": "array",
        "items": {"type": "object", "properties": {"a": {"enum": [*range(999)]}}},
        "minItems": 900,
        "uniqueItems": True,
    },
    "an enumeration of arrays that differ": {
        "type": "array",
        "items": {"enum": [[number] for number in range(500)]},
        "minItems": 500,
        "uniqueItems": True,
    },
    "patterns for a long name": {
        "type": "object",
        "patternProperties": {f"^(a+)+{number}$": {} for number in range(99)},
        "required": ["a" * 3000],
    },
    "more names than steps": {"type": "object", "minProperties": 10**6},
    "schemas in each other": {
        "properties": {f"a{n}": {"$ref": "#"} for n in range(30)},
        "required": [f"a{n}" for n in range(30)],
    },
    "a repeated repeat": {"type": "string", "pattern": "^((a{1,50}){1,50}){1,50}b$"},
}


@pytest.mark.parametrize("schema", HOSTILE.values(), ids=HOSTILE)
def test_the_work_for_a_schema_is_bounded(schema: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted: a few calls of functions for each step of the budget, which two tries have."""
    steps, calls = 20_000, 0

    def count(_: FrameType, __: str, ___: object) -> None:
        nonlocal calls
        calls += 1

    monkeypatch.setattr(schemas, "_WORK", steps)
    sys.setprofile(count)
    try:
        instance(schema, "a" * 1000)
    except Unsatisfiable:
        pass
    finally:
        sys.setprofile(None)
    assert calls < 2 * steps * 10


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
    ids: Annotated[set[UUID], Field(min_length=2)]
    codes: Annotated[dict[Annotated[str, Field(pattern="^[a-z]{2}$")], int], Field(max_length=3)]
    counts: dict[Literal["a", "b"], int]
    colour: Colour
    maybe: Colour | None = None
    pets: Annotated[list[Annotated[Cat | Dog, Field(discriminator="kind")]], Field(min_length=2)]
    pair: tuple[int, str]
    when: datetime
    how_long: timedelta
    home: AnyUrl
    word: Annotated[str, Field(pattern=r"^\w+$")]
    anything: Any


@pytest.mark.parametrize("text", ["hi", "hi\n"])
def test_a_model_reads_what_its_schema_made(text: str) -> None:
    """What is valid for the schema of a pydantic model makes one.

    For pydantic, `$` in a pattern is the end of the text; for Python, also a newline before it.
    """
    Everything.model_validate(instance(Everything.model_json_schema(), text))

"""Schemas of pydantic, of zod and of OpenAI's guide are met."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AnyUrl, BaseModel, Field, TypeAdapter

from fakebatch.replies.schema import instance
from support.schemas import valid


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

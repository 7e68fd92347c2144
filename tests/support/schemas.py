"""JSON schemas, and the judge of what is made for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fakebatch.replies.schema import instance

jsonschema = pytest.importorskip("jsonschema")
Validator: Any = jsonschema.Draft202012Validator
Draft4Validator: Any = jsonschema.Draft4Validator
NULL = {"type": "null"}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def corpus(name: str) -> dict[str, Any]:
    """The schemas of a file in `tests/schemas` by name; the file has their source."""
    schemas: dict[str, Any] = json.loads(_file(name).read_text("utf-8"))["schemas"]
    return schemas


def cases(name: str) -> list[dict[str, Any]]:
    """The groups of a file in `tests/schemas`: a description, a schema, and tests of it."""
    groups: list[dict[str, Any]] = json.loads(_file(name).read_text("utf-8"))["groups"]
    return groups


def _file(name: str) -> Path:
    return Path(__file__).parents[1] / "schemas" / f"{name}.json"


def valid(schema: Any, text: str = "hi", draft: Any = None) -> Any:
    """The value made for a schema, which the judge has found valid: of a draft, or `$schema`."""
    made = instance(schema, text)
    kind = draft or jsonschema.validators.validator_for(schema, default=Validator)
    kind(schema, format_checker=kind.FORMAT_CHECKER).validate(made)
    json.dumps(made, allow_nan=False)
    return made

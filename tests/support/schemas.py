"""JSON schemas, and the judge of what is made for them."""

from __future__ import annotations

from typing import Any

import pytest

from fakebatch.replies.schema import instance

jsonschema = pytest.importorskip("jsonschema")
Validator: Any = jsonschema.Draft202012Validator
NULL = {"type": "null"}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def valid(schema: Any, text: str = "hi") -> Any:
    """The value made for a schema, which the judge has found valid."""
    made = instance(schema, text)
    Validator(schema, format_checker=Validator.FORMAT_CHECKER).validate(made)
    return made

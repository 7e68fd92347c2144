"""The first problem of a JSON value by a schema, in OpenAI's words.

Known of JSON Schema are `type`, `enum`, `minimum`, `maximum`, `minLength`, `maxLength`, `pattern`,
`minItems`, `maxItems`, `items`, `required`, `properties`, `additionalProperties` and
`maxProperties`. `title` is the type as messages name it, if they do not name it as usual;
`requiredByType` has the properties that are required with a value of the property `type`. A
property that is null counts as left out.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from fakebatch.replies.request import is_list, is_object
from fakebatch.request_lines import json_type

Schema = Mapping[str, Any]

_KINDS = {
    "string": "a string",
    "number": "a decimal",  # a value is "a decimal number" (both seen in Aug 2026)
    "integer": "an integer",
    "boolean": "a boolean",
    "array": "an array",
    "object": "an object",
}


class BodyError(NamedTuple):
    """An error response to a request with a bad body."""

    message: str
    param: str | None = None
    code: str | None = None
    status: int = 400
    type: str = "invalid_request_error"

    @property
    def body(self) -> dict[str, Any]:
        """The body of the response."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}


def listed(names: Sequence[str], conjunction: str = "and") -> str:
    """The names in quotes as in a sentence: `'a', 'b', and 'c'`."""
    *others, last = [f"'{name}'" for name in names]
    comma = "," if len(others) > 1 else ""
    return f"{', '.join(others)}{comma} {conjunction} {last}" if others else last


def body_error(kind: str, name: str = "", **values: object) -> BodyError:
    """The error of a kind of messages.toml for the parameter `name`."""
    template = table("messages")[kind]
    values["name"] = name
    return BodyError(
        template["message"].format_map(values),
        template.get("param", name) or None,
        template.get("code", "").format_map(values) or None,
        type=template.get("type", "invalid_request_error"),
    )


@lru_cache
def table(name: str) -> dict[str, Any]:
    """The content of a TOML file of this folder; empty if there is none."""
    path = Path(__file__).with_name(f"{name}.toml")
    return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}


def problem(schema: Schema, value: Any, name: str) -> BodyError | None:
    """The first problem of a value, called `name`; None if it is valid."""
    got = json_type(value)
    if "type" in schema and not any(_is_a(kind, value, got) for kind in _kinds(schema)):
        return body_error("bad_type", name, expected=_expected(schema), got=got)
    for keyword in _BOUNDS.get(got, ()):
        if keyword not in schema:
            continue
        size, bound = value if "imum" in keyword else len(value), schema[keyword]
        if size < bound if keyword.startswith("min") else size > bound:
            number = "integer" if schema["type"] == "integer" else "decimal"
            return body_error(keyword, name, bound=bound, size=size, number=number)
    if isinstance(value, str):
        known, pattern = schema.get("enum"), schema.get("pattern", "")
        if known is not None and value not in known:
            return body_error("bad_value", name, value=value, known=listed(known))
        matches = re.search(pattern, value) is not None
        return None if matches else body_error("bad_pattern", name, pattern=pattern)
    if is_list(value):
        items = schema.get("items", {})
        indices = range(len(value) if items else 0)
        problems = (problem(items, value[index], f"{name}[{index}]") for index in indices)
        return next(filter(None, problems), None)
    return object_problem(schema, value, name) if is_object(value) else None


_BOUNDS = {
    "an integer": ("minimum", "maximum"),
    "a decimal number": ("minimum", "maximum"),
    "a string": ("minLength", "maxLength"),
    "an array": ("minItems", "maxItems"),
    "an object": ("maxProperties",),
}
"""The keywords that bound a value of each type; minLength and minItems are 1."""


def object_problem(schema: Schema, value: Mapping[str, Any], name: str = "") -> BodyError | None:
    """The first problem of an object: what is missing, what is unknown, and its properties."""
    prefix, known = f"{name}." if name else "", schema.get("properties", {})
    by_type = schema.get("requiredByType", {})
    kind = value.get("type")
    typed = by_type.get(kind, ()) if isinstance(kind, str) else ()
    for key in (*schema.get("required", ()), *typed):
        if value.get(key) is None:
            return body_error("missing", prefix + key)
    others = schema.get("additionalProperties", {})
    if others is False and (unknowns := value.keys() - known.keys()):
        return body_error("unknown", prefix + next(key for key in value if key in unknowns))
    for key in value if others else [key for key in known if key in value]:
        item = value[key]
        error = None if item is None else problem(known.get(key, others), item, prefix + key)
        if error is not None:
            return error
    return None


def _kinds(schema: Schema) -> Sequence[str]:
    kinds = schema["type"]
    return (kinds,) if isinstance(kinds, str) else kinds


def _is_a(kind: str, value: Any, got: str) -> bool:
    if _KINDS[kind] == got:
        return True
    # 1.0 is accepted as an integer: nobody has seen it refused
    is_number = kind == "number" or (kind == "integer" and type(value) is float and value % 1 == 0)
    return is_number and got in ("an integer", "a decimal number")


def _expected(schema: Schema) -> str:
    """The type in words: `a string`, `one of 'a' or 'b'`, `one of a string or array of objects`."""
    if "title" in schema:
        return str(schema["title"])
    if "enum" in schema:
        return f"one of {listed(schema['enum'], 'or')}"
    items = schema.get("items", {}).get("type")
    names = [
        f"an array of {items}s" if kind == "array" and isinstance(items, str) else _KINDS[kind]
        for kind in _kinds(schema)
    ]
    if len(names) == 1:
        return names[0]
    return f"one of {' or '.join([names[0], *(name.split(' ', 1)[1] for name in names[1:])])}"

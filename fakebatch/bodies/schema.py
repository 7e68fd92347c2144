"""The first problem of a JSON value by a schema, in OpenAI's words.

Of JSON Schema: `type`, `enum`, `minimum`, `maximum`, `minLength`, `maxLength`, `pattern`, `minItems`,
`maxItems`, `items`, `required`, `properties`, `additionalProperties` and `maxProperties`. Two more:
`title` is the type in messages, where it has another name than usual, and `requiredByType` the
properties that are required with a value of the property `type`. Null counts as left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fakebatch.request_line import json_type

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


def missing(name: str) -> BodyError:
    """The error for a required parameter that was left out."""
    return BodyError(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def invalid_value(name: str, value: object, known: Sequence[str]) -> BodyError:
    """The error for a string that is none of the known ones."""
    message = f"Invalid value: '{value}'. Supported values are: {listed(known)}."
    return BodyError(message, name, "invalid_value")


def unknown(name: str) -> BodyError:
    """The error for a parameter that does not exist."""
    return BodyError(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def problem(schema: Schema, value: Any, name: str) -> BodyError | None:
    """The first problem of a value, called `name`; None if it is valid."""
    if "type" in schema and not any(_is_a(kind, value) for kind in _kinds(schema)):
        got = json_type(value)
        message = f"Invalid type for '{name}': expected {_expected(schema)}, but got {got} instead."
        return BodyError(message, name, "invalid_type")
    match value:
        case str():
            return _string_problem(schema, value, name)
        case int() | float():
            return _number_problem(schema, value, name)
        case list():
            return _array_problem(schema, value, name)  # pyright: ignore[reportUnknownArgumentType]
        case dict():
            return object_problem(schema, value, name)  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return None


def object_problem(schema: Schema, value: Mapping[str, Any], name: str = "") -> BodyError | None:
    """The first problem of an object: what is missing, what is unknown, and its properties."""
    prefix, known = f"{name}." if name else "", schema.get("properties", {})
    by_type = schema.get("requiredByType", {})
    for key in (*schema.get("required", ()), *by_type.get(_text(value.get("type")), ())):
        if value.get(key) is None:
            return missing(prefix + key)
    others = schema.get("additionalProperties", {})
    if others is False and (unknowns := value.keys() - known.keys()):
        return unknown(prefix + next(key for key in value if key in unknowns))
    most = schema.get("maxProperties", len(value))
    if len(value) > most:
        return _beyond(
            name, "too many properties", f"an object with at most {most} properties",
            f"an object with {len(value)} properties", "object_above_max_properties",
        )  # fmt: skip
    for key in known if others is False or not others else (*known, *(value.keys() - known.keys())):
        item = value.get(key)
        found = None if item is None else problem(known.get(key, others), item, prefix + key)
        if found is not None:
            return found
    return None


def _kinds(schema: Schema) -> Sequence[str]:
    kinds = schema["type"]
    return (kinds,) if isinstance(kinds, str) else kinds


def _is_a(kind: str, value: Any) -> bool:
    match kind:
        case "integer":
            # 1.0 is accepted: nobody has seen it refused
            return type(value) is int or (type(value) is float and value.is_integer())
        case "number":
            return type(value) in (int, float)
        case _:
            return json_type(value) == _KINDS[kind]


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


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _beyond(name: str, what: str, expected: str, got: str, code: str) -> BodyError:
    message = f"Invalid '{name}': {what}. Expected {expected}, but got {got} instead."
    return BodyError(message, name, code)


def _number_problem(schema: Schema, value: float, name: str) -> BodyError | None:
    least, most = schema.get("minimum", value), schema.get("maximum", value)
    if least <= value <= most:
        return None
    kind = "integer" if schema["type"] == "integer" else "decimal"
    if value < least:
        bound, what, code = f">= {least}", "below minimum", f"{kind}_below_min_value"
    else:
        bound, what, code = f"<= {most}", "above maximum", f"{kind}_above_max_value"
    return _beyond(name, f"{kind} {what} value", f"a value {bound}", str(value), code)


def _string_problem(schema: Schema, value: str, name: str) -> BodyError | None:
    known, length = schema.get("enum"), len(value)
    if known is not None and value not in known:
        return invalid_value(name, value, known)
    least, most = schema.get("minLength", 0), schema.get("maxLength", length)
    if length < least:
        return _beyond(
            name, "empty string", f"a string with minimum length {least}",
            "an empty string", "empty_string",
        )  # fmt: skip
    if length > most:
        return _beyond(
            name, "string too long", f"a string with maximum length {most}",
            f"a string with length {length}", "string_above_max_length",
        )  # fmt: skip
    pattern = schema.get("pattern")
    if pattern is not None and re.search(pattern, value) is None:
        message = (
            f"Invalid '{name}': string does not match pattern. "
            f"Expected a string that matches the pattern '{pattern}'."
        )
        return BodyError(message, name, "invalid_value")
    return None


def _array_problem(schema: Schema, value: list[Any], name: str) -> BodyError | None:
    length = len(value)
    least, most = schema.get("minItems", 0), schema.get("maxItems", length)
    if length < least:
        return _beyond(
            name, "empty array", f"an array with minimum length {least}",
            "an empty array", "empty_array",
        )  # fmt: skip
    if length > most:
        return _beyond(
            name, "array too long", f"an array with maximum length {most}",
            f"an array with length {length}", "array_above_max_length",
        )  # fmt: skip
    items = schema.get("items", {})
    problems = (problem(items, item, f"{name}[{index}]") for index, item in enumerate(value))
    return next(filter(None, problems), None)

"""What the provider says when it refuses a call: status, message, param, code."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fakebatch.dialects import OPENAI, APIError

Words = tuple[int, str, str | None, str | None]


def said(call: Callable[[], object]) -> Words:
    """The words in which a call is refused."""
    with pytest.raises(APIError) as caught:
        call()
    words, values = OPENAI.errors[caught.value.kind], caught.value.values
    return (
        words.status,
        words.message.format_map(values),
        words.param and words.param.format_map(values),
        words.code,
    )


def missing(name: str) -> Words:
    """A parameter that has to be there."""
    message = f"Missing required parameter: '{name}'."
    return 400, message, name, "missing_required_parameter"


def wrong_type(name: str, wanted: str, got: str) -> Words:
    """A parameter of another type."""
    message = f"Invalid type for '{name}': expected {wanted}, but got {got} instead."
    return 400, message, name, "invalid_type"


def bad_value(name: str, value: str, known: str) -> Words:
    """A parameter that is none of a list."""
    message = f"Invalid value: '{value}'. Supported values are: {known}."
    return 400, message, name, "invalid_value"


def too_low(name: str, least: int, got: int) -> Words:
    """A number below its least."""
    message = (
        f"Invalid '{name}': integer below minimum value. Expected a value >= {least}, but got "
        f"{got} instead."
    )
    return 400, message, name, "integer_below_min_value"


def too_high(name: str, most: int, got: int) -> Words:
    """A number above its most."""
    message = (
        f"Invalid '{name}': integer above maximum value. Expected a value <= {most}, but got "
        f"{got} instead."
    )
    return 400, message, name, "integer_above_max_value"


def too_many(got: int) -> Words:
    """More metadata than may be."""
    message = (
        "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, "
        f"but got an object with {got} properties instead."
    )
    return 400, message, "metadata", "object_above_max_properties"


def too_long(name: str, got: int) -> Words:
    """A longer value in metadata than may be."""
    message = (
        f"Invalid '{name}': string too long. Expected a string with maximum length 512, but got "
        f"a string with length {got} instead."
    )
    return 400, message, name, "string_above_max_length"


def key_too_long(got: int) -> Words:
    """A longer key in metadata than may be."""
    message = (
        "Invalid property name in 'metadata': too long. Expected a property name with maximum "
        f"length 64, but got a property name with length {got} instead."
    )
    return 400, message, "metadata", "property_name_above_max_length"

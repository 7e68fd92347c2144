"""Makes objects of what a test or a file has for them; an error says where what is wrong."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from fakebatch.errors import UsageError


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """The validator and serializer of a class; made at its first use, which takes 2 ms."""
    return TypeAdapter(kind)


def validated(kind: Any, data: Any, where: str) -> Any:
    """An object of a class, from what a test or a file has for it.

    Args:
        kind: the class of a verb, a selector or a rule, or Scenario.
        data: a mapping of its fields, or the arguments of a call.
        where: the name of the object in error messages.

    Raises:
        UsageError: an unknown name, or an invalid value.
    """
    try:
        return adapter(kind).validate_python(data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    first = errors[0]
    path, part = _locate(kind, first["loc"])
    reasons: dict[str, None] = {}
    for each in errors:
        if _locate(kind, each["loc"])[0] == path:
            reason = _REASONS.get(each["type"]) or each["msg"].removeprefix("Value error, ")
            reasons[reason.removeprefix("Input should be ") if reasons else reason] = None
    value = "" if first["type"].startswith("missing") else f"; it was {repr(first['input'])[:80]}"
    example = getattr(part, "example", None)
    raise UsageError(
        f"{'.'.join([where, *path])}: {' or '.join(reasons)}{value}.",
        f"It takes {', '.join(_field_names(part))}.",
        f"Write for example {example}." if example else "docs/scenarios.md describes all of them.",
    )


_REASONS = {
    "unexpected_keyword_argument": "there is no such parameter",
    "dataclass_type": "it must be a table of parameters, which may be empty: {}",
    "missing": "it is required",
    "missing_argument": "it is required",
}
"""Clearer words for some of pydantic's types of error."""


def _locate(kind: Any, steps: tuple[int | str, ...]) -> tuple[list[str], Any]:
    """The path to a value for a message, and the innermost dataclass on it."""
    path: list[str] = []
    part = kind
    for step in steps:
        names = _field_names(part)
        if isinstance(step, int):
            path.append(str(step + 1) if path else names[step])
        elif step in names:
            path.append(step)
            part = _class_in(get_type_hints(part)[step]) or part
        elif not path or (step == steps[-1] and not _UNION_MEMBER.search(step)):
            path.append(step)
    return path, part


_UNION_MEMBER = re.compile(r"^(str|float|int|bool|none|callable)$|\[")
"""The steps that pydantic adds for members of a union; all others are keys."""


def _field_names(kind: Any) -> list[str]:
    return [each.name for each in fields(kind) if each.init] if is_dataclass(kind) else []


def _class_in(hint: Any) -> Any:
    if is_dataclass(hint):
        return hint
    parts: list[Any] = [_class_in(part) for part in get_args(hint)]
    return next((part for part in parts if part), None)

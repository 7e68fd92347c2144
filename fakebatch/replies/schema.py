"""Makes a value that is valid for a JSON schema, always the same for the same schema.

The libraries for this (hypothesis-jsonschema, jsf, fences) make random values or do not bound their
work. Here a value is made in three steps, and so is each of its members:

1. Collect the schemas that must hold for it: the schema, those of its `allOf`, and the targets of
   references. What is left of each is a *part*, a set of keywords; each `anyOf` is a *union*.
2. Choose a branch of each union, and make candidates from the parts: at the bounds of numbers,
   texts of patterns, objects with and without optional members.
3. Take the first candidate that is valid for all parts.

If there is none, or finding one takes more than `_WORK` steps, `Unsatisfiable` is raised. So it is
for keywords that cannot be checked here; strict mode of the service has none of these
(platform.openai.com/docs/guides/structured-outputs, "Supported schemas").
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import chain, islice
from typing import Any, NamedTuple
from urllib.parse import unquote

from fakebatch.replies.pattern import (
    FORMATS,
    Budget,
    OverBudget,
    Unsatisfiable,
    matches,
    texts,
    variants,
)
from fakebatch.replies.request import elements, is_list, is_object, members

Rules = dict[str, Any]

_WORK = 1_000_000
"""The budget for one value with its members, in steps: about a second."""
_CANDIDATE = 20
"""The steps that reading a schema, or checking a candidate, costs."""
_LARGEST = sys.float_info.max

_IMPLIED = {
    "object": ("properties", "required"),
    "array": ("items", "prefixItems", "minItems"),
    "number": ("minimum", "maximum", "multipleOf"),
}
"""Keywords that imply a type where `type` is missing."""
_KINDS = ("string", "integer", "object", "array", "boolean", "null")
_NESTING = ("$ref", "properties", "items", "prefixItems")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_COLLECTED = ("$ref", "$defs", "definitions", "allOf", "anyOf")
"""The keywords that parts do not have: they become parts and unions, or need no check."""


def instance(schema: Any, text: str) -> Any:
    """A value that is valid for `schema`; its strings are `text` where that is valid.

    Raises:
        Unsatisfiable: no valid value was found within the budget.
    """
    for string, with_optional in (text, True), (text[:20], False):
        with suppress(OverBudget, RecursionError, OverflowError):
            return _Maker(schema, string, Budget(_WORK), with_optional).make(schema)
    raise Unsatisfiable(f"Its value is too large, or takes more than {_WORK:,} steps to find.")


class _Maker(NamedTuple):
    root: Any
    text: str
    budget: Budget
    with_optional: bool
    inside: tuple[str, ...] = ("#",)
    """The references that lead here. None is followed again inside itself: a schema that has a
    value has one without such a recursion."""
    turn: int = 0
    """The number of candidates to skip, so that the items of an array can differ."""

    @property
    def adds_optional(self) -> bool:
        # Optional members are made only near the root: types that refer to each other would
        # grow exponentially.
        return self.with_optional and len(self.inside) <= 3  # the root and two more

    def make(self, *schemas: Any, parts: Sequence[Rules] = (), unions: Sequence[Any] = ()) -> Any:
        """A value that is valid for all schemas and parts, and for one branch of each union."""
        parts, unions, refs = [*parts], [*unions], dict[str, None]()
        for schema in schemas:
            self.collect(schema, parts, unions, refs)
        maker = self._replace(inside=(*self.inside, *refs)) if refs else self
        if not unions:
            return maker.candidate(parts)
        nested = any(word in part for part in parts for word in _NESTING)

        # null last; where recursion is to end, branches without members first
        def comes_later(branch: Any) -> bool:
            if maker.adds_optional:
                return members(branch).get("type") == "null"
            return not nested and any(word in members(branch) for word in _NESTING)

        branches, *others = unions
        for branch in sorted(branches, key=comes_later):
            with suppress(Unsatisfiable):
                return maker.make(branch, parts=parts, unions=others)
        raise _unsatisfiable(parts)

    def collect(
        self, schema: Any, parts: list[Rules], unions: list[Any], refs: dict[str, None]
    ) -> None:
        """Add the parts and unions of a schema to the lists, and the references it follows."""
        self.budget.spend(_CANDIDATE)
        if schema is False:
            raise Unsatisfiable("Part of it is `false`, for which no value is valid.")
        rules = _modern(members(schema))
        if "$id" in rules and schema is not self.root:
            raise Unsatisfiable("fakebatch does not support '$id' below the root of a schema.")
        nested = elements(rules.get("allOf"))
        if "$ref" in rules and (ref := str(rules["$ref"])) not in refs:
            if ref in self.inside:
                raise Unsatisfiable(f"{ref!r} contains itself endlessly.")
            refs[ref] = None
            nested = [_resolve(self.root, ref), *nested]
        for inner in nested:
            self.collect(inner, parts, unions, refs)
        parts.append({word: rule for word, rule in rules.items() if word not in _COLLECTED})
        unions += [elements(rules[word]) for word in rules if word in ("anyOf", "oneOf")]
        if is_list(rules.get("type")) and not _listed(rules):
            unions.append([{"type": kind} for kind in rules["type"]])

    def candidate(self, parts: list[Rules]) -> Any:
        """The first candidate that is valid for all parts, or the one after `turn` others."""
        failure: Unsatisfiable | None = None
        if any(map(_listed, parts)):
            kinds = ["enum"]
        elif not (kinds := [p["type"] for p in parts if isinstance(p.get("type"), str)]):
            words = {word for part in parts for word in part}
            kinds = [kind for kind, keywords in _IMPLIED.items() if words & {*keywords}]
            kinds += _KINDS
        for kind in dict.fromkeys(kinds):
            turns = 1 if kind in ("array", "object") else self.turn + 1
            try:
                values = self.candidates(kind, parts)
                fitting = (v for v in values if all(self.fits(part, v) for part in parts))
                if chosen := list(islice(fitting, turns)):
                    return chosen[-1]
            except Unsatisfiable as deeper:
                failure = deeper
        raise failure or _unsatisfiable(parts)

    def candidates(self, kind: str, parts: list[Rules]) -> Iterable[Any]:
        """Values of a kind, the plainest first; their members are valid, they may not be."""
        match kind:
            case "enum":
                listed = next(values for part in parts if (values := _listed(part)))
                return (v for v in listed if all(self.valid(part, v) for part in parts))
            case "object":
                options = dict.fromkeys((self.adds_optional, False))
                return (self.object_of(parts, optional=optional) for optional in options)
            case "array":
                return (self.array_of(parts),)
            case "integer" | "number":
                return _numbers(parts, self.turn, whole=kind == "integer")
            case "string":
                return self.strings(parts)
            case _:
                return (True, False) if kind == "boolean" else (None,)

    def object_of(self, parts: list[Rules], *, optional: bool) -> dict[str, Any]:
        """An object with the required members, and with optional ones if they are wanted."""
        required = dict.fromkeys(str(n) for part in parts for n in elements(part.get("required")))
        named = dict.fromkeys(name for part in parts for name in members(part.get("properties")))
        least = max(_counts(parts, "minProperties"), default=0)
        self.budget.spend(least)
        made: dict[str, Any] = {}
        for name in named:
            if name in required:
                made[name] = self.child(parts, name)
            elif optional or len(made | required) < least:
                with suppress(Unsatisfiable):
                    made[name] = self.child(parts, name)
        missing = [name for name in required if name not in made]
        missing += [f"key{n}" for n in range(least - len(made) - len(missing))]
        return made | {name: self.child(parts, name) for name in missing}

    def array_of(self, parts: list[Rules]) -> list[Any]:
        """An array of the least length, with one item if there may be none and there is room."""
        most = min(_counts(parts, "maxItems"), default=sys.maxsize)
        prefix = max(len(elements(part.get("prefixItems"))) for part in parts)
        length = max([min(prefix, most), *_counts(parts, "minItems")])
        unique = any(part.get("uniqueItems") is True for part in parts)
        made: dict[Any, Any] = {}
        for turn in range(2 * length + 9):  # items that are there already are left out
            if len(made) < length:
                maker = self._replace(turn=self.turn + turn) if unique else self
                item = maker.child(parts, len(made))
                made.setdefault(_identity(item) if unique else turn, item)
        if not length and most and self.adds_optional:
            with suppress(Unsatisfiable):
                made[0] = self.child(parts, 0)
        return list(made.values())

    def child(self, parts: list[Rules], place: str | int) -> Any:
        """A valid value for the property of this name, or for the item at this index."""
        return self.make(*(s for part in parts for s in self.child_schemas(part, place)))

    def child_schemas(self, rules: Rules, place: str | int) -> list[Any]:
        """The schemas for the property of this name, or for the item at this index."""
        if isinstance(place, int):
            first = elements(rules.get("prefixItems"))
            return first[place : place + 1] or [rules.get("items", True)]
        named, patterns = members(rules.get("properties")), members(rules.get("patternProperties"))
        schemas = [named[place]] if place in named else []
        schemas += [s for pattern, s in patterns.items() if matches(pattern, place, self.budget)]
        return schemas or [rules.get("additionalProperties", True)]

    def strings(self, parts: list[Rules]) -> Iterator[str]:
        """Samples of formats, else the text, then texts of patterns, all in all formats."""
        least = max(_counts(parts, "minLength"), default=0)
        most = min(_counts(parts, "maxLength"), default=sys.maxsize)
        self.budget.spend(max(least, len(self.text)) // 16)  # copying characters is cheap
        formats = [FORMATS[f] for part in parts if (f := str(part.get("format"))) in FORMATS]
        patterns = [part["pattern"] for part in parts if isinstance(part.get("pattern"), str)]
        if formats or patterns:
            usual = [each for sample, _ in formats for each in variants(sample, self.turn)]
            made = (texts(pattern, least, self.budget) for pattern in patterns)
            for text in chain(usual or [self.text], *made):
                if all(re.fullmatch(form, text, re.ASCII) for _, form in formats):
                    yield text
        else:
            for n in range(self.turn + 1):
                end = str(n) if n else ""
                yield (self.text[: max(0, most - len(end))] + end).ljust(least, "a")[:most]

    def valid(self, schema: Any, value: Any) -> bool:
        """Whether a value and its members are valid for a schema."""
        if not is_object(schema):
            return schema is not False
        rules = _modern(schema)
        return self.fits(rules, value) and all(
            self.valid(inner, child)
            for place, child in (value.items() if is_object(value) else enumerate(elements(value)))
            for inner in self.child_schemas(rules, place)
        )

    def fits(self, rules: Rules, value: Any) -> bool:
        """Whether a value is valid, without regard to its members."""
        self.budget.spend(_CANDIDATE)
        _, checks = _TYPES[type(value)]
        for keyword, rule in rules.items():
            if keyword in checks:
                form, holds = checks[keyword]
                if holds is None:
                    raise Unsatisfiable(f"fakebatch does not support {keyword!r} in a schema.")
                if isinstance(rule, form) and not holds(self, value, rule):
                    return False
        return True

    def is_listed(self, value: Any, values: list[Any]) -> bool:
        """Whether a value equals one of the others."""
        self.budget.spend(len(values))
        if isinstance(value, list | dict):
            return _identity(value) in map(_identity, values)
        is_bool = isinstance(value, bool)
        return any(value == v and isinstance(v, bool) == is_bool for v in values)


_NUMBER = (int, float)
_Checks = dict[str, tuple[Any, Callable[[_Maker, Any, Any], bool] | None]]
"""By keyword: the type of its rule, and the check of a value; None marks what is unsupported."""

_ANY: _Checks = {
    "$ref": (str, lambda maker, v, ref: maker.valid(_resolve(maker.root, ref), v)),
    "allOf": (list, lambda maker, v, schemas: all(maker.valid(s, v) for s in schemas)),
    "anyOf": (list, lambda maker, v, schemas: any(maker.valid(s, v) for s in schemas)),
    "oneOf": (list, lambda maker, v, schemas: sum(maker.valid(s, v) for s in schemas) == 1),
    "not": (object, lambda maker, v, schema: not maker.valid(schema, v)),
    "type": ((str, list), lambda _, v, kinds: any(kind in kinds for kind in _kinds_of(v))),
    "enum": (list, lambda maker, v, values: maker.is_listed(v, values)),
    "const": (object, lambda maker, v, value: maker.is_listed(v, [value])),
    **dict.fromkeys(("if", "$dynamicRef", "$recursiveRef"), (object, None)),
}
_NUMERIC: _Checks = {
    "minimum": (_NUMBER, lambda _, v, bound: v >= bound),
    "maximum": (_NUMBER, lambda _, v, bound: v <= bound),
    "exclusiveMinimum": (_NUMBER, lambda _, v, bound: v > bound),
    "exclusiveMaximum": (_NUMBER, lambda _, v, bound: v < bound),
    "multipleOf": (_NUMBER, lambda _, v, step: step > 0 and (v / step) % 1 == 0),
}
_STRING: _Checks = {
    "minLength": (_NUMBER, lambda _, v, least: len(v) >= least),
    "maxLength": (_NUMBER, lambda _, v, most: len(v) <= most),
    "pattern": (str, lambda maker, v, pattern: matches(pattern, v, maker.budget)),
}
_ARRAY: _Checks = {
    "minItems": (_NUMBER, lambda _, v, least: len(v) >= least),
    "maxItems": (_NUMBER, lambda _, v, most: len(v) <= most),
    "uniqueItems": (bool, lambda _, v, yes: not yes or len(set(map(_identity, v))) == len(v)),
    "contains": (object, lambda maker, v, schema: any(maker.valid(schema, item) for item in v)),
    **dict.fromkeys(("minContains", "maxContains", "unevaluatedItems"), (object, None)),
}
_OBJECT: _Checks = {
    "minProperties": (_NUMBER, lambda _, v, least: len(v) >= least),
    "maxProperties": (_NUMBER, lambda _, v, most: len(v) <= most),
    "required": (list, lambda _, v, names: all(str(name) in v for name in names)),
    "propertyNames": (object, lambda maker, v, schema: all(maker.valid(schema, n) for n in v)),
    **dict.fromkeys(("dependentRequired", "dependentSchemas", "dependencies"), (object, None)),
    "unevaluatedProperties": (object, None),
}
_TYPES: dict[type, tuple[tuple[str, ...], _Checks]] = {
    type(None): (("null",), _ANY),
    bool: (("boolean",), _ANY),
    int: (("integer", "number"), _ANY | _NUMERIC),
    float: (("number",), _ANY | _NUMERIC),
    str: (("string",), _ANY | _STRING),
    list: (("array",), _ANY | _ARRAY),
    dict: (("object",), _ANY | _OBJECT),
}
"""By Python type: its names in a schema, and the keywords that apply to it."""


def _kinds_of(value: Any) -> tuple[str, ...]:
    whole = type(value) is float and value.is_integer()  # 1.0 is an integer
    return _TYPES[int if whole else type(value)][0]


def _identity(value: Any) -> str:
    """The same text for equal values: 1 equals 1.0 but not true, and keys have no order."""
    plain = json.loads(
        json.dumps(value), parse_float=lambda text: int(n) if (n := float(text)).is_integer() else n
    )
    return json.dumps(plain, sort_keys=True)


def _modern(rules: Rules) -> Rules:
    """The keywords of a schema as draft 2020-12 has them."""
    modern = dict(rules)
    if is_list(rules.get("items")):  # until draft 2019-09, zod-to-json-schema writes it
        modern |= {"prefixItems": rules["items"], "items": rules.get("additionalItems", True)}
    for limit in ("Minimum", "Maximum"):
        if type(exclusive := rules.get(f"exclusive{limit}")) is bool:  # until draft 4
            del modern[f"exclusive{limit}"]
            if exclusive and limit.lower() in rules:
                modern[f"exclusive{limit}"] = rules[limit.lower()]
    return modern


def _resolve(root: Any, ref: str) -> Any:
    """The target of a reference within the schema, such as `#/$defs/step`."""
    target = root
    try:
        for step in ref.removeprefix("#/").split("/") if ref != "#" else []:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            target = target[int(name)] if is_list(target) else target[name]
    except (IndexError, KeyError, TypeError, ValueError):
        raise Unsatisfiable(f"The reference {ref!r} has no target.") from None
    return target


def _unsatisfiable(parts: Sequence[Rules]) -> Unsatisfiable:
    return Unsatisfiable(f"No value was found for {' and '.join(map(json.dumps, parts))[:300]}.")


def _listed(rules: Rules) -> list[Any]:
    return [rules["const"]] if "const" in rules else elements(rules.get("enum"))


def _fractions(parts: list[Rules], keyword: str) -> list[Fraction]:
    values = (part[keyword] for part in parts if keyword in part)
    # by decimal digits: a step of 0.1 is a tenth, not the nearest float
    return [Fraction(str(v)) for v in values if type(v) in _NUMBER and abs(v) <= _LARGEST]


def _counts(parts: list[Rules], keyword: str) -> list[int]:
    return [math.ceil(v) for v in _fractions(parts, keyword)]  # 2.0 counts too


def _numbers(parts: list[Rules], turn: int, *, whole: bool) -> Iterator[int | float]:
    """Candidates: zero, numbers at and next to each bound, between bounds, and more."""
    bounds = [bound for keyword in _BOUNDS for bound in _fractions(parts, keyword)]
    steps = [step for step in _fractions(parts, "multipleOf") if step > 0] + [Fraction(1)] * whole
    multiples = math.lcm(*(s.numerator for s in steps)), math.gcd(*(s.denominator for s in steps))
    step = Fraction(*multiples) if steps else Fraction(1)
    bases = [Fraction(0)]
    for bound in bounds:
        nearest = math.floor(bound / step) * step if steps else bound
        bases += [nearest, nearest + step, nearest - step]
    for n in range(turn + 5):
        offsets = dict.fromkeys((n * step, -n * step))
        numbers = [base + offset for base in bases for offset in offsets]
        if bounds and not steps:
            numbers.append(min(bounds) + (max(bounds) - min(bounds)) / (n + 2))
        for number in numbers:
            if abs(number) <= _LARGEST:
                yield int(number) if number.denominator == 1 else float(number)

"""Makes a JSON value that is valid for a schema, the same one every time.

Our own, because the libraries that do it (hypothesis-jsonschema, jsf, fences) choose by chance or
try every case, had their last release in 2024 and would be a dependency of every user. It knows
the keywords that Structured Outputs takes; `oneOf` is read as `anyOf`, and `not`, `if`, `contains`,
`uniqueItems` and `patternProperties` are passed over.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

from fakebatch.replies.conversation import elements, members
from fakebatch.replies.scalars import Impossible, number, string, whole

_KINDS = {
    "properties": "object",
    "required": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "minimum": "number",
    "maximum": "number",
    "multipleOf": "number",
}
"""The type that a keyword tells where `type` is not given."""


def instance(schema: Any, text: str) -> Any:
    """A value valid for `schema`, whose strings say `text` where they may.

    Raises:
        Impossible: no value is valid, or none that we know to make.
    """
    return _Maker(schema, text).make(schema)


class _Maker(NamedTuple):
    root: Any
    text: str
    inside: tuple[str, ...] = ("#",)
    """The references being followed. None is entered again inside itself: a value that needs no
    such detour exists wherever any value does, so recursion ends as early as it can."""

    @property
    def lavish(self) -> bool:
        # What nobody requires is made near the root only, lest many types that refer to each
        # other grow without measure.
        return len(self.inside) <= 3  # the root and two more

    def make(self, schema: Any) -> Any:
        if schema is False:
            raise Impossible
        maker, rules = self.resolved(members(schema))
        if "const" in rules:
            return rules["const"]
        if values := elements(rules.get("enum")):
            return values[0]
        if branches := _branches(rules):
            return maker.first(branches)
        return maker.typed(rules)

    def resolved(self, rules: dict[str, Any]) -> tuple[_Maker, dict[str, Any]]:
        maker, parts = self, elements(rules.get("allOf"))
        if "$ref" in rules:
            maker = self.entering(str(rules["$ref"]))
            parts = [*parts, _pointed(self.root, str(rules["$ref"]))]
        rules = _without(rules, "$ref", "allOf")
        for part in parts:
            maker, resolved = maker.resolved(members(part))
            rules = _merged(resolved, rules)
        return maker, rules

    def entering(self, ref: str) -> _Maker:
        if ref in self.inside:
            raise Impossible
        return self._replace(inside=(*self.inside, ref))

    def first(self, branches: list[Any]) -> Any:
        for branch in sorted(branches, key=_is_null if self.lavish else _nests):
            with suppress(Impossible):
                return self.make(branch)
        raise Impossible

    def typed(self, rules: dict[str, Any]) -> Any:
        match rules.get("type", _implied(rules)):
            case "object":
                return self.object_of(rules)
            case "array":
                return self.array_of(rules)
            case "integer" | "number" as kind:
                return number(rules, integer=kind == "integer")
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return string(rules, self.text)

    def object_of(self, rules: dict[str, Any]) -> dict[str, Any]:
        properties = members(rules.get("properties"))
        required = [name for name in elements(rules.get("required")) if isinstance(name, str)]
        others = rules.get("additionalProperties", True)
        made: dict[str, Any] = {}
        for name, schema in properties.items():
            if name in required:
                made[name] = self.make(schema)
            elif self.lavish:
                with suppress(Impossible):
                    made[name] = self.make(schema)
        more = [name for name in required if name not in properties]
        more += [f"key{n}" for n in range(whole(rules, "minProperties", 0) - len(made) - len(more))]
        return made | {name: self.make(others) for name in more}

    def array_of(self, rules: dict[str, Any]) -> list[Any]:
        items, least = rules.get("items", True), whole(rules, "minItems", 0)
        most = whole(rules, "maxItems", max(1, least))
        made = [self.make(schema) for schema in elements(rules.get("prefixItems"))]
        made += [self.make(items) for _ in range(least - len(made))]
        if self.lavish and not made and most:
            with suppress(Impossible):
                made.append(self.make(items))
        return made


def _branches(rules: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = [{"type": kind} for kind in elements(rules.get("type"))]
    for keyword, branches in {**rules, "type": kinds}.items():
        if keyword in ("anyOf", "oneOf", "type") and elements(branches):
            rest = _without(rules, keyword)
            return [_merged(rest, members(branch)) for branch in branches]
    return []


def _is_null(branch: dict[str, Any]) -> bool:
    return branch.get("type") == "null"


def _nests(branch: dict[str, Any]) -> bool:
    return any(word in branch for word in ("$ref", "properties", "items", "prefixItems"))


def _implied(rules: dict[str, Any]) -> str:
    return next((kind for keyword, kind in _KINDS.items() if keyword in rules), "string")


def _without(rules: dict[str, Any], *keywords: str) -> dict[str, Any]:
    return {word: value for word, value in rules.items() if word not in keywords}


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    properties = members(one.get("properties")) | members(other.get("properties"))
    required = elements(one.get("required")) + elements(other.get("required"))
    both = one | other
    both |= {"properties": properties} if properties else {}
    return both | ({"required": required} if required else {})


def _pointed(root: Any, ref: str) -> Any:
    """What a reference within the schema, such as `#/$defs/step`, points at."""
    for step in ref.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        root = members(root).get(name)
    return root

"""What the families of rules share: a rule selects, and has exactly one verb.

The words are the same in Python, in a file and in messages: `on_call("batches.*", nth=3).fail(503)`
is `[[on_call]]` with `operation = "batches.*"`, `nth = 3` and `fail = { status = 503 }`, and a
report shows it as the test wrote it.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, MISSING, Field, dataclass, field, fields, is_dataclass
from datetime import timedelta
from functools import update_wrapper
from inspect import Parameter, signature
from typing import (
    Annotated,
    Any,
    ClassVar,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    TypeVar,
    dataclass_transform,
    get_args,
    get_type_hints,
)

from annotated_types import Ge, Gt, Le
from pydantic import (
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    Strict,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ArgsKwargs, ErrorDetails

from fakebatch import durations
from fakebatch.durations import Duration, microseconds
from fakebatch.errors import UsageError

P = ParamSpec("P")
T = TypeVar("T")

CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)

Count = Annotated[int, Strict(), Ge(1)]
"""A number that counts from 1."""

Part = Annotated[float, Strict(), Ge(0), Le(1)]
"""A part of a whole, from 0 to 1."""

Share = Annotated[float, Strict(), Gt(0), Le(1)]
"""A part of a whole that is not nothing."""


def as_given(value: Any) -> Any:
    """A duration in the words it was given; a timedelta as text.

    Raises:
        UsageError: it is no duration.
    """
    span = microseconds(value)
    return durations.text(span) if isinstance(value, timedelta) else value


Span = Annotated[
    Duration,
    PlainValidator(as_given),
    PlainSerializer(as_given),
    WithJsonSchema({"type": ["number", "string"], "description": durations.type_names}),
]
"""A duration in the words it was given."""


def _times(value: Any) -> Any:
    if value in ("inf", math.inf):
        return math.inf
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("times counts from 1; math.inf (in a file inf) is no end")
    return value


Times = Annotated[
    float,
    PlainValidator(_times),
    PlainSerializer(lambda value: "inf" if value == math.inf else value, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"const": "inf"},
                {"type": "number", "exclusiveMinimum": sys.float_info.max},  # TOML's inf
            ]
        }
    ),
]
"""How many: a whole number from 1, or `math.inf` (in TOML `inf`, in JSON "inf")."""

IN_PYTHON_ALONE = WithJsonSchema({"not": {}})
"""Marks a callable: no file can hold one."""


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def verb(example: str) -> Callable[[type[T]], type[T]]:
    """Make a class a verb: frozen, with no field but its own.

    Args:
        example: how a test writes it; shown where it is written wrongly.
    """

    def decorate(kind: type[T]) -> type[T]:
        kind.example, kind.__pydantic_config__ = example, CONFIG  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
        return dataclass(frozen=True, slots=True)(kind)

    return decorate


def verb_name(kind: Any) -> str:
    """`connect_error` for the class `ConnectError`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


_adapters: dict[Any, TypeAdapter[Any]] = {}


def adapter(kind: Any) -> TypeAdapter[Any]:
    """What validates and writes values of a kind; made at its first use, which takes 2 ms."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Selects by the order in which things come: the nth, the first `times`, or so many from it."""

    _: KW_ONLY
    nth: Count | None = None
    """The nth alone, unless `times` says how many from there on."""
    times: Times | None = None
    """How many; without `nth` the first ones."""

    def includes(self, number: int) -> bool:
        """Whether the `number`th is selected, counted from 1."""
        first = self.nth or 1
        if self.times is None:
            return self.nth is None or number == first
        return first <= number < first + self.times


class Rule:
    """A selection and one verb: of the fields named in `verbs` exactly one is not None."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict]
    family: ClassVar[str]
    """The call that selects, and the key of such rules in a file: `on_call`."""
    example: ClassVar[str]
    verbs: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        exactly_one: Any = {"oneOf": [{"required": [name]} for name in cls.verbs]}
        cls.__pydantic_config__ = {**CONFIG, "json_schema_extra": exactly_one}

    def check_verb(self) -> None:
        """Check that there is exactly one verb.

        Raises:
            UsageError: there is none, or more than one.
        """
        present = [name for name in self.verbs if getattr(self, name) is not None]
        if len(present) != 1:
            raise UsageError(
                f"A rule of {self.family} has {' and '.join(present) or 'no verb'}.",
                f"It has exactly one of {', '.join(self.verbs)}.",
                f"Write for example {self.example}.",
            )

    @property
    def outcome(self) -> Any:
        """The verb, with what it was given."""
        return next(value for name in self.verbs if (value := getattr(self, name)) is not None)

    def __str__(self) -> str:
        """As a test writes it; bodies, keys and callables are left out as `…`."""
        selection = ", ".join(_words(self, leaving_out=self.verbs))
        outcome = f"{verb_name(type(self.outcome))}({', '.join(_words(self.outcome))})"
        return f"{self.family}({selection}).{outcome}"


RuleT = TypeVar("RuleT", bound=Rule)


class Handle(Generic[RuleT]):
    """What a verb returns: its rule, and how often that met something."""

    def __init__(self, rule: RuleT, count: Callable[[], int]) -> None:
        self.rule = rule
        """The rule as frozen data."""
        self._count = count

    @property
    def hits(self) -> int:
        """How often the rule met something: lines, batches, uploads, requests or webhooks."""
        return self._count()

    def __repr__(self) -> str:
        return f"<{self.rule}, hits={self.hits}>"


class Owner(Protocol):
    """Who keeps the rules of a test."""

    def add_rule(self, rule: Any) -> Handle[Any]:
        """Add a rule to the scenario."""
        ...

    def add_selection(self, selection: Selection[Any]) -> None:
        """Remember a selection, which may never get a verb."""
        ...


class Selection(Generic[RuleT]):
    """What a test has selected; each verb adds a rule and returns its handle."""

    rule: ClassVar[type[Any]]
    selector: ClassVar[type[Any]]

    def __init__(self, owner: Owner, **selection: Any) -> None:
        self._owner = owner
        self._selection = {name: v for name, v in selection.items() if v is not None}
        self.has_verb = False
        """Whether a verb was called; without one a selection does nothing."""
        with usage_errors(self.rule.family, self.selector):
            self._selector = adapter(self.selector).validate_python(self._selection)
        owner.add_selection(self)

    def __repr__(self) -> str:
        return f"{self.rule.family}({', '.join(_words(self._selector))})"

    def add(self, name: str, outcome: Any) -> Handle[RuleT]:
        """Add a rule: these, and this verb."""
        with usage_errors(self.rule.family, self.rule):
            rule = adapter(self.rule).validate_python({**self._selection, name: outcome})
        return self._owner.add_rule(rule)


def method(kind: Callable[P, Any]) -> Callable[Concatenate[Selection[RuleT], P], Handle[RuleT]]:
    """The method of a verb: its parameters and its docstring are those of the verb's class."""
    name = verb_name(kind)

    def call(self: Selection[RuleT], /, *args: P.args, **kwargs: P.kwargs) -> Handle[RuleT]:
        self.has_verb = True  # whatever comes of it
        with usage_errors(f"{self.rule.family}(…).{name}", kind):
            outcome = adapter(kind).validate_python(ArgsKwargs(args, dict(kwargs)))
        return self.add(name, outcome)

    update_wrapper(call, kind, updated=())
    own = signature(kind)
    first = Parameter("self", Parameter.POSITIONAL_ONLY)
    call.__signature__ = own.replace(  # type: ignore[attr-defined] # pyright: ignore[reportFunctionMemberAccess]
        parameters=[first, *own.parameters.values()]
    )
    call.__name__ = call.__qualname__ = name
    return call


class usage_errors:  # noqa: N801  # used as `with usage_errors(...)`
    """Raise what pydantic finds wrong as a UsageError: what came, what was known, what to do."""

    __slots__ = ("_kind", "_where")

    def __init__(self, where: str, kind: Any) -> None:
        self._where, self._kind = where, kind

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, ValidationError):
            raise explained(self._where, self._kind, error) from None


def explained(where: str, kind: Any, error: ValidationError) -> UsageError:
    """The part that is wrong: its place and value, the names known there, how it is written."""
    wrong = error.errors(include_url=False)
    first = wrong[0]
    place, part = _located(kind, first["loc"])
    same = [each for each in wrong if _located(kind, each["loc"])[0] == place]
    example = getattr(part, "example", None)
    return UsageError(
        f"{'.'.join([where, *place])}: {_reasons(same)}{_value(first)}.",
        f"It takes {', '.join(_known(part))}.",
        f"Write for example {example}." if example else "docs/scenarios.md shows each part.",
    )


_REASONS = {
    "unexpected_keyword_argument": "there is no such parameter",
    "dataclass_type": "it is a table of its parameters, which may be empty: {}",
    "missing": "it is required",
    "missing_argument": "it is required",
}
"""What pydantic's types of error mean here, where its own words say less."""


def _reasons(errors: list[ErrorDetails]) -> str:
    texts = dict.fromkeys(
        _REASONS.get(each["type"]) or each["msg"].removeprefix("Value error, ") for each in errors
    )
    first, *others = texts
    return " or ".join([first, *(text.removeprefix("Input should be ") for text in others)])


def _value(error: ErrorDetails) -> str:
    if error["type"].startswith("missing"):
        return ""
    return f"; it was {repr(error['input'])[:80]}"


def _located(kind: Any, steps: tuple[int | str, ...]) -> tuple[list[str], Any]:
    """The names on the way to a value, and the innermost class that has the last of them."""
    place: list[str] = []
    part = kind
    for step in steps:
        names = _known(part)
        if isinstance(step, int):
            place.append(str(step + 1) if place else names[step])
        elif step in names:
            place.append(step)
            part = _class_in(get_type_hints(part)[step]) or part
        elif not place or (step == steps[-1] and not _names_a_type(step)):
            place.append(step)
    return place, part


def _names_a_type(step: str) -> bool:
    """Whether pydantic names a member of a union there, and no key."""
    return step in ("str", "float", "int", "bool", "none", "callable") or "[" in step


def _known(kind: Any) -> list[str]:
    return [each.name for each in fields(kind) if each.init] if is_dataclass(kind) else []


def _class_in(hint: Any) -> Any:
    if is_dataclass(hint):
        return hint
    parts: list[Any] = [_class_in(part) for part in get_args(hint)]
    return next((part for part in parts if part is not None), None)


def _words(value: Any, *, leaving_out: tuple[str, ...] = ()) -> Iterator[str]:
    """The arguments that differ from their defaults, as they are written in a call."""
    by_position = True
    for each in fields(value):
        given = getattr(value, each.name)
        if not each.init or each.name in leaving_out or given == _default(each):
            by_position = by_position and bool(each.kw_only)
            continue
        text = _literal(given) if each.repr else "…"
        yield text if by_position and not each.kw_only else f"{each.name}={text}"


def _default(each: Field[Any]) -> Any:
    return each.default if each.default_factory is MISSING else each.default_factory()


def _literal(value: Any) -> str:
    if value == math.inf:
        return "math.inf"
    if value.__class__ is tuple and value and is_dataclass(value[0]):
        return repr([_given(part) for part in value])
    return repr(value)


def _given(value: Any) -> dict[str, Any]:
    """The fields of a part that differ from their defaults."""
    values = {each.name: (getattr(value, each.name), _default(each)) for each in fields(value)}
    return {name: given for name, (given, default) in values.items() if given != default}


def overlaid(first: T, second: T) -> T:
    """Two of a kind as one: where the second differs from its default it wins; dicts unite."""
    values: dict[str, Any] = {}
    for each in fields(first):  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        before, after = getattr(first, each.name), getattr(second, each.name)
        values[each.name] = before if after == _default(each) else after
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            values[each.name] = {**before, **after}
    return type(first)(**values)

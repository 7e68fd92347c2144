"""What the families of rules share: a rule selects, and has exactly one verb.

The words are the same in Python, in a file and in messages: `on_call("batches.*", nth=3).fail(503)`
is `[[on_call]]` with `operation = "batches.*"`, `nth = 3` and `fail = { status = 503 }`, and a
report shows it as the test wrote it.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, MISSING, Field, dataclass, field, fields, is_dataclass
from datetime import timedelta
from functools import cache, update_wrapper
from inspect import Parameter, get_annotations, signature
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Concatenate,
    Generic,
    ParamSpec,
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
from pydantic_core import ArgsKwargs

from fakebatch import durations
from fakebatch.durations import Duration, microseconds
from fakebatch.errors import UsageError

if TYPE_CHECKING:
    from fakebatch.rules.fluent import Rules

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
        UsageError: it is not a duration.
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
        raise ValueError("times must be a whole number from 1, or math.inf (in a file: inf)")
    return value


_TOML_INF = {"type": "number", "exclusiveMinimum": sys.float_info.max}
Times = Annotated[
    float,
    PlainValidator(_times),
    PlainSerializer(lambda value: "inf" if value == math.inf else value, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "inf"}, _TOML_INF]}),
]
"""How many: a whole number from 1, or `math.inf` (in TOML `inf`, in JSON "inf")."""

IN_PYTHON_ALONE = WithJsonSchema({"not": {}})
"""Marks a callable: no file can hold one."""


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def verb(example: str) -> Callable[[type[T]], type[T]]:
    """Make a class a verb: frozen, with no field but its own.

    Its values are checked, and lists become tuples, where a test or a file writes the verb
    (`validated`). The class itself takes what it is called with.

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


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """What validates and writes values of a kind; made at its first use, which takes 2 ms."""
    return TypeAdapter(kind)


def validated(kind: Any, data: Any, where: str) -> Any:
    """The value of a kind that a test or a file describes.

    Args:
        kind: a verb, a selector, a rule or a scenario.
        data: a mapping of its fields, or the arguments of a call.
        where: what an error calls it.

    Raises:
        UsageError: an unknown name, or a value that has no meaning there.
    """
    try:
        return adapter(kind).validate_python(data)
    except ValidationError as error:
        raise explained(where, kind, error) from None


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Selects by order: the nth, the first `times`, or `times` from the nth on."""

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
    """A selection and one verb: of the fields that a family adds exactly one is not None."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict]
    family: ClassVar[str]
    """The call that selects, and the key of such rules in a file: `on_call`."""
    example: ClassVar[str]
    verbs: ClassVar[tuple[str, ...]]
    """The verbs of the family: the fields that its class declares."""

    def __init_subclass__(cls) -> None:
        if "verbs" not in vars(cls):  # slots=True makes the class again, out of this one's names
            cls.verbs = tuple(get_annotations(cls))
        exactly_one: Any = {"oneOf": [{"required": [name]} for name in cls.verbs]}
        cls.__pydantic_config__ = {**CONFIG, "json_schema_extra": exactly_one}

    def __post_init__(self) -> None:
        present = [name for name in self.verbs if getattr(self, name) is not None]
        if len(present) != 1:
            raise UsageError(
                f"A rule of {self.family} has {' and '.join(present) or 'no verb'}.",
                f"It takes exactly one of {', '.join(self.verbs)}.",
                f"Write for example {self.example}.",
            )

    @property
    def verb(self) -> str:
        """The name of its verb: `fail`."""
        return next(name for name in self.verbs if getattr(self, name) is not None)

    @property
    def outcome(self) -> Any:
        """Its verb, with the arguments."""
        return getattr(self, self.verb)

    def __str__(self) -> str:
        """As a test writes it; bodies, keys and callables are left out as `…`."""
        selection, arguments = _words(self, leaving_out=self.verbs), _words(self.outcome)
        return f"{self.family}({selection}).{self.verb}({arguments})"


RuleT = TypeVar("RuleT", bound=Rule)


class Handle(Generic[RuleT]):
    """What a verb returns: its rule, and how often that met something."""

    def __init__(self, rule: RuleT, count: Callable[[], int]) -> None:
        self.rule = rule
        """The rule as frozen data."""
        self._count = count

    @property
    def hits(self) -> int:
        """How often the rule met something: lines, batches, uploads, requests or webhooks.

        Lines count once their batch is created, whether they have run or not. Of a batch whose
        input is invalid those lines count that can be read, but for rules with a predicate or a
        `fraction`: no predicate is called for them, and a fraction takes none of them.
        """
        return self._count()

    def __repr__(self) -> str:
        return f"<{self.rule}, hits={self.hits}>"


class Selection(Generic[RuleT]):
    """What a test has selected; each verb adds a rule and returns its handle."""

    rule: ClassVar[type[Any]]

    def __init__(self, owner: Rules, **selection: Any) -> None:
        self._owner = owner
        self._selection = {name: v for name, v in selection.items() if v is not None}
        self.has_verb = False
        """Whether a verb was called; without one a selection does nothing."""
        selector, _ = self.rule.__bases__
        self._selector = validated(selector, self._selection, self.rule.family)
        owner._add_selection(self)  # noqa: SLF001  # hidden from users, who hold the owner

    def __repr__(self) -> str:
        return f"{self.rule.family}({_words(self._selector)})"

    def add(self, kind: Callable[..., Any], arguments: ArgsKwargs) -> Handle[RuleT]:
        """Add a rule: this selection, and a verb called with these arguments."""
        self.has_verb = True  # whatever comes of it
        name, family = verb_name(kind), self.rule.family
        verb = validated(kind, arguments, f"{family}(…).{name}")
        rule = validated(self.rule, {**self._selection, name: verb}, family)
        return self._owner._add_rule(rule)  # noqa: SLF001


def method(kind: Callable[P, Any]) -> Callable[Concatenate[Selection[RuleT], P], Handle[RuleT]]:
    """The method of a verb: its parameters and its docstring are those of the verb's class."""

    def call(self: Selection[RuleT], /, *args: P.args, **kwargs: P.kwargs) -> Handle[RuleT]:
        return self.add(kind, ArgsKwargs(args, dict(kwargs)))

    update_wrapper(call, kind, updated=())
    own = signature(kind)
    parameters = [Parameter("self", Parameter.POSITIONAL_ONLY), *own.parameters.values()]
    call.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined] # pyright: ignore[reportFunctionMemberAccess]
    call.__name__ = call.__qualname__ = verb_name(kind)
    return call


_REASONS = {
    "unexpected_keyword_argument": "there is no such parameter",
    "dataclass_type": "it must be a table of parameters, which may be empty: {}",
    "missing": "it is required",
    "missing_argument": "it is required",
}
"""What pydantic's types of error mean here, where its own words say less."""


def explained(where: str, kind: Any, error: ValidationError) -> UsageError:
    """The part that is wrong: its place and value, the names known there, how it is written."""
    wrong = error.errors(include_url=False)
    first = wrong[0]
    place, part = _located(kind, first["loc"])
    reasons: dict[str, None] = {}
    for each in wrong:
        if _located(kind, each["loc"])[0] == place:
            reason = _REASONS.get(each["type"]) or each["msg"].removeprefix("Value error, ")
            reasons[reason.removeprefix("Input should be ") if reasons else reason] = None
    value = "" if first["type"].startswith("missing") else f"; it was {repr(first['input'])[:80]}"
    example = getattr(part, "example", None)
    return UsageError(
        f"{'.'.join([where, *place])}: {' or '.join(reasons)}{value}.",
        f"It takes {', '.join(_known(part))}.",
        f"Write for example {example}." if example else "docs/scenarios.md shows each part.",
    )


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
        elif not place or (step == steps[-1] and not _IN_A_UNION.search(step)):
            place.append(step)
    return place, part


_IN_A_UNION = re.compile(r"^(str|float|int|bool|none|callable)$|\[")
"""What pydantic calls a member of a union; every other step is a key."""


def _known(kind: Any) -> list[str]:
    return [each.name for each in fields(kind) if each.init] if is_dataclass(kind) else []


def _class_in(hint: Any) -> Any:
    if is_dataclass(hint):
        return hint
    parts: list[Any] = [_class_in(part) for part in get_args(hint)]
    return next((part for part in parts if part), None)


def _words(value: Any, *, leaving_out: tuple[str, ...] = ()) -> str:
    """The arguments that differ from their defaults, as they are written in a call."""
    words: list[str] = []
    by_position = True
    for each in fields(value):
        argument = getattr(value, each.name)
        if not each.init or each.name in leaving_out or argument == _default(each):
            by_position = by_position and bool(each.kw_only)
            continue
        text = "…" if not each.repr else "math.inf" if argument == math.inf else repr(argument)
        words.append(text if by_position and not each.kw_only else f"{each.name}={text}")
    return ", ".join(words)


def _default(each: Field[Any]) -> Any:
    return each.default if each.default_factory is MISSING else each.default_factory()


def overlaid(first: T, second: T) -> T:
    """Two of a kind as one: where the second differs from its default it wins; dicts unite."""
    values: dict[str, Any] = {}
    for each in fields(first):  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        before, after = getattr(first, each.name), getattr(second, each.name)
        values[each.name] = before if after == _default(each) else after
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            values[each.name] = {**before, **after}
    return type(first)(**values)

"""The common half of all rules: a rule has a selection and exactly one verb.

The words are the same in Python, in a file and in messages: `on_call("batches.*", nth=3).fail(503)`
is `[[on_call]]` with `operation = "batches.*"`, `nth = 3` and `fail = { status = 503 }`, and a
report shows it as the test wrote it.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, MISSING, Field, dataclass, field, fields, is_dataclass
from datetime import timedelta
from functools import update_wrapper
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
)

from annotated_types import Ge, Gt, Le
from pydantic import (
    AfterValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    Strict,
    WithJsonSchema,
)
from pydantic_core import ArgsKwargs

from fakebatch import durations
from fakebatch.durations import Duration, microseconds
from fakebatch.errors import UsageError
from fakebatch.rules.validation import validated

if TYPE_CHECKING:
    from fakebatch.rules.fluent import Rules

P = ParamSpec("P")
T = TypeVar("T")

CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)

Count = Annotated[int, Strict(), Ge(1)]
"""A whole number from 1."""

Ratio = Annotated[float, Strict(), Ge(0), Le(1)]
"""A number from 0 to 1."""

PositiveRatio = Annotated[float, Strict(), Gt(0), Le(1)]
"""A number above 0, up to 1."""


def as_written(value: Any) -> Any:
    """A valid duration as the test wrote it; a timedelta as text.

    Raises:
        UsageError: the value is not a duration.
    """
    span = microseconds(value)
    return durations.text(span) if isinstance(value, timedelta) else value


Span = Annotated[
    Duration,
    PlainValidator(as_written),
    PlainSerializer(as_written),
    WithJsonSchema({"type": ["number", "string"], "description": durations.ACCEPTED}),
]
"""A duration, kept as the test wrote it."""


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
"""A whole number from 1, or `math.inf` (in TOML `inf`, in JSON "inf")."""

PYTHON_ONLY = WithJsonSchema({"not": {}})
"""Marks a callable, which a file cannot hold."""

Predicate = Annotated[Callable[[Any], bool], PYTHON_ONLY]

Names = Annotated[Sequence[str], AfterValidator(tuple)]


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def verb(example: str) -> Callable[[type[T]], type[T]]:
    """Make a class a verb: a frozen dataclass that pydantic validates.

    Its values are checked, and lists become tuples, where a test or a file writes the verb
    (`validated`). The class itself takes what it is called with.

    Args:
        example: a call of it, for error messages.
    """

    def decorate(kind: type[T]) -> type[T]:
        kind.example, kind.__pydantic_config__ = example, CONFIG  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
        return dataclass(frozen=True, slots=True)(kind)

    return decorate


def verb_name(kind: Any) -> str:
    """`connect_error` for the class `ConnectError`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Selects by order: the nth alone, the first `times`, or `times` from the nth on."""

    _: KW_ONLY
    nth: Count | None = None
    """The nth alone, counted from 1; with `times` that many, beginning with the nth."""
    times: Times | None = None
    """How many; without `nth` the first ones. `math.inf` has no end."""

    @property
    def is_ordered(self) -> bool:
        """Whether it selects by order at all."""
        return self.nth is not None or self.times is not None

    def includes(self, number: int) -> bool:
        """Whether the `number`th is selected, counted from 1."""
        first = self.nth or 1
        if self.times is None:
            return self.nth is None or number == first
        return first <= number < first + self.times


@dataclass(frozen=True, slots=True)
class OtherFields:
    """What every verb `override` can do to a JSON object on the wire."""

    _: KW_ONLY
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Values by field, which may be a new field."""
    blanks: Names = ()
    """Fields that are null; for TOML, which has no null for `fields`."""
    without: Names = ()
    """Fields that are left out."""

    def applied(self, wire: Mapping[str, Any]) -> dict[str, Any]:
        """The object with other fields."""
        changed = {**wire, **self.fields, **dict.fromkeys(self.blanks)}
        return {name: value for name, value in changed.items() if name not in self.without}


class Rule:
    """A selection and one verb: exactly one of the verb fields of a subclass is not None."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict]
    family: ClassVar[str]
    """The name of the call that selects, which is also its key in a file: `on_call`."""
    example: ClassVar[str]
    verbs: ClassVar[tuple[str, ...]]
    """The names of the verbs: the fields that the class itself declares."""

    def __init_subclass__(cls) -> None:
        if "verbs" not in vars(cls):  # dataclass(slots=True) makes a class twice
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
        """The verb itself, with its arguments."""
        return getattr(self, self.verb)

    def __str__(self) -> str:
        """The call that adds this rule; `…` stands for bodies, keys and callables."""
        selection, arguments = _arguments(self, without=self.verbs), _arguments(self.outcome)
        return f"{self.family}({selection}).{self.verb}({arguments})"


def holds(predicate: Callable[[Any], bool] | None, subject: Any, call: str, label: str) -> bool:
    """Whether a predicate of the test accepts an object; without one, every object is accepted.

    `call` and `label` are the names of the selector and of the object in the error.

    Raises:
        UsageError: the predicate raised an error.
    """
    try:
        return predicate is None or bool(predicate(subject))
    except Exception as error:
        raise callable_error(f"The predicate given to fakebatch.{call}", label, error) from error


def callable_error(what: str, label: str, error: Exception) -> UsageError:
    """The error for a callable of the test that raised when it was called for this object."""
    return UsageError(
        f"{what} raised {type(error).__name__}: {error}",
        f"It was called for {label}.",
        "Correct the callable; its traceback is above.",
    )


def callables(value: object, name: str = "") -> Iterator[str]:
    """The callables in a scenario, with their names: `where=is_first`."""
    if is_dataclass(value):
        for each in fields(value):
            yield from callables(getattr(value, each.name), each.name)
    elif isinstance(value, tuple):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            yield from callables(item, name)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, Mapping):
        yield from callables(tuple(value.values()), name)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    elif callable(value):
        yield f"{name}={getattr(value, '__qualname__', repr(value))}"


NOT_DATA = (
    "A callable of the test is not data.",
    (
        "Select by values, such as custom_id, contains, metadata, filename or id, and reply with "
        "a string or a body."
    ),
)
"""What to know, and to do, about a scenario that has to be data and holds callables."""

RuleT = TypeVar("RuleT", bound=Rule)


class Handle(Generic[RuleT]):
    """Returned by a verb: the rule that it added, and how often that rule was hit."""

    def __init__(self, rule: RuleT, count: Callable[[], int]) -> None:
        self.rule = rule
        """The rule, a frozen value."""
        self._count = count

    @property
    def hits(self) -> int:
        """How many lines, batches, uploads, requests or webhooks the rule selected so far.

        Lines count once their batch is created, whether they have run or not. If the batch fails
        validation, its readable lines count, but not for rules with a predicate or a `fraction`,
        which select no line of such a batch.
        """
        return self._count()

    def __repr__(self) -> str:
        return f"<{self.rule}, hits={self.hits}>"


class Selection(Generic[RuleT]):
    """Returned by `on` and its siblings; each of its verbs adds a rule and returns a handle."""

    rule: ClassVar[type[Any]]

    def __init__(self, owner: Rules, **selection: Any) -> None:
        self._owner = owner
        self._selection = {name: v for name, v in selection.items() if v is not None}
        self.has_verb = False
        """Whether a verb was called: a selection without one does nothing."""
        selector, _ = self.rule.__bases__
        self._selector = validated(selector, self._selection, self.rule.family)
        owner._add_selection(self)  # noqa: SLF001  # hidden from users, who hold the owner

    def __repr__(self) -> str:
        return f"{self.rule.family}({_arguments(self._selector)})"

    def add(self, kind: Callable[..., Any], arguments: ArgsKwargs) -> Handle[RuleT]:
        """Add a rule of this selection and a verb called with these arguments."""
        self.has_verb = True  # even if the arguments are invalid
        name, family = verb_name(kind), self.rule.family
        verb = validated(kind, arguments, f"{family}(…).{name}")
        rule = validated(self.rule, {**self._selection, name: verb}, family)
        return self._owner._add_rule(rule)  # noqa: SLF001


def method(kind: Callable[P, Any]) -> Callable[Concatenate[Selection[RuleT], P], Handle[RuleT]]:
    """The method that adds a verb, with the parameters and the docstring of its class."""

    def call(self: Selection[RuleT], /, *args: P.args, **kwargs: P.kwargs) -> Handle[RuleT]:
        return self.add(kind, ArgsKwargs(args, dict(kwargs)))

    update_wrapper(call, kind, updated=())
    own = signature(kind)
    parameters = [Parameter("self", Parameter.POSITIONAL_ONLY), *own.parameters.values()]
    call.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined] # pyright: ignore[reportFunctionMemberAccess]
    call.__name__ = call.__qualname__ = verb_name(kind)
    return call


def _arguments(value: Any, *, without: tuple[str, ...] = ()) -> str:
    """The fields that differ from their defaults, as the arguments of a call."""
    arguments: list[str] = []
    by_position = True
    for each in fields(value):
        argument = getattr(value, each.name)
        if not each.init or each.name in without or argument == _default(each):
            by_position = by_position and bool(each.kw_only)
            continue
        text = "…" if not each.repr else "math.inf" if argument == math.inf else repr(argument)
        arguments.append(text if by_position and not each.kw_only else f"{each.name}={text}")
    return ", ".join(arguments)


def _default(each: Field[Any]) -> Any:
    return each.default if each.default_factory is MISSING else each.default_factory()


def merged(first: T, second: T) -> T:
    """Two objects of a class as one: what the second sets wins; mappings are merged."""
    values: dict[str, Any] = {}
    for each in fields(first):  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        before, after = getattr(first, each.name), getattr(second, each.name)
        values[each.name] = before if after == _default(each) else after
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            values[each.name] = {**before, **after}
    return type(first)(**values)

# ruff: noqa: D101, PYI061
"""Writes pydantic.json, openai.json and instructor.json: the schemas that these libraries make.

pip install 'pydantic[email]' openai instructor && python tests/schemas/make_python.py
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

import instructor
import openai
import pydantic
from instructor import Maybe, Partial
from instructor.dsl.iterable import IterableModel
from instructor.processing.schema import generate_openai_schema
from openai.lib._pydantic import to_strict_json_schema
from pydantic import (
    AnyUrl,
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    HttpUrl,
    RootModel,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    computed_field,
    conint,
    conlist,
    constr,
)
from typing_extensions import TypedDict

T = TypeVar("T")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: Annotated[int, Field(ge=1, le=9)]


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str
    friends: list[Dog] = []


class Step(BaseModel):
    explanation: str
    output: str


class MathReasoning(BaseModel):
    steps: list[Step]
    final_answer: str


class Numbers(BaseModel):
    price: Decimal
    rounded: Annotated[Decimal, Field(max_digits=8, decimal_places=2, ge=0)]
    ratio: Annotated[float, Field(gt=0, lt=1)]
    step: Annotated[float, Field(multiple_of=0.05)]
    port: conint(ge=1024, lt=65536)  # type: ignore[valid-type]
    even: Annotated[int, Field(multiple_of=2, gt=10)]
    negative: pydantic.NegativeFloat
    count: pydantic.NonNegativeInt
    flag: bool


class Strings(BaseModel):
    model_config = ConfigDict(regex_engine="python-re")
    code: constr(pattern=r"^[A-Z]{3}-\d{4}$")  # type: ignore[valid-type]
    short: constr(min_length=2, max_length=5)  # type: ignore[valid-type]
    slug: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=40)]
    phone: Annotated[str, Field(pattern=r"^\+?[1-9]\d{1,14}$")]
    hexadecimal: Annotated[str, Field(pattern=r"^#(?:[0-9a-fA-F]{3}){1,2}$")]
    semver: Annotated[str, Field(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[\w.]+)?$")]
    words: Annotated[str, Field(pattern=r"^(\w+\s?)+$", min_length=10)]
    password: Annotated[str, Field(pattern=r"^(?=.*\d)(?=.*[a-z])(?=.*[A-Z]).{8,}$")]
    secret: SecretStr
    raw: bytes


class Times(BaseModel):
    when: datetime
    day: date
    clock: time
    lasts: timedelta
    aware: pydantic.AwareDatetime
    past: pydantic.PastDate


class Networks(BaseModel):
    id: UUID
    fourth: pydantic.UUID4
    email: EmailStr
    page: HttpUrl
    any: AnyUrl
    v4: IPv4Address
    v6: IPv6Address
    file: Path
    blob: pydantic.Base64Str
    json_text: pydantic.Json[dict[str, int]]


class Containers(BaseModel):
    many: conlist(int, min_length=2, max_length=4)  # type: ignore[valid-type]
    unique: Annotated[set[str], Field(min_length=3)]
    frozen: frozenset[Colour]
    pair: tuple[int, str]
    rest: tuple[float, ...]
    counts: dict[str, int]
    by_colour: dict[Colour, Annotated[int, Field(ge=3)]]
    by_code: Annotated[
        dict[Annotated[str, Field(pattern="^[a-z]{2}$")], int], Field(min_length=2, max_length=3)
    ]
    nested: dict[str, dict[str, list[tuple[int, Colour]]]]
    sequence: Sequence[date]


class Choices(BaseModel):
    colour: Colour
    level: Level
    literal: Literal["a", 1, True, None]
    maybe: Colour | None = None
    either: int | str | list[bool]
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    pets: Annotated[list[Annotated[Cat | Dog, Field(discriminator="kind")]], Field(min_length=2)]
    optional_list: list[Cat] | None
    limited: Annotated[str, Field(max_length=3)] | Annotated[int, Field(ge=7)] | None = 8
    const: Literal["only"] = "only"


class Tree(BaseModel):
    value: int
    left: Tree | None = None
    right: Tree | None = None


class Node(BaseModel):
    name: str
    children: Annotated[list[Node], Field(max_length=5)]


class Chain(BaseModel):
    next: Link


class Link(BaseModel):
    back: Chain | None
    label: Annotated[str, Field(min_length=1)]


class Expression(BaseModel):
    op: Literal["add", "mul"]
    args: conlist(int | Expression, min_length=2)  # type: ignore[valid-type]


class Page(BaseModel, Generic[T]):
    items: list[T]
    total: Annotated[int, Field(ge=0)]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", title="Nothing else")
    a: Annotated[int, Field(description="A number", examples=[1], alias="theA")]
    b: Annotated[str, Field(default="x", deprecated=True)]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int
    anything: Any
    thing: object
    nothing: None


class Computed(BaseModel):
    width: float
    price: Decimal = Decimal("1.5")

    @computed_field
    @property
    def area(self) -> Annotated[float, Field(ge=2)]:
        return self.width


class Animals(RootModel[list[Annotated[Cat | Dog, Field(discriminator="kind")]]]):
    pass


@dataclass
class Point:
    x: float
    y: float = 0.0
    tags: tuple[str, str] = ("a", "b")


class Movie(TypedDict, total=False):
    title: str
    year: Annotated[int, Field(gt=1888)]


class Pair(NamedTuple):
    left: int
    right: str = "r"


class UI(BaseModel):
    type: Literal["div", "button", "header", "section", "field", "form"]
    label: str
    children: list[UI]
    attributes: list[Step]


class Receipt(BaseModel):
    """What is bought.

    A longer description, which goes into the schema.
    """

    shop: str
    total: Annotated[float, Field(ge=0, le=1e6)]
    lines: Annotated[list[Step], Field(min_length=1, max_length=3)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    paid: datetime | None
    tags: list[Literal["food", "drink"]]


MODELS = [
    *(Cat, Dog, MathReasoning, Numbers, Strings, Times, Networks, Containers, Choices, Tree, Node),
    *(Chain, Expression, Page[Cat], Page[Page[int]], Closed, Open, Computed, Animals, UI, Receipt),
]
TYPES = {
    "dataclass": Point,
    "typed dict": Movie,
    "named tuple": Pair,
    "list of union": list[Cat | Dog],
    "dict of lists": dict[str, list[Colour]],
    "optional decimal": Decimal | None,
    "tuple of tuples": tuple[tuple[int, int], tuple[str, ...]],
    "unique levels": Annotated[set[Level], Field(min_length=2)],
    "unique dates": Annotated[set[date], Field(min_length=2)],
    "unique codes": Annotated[
        set[Annotated[str, Field(pattern=r"^[A-Z]\d$")]], Field(min_length=4)
    ],
    "unique ids": Annotated[set[UUID], Field(min_length=2)],
}
STRICT = [
    *(Cat, Dog, MathReasoning, Numbers, Strings, Times, Choices, Tree, Node, Chain, Expression),
    *(Page[Cat], UI, Receipt, Closed),
]


def write(name: str, source: str, schemas: dict[str, Any]) -> None:
    rows = [f"{json.dumps(key)}: {json.dumps(schemas[key])}" for key in schemas]
    text = f'{{"source": {json.dumps(source)}, "schemas": {{\n' + ",\n".join(rows) + "\n}}\n"
    Path(__file__).with_name(f"{name}.json").write_text(text, encoding="utf-8")


def main() -> None:
    schemas = {
        f"{model.__name__}, {mode}": model.model_json_schema(mode=mode)
        for model in MODELS
        for mode in ("validation", "serialization")
    }
    for name, kind in TYPES.items():
        for mode in ("validation", "serialization"):
            schemas[f"{name}, {mode}"] = TypeAdapter(kind).json_schema(mode=mode)
    write("pydantic", f"pydantic {pydantic.VERSION}, model_json_schema in both modes", schemas)

    strict = {f"response format {m.__name__}": to_strict_json_schema(m) for m in STRICT}
    for model in STRICT:
        tool: Any = openai.pydantic_function_tool(model, name="call")
        strict[f"tool {model.__name__}"] = tool["function"]["parameters"]
    source = "to_strict_json_schema and pydantic_function_tool"
    write("openai", f"openai-python {openai.__version__}, {source}", strict)

    calls: dict[str, Any] = {}
    for model in MODELS:
        # instructor has no tools for the others: a tool's parameters are an object with a title
        if "title" in model.model_json_schema() and not issubclass(model, RootModel):
            calls[model.__name__] = generate_openai_schema(model)["parameters"]
    made: tuple[Any, ...] = (IterableModel(Cat), Partial[Receipt], Maybe(Receipt))
    calls |= {model.__name__: model.model_json_schema() for model in made}
    write("instructor", f"instructor {instructor.__version__}, parameters of its tools", calls)


if __name__ == "__main__":
    main()

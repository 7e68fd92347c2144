from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from string import Formatter
from typing import Any, get_type_hints

import pytest
from pydantic import TypeAdapter

from fakebatch.batch.input_file import ASKS
from fakebatch.batch.lifecycle import Status
from fakebatch.batch.output_file import UNFINISHED
from fakebatch.dialects import (
    DIALECTS,
    OPENAI,
    Dialect,
    ErrorCode,
    ErrorKind,
    ErrorTemplate,
    canonical,
)
from fakebatch.dialects.facts import Evidence, amended, documented, inferred
from fakebatch.dialects.knobs import Window
from fakebatch.durations import microseconds
from fakebatch.errors import UsageError
from fakebatch.ids import Mint
from fakebatch.wire.operations import OPERATIONS

ALL = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
COPIES = [one for one in DIALECTS.values() if one is not OPENAI]
IS_A_COPY = pytest.mark.parametrize("dialect", COPIES, ids=lambda one: one.name)


@ALL
def test_a_dialect_has_words_for_everything(dialect: Dialect) -> None:
    """Whatever the service may refuse, find or lose, the provider can say it."""
    assert set(ErrorKind) == set(dialect.errors)
    assert set(ErrorCode) == set(dialect.batch_errors)
    assert set(UNFINISHED.values()) <= set(dialect.unfinished_line_errors)


@ALL
def test_a_dialect_speaks_in_templates_that_name_their_facts(dialect: Dialect) -> None:
    """Every template parses, and names no fact that OpenAI's own words do not know."""
    more = {"value", "status", "id", "limit", "method", "path", "name", "param"}
    for words, usual in _pairs(dialect):
        for template in (words.message, words.param or ""):
            assert "" not in _named(template)
            assert _named(template) <= _named(usual.message) | more


def _pairs(dialect: Dialect) -> Iterator[tuple[ErrorTemplate, ErrorTemplate]]:
    """What the provider says, and what OpenAI says in its place."""
    yield from ((dialect.errors[one], OPENAI.errors[one]) for one in ErrorKind)
    yield from ((dialect.batch_errors[one], OPENAI.batch_errors[one]) for one in ErrorCode)


def _named(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


@ALL
def test_a_dialect_knows_what_its_endpoints_ask_for(dialect: Dialect) -> None:
    """For each endpoint of a batch it is known what the body of a line must hold."""
    assert set(map(canonical, dialect.endpoints)) <= set(ASKS)


@ALL
def test_a_dialect_is_of_its_declared_types(dialect: Dialect) -> None:
    """The facts of a sheet are typed loosely; the value they make is not."""
    for one in fields(dialect):
        value = getattr(dialect, one.name)
        if one.name != "facts" and not is_dataclass(value):
            declared: Any = get_type_hints(Dialect)[one.name]
            TypeAdapter(declared).validate_python(value, strict=True)


@ALL
def test_a_dialect_speaks_of_things_there_are(dialect: Dialect) -> None:
    """Statuses, operations and forms of ids are those that exist."""
    assert set(dialect.cancels) | set(dialect.statuses) <= set(Status)
    assert set(dialect.answers) <= {operation.name for operation in OPERATIONS}
    assert all(
        Mint(b"").made(getattr(dialect.ids, one.name), 0)
        for one in fields(dialect.ids)
        if getattr(dialect.ids, one.name)
    )
    assert dialect.window.allows(dialect.window.usual)


@IS_A_COPY
def test_a_copy_differs_in_two_facts_at_least(dialect: Dialect) -> None:
    """One that only lives elsewhere is a base URL. Addresses and keys make no dialect."""
    names = [name for fact in dialect.facts for name, _ in fact.each()]
    of_no_weight = {"base_urls", "environment", "headers", "snapshots", "endpoints"}

    assert len(set(names) - of_no_weight) >= 2


@IS_A_COPY
def test_every_fact_names_its_source(dialect: Dialect) -> None:
    """And holds: what a sheet says last of a knob is what the dialect has."""
    for fact in dialect.facts:
        assert fact.source
        assert fact.knobs


def test_a_fact_says_each_value_it_sets() -> None:
    """Groups and tables entry by entry, other values whole."""
    fact = documented("x", window={"least": "1h", "most": "2h"}, statuses={"failed": "FAILED"})

    assert fact.evidence is Evidence.DOCUMENTED
    assert [*fact.each()] == [
        ("window.least", "1h"),
        ("window.most", "2h"),
        ("statuses", {"failed": "FAILED"}),
    ]


def test_a_copy_is_the_other_and_what_differs() -> None:
    """Later facts win; groups keep what is not said; the original stays."""
    copy = OPENAI.derive(
        "copy",
        "Copy",
        documented("x", limits={"batch_lines": 7}, endpoints=("/v1/embeddings",)),
        inferred("y", limits={"batch_bytes": 8}, errors={ErrorKind.NOT_JSON: _words()}),
        unknown=("z",),
    )

    assert (copy.limits.batch_lines, copy.limits.batch_bytes) == (7, 8)
    assert copy.limits.batch_inputs == OPENAI.limits.batch_inputs == 50_000
    assert copy.endpoints == ("/v1/embeddings",)
    assert copy.errors[ErrorKind.NOT_JSON] == _words()
    assert copy.errors[ErrorKind.NO_KEY] == OPENAI.errors[ErrorKind.NO_KEY]
    assert (copy.name, copy.unknown, len(copy.facts)) == ("copy", ("z",), 2)


def _words() -> object:
    return OPENAI.errors[ErrorKind.BAD_ORDER]


@pytest.mark.parametrize("knobs", [{"windows": 1}, {"window": {"unit": "h"}}])
def test_a_knob_there_is_not_is_told(knobs: dict[str, object]) -> None:
    """With the knobs there are in its place."""
    with pytest.raises(UsageError, match="A dialect has no '"):
        OPENAI.set(**knobs)
    with pytest.raises(KeyError):
        amended(OPENAI, knobs)


SPELT = {
    "/v1/chat/completions": "/v1/chat/completions",
    "/v4/chat/completions": "/v1/chat/completions",
    "/chat/completions": "/v1/chat/completions",
    "/v1/images/generations": "/v1/images/generations",
    "/very/v2/odd": "/v1/very/odd",
}


@pytest.mark.parametrize(("spelt", "expected"), SPELT.items())
def test_an_endpoint_has_one_name(spelt: str, expected: str) -> None:
    """Whatever version, or none, a provider writes before it."""
    assert canonical(spelt) == expected


DAYS = Window(units="hd", least="12h", most="7d")

WINDOWS = {
    "12h": True,
    "1d": True,
    "168h": True,
    "7d": True,
    "11h": False,
    "8d": False,
    "0d": False,
    "012h": False,
    "12": False,
    "h": False,
    "": False,
    "720m": False,
    "1.5d": False,
    "-1d": False,
    "1d12h": False,
    "\u0661\u0662h": False,
    "99999999d": False,
}


@pytest.mark.parametrize(("text", "allowed"), WINDOWS.items())
def test_a_window_is_a_whole_number_and_a_unit(text: str, allowed: bool) -> None:
    """Between both ends, which are allowed; another lasts as long as the usual one."""
    assert DAYS.allows(text) is allowed
    assert DAYS.lasts(text) == microseconds(text if allowed else "24h")


def test_a_window_says_what_is_known() -> None:
    """One, or the ends of a range."""
    assert (Window().known, DAYS.known) == ("'24h'", "'12h' to '7d'")

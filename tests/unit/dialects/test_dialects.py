from __future__ import annotations

import ast
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import TypeAdapter

import fakebatch
from fakebatch.batch.input_file import REQUIRED_PARAMS
from fakebatch.batch.output_file import UNFINISHED_CODES
from fakebatch.dialects import DIALECTS, OPENAI, Dialect, ErrorCode, ErrorKind, canonical, choose
from fakebatch.dialects.dialect import UnfinishedCode
from fakebatch.durations import microseconds

ALL = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
COPIES = [one for one in DIALECTS.values() if one is not OPENAI]
IS_A_COPY = pytest.mark.parametrize("dialect", COPIES, ids=lambda one: one.name)


@ALL
def test_a_dialect_has_words_for_everything(dialect: Dialect) -> None:
    """Whatever the service may refuse, find or lose, the provider can say it."""
    assert set(ErrorKind) == set(dialect.errors)
    assert set(ErrorCode) == set(dialect.batch_errors)
    assert set(UNFINISHED_CODES.values()) <= set(dialect.unfinished_line_errors)


@ALL
def test_a_dialect_names_what_is_known_of_an_error(dialect: Dialect) -> None:
    """No error has braces that could not be filled in."""
    assert choose(dialect) is dialect


def test_every_error_is_raised_with_what_its_words_name() -> None:
    """Where the package raises an error of some kind, the fields of OpenAI's words are there."""
    raised = set()
    for path in sorted(Path(fakebatch.__file__).parent.rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "APIError"):
                continue
            names = {keyword.arg for keyword in call.keywords}
            if None not in names:  # **values
                # a store is made with the kind that it raises
                source = ast.unparse(call.args[0]).replace("self._missing", "NO_SUCH_FILE")
                kind = ErrorKind[source.removeprefix("ErrorKind.")]
                words = f"{OPENAI.errors[kind].message}{OPENAI.errors[kind].param}"
                assert {name for _, name, *_ in Formatter().parse(words) if name} <= names, kind
                raised.add(kind)
    assert len(raised) > 25


@ALL
def test_a_dialect_knows_what_its_endpoints_ask_for(dialect: Dialect) -> None:
    """For each endpoint of a batch it is known what the body of a line must hold."""
    assert {canonical(dialect.aliases.get(url, url)) for url in dialect.endpoints} <= {
        *REQUIRED_PARAMS
    }


@ALL
def test_a_dialect_is_of_its_declared_types(dialect: Dialect) -> None:
    """What `settings` makes of a file is what pydantic makes of the annotations."""
    for field in fields(dialect):
        value = getattr(dialect, field.name)
        if not is_dataclass(value):
            TypeAdapter(plain(field.type)).validate_python(value, strict=True)


def plain(annotation: Any) -> Any:
    """The annotation without checks."""
    if get_origin(annotation) is Annotated:
        return get_args(annotation)[0]
    inner = tuple(map(plain, get_args(annotation)))
    return get_origin(annotation)[inner] if inner else annotation


def test_codes_of_unfinished_lines_are_those_there_are() -> None:
    """The annotation has those of the emulator."""
    assert {*UNFINISHED_CODES.values()} <= {*get_args(UnfinishedCode)[1].values}


@pytest.mark.parametrize("name", [one.name for one in COPIES if one.name != "compatible"])
def test_a_copy_differs_in_two_facts_at_least(name: str) -> None:
    """One that only lives elsewhere is `compatible` with a base URL: addresses make no dialect."""
    dialect = DIALECTS[name]
    names = {name for fact in dialect.facts for name in fact.settings}
    parts = {part for fact in dialect.facts for part in fact.settings.get("shapes", ())}
    of_no_weight = {"base_urls", "environment", "headers", "snapshots", "endpoints", "shapes"}

    assert len((names | parts) - of_no_weight) >= 2


@IS_A_COPY
def test_every_fact_says_what_differs_and_names_its_source(dialect: Dialect) -> None:
    """In words, beside its settings."""
    for fact in dialect.facts:
        assert all((fact.what, fact.source, fact.settings))


def test_set_changes_groups_and_tables_entry_by_entry() -> None:
    """Other values are replaced; the original stays."""
    words = OPENAI.errors[ErrorKind.BAD_ORDER]
    changed = OPENAI.set(
        limits={"batch_lines": 7},
        endpoints=["/v1/embeddings"],
        errors={ErrorKind.NOT_JSON: words},
        statuses={"failed": "FAILED"},
        headers={"x": "y"},
    )

    assert (changed.limits.batch_lines, OPENAI.limits.batch_lines) == (7, 50_000)
    assert changed.limits.batch_inputs == OPENAI.limits.batch_inputs
    assert changed.endpoints == ("/v1/embeddings",)
    assert changed.errors[ErrorKind.NOT_JSON] == words
    assert changed.errors[ErrorKind.NO_KEY] == OPENAI.errors[ErrorKind.NO_KEY]
    assert (changed.statuses, changed.headers) == ({"failed": "FAILED"}, {"x": "y"})


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


DAYS = replace(OPENAI.window, units="hd", least="12h", most="7d")

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
    assert (OPENAI.window.known, DAYS.known) == ("'24h'", "'12h' to '7d'")

"""A rule in Python, in a file, and in messages: one vocabulary."""

from __future__ import annotations

import json
import math
import pickle
import tomllib
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import tomli_w

from fakebatch import FakeBatch, Scenario, UsageError
from fakebatch.dialects.dialect import OPERATIONS
from fakebatch.rules.batches import BatchRule
from fakebatch.rules.calls import CallRule
from fakebatch.rules.files import FileRule
from fakebatch.rules.lines import LineRule
from fakebatch.rules.loading import dump, read, schema
from fakebatch.rules.rule import Handle, verb_name
from fakebatch.rules.webhooks import WebhookRule
from fakebatch.wire import operations
from support.verbs import ROWS, Written

KINDS = (LineRule, BatchRule, FileRule, CallRule, WebhookRule)
SCHEMA = jsonschema.Draft202012Validator(schema())
every_verb = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.call)


def handle(call: str, fake: FakeBatch | None = None) -> Handle[Any]:
    fake = fake or FakeBatch()
    names: dict[str, Any] = {kind.family: getattr(fake, kind.family) for kind in KINDS}
    made: Handle[Any] = eval(call, {**names, "math": math})  # noqa: S307  # rows of this project
    return made


def from_file(row: Written) -> Any:
    [rule] = getattr(read({row.family: [row.table]}), row.family)
    return rule


def test_no_verb_is_missing_from_the_table() -> None:
    """Each has a row; but `replay`, which reads a file."""
    shown = {(row.family, verb_name(type(from_file(row).outcome))) for row in ROWS}
    known = {(kind.family, name) for kind in KINDS for name in kind.verbs}
    assert known - shown == {("on", "replay")}


@every_verb
def test_a_file_has_the_same_rule(row: Written) -> None:
    """The keys of its table are the parameters of the call; a verb is a table of its own."""
    assert handle(row.call).rule == from_file(row)


@every_verb
def test_the_words_of_a_rule_make_the_rule(row: Written) -> None:
    """What a report shows can be pasted into a test, but for bodies, keys and callables."""
    rule = from_file(row)
    if "…" not in str(rule):
        assert handle(str(rule)).rule == rule


@every_verb
def test_a_rule_survives_being_written(row: Written) -> None:
    """As JSON, as TOML, and pickled."""
    rule = from_file(row)
    scenario = Scenario().with_rule(rule)
    data = dump(scenario)

    assert read(json.loads(json.dumps(data))) == scenario
    assert pickle.loads(pickle.dumps(scenario)) == scenario  # noqa: S301  # our own
    if "None" not in str(data):
        assert read(tomllib.loads(tomli_w.dumps(data))) == scenario


@every_verb
def test_the_schema_knows_it(row: Written) -> None:
    """What a file may hold is what the JSON schema allows."""
    data = dump(read({row.family: [row.table]}))
    SCHEMA.validate(data)


@pytest.mark.parametrize(
    "data",
    [
        {"on_call": [{"operation": "*"}]},
        {"on": [{"drop": {}, "hang": {}}]},
        {"on_call": [{"fail": {}}]},
        {"no": 1},
    ],
    ids=str,
)
def test_the_schema_refuses_what_cannot_be_read(data: dict[str, Any]) -> None:
    """No verb, two verbs, a parameter too few, an unknown part."""
    assert not SCHEMA.is_valid(data)
    with pytest.raises(UsageError):
        read(data)


def test_a_verb_returns_a_handle() -> None:
    """With the rule as a value."""
    made = handle("on_call('batches.*', nth=3).fail(503)")
    assert (made.rule.nth, made.rule.fail.status, made.hits) == (3, 503, 0)
    assert repr(made) == "<on_call('batches.*', nth=3).fail(503), hits=0>"


WORDS: dict[str, str] = {
    "on(lambda line: True).fail(429)": "on(…).fail(429)",
    "on().reply('hi')": "on().reply(…)",
    "on_call(key='sk-secret').fail(401, body={'a': 1})": "on_call(key=…).fail(401, body=…)",
    "on_call(times=math.inf).reset(applied=True)": "on_call(times=math.inf).reset(applied=True)",
    "on_batch(2, times=1).fail('x')": "on_batch(nth=2, times=1).fail('x')",
    "on_batch().fail(message='x')": "on_batch().fail(message='x')",
    "on_batch().fail(errors=[{'code': 'x', 'line': 2}])": (
        "on_batch().fail(errors=({'code': 'x', 'line': 2},))"
    ),
}


@pytest.mark.parametrize(("call", "words"), WORDS.items(), ids=WORDS)
def test_bodies_keys_and_callables_are_left_out_of_messages(call: str, words: str) -> None:
    """A key is a secret, and a body fills a screen."""
    assert str(handle(call).rule) == words


SELECTED: dict[str, tuple[dict[str, Any], set[int]]] = {
    "neither: all": ({}, {1, 2, 3, 4, 5}),
    "the third alone": ({"nth": 3}, {3}),
    "the third and fourth": ({"nth": 3, "times": 2}, {3, 4}),
    "the first two": ({"times": 2}, {1, 2}),
    "no end": ({"nth": 4, "times": math.inf}, {4, 5}),
    "all, in other words": ({"times": math.inf}, {1, 2, 3, 4, 5}),
}


@pytest.mark.parametrize(("selection", "expected"), SELECTED.values(), ids=SELECTED)
def test_nth_is_exactly_the_nth(selection: dict[str, Any], expected: set[int]) -> None:
    """In every family whose members come one after the other."""
    for kind in (BatchRule, FileRule, WebhookRule):
        verb = next(row for row in ROWS if row.family == kind.family).table
        name = next(each for each in kind.verbs if each in verb)
        rule: Any = read({kind.family: [{**selection, name: verb[name]}]})
        [rule] = getattr(rule, kind.family)
        assert {number for number in range(1, 6) if rule.includes(number)} == expected


def test_the_operations_are_those_of_the_emulator() -> None:
    """What `on_call` knows by name is what answers."""
    assert tuple(operation.name for operation in operations.OPERATIONS) == OPERATIONS


def test_a_key_is_not_shown() -> None:
    """Neither by a rule, nor by its handle, nor by a selection."""
    selection = FakeBatch().on_call(key="sk-secret")
    made = selection.fail(401)
    assert not any("sk-secret" in shown for shown in (repr(made.rule), repr(made), repr(selection)))

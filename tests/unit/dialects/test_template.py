from __future__ import annotations

import re
from typing import Any

import pytest

from fakebatch.dialects.template import Sentence, Shape, render

FIELDS = {
    "id": "x",
    "errors": {"object": "list", "data": [1]},
    "nothing": None,
    "text": "t",
}

SHAPES: dict[str, tuple[str, Any]] = {
    "fields by their names, in order": ("text id", {"text": "t", "id": "x"}),
    "under another name": ("name=id", {"name": "x"}),
    "nested": ("a.b.id a.c=text", {"a": {"b": {"id": "x"}, "c": "t"}}),
    "a member of a field": ("errors=errors.data", {"errors": [1]}),
    "a member of null": ("errors=nothing.data", {"errors": None}),
    "a member there is not": ("a=errors.b.c", {"a": None}),
    "a member of a text": ("a=text.b", {"a": None}),
    "literals": (
        'a=null b="" c="ok" d=20000 e=true f=[]',
        {"a": None, "b": "", "c": "ok", "d": 20000, "e": True, "f": []},
    ),
    "a whole field": ("data=errors", {"data": {"object": "list", "data": [1]}}),
    "nothing": ("", {}),
}


@pytest.mark.parametrize(("shape", "expected"), SHAPES.values(), ids=SHAPES)
def test_a_shape_makes_an_object_of_fields(shape: str, expected: Any) -> None:
    """Keys in the order of the shape, nested by their paths."""
    rendered = render(shape, FIELDS)

    assert rendered == expected
    assert list(rendered) == list(expected)


MISTAKES: dict[str, tuple[str, str]] = {
    "an unknown field": ("id=ident", "there is no field 'ident'"),
    "an unknown member": ("errors.dta id", "there is no field 'dta'"),
    "an unknown member after =": ("id e=errors.dta", "there is no field 'errors.dta'"),
    "a literal that is none": ("id e=nul", "there is no field 'nul'"),
    "a key twice": ("id id", "'id' appears twice"),
    "a value and a key below it": (
        "id text text.id",
        "'text.id' is nested in a key that has a val",
    ),
    "a key and a value above it": ("id text.id text", "'text' appears twice"),
    "no value": ("id text=", "'text=' has no key or no value"),
    "no key": ("id =text", "'=text' has no key or no value"),
    "half a path": ("id a..text", "'a..text' has no key or no value"),
    "without what it needs": ("text", "the key 'id' is missing"),
}


@pytest.mark.parametrize(("shape", "problem"), MISTAKES.values(), ids=MISTAKES)
def test_a_shape_is_checked_before_it_is_used(shape: str, problem: str) -> None:
    """The mistake is named, and the fields there are."""
    check = Shape("id text nothing.* errors errors.data", needs="id")
    with pytest.raises(ValueError, match=re.escape(problem)):
        check(shape)

    assert check("id text e=errors.data f.g=nothing.at.all h=3").startswith("id")


SENTENCES: dict[str, tuple[str, str]] = {
    "a field that is known": ("no {id}", ""),
    "a number with commas": ("{limit:,} lines", ""),
    "doubled braces": ("{{id}}", ""),
    "an unknown field": ("no {ident}", "has an unknown field, 'ident'"),
    "a lone brace": ("{", "cannot be filled in: Single '{' encountered"),
    "a brace that ends nothing": ("}", "cannot be filled in: Single '}' encountered"),
    "a field without a name": ("{}", "cannot be filled in: "),
    "a field by number": ("{0}", "cannot be filled in: "),
    "a member": ("{id.x}", "cannot be filled in: "),
    "a format of another type": ("{id:,}", "cannot be filled in: "),
}


@pytest.mark.parametrize(("text", "problem"), SENTENCES.values(), ids=SENTENCES)
def test_a_sentence_is_checked_before_it_is_used(text: str, problem: str) -> None:
    """The mistake is named, and what may stand in braces."""
    check = Sentence("id", "limit")
    if not problem:
        assert check(text) == text
        return
    with pytest.raises(ValueError, match=re.escape(problem)) as caught:
        check(text)

    assert "{id}, {limit}" in caught.value.args[1]

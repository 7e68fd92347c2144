from __future__ import annotations

from typing import Any

import pytest

from fakebatch.dialects.shape import shaped

FACTS = {
    "id": "x",
    "errors": {"object": "list", "data": [1]},
    "nothing": None,
    "text": "t",
}

SHAPES: dict[str, tuple[str, Any]] = {
    "facts by their names, in order": ("text id", {"text": "t", "id": "x"}),
    "under another name": ("name=id", {"name": "x"}),
    "nested": ("a.b.id a.c=text", {"a": {"b": {"id": "x"}, "c": "t"}}),
    "a member of a fact": ("errors=errors.data", {"errors": [1]}),
    "a member of null": ("errors=nothing.data", {"errors": None}),
    "a member there is not": ("a=errors.b.c", {"a": None}),
    "a member of a text": ("a=text.b", {"a": None}),
    "literals": (
        'a=null b="" c="ok" d=20000 e=true f=[]',
        {"a": None, "b": "", "c": "ok", "d": 20000, "e": True, "f": []},
    ),
    "a whole fact": ("data=errors", {"data": {"object": "list", "data": [1]}}),
    "nothing": ("", {}),
}


@pytest.mark.parametrize(("shape", "expected"), SHAPES.values(), ids=SHAPES)
def test_a_shape_makes_an_object_of_facts(shape: str, expected: Any) -> None:
    """Keys in the order of the shape, nested by their paths."""
    made = shaped(shape, FACTS)

    assert made == expected
    assert list(made) == list(expected)


def test_an_unknown_fact_is_an_error() -> None:
    """A sheet cannot ask for what there is not."""
    with pytest.raises(KeyError):
        shaped("id=ident", FACTS)

"""The data compared with the parameter types of the SDK that is installed."""

from __future__ import annotations

import collections.abc
import json
from collections.abc import Iterator
from functools import cache
from types import UnionType
from typing import Any, Literal, Required, Union, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types import (
    completion_create_params,
    embedding_create_params,
    image_edit_params,
    image_generate_params,
    moderation_create_params,
    video_create_params,
)
from openai.types.chat import completion_create_params as chat_params
from openai.types.responses import response_create_params, response_input_item_param
from typing_extensions import get_type_hints, is_typeddict

from fakebatch.bodies import judge_of

TYPES: dict[str, Any] = {
    "/v1/chat/completions": chat_params.CompletionCreateParamsNonStreaming,
    "/v1/completions": completion_create_params.CompletionCreateParamsNonStreaming,
    "/v1/embeddings": embedding_create_params.EmbeddingCreateParams,
    "/v1/images/edits": image_edit_params.ImageEditParamsNonStreaming,
    "/v1/images/generations": image_generate_params.ImageGenerateParamsNonStreaming,
    "/v1/moderations": moderation_create_params.ModerationCreateParams,
    "/v1/responses": response_create_params.ResponseCreateParamsNonStreaming,
    "/v1/videos": video_create_params.VideoCreateParams,
}
JUDGED = {"invalid_type", "invalid_value", "unknown_parameter"}
"""The codes that a body valid by the types must never get."""


@pytest.mark.parametrize("endpoint", TYPES)
def test_every_parameter_of_the_sdk_is_known(endpoint: str) -> None:
    """None is an unknown parameter, for whichever model."""
    judge = judge_of(endpoint, "all")
    assert judge is not None
    assert get_type_hints(TYPES[endpoint]).keys() - judge._schema["properties"].keys() == set()


def literals(kind: Any) -> Iterator[str]:
    """The strings that a type lists, if it has no other strings."""
    if get_origin(kind) is Literal:
        yield from (value for value in get_args(kind) if isinstance(value, str))
    elif get_origin(kind) in (Union, UnionType) and str not in get_args(kind):
        for each in get_args(kind):
            yield from literals(each)


VALUES = [
    pytest.param(endpoint, name, value, id=f"{endpoint[4:]} {name} {value}")
    for endpoint, kind in TYPES.items()
    for name, hint in get_type_hints(kind).items()
    for value in literals(hint)
]


@pytest.mark.parametrize(("endpoint", "name", "value"), VALUES)
def test_every_value_of_the_sdk_is_accepted(endpoint: str, name: str, value: str) -> None:
    """A value that the types list is never an invalid one."""
    judge = judge_of(endpoint, "all")
    assert judge is not None
    inputs = {"messages": [{"role": "user", "content": "hi"}], "input": "hi", "prompt": "hi"}
    known = get_type_hints(TYPES[endpoint])
    body = {key: inputs[key] for key in inputs if key in known and key != name}
    if endpoint == "/v1/responses":
        del body["prompt"]
    if name == "tool_choice":
        body["tools"] = [{"type": "function", "name": "f", "function": {"name": "f"}}]
    error = judge.error({"model": "m", **body, name: value})
    assert error is None


ITEMS = {
    value
    for item in get_args(response_input_item_param.ResponseInputItemParam)
    for value in literals(get_type_hints(item)["type"])
}


@pytest.mark.parametrize("kind", sorted(ITEMS - {"message"}))
def test_every_item_of_the_sdk_is_accepted(kind: str) -> None:
    """An item of `input` may have each type that there is."""
    judge = judge_of("/v1/responses", "all")
    assert judge is not None
    assert judge.error({"model": "m", "input": [{"type": kind}]}) is None


WORDS = st.sampled_from(["a", "b1", "json"])


def later(kind: Any) -> st.SearchStrategy[Any]:
    """The same when it is drawn from: types contain themselves."""
    return st.deferred(lambda: valid(kind))


@cache
def valid(kind: Any) -> st.SearchStrategy[Any]:
    """JSON values of a type."""
    origin, args = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        hints = get_type_hints(kind)
        members = {name: later(hint) for name, hint in hints.items()}
        # `__required_keys__` is empty: the SDK's annotations are strings
        marks: dict[str, Any] = {
            name: get_origin(hint)
            for name, hint in get_type_hints(kind, include_extras=True).items()
        }
        required = {name: members.pop(name) for name in hints if marks[name] is Required}
        names = st.lists(st.sampled_from([*members]), max_size=3) if members else st.just([])
        return names.flatmap(
            lambda some: st.fixed_dictionaries(
                {**required, **{name: members[name] for name in some}}
            )
        )
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, UnionType):
        return st.one_of([later(each) for each in args])
    if origin in (dict, collections.abc.Mapping):
        return st.dictionaries(WORDS, valid(args[1]), max_size=2)
    if origin is not None:  # a list, an Iterable or a SequenceNotStr
        return st.lists(later(args[0]), min_size=1, max_size=2)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: WORDS,
        int: st.integers(16, 20),
        float: st.sampled_from([0, 1, 0.5]),
        bool: st.booleans(),
        type(None): st.none(),
        object: st.none() | WORDS,
    }
    return simple[kind]


CONVERSED = ["/v1/chat/completions", "/v1/responses", "/v1/completions", "/v1/moderations"]


@pytest.mark.parametrize("endpoint", CONVERSED)
@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=100)
@given(data=st.data())
def test_a_body_that_is_valid_by_the_types_is_not_refused_for_its_form(
    endpoint: str, data: st.DataObject
) -> None:
    """No value has a wrong type, is not supported or has an unknown name."""
    judge = judge_of(endpoint, "all")
    assert judge is not None
    body = data.draw(valid(TYPES[endpoint]))
    error = judge.error(json.loads(json.dumps({**body, "model": "m"})))
    assert error is None or error.code not in JUDGED, error

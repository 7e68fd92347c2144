"""What goes wrong comes as the SDK's own exceptions, in the words of the service."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat

pytestmark = pytest.mark.sync


@pytest.mark.parametrize(
    ("call", "message", "param"),
    [
        pytest.param("batches.retrieve", "No batch found with id 'x'.", None, id="a batch"),
        pytest.param("batches.cancel", "No batch found with id 'x'.", None, id="a cancel"),
        pytest.param("files.retrieve", "No such File object: x", "id", id="a file"),
        pytest.param("files.delete", "No such File object: x", "id", id="a deletion"),
        pytest.param("files.content", "No such File object: x", "id", id="a download"),
    ],
)
def test_what_is_unknown_is_not_found(
    do: Driver, call: str, message: str, param: str | None
) -> None:
    """An unknown id is a NotFoundError that names it."""
    with pytest.raises(openai.NotFoundError) as caught:
        do(attrgetter(call)(do.client), "x")

    error = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
    assert caught.value.body == error
    assert (caught.value.request_id or "").startswith("req_")


@pytest.mark.parametrize(
    ("changed", "code", "message"),
    [
        pytest.param(
            {"endpoint": "/v1/x"}, "invalid_value", "Invalid value: '/v1/x'", id="an endpoint"
        ),
        pytest.param(
            {"completion_window": "1h"}, "invalid_value", "values are: '24h'", id="a window"
        ),
        pytest.param(
            {"metadata": {"k": [1]}}, "invalid_type", "but got an array", id="a list in metadata"
        ),
        pytest.param(
            {"metadata": {"k": "v" * 513}},
            "string_above_max_length",
            "maximum length 512",
            id="a long value",
        ),
        pytest.param(
            {"metadata": {"k" * 65: "v"}},
            "property_name_above_max_length",
            "maximum length 64",
            id="a long key",
        ),
        pytest.param(
            {"metadata": {str(i): "v" for i in range(17)}},
            "object_above_max_properties",
            "at most 16 properties",
            id="too many pairs",
        ),
        pytest.param(
            {"extra_body": {"input_file_id": None}},
            "missing_required_parameter",
            "Missing required parameter: 'input_file_id'",
            id="no input file",
        ),
        pytest.param(
            {"extra_body": {"output_expires_after": {"anchor": "created_at", "seconds": 60}}},
            "integer_below_min_value",
            "Expected a value >= 3600",
            id="a short life of the results",
        ),
    ],
)
def test_a_bad_creation_is_refused(
    do: Driver, changed: dict[str, Any], code: str, message: str
) -> None:
    """A BadRequestError with the service's code; no batch is created."""
    with pytest.raises(openai.BadRequestError, match=message) as caught:
        do.create([chat("a")], **changed)

    assert caught.value.code == code
    assert do.all(do.client.batches.list) == []


@pytest.mark.parametrize(
    ("call", "asked", "error"),
    [
        pytest.param("batches.list", {"limit": -1}, openai.BadRequestError, id="a limit below 0"),
        pytest.param("batches.list", {"limit": 101}, openai.BadRequestError, id="a limit of 101"),
        pytest.param("batches.list", {"after": "x"}, openai.NotFoundError, id="an unknown batch"),
        pytest.param(
            "files.list", {"limit": 10_001}, openai.BadRequestError, id="a limit of files"
        ),
        pytest.param("files.list", {"after": "x"}, openai.NotFoundError, id="an unknown file"),
        pytest.param("files.list", {"order": "up"}, openai.BadRequestError, id="an order"),
    ],
)
def test_a_bad_listing_is_refused(
    do: Driver, call: str, asked: dict[str, Any], error: type[openai.APIStatusError]
) -> None:
    """Limits, orders and places that do not exist are errors, not empty pages."""
    with pytest.raises(error):
        do(attrgetter(call)(do.client), **asked)


@pytest.mark.fakebatch(api_keys=["sk-good"])
def test_a_wrong_key_is_an_authentication_error(do: Driver) -> None:
    """The message shows no more of the key than the service does."""
    with pytest.raises(openai.AuthenticationError) as caught:
        do(do.client.with_options(api_key="sk-bad-key-of-mine").batches.list)

    assert caught.value.code == "invalid_api_key"
    assert "sk-bad-k******mine" in caught.value.message
    assert do(do.client.with_options(api_key="sk-good").batches.list).data == []


@pytest.mark.fakebatch(limits={"creates_per_hour": 2})
def test_too_many_creations_are_a_rate_limit_error(do: Driver, fakebatch: FakeBatch) -> None:
    """Two within the hour are let in; an hour later another."""
    for _ in range(2):
        do.create([chat("a")])
    with pytest.raises(openai.RateLimitError, match="Limit 2 per hour") as caught:
        do.create([chat("a")])

    assert caught.value.code == "rate_limit_exceeded"
    fakebatch.clock.advance("1h")
    assert do.create([chat("a")]).status == "validating"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_a_rule_that_fails_a_direct_call(
    do: Driver, fakebatch: FakeBatch, status: int, error: type[openai.APIStatusError]
) -> None:
    """The same rule that fails a line is an exception of the SDK for a direct call."""
    fakebatch.on(contains="weather").fail(status, message="No.")
    with pytest.raises(error, match="No\\."):
        do(do.client.responses.create, model="gpt-4o", input="weather?")


CLASSES = {
    "a status below 500": (418, "The request is invalid.", "invalid_request_error"),
    "the last of them": (499, "The request is invalid.", "invalid_request_error"),
    "a status above 500": (504, "The server had an error", "server_error"),
}


@pytest.mark.parametrize(("status", "message", "kind"), CLASSES.values(), ids=CLASSES)
def test_a_line_with_a_status_without_words_of_its_own(
    do: Driver, fakebatch: FakeBatch, status: int, message: str, kind: str
) -> None:
    """It has those of its class, 400 or 500."""
    fakebatch.on().fail(status)
    [line] = do.results(do.run([chat("a")]).error_file_id)
    error = line["response"]["body"]["error"]

    assert line["response"]["status_code"] == status
    assert (error["message"][: len(message)], error["type"]) == (message, kind)


def test_a_direct_call_without_input_is_refused(do: Driver) -> None:
    """Of several parameters of which one has to be there, the error names the first."""
    with pytest.raises(openai.BadRequestError) as caught:
        do(do.client.responses.create, model="gpt-4o")

    assert (caught.value.param, caught.value.code) == ("input", "missing_required_parameter")

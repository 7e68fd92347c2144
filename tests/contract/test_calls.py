"""What goes wrong with HTTP calls, as the SDK shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from fakebatch import FakeBatch
from fakebatch.dialects.dialect import OperationName
from fakebatch.rules.calls import OnCall
from fakebatch.rules.rule import Handle
from support.client import Driver, chat
from support.doors import TIME, rows

HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"
PATIENT = 600
"""The SDK's own read timeout, in seconds."""

AddFault = Callable[[OnCall], Handle[Any]]
Row = tuple[AddFault, type[openai.APIError], int, float]
"""The fault, what is raised, after how many requests, and after how many seconds at least."""

QUICK = 0.2
"""A read timeout that ends in real time, at the door where timeouts do."""

FAILURES: dict[str, Row] = {
    "an overloaded service": (lambda c: c.fail(503), openai.InternalServerError, 3, 0),
    "a page of a gateway": (lambda c: c.fail(502, body=HTML), openai.InternalServerError, 3, 0),
    "an error with an empty body": (
        lambda c: c.fail(500, body=""),
        openai.InternalServerError,
        3,
        0,
    ),
    "an error the SDK does not retry": (lambda c: c.fail(403), openai.PermissionDeniedError, 1, 0),
    "an error that says not to retry": (
        lambda c: c.fail(503, headers={"x-should-retry": "false"}),
        openai.InternalServerError,
        1,
        0,
    ),
    "a rate limit, with seconds": (
        lambda c: c.fail(429, retry_after="20s"),
        openai.RateLimitError,
        3,
        40,
    ),
    "a rate limit, with a date": (
        lambda c: c.fail(429, retry_after=20, http_date=True),
        openai.RateLimitError,
        3,
        40,
    ),
    "a key that is valid no more": (lambda c: c.fail(401), openai.AuthenticationError, 1, 0),
    "no answer in time": (lambda c: c.timeout(), openai.APITimeoutError, 3, 3 * PATIENT),
    "a first byte that comes too late": (
        lambda c: c.slow(first_byte="11m"),
        openai.APITimeoutError,
        3,
        3 * PATIENT,
    ),
    "a body that stalls": (
        lambda c: c.slow(gap="11m", pieces=2),
        openai.APITimeoutError,
        3,
        3 * PATIENT,
    ),
    "a reset connection": (lambda c: c.reset(), openai.APIConnectionError, 3, 0),
    "a server that hangs up": (lambda c: c.disconnect(), openai.APIConnectionError, 3, 0),
    "a refused connection": (lambda c: c.connect_error(), openai.APIConnectionError, 3, 0),
    "a name that does not resolve": (
        lambda c: c.connect_error("dns"),
        openai.APIConnectionError,
        3,
        0,
    ),
    "a broken TLS handshake": (lambda c: c.connect_error("tls"), openai.APIConnectionError, 3, 0),
    "no connection in time": (
        lambda c: c.connect_error("connect_timeout"),
        openai.APITimeoutError,
        3,
        3 * 5,
    ),
    "a body shorter than its length": (lambda c: c.truncate(0.5), openai.APIConnectionError, 3, 0),
    "a body without its last chunk": (
        lambda c: c.truncate(0.5, framing="chunked"),
        openai.APIConnectionError,
        3,
        0,
    ),
    "a body that is not gzip": (
        lambda c: c.headers({"content-encoding": "gzip"}),
        openai.APIConnectionError,
        3,
        0,
    ),
}


@pytest.mark.parametrize("operation", ["batches.list", "files.content"])
@pytest.mark.parametrize("row", rows(FAILURES, {"a rate limit, with a date": TIME}))
def test_a_fault_is_the_sdks_own_exception(
    do: Driver, fakebatch: FakeBatch, door: str, operation: OperationName, row: Row
) -> None:
    """It comes after the SDK's own retries, and the clock has moved as far as they waited."""
    add_fault, error, requests, seconds = row
    id_ = do.upload([chat("a")]).id
    fault, client = add_fault(fakebatch.on_call(operation)), do.client
    if door == "socket" and error is openai.APITimeoutError:
        client, seconds = client.with_options(timeout=QUICK), 0
    with pytest.raises(error) as caught:
        if operation == "files.content":
            do(client.files.content, id_)
        else:
            do(client.batches.list)

    assert type(caught.value) is error
    assert fault.hits == requests
    assert seconds <= fakebatch.clock.elapsed < seconds + 5


ODD_ANSWERS: dict[str, tuple[AddFault, Any]] = {
    "a page with status 200": (lambda c: c.reply(HTML), HTML),
    "an error object with status 200": (
        lambda c: c.reply({"error": {"message": "No."}}),
        {"error": {"message": "No."}},
    ),
    "a text with status 203": (lambda c: c.reply("moved", status=203), "moved"),
}


@pytest.mark.parametrize(("add_fault", "expected"), ODD_ANSWERS.values(), ids=ODD_ANSWERS)
def test_another_answer_is_taken_for_the_true_one(
    do: Driver, fakebatch: FakeBatch, add_fault: AddFault, expected: Any
) -> None:
    """The SDK does not look: a page becomes a text, an error a batch without a status."""
    id_ = do.create([chat("a")]).id
    add_fault(fakebatch.on_call("batches.retrieve"))
    answer = do.client.batches.with_raw_response.retrieve(id_)
    raw: Any = do.runner.run(_awaited(answer)) if do.is_async else answer

    parsed = raw.parse()
    assert expected == (parsed if isinstance(parsed, str) else json.loads(raw.content))
    assert getattr(parsed, "status", None) is None


async def _awaited(answer: Any) -> Any:
    return await answer


def test_a_silent_cut_is_no_error(do: Driver, fakebatch: FakeBatch) -> None:
    """A body that ends where its connection does loses lines, and nobody is told."""
    content = (json.dumps(chat("a")).encode() + b"\n") * 100
    id_ = do.upload(content).id
    fakebatch.on_call("files.content").truncate(0.3, framing="silent")

    assert do(do.client.files.content, id_).content == content[: len(content) * 3 // 10]


@TIME
def test_a_slow_answer_takes_virtual_time(do: Driver, fakebatch: FakeBatch) -> None:
    """A minute until it begins, and nine between its ten pieces."""
    id_ = do.upload([chat("a")]).id
    fakebatch.on_call("files.content").slow(first_byte="1m", gap="1m")

    assert b"custom_id" in do(do.client.files.content, id_).content
    assert fakebatch.clock.elapsed == 600


def test_a_wrong_charset_spoils_the_text_alone(do: Driver, fakebatch: FakeBatch) -> None:
    """`.text` is mojibake; `.content` is what was uploaded."""
    id_ = do.upload(json.dumps(chat("é"), ensure_ascii=False).encode()).id
    fakebatch.on_call("files.content").headers({"Content-Type": "text/plain; charset=iso-8859-1"})
    answer = do(do.client.files.content, id_)

    assert "Ã©" in answer.text
    assert "é".encode() in answer.content


@pytest.mark.sync
def test_a_streamed_download_raises_what_the_http_stack_raises(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """No retry, and no error of the SDK: `except openai.OpenAIError` misses it."""
    client: Any = do.client
    id_ = client.files.create(file=b"{}", purpose="batch").id
    fault = fakebatch.on_call("files.content").truncate(0.5)
    with (
        pytest.raises(Exception, match="peer closed connection without sending") as caught,
        client.files.with_streaming_response.content(id_) as response,
    ):
        b"".join(response.iter_bytes())

    assert type(caught.value).__name__ == "RemoteProtocolError"
    assert not isinstance(caught.value, openai.OpenAIError)
    assert fault.hits == 1


def with_real_timeouts(do: Driver, door: str) -> Any:
    """The client; at the socket, where a timeout lasts as long as it says, one with a short one."""
    return do.client.with_options(timeout=1) if door == "socket" else do.client


LOST: dict[str, AddFault] = {
    "an error": lambda c: c.fail(500, applied=True),
    "another answer": lambda c: c.reply(HTML, status=502, applied=True),
    "a timeout": lambda c: c.timeout(applied=True),
    "a reset": lambda c: c.reset(applied=True),
    "a server that hangs up": lambda c: c.disconnect(applied=True),
}


@pytest.mark.parametrize("add_fault", LOST.values(), ids=LOST)
def test_a_creation_whose_answer_is_lost_makes_a_second_batch(
    do: Driver, fakebatch: FakeBatch, door: str, add_fault: AddFault
) -> None:
    """Applied, then lost: the SDK sends it again by itself, and knows one of two batches."""
    add_fault(fakebatch.on_call("batches.create", nth=1))
    do.client = with_real_timeouts(do, door)
    batch = do.create([chat("a")])

    assert len(fakebatch.batches) == 2
    assert fakebatch.batches.last().id == batch.id


REFUSED: dict[str, AddFault] = {
    "an error": lambda c: c.fail(500),
    "another answer": lambda c: c.reply(HTML, status=502),
    "a timeout": lambda c: c.timeout(),
    "a reset": lambda c: c.reset(),
    "a server that hangs up": lambda c: c.disconnect(),
}


@pytest.mark.parametrize("add_fault", REFUSED.values(), ids=REFUSED)
def test_a_fault_that_is_not_applied_changes_nothing(
    do: Driver, fakebatch: FakeBatch, door: str, add_fault: AddFault
) -> None:
    """The first creation never reached the service."""
    fault = add_fault(fakebatch.on_call("batches.create", nth=1))
    do.client = with_real_timeouts(do, door)
    do.create([chat("a")])

    assert (len(fakebatch.batches), fault.hits) == (1, 1)


@pytest.mark.parametrize(
    ("operation", "status", "message"),
    [
        pytest.param("batches.retrieve", 404, "No batch found with id 'x'.", id="no batch"),
        pytest.param("files.retrieve", 404, "No such File object: x", id="no file"),
        pytest.param("batches.retrieve", 429, "Rate limit reached", id="a rate limit"),
        pytest.param("batches.retrieve", 418, "The request is invalid.", id="any other"),
        pytest.param("batches.retrieve", 599, "The server had an error", id="any other error"),
    ],
)
def test_a_failure_has_the_providers_usual_words(
    do: Driver, fakebatch: FakeBatch, operation: OperationName, status: int, message: str
) -> None:
    """Those it has for that status, where the test gives none."""
    fakebatch.on_call(operation).fail(status)
    kind, verb = operation.split(".")
    with pytest.raises(openai.APIStatusError) as caught:
        do(getattr(getattr(do.client, kind), verb), "x")

    assert message in caught.value.message
    assert caught.value.status_code == status


OVERRIDDEN: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], bool]]] = {
    # what is overridden, and what a list of one batch after that batch is then
    "nothing": ({}, lambda page: page["data"] == [] and page["has_more"] is False),
    "a field": (
        {"fields": {"has_more": True, "x_new": 1}},
        lambda page: (page["data"], page["has_more"], page["x_new"]) == ([], True, 1),
    ),
    "a field that is null": ({"blanks": ["data"]}, lambda page: page["data"] is None),
    "a field that is missing": ({"without": ["data"]}, lambda page: "data" not in page),
    "a parameter": ({"ignores": ["after"]}, lambda page: len(page["data"]) == 1),
}


@pytest.mark.untyped
@pytest.mark.parametrize(("verb", "holds"), OVERRIDDEN.values(), ids=OVERRIDDEN)
def test_a_response_can_be_overridden(
    do: Driver,
    fakebatch: FakeBatch,
    verb: dict[str, Any],
    holds: Callable[[dict[str, Any]], bool],
) -> None:
    """The rest is as it would be; the request is carried out."""
    if verb:
        fakebatch.on_call("batches.list").override(**verb)
    batch = do.create([chat("a")])
    page = do.wire(do.client.batches.with_raw_response.list, after=batch.id)
    assert holds(page)
    assert page.get("object") == "list"


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda client: client.files.content, id="a response that is no object"),
        pytest.param(lambda client: client.batches.retrieve, id="an error"),
    ],
)
def test_what_is_no_object_of_the_api_is_not_overridden(
    do: Driver, fakebatch: FakeBatch, call: Callable[[Any], Any]
) -> None:
    """Files and errors stay as they are."""
    file_id = fakebatch.files.add(b'{"a": 1}').id

    def reply() -> bytes:
        try:
            content: bytes = do(call(do.client), file_id).content
        except openai.NotFoundError as error:
            return error.response.content
        return content

    before = reply()
    override = fakebatch.on_call().override(fields={"a": 2})
    assert (reply(), override.hits) == (before, 1)

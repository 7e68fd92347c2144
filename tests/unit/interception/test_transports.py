"""Ready clients, and our own transports for clients of one's own."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import httpx2
import openai
import pytest

from fakebatch import FakeBatch, RefusedRequest
from support.client import Driver, chat, jsonl

BATCHES = "https://api.openai.com/v1/batches"
KEY = {"Authorization": "Bearer sk-some-key"}
LONG = jsonl(chat(f"row-{number}", "x" * 1000) for number in range(200))


@pytest.fixture(params=[FakeBatch.openai, FakeBatch.async_openai], ids=["sync", "async"])
def ready(request: pytest.FixtureRequest, fakebatch: FakeBatch) -> Iterator[Driver]:
    """A ready client of the SDK."""
    driver = Driver(request.param(fakebatch))
    yield driver
    driver.runner.close()


def test_a_ready_client_goes_through_the_whole_life_of_a_batch(ready: Driver) -> None:
    """Upload, create, poll, download: all of it by our own transport."""
    batch = ready.run([chat("a", "hello")])
    (line,) = ready.results(batch.output_file_id)

    assert batch.status == "completed"
    assert line["response"]["body"]["choices"][0]["message"]["content"] == "hello"


def test_a_call_is_counted_once(ready: Driver, fakebatch: FakeBatch) -> None:
    """The routes know the calls of a ready client as they know those that respx took."""
    ready(ready.client.batches.list, limit=3)
    route = fakebatch.router["batches.list"]

    assert (route.call_count, fakebatch.router.calls.call_count) == (1, 1)
    assert route.calls.last.request.url.params["limit"] == "3"
    assert route.calls.last.request.headers["authorization"] == "[redacted]"
    assert route.calls.last.response.json()["data"] == []


def test_a_route_the_test_mocks_answers_a_ready_client(ready: Driver, fakebatch: FakeBatch) -> None:
    """What is mocked is mocked by whatever way a request comes."""
    fakebatch.router["batches.list"].respond(418, json={"error": {"message": "mine"}})
    with pytest.raises(openai.APIStatusError, match="mine") as caught:
        ready(ready.client.batches.list)

    assert caught.value.status_code == 418
    assert fakebatch.router["batches.list"].call_count == 1


def test_a_fault_the_test_mocks_reaches_a_ready_client(ready: Driver, fakebatch: FakeBatch) -> None:
    """The SDK retries it, in virtual time, and every attempt is counted."""
    route = fakebatch.router["batches.list"]
    route.mock(side_effect=httpx.ReadTimeout("slow"))
    with pytest.raises(openai.APITimeoutError):
        ready(ready.client.batches.list)

    assert [call.has_response for call in route.calls] == [False, False, False]


def test_a_ready_client_can_be_told_more(fakebatch: FakeBatch) -> None:
    """Its options are the SDK's own."""
    fakebatch.router["batches.list"].respond(500)
    with pytest.raises(openai.InternalServerError):
        fakebatch.openai(max_retries=0).batches.list()
    assert fakebatch.router["batches.list"].call_count == 1


@pytest.mark.fakebatch(api_keys=["sk-good"])
def test_a_ready_client_has_a_key_that_is_accepted(fakebatch: FakeBatch) -> None:
    """It is ready in any case; another key can be given."""
    assert fakebatch.openai().batches.list().data == []
    with pytest.raises(openai.AuthenticationError):
        fakebatch.openai(api_key="sk-bad").batches.list()


def test_a_ready_client_needs_no_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is patched then, and time is real; the user's key and organization are not read."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-real")
    fake = FakeBatch(base_url="https://example.test/v1")
    client = fake.openai()
    before = int(time.time())
    created = client.batches.create(
        input_file_id="file-1", endpoint="/v1/embeddings", completion_window="24h"
    )

    assert before <= created.created_at <= time.time()
    assert "real" not in str(fake.router["batches.create"].calls.last.request.headers.raw)
    assert (client.api_key, client.organization) != ("sk-real", "org-real")
    assert os.environ["OPENAI_API_KEY"] == "sk-real"


@pytest.mark.parametrize("module", [httpx, httpx2])
def test_a_reply_knows_how_long_it_took(fakebatch: FakeBatch, module: Any) -> None:
    """No time: that of the emulator is virtual."""
    client = module.Client(transport=fakebatch.transport(module), headers=KEY)
    assert client.get(BATCHES).elapsed.total_seconds() == 0


def in_a_loop(module: Any, transport: Any, url: str) -> Any:
    async def get() -> Any:
        async with module.AsyncClient(transport=transport, headers=KEY) as client:
            return await client.get(url)

    return asyncio.run(get())


def at_once(module: Any, transport: Any, url: str) -> Any:
    with module.Client(transport=transport, headers=KEY) as client:
        return client.get(url)


@pytest.mark.parametrize("module", [httpx, httpx2])
@pytest.mark.parametrize("get", [at_once, in_a_loop])
def test_one_transport_serves_clients_of_both_kinds(module: Any, get: Any) -> None:
    """`transport(httpx2)` is for httpx2.Client and httpx2.AsyncClient."""
    fake = FakeBatch()
    response = get(module, fake.transport(module), BATCHES + "?limit=2")

    assert isinstance(response, module.Response)
    assert (response.status_code, response.json()["data"]) == (200, [])


@pytest.mark.parametrize("module", [httpx, httpx2])
@pytest.mark.parametrize("get", [at_once, in_a_loop])
def test_a_transport_refuses_what_nobody_answers(module: Any, get: Any) -> None:
    """Nothing ever leaves by it, not even to this machine."""
    with pytest.raises(RefusedRequest, match=r"GET http://localhost:1/x was refused: nothing"):
        get(module, FakeBatch().transport(module), "http://localhost:1/x?token=secret")


@pytest.mark.parametrize("module", [httpx, httpx2])
@pytest.mark.parametrize("get", [at_once, in_a_loop])
def test_a_transport_knows_the_routes_a_test_adds(module: Any, get: Any) -> None:
    """Those of other hosts too."""
    fake = FakeBatch()
    fake.router.get("https://example.com/").respond(201, json={"mine": True})
    response = get(module, fake.transport(module), "https://example.com/")

    assert (response.status_code, response.json()) == (201, {"mine": True})


def test_a_long_form_for_another_operation_is_no_json(fakebatch: FakeBatch) -> None:
    """A form is refused where JSON is due, however long."""
    client = httpx2.Client(transport=fakebatch.transport(httpx2), headers=KEY)
    response = client.post(BATCHES, files={"file": LONG})
    assert response.status_code == 400


def test_a_download_can_be_streamed(ready: Driver, fakebatch: FakeBatch) -> None:
    """In blocks, or line by line."""
    id_ = ready.upload(LONG).id
    client = httpx2.Client(transport=fakebatch.transport(httpx2), headers=KEY)
    with client.stream("GET", f"https://api.openai.com/v1/files/{id_}/content") as response:
        blocks = [*response.iter_bytes(4096)]

    assert b"".join(blocks) == LONG
    assert len(blocks) > 10


@pytest.mark.parametrize("own", [True, False], ids=["a ready client", "through respx"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_results_too_long_to_hold_are_streamed(
    own: bool, is_async: bool, fakebatch: FakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They arrive whole, with their length, the same each time."""
    monkeypatch.setattr("fakebatch.batch.output_file.MAX_CACHED", 1000)
    client: Any
    if is_async:
        client = fakebatch.async_openai() if own else openai.AsyncOpenAI()
    else:
        client = fakebatch.openai() if own else openai.OpenAI()
    do = Driver(client)
    file_id = do.run([chat(f"r-{number}") for number in range(20)]).output_file_id
    first, second = (do(client.files.content, file_id) for _ in range(2))
    do.runner.close()

    assert first.content == second.content == fakebatch.files[file_id].content
    assert first.content.count(b"\n") == 20
    assert first.response.headers["content-length"] == str(len(first.content))
    assert fakebatch.files[file_id].bytes == len(first.content)
    kept = fakebatch.router["files.content"].calls.last.response
    assert (kept.content, kept.headers["x-fakebatch-body"]) == (b"", "[left out: over 64 kB]")


FAULTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "a timeout": (lambda call: call.timeout(), "ReadTimeout"),
    "a reset": (lambda call: call.reset(), "ReadError"),
    "a body that is cut": (lambda call: call.truncate(0.5), "RemoteProtocolError"),
}


@pytest.mark.parametrize(("say", "error"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("module", [httpx, httpx2])
@pytest.mark.parametrize("get", [at_once, in_a_loop])
def test_faults_are_those_of_the_clients_own_library(
    fakebatch: FakeBatch, module: Any, get: Any, say: Callable[[Any], object], error: str
) -> None:
    """As through respx; and the call is counted."""
    say(fakebatch.on_call("batches.list"))
    with pytest.raises(getattr(module, error)):
        get(module, fakebatch.transport(module), BATCHES)
    assert fakebatch.router["batches.list"].call_count == 1
    assert fakebatch.router.calls.last.request.url.path == "/v1/batches"

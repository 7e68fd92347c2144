"""What the respx routes of the operations show, and what a test can do with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import httpx2
import openai
import pytest

from fakebatch import FakeBatch, RefusedRequest
from support.client import Driver, chat, jsonl

KEY = {"Authorization": "Bearer sk-some-key"}
LIST = "https://api.openai.com/v1/batches"
EMPTY = {"object": "list", "data": [], "has_more": False}


def test_calls_are_counted_exactly_and_the_last_hundred_kept(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """Over 250 polls `call_count` knows them all, and `calls` holds the last 100."""
    id_ = do.create([chat("a")]).id
    for _ in range(250):
        do(do.client.batches.retrieve, id_)
    route = fakebatch.router["batches.retrieve"]

    assert (route.called, route.call_count, len(route.calls)) == (True, 250, 100)
    assert fakebatch.router.calls.call_count == 252
    assert route.calls.last.request.url.path == f"/v1/batches/{id_}"
    assert fakebatch.router["batches.cancel"].called is False


def test_calls_can_be_cut_and_gone_through(fakebatch: FakeBatch) -> None:
    """As a list: each is a call of respx."""
    client = openai.OpenAI()
    for limit in (1, 2, 3):
        client.batches.list(limit=limit)
    calls = fakebatch.router["batches.list"].calls

    assert [call.request.url.params["limit"] for call in calls] == ["1", "2", "3"]
    assert [call.request.url.params["limit"] for call in calls[1:]] == ["2", "3"]
    assert calls[-1] is calls[-1:][0]


def test_calls_can_be_asserted_and_forgotten(fakebatch: FakeBatch) -> None:
    """A route is one of respx: its calls are a mock's calls, and `reset` forgets them."""
    openai.OpenAI().batches.list(limit=3)
    route = fakebatch.router["batches.list"]

    route.calls.assert_called_once()
    assert route.calls.last.request.url.params["limit"] == "3"
    assert route.calls.last.response.json()["data"] == []
    route.reset()
    assert (route.called, route.call_count) == (False, 0)


def test_the_router_can_forget_all_calls(fakebatch: FakeBatch) -> None:
    """`router.reset()` forgets those of every operation."""
    openai.OpenAI().batches.list()
    fakebatch.router.reset()

    assert fakebatch.router["batches.list"].call_count == 0


SECRET = "sk-secret"
PLACES: dict[str, dict[str, Any]] = {
    **{
        header: {"headers": {**KEY, header: value}}
        for header, value in {
            "Authorization": f"Bearer {SECRET}",
            "authorization": f"Basic {SECRET}",
            "AUTHORIZATION": SECRET,
            "Proxy-Authorization": f"Basic {SECRET}",
            "api-key": SECRET,
            "X-API-Key": SECRET,
            "x-goog-api-key": SECRET,
            "Ocp-Apim-Subscription-Key": SECRET,
            "X-Amz-Security-Token": SECRET,
            "x-functions-key": SECRET,
            "Cookie": f"session={SECRET}",
            "webhook-signature": f"v1,{SECRET}",
        }.items()
    },
    **{
        f"?{name}=": {"headers": KEY, "params": {"limit": 1, name: SECRET}}
        for name in ("api_key", "apikey", "API-KEY", "key", "code", "sig", "access_token", "secret")
    },
    "a cookie of the client": {"headers": KEY, "cookies": {"session": SECRET}},
    "a user in the URL": {"url": LIST.replace("://", f"://{SECRET}:{SECRET}@")},
}


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("ready", [True, False], ids=["our transport", "respx"])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_keys_are_not_kept(
    place: dict[str, Any], ready: bool, library: Any, fakebatch: FakeBatch
) -> None:
    """Nobody finds a key in a recorded call, the journal, the timeline or a refusal."""
    place = {"url": LIST, **place}
    transport = fakebatch.transport(library) if ready else None
    route = fakebatch.router.get("https://example.com/mine").respond(204)
    with library.Client(transport=transport, cookies=place.pop("cookies", None)) as client:
        client.get(**place)
        client.get(**place | {"url": place["url"].replace("/v1/batches", "/v1/nope")})
        mine = place["url"].replace("api.openai.com/v1/batches", "example.com/mine")
        client.get(**place | {"url": mine})
        with pytest.raises(RefusedRequest) as refused:
            client.get(**place | {"url": place["url"].replace("openai", "elsewhere")})
    assert (fakebatch.router["batches.list"].call_count, route.call_count) == (1, 1)
    shown = [refused.value, fakebatch.timeline(), fakebatch.journal, fakebatch.router.calls]
    for call in (*fakebatch.router.calls, *fakebatch.router["batches.list"].calls):
        shown += [call, call.request.url, call.request.url.raw_path, call.request.headers.raw]
    assert SECRET not in " ".join(map(str, shown)) + " ".join(map(repr, shown))


def test_what_is_no_key_is_kept(fakebatch: FakeBatch) -> None:
    """Other headers and parameters are there, in their order and spelling."""
    url = f"{LIST}?limit=2&after=batch%5F1"
    httpx.get(url, headers={**KEY, "Idempotency-Key": "once", "OpenAI-Organization": "org-1"})
    request = fakebatch.router["batches.list"].calls.last.request
    assert str(request.url) == url
    assert request.headers["idempotency-key"] == "once"
    assert request.headers["openai-organization"] == "org-1"


@pytest.mark.parametrize(
    ("length", "kept"),
    [
        pytest.param(60_000, True, id="up to 64 kB"),
        pytest.param(70_000, False, id="beyond 64 kB"),
    ],
)
def test_bodies_are_kept(do: Driver, fakebatch: FakeBatch, length: int, kept: bool) -> None:
    """Of the upload and of the download; the file is whole in any case."""
    content = jsonl([chat("a", "x" * length)])
    id_ = do.upload(content).id
    assert do(do.client.files.content, id_).content == content

    sent = fakebatch.router["files.create"].calls.last.request.content
    got = fakebatch.router["files.content"].calls.last.response.content
    assert (content in sent, got == content) == (kept, kept)
    assert (sent == b"", got == b"") == (not kept, not kept)
    assert fakebatch.files.only().content == content


async def _teapot(_: httpx.Request) -> httpx.Response:
    await asyncio.sleep(0)
    return httpx.Response(418)


MOCKS: dict[str, Callable[[Any], object]] = {
    "a status and JSON": lambda route: route.respond(418, json={"error": {"message": "mine"}}),
    "a response": lambda route: route.mock(return_value=httpx.Response(418)),
    "the operator %": lambda route: route % 418,
    "a function": lambda route: route.mock(side_effect=lambda _: httpx.Response(418)),
    "a function that takes the route": lambda route: route.mock(
        side_effect=lambda _, route: httpx.Response(418 + route.call_count)
    ),
    "a coroutine function": lambda route: route.mock(side_effect=_teapot),
    "responses in a row": lambda route: route.mock(side_effect=[httpx.Response(418)]),
}


@pytest.mark.parametrize("mock", MOCKS.values(), ids=MOCKS)
def test_a_route_the_test_mocks_answers_instead(
    do: Driver, fakebatch: FakeBatch, mock: Callable[[Any], object]
) -> None:
    """An operation's route takes respx's own vocabulary, and is still counted."""
    route = fakebatch.router["batches.list"]
    mock(route)
    with pytest.raises(openai.APIStatusError) as caught:
        do(do.client.batches.list)

    assert (caught.value.status_code, route.call_count) == (418, 1)


class _Pieces(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"object": "list", "data": [], '
        await asyncio.sleep(30)
        yield b'"has_more": false}'


def test_a_mocked_response_may_stream(fakebatch: FakeBatch) -> None:
    """An async client reads its pieces as they come; the clock moves in between."""

    async def main() -> list[Any]:
        async with openai.AsyncOpenAI() as client:
            return (await client.batches.list()).data

    fakebatch.router["batches.list"].respond(stream=_Pieces())
    assert asyncio.run(main()) == []
    assert fakebatch.clock.elapsed == 30


def test_a_coroutine_function_may_answer_an_async_client(fakebatch: FakeBatch) -> None:
    """It may sleep: the clock moves."""

    async def busy(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(30)
        return httpx.Response(418)

    async def main() -> None:
        with pytest.raises(openai.APIStatusError):
            await openai.AsyncOpenAI().batches.list()

    fakebatch.router["batches.list"].mock(side_effect=busy)
    asyncio.run(main())
    assert fakebatch.clock.elapsed == 30


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(httpx.ReadTimeout("slow"), openai.APITimeoutError, id="a timeout of httpx"),
        pytest.param(httpx.ConnectError, openai.APIConnectionError, id="a class of httpx"),
        pytest.param(httpx2.ReadTimeout("slow"), openai.APITimeoutError, id="a timeout of httpx2"),
        pytest.param(httpx2.ConnectError, openai.APIConnectionError, id="a class of httpx2"),
    ],
)
def test_a_fault_the_test_mocks_reaches_the_client(
    do: Driver, fakebatch: FakeBatch, fault: Any, error: type[Exception]
) -> None:
    """The SDK retries it and then tells."""
    fakebatch.router["batches.list"].mock(side_effect=fault)
    with pytest.raises(error):
        do(do.client.batches.list)
    assert fakebatch.clock.elapsed > 0


def test_a_fault_the_test_mocks_is_counted(do: Driver, fakebatch: FakeBatch) -> None:
    """Three attempts are three calls; one without a response says so."""
    route = fakebatch.router["batches.list"]
    route.mock(
        side_effect=[httpx.ConnectError("x"), httpx.Response(503), httpx.Response(200, json=EMPTY)]
    )
    do(do.client.batches.list)

    assert [call.has_response for call in route.calls] == [False, True, True]


def test_the_emulator_answers_again_once_a_mock_is_taken_back(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """What happened meanwhile happened to the mock, not to the emulator."""
    route = fakebatch.router["batches.cancel"]
    batch = do.create([chat("a")])
    route.side_effect = [httpx.Response(400), httpx.Response(400)]
    for _ in range(2):
        with pytest.raises(openai.BadRequestError):
            do(do.client.batches.cancel, batch.id)
    route.side_effect = None

    assert do(do.client.batches.retrieve, batch.id).status == "validating"
    assert do(do.client.batches.cancel, batch.id).status == "cancelling"


def test_a_route_added_to_the_router_answers_too(fakebatch: FakeBatch) -> None:
    """The router is a respx router: it takes routes of other hosts, and names for them."""
    fakebatch.router.get("https://example.com/", name="mine").respond(204)
    assert httpx.get("https://example.com/").status_code == 204
    assert fakebatch.router["mine"].call_count == 1


def test_a_route_added_for_an_emulated_url_comes_first(fakebatch: FakeBatch) -> None:
    """The test knows better than the emulator."""
    fakebatch.router.get(LIST).respond(418)
    assert httpx.get(LIST, headers=KEY).status_code == 418


def test_there_is_no_route_of_an_unknown_operation(fakebatch: FakeBatch) -> None:
    """As with any mapping."""
    with pytest.raises(KeyError, match=r"batches\.frobnicate"):
        fakebatch.router["batches.frobnicate"]


def test_an_endpoint_that_is_not_emulated_is_refused_loudly(fakebatch: FakeBatch) -> None:
    """The real service has it, fakebatch has not: the test is told which operations there are."""
    with pytest.raises(RefusedRequest) as caught:
        openai.OpenAI().images.generate(prompt="a cat", model="m")

    came, known, to_do = str(caught.value).split("\n")
    assert came == "fakebatch: POST /images/generations is not emulated."
    assert known.startswith("Known are: files.create, files.list, files.retrieve, files.delete,")
    assert to_do == "Answer it with a respx route of your own, or do not call it in this test."


SPELLINGS = {
    "a host that ends with a dot": ("https://api.openai.com./v1/files/f", "f"),
    "a host in capitals": ("https://API.OpenAI.com/v1/files/f", "f"),
    "the usual port": ("https://api.openai.com:443/v1/files/f", "f"),
    "an encoded slash in an id": ("https://api.openai.com/v1/files/a%2Fb", "a/b"),
    "the same in small letters": ("https://api.openai.com/v1/files/a%2fb%20c", "a/b c"),
    "braces in an id": ("https://api.openai.com/v1/files/{id}", "{id}"),
    "an id that is encoded twice": ("https://api.openai.com/v1/files/a%252Fb", "a%2Fb"),
}


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize(("url", "id_"), SPELLINGS.values(), ids=SPELLINGS)
def test_an_address_may_be_spelled_otherwise(
    url: str, id_: str, library: Any, fakebatch: FakeBatch
) -> None:
    """RFC 3986 and 4343: it is the same host, and an id is one segment."""
    response = library.get(url, headers=KEY)
    assert response.json()["error"]["message"] == f"No such File object: {id_}"


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "//files", 404, "Invalid URL (GET /v1//files)"),
        ("GET", "/nope", 404, "Invalid URL (GET /v1/nope)"),
        ("GET", "/", 404, "Invalid URL (GET /v1/)"),
        ("GET", "/batches/", 404, "No batch found with id ''."),
        ("PUT", "/files", 405, "Not allowed to PUT on /v1/files (HINT: Perhaps you meant to use"),
        ("DELETE", "/batches/x", 405, "Not allowed to DELETE on /v1/batches/x (HINT: Perhaps"),
    ],
)
def test_a_url_that_no_service_has_is_answered_as_the_service_would(
    method: str, path: str, status: int, message: str, fakebatch: FakeBatch
) -> None:
    """An unknown path is 404, a wrong method 405, in the words of the service."""
    response = httpx.request(method, f"https://api.openai.com/v1{path}", headers=KEY)

    assert response.json()["error"]["message"].startswith(message)
    assert response.status_code == status

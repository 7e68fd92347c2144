"""Azure through its own client: both families of paths, both kinds of keys, files that wait."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import openai
import pytest

from fakebatch import FakeBatch, FakeBatchError, RefusedRequest, UsageError
from support.client import chat, jsonl

pytestmark = pytest.mark.fakebatch(dialect="azure")

ENDPOINT = "https://contoso.openai.azure.com"
VERSION = "2024-10-21"
LINE = {**chat("a", model="my-deployment"), "url": "/chat/completions"}

CLIENTS: dict[str, Any] = {
    "the classic API, api-key": lambda: openai.AzureOpenAI(
        azure_endpoint=ENDPOINT, api_version=VERSION, api_key="mine"
    ),
    "the classic API, Entra": lambda: openai.AzureOpenAI(
        azure_endpoint=ENDPOINT, api_version=VERSION, azure_ad_token="mine"
    ),
    "the classic API, a deployment": lambda: openai.AzureOpenAI(
        azure_endpoint=ENDPOINT, azure_deployment="my-deployment", api_version=VERSION, api_key="x"
    ),
    "the classic API, the variable": lambda: openai.AzureOpenAI(
        azure_endpoint=ENDPOINT, api_version=VERSION
    ),
    "the v1 API, the plain client": lambda: openai.OpenAI(
        base_url=f"{ENDPOINT}/openai/v1/", api_key="mine"
    ),
    "the v1 API of Foundry": lambda: openai.OpenAI(
        base_url="https://contoso.services.ai.azure.com/openai/v1/", api_key="mine"
    ),
    "the classic API of Foundry": lambda: openai.AzureOpenAI(
        azure_endpoint="https://contoso.cognitiveservices.azure.com",
        api_version=VERSION,
        api_key="mine",
    ),
}


@pytest.fixture
def client() -> Any:
    return CLIENTS["the classic API, api-key"]()


def run(client: Any, fake: FakeBatch, *lines: dict[str, Any], **asked: Any) -> Any:
    """A batch after an hour or two."""
    file = client.files.create(file=("in.jsonl", jsonl(lines)), purpose="batch")
    fake.clock.advance("1m")
    given: Any = {"endpoint": "/chat/completions", "completion_window": "24h", **asked}
    batch = client.batches.create(input_file_id=file.id, **given)
    fake.clock.advance("2h")
    return client.batches.retrieve(batch.id)


@pytest.mark.parametrize("made", CLIENTS.values(), ids=CLIENTS)
def test_each_client_takes_a_batch_through_its_life(made: Any, fakebatch: FakeBatch) -> None:
    """Whatever the resource is called; cancel and list go the same way."""
    client = made()
    done = run(client, fakebatch, LINE)

    assert done.status == "completed"
    assert "my-deployment" in client.files.content(done.output_file_id).text
    assert [one.id for one in client.batches.list()] == [done.id]


def test_a_file_has_to_be_processed_first(client: Any, fakebatch: FakeBatch) -> None:
    """Until then a batch is refused, in the words that people report."""
    file = client.files.create(file=("in.jsonl", jsonl([LINE])), purpose="batch")
    asked: Any = {"input_file_id": file.id, "endpoint": "/chat/completions"}
    assert file.status == "pending"
    with pytest.raises(openai.BadRequestError, match="is in 'pending' state"):
        client.batches.create(**asked, completion_window="24h")
    fakebatch.clock.advance(30)

    assert client.files.retrieve(file.id).status == "processed"
    assert client.batches.create(**asked, completion_window="24h").status == "validating"


@pytest.mark.parametrize("endpoint", ["/chat/completions", "/v1/chat/completions"])
@pytest.mark.parametrize("url", ["/chat/completions", "/v1/chat/completions"])
def test_an_endpoint_is_the_same_with_and_without_v1(
    endpoint: str, url: str, client: Any, fakebatch: FakeBatch
) -> None:
    """The create call and the lines may spell it differently, as Microsoft's own page does."""
    done = run(client, fakebatch, {**LINE, "url": url}, endpoint=endpoint)

    assert (done.status, done.endpoint) == ("completed", endpoint)


def test_a_new_batch_has_neither_endpoint_nor_counts(client: Any, fakebatch: FakeBatch) -> None:
    """Null, each of them, until it is validated: sums over them fail."""
    file = client.files.create(file=("in.jsonl", jsonl([LINE])), purpose="batch")
    fakebatch.clock.advance("1m")
    asked: Any = {"endpoint": "/chat/completions", "completion_window": "24h"}
    batch = client.batches.create(input_file_id=file.id, **asked)

    assert batch.endpoint is None
    with pytest.raises(TypeError):
        _ = batch.request_counts.total - batch.request_counts.completed


def test_the_error_file_is_always_there(client: Any, fakebatch: FakeBatch) -> None:
    """Where no line failed it has no bytes."""
    done = run(client, fakebatch, LINE)

    assert client.files.content(done.error_file_id).content == b""
    assert client.files.retrieve(done.error_file_id).status == "processed"


def test_a_window_of_another_length_fails_the_job(client: Any, fakebatch: FakeBatch) -> None:
    """Not the call: the batch is there, and fails."""
    done = run(client, fakebatch, LINE, completion_window="48h")

    assert (done.status, done.completion_window) == ("failed", "48h")
    assert [set(one) for one in done.errors.to_dict()["data"]] == [{"code", "message"}]


def test_a_job_goes_on_after_its_window(client: Any, fakebatch: FakeBatch) -> None:
    """It is never `expired`, however long it takes."""
    fakebatch.schedule(in_progress="48h")
    batch = run(client, fakebatch, LINE)
    fakebatch.clock.advance("30h")
    assert client.batches.retrieve(batch.id).status == "in_progress"
    fakebatch.clock.advance("20h")
    assert client.batches.retrieve(batch.id).status == "completed"


def test_lines_have_no_id(client: Any, fakebatch: FakeBatch) -> None:
    """custom_id, response, error."""
    done = run(client, fakebatch, LINE)
    (line,) = client.files.content(done.output_file_id).iter_lines()

    assert line.startswith('{"custom_id": "a", "response": {"body": {')


@pytest.mark.fakebatch(api_keys=["mine"])
def test_a_wrong_key_is_a_code_and_a_message(fakebatch: FakeBatch) -> None:
    """The code is the status as text; the SDK finds neither type nor param."""
    client = openai.AzureOpenAI(azure_endpoint=ENDPOINT, api_version=VERSION, api_key="other")
    with pytest.raises(openai.AuthenticationError, match="Access denied due to invalid") as caught:
        client.batches.list()

    assert (caught.value.code, caught.value.type, caught.value.param) == ("401", None, None)


@pytest.mark.fakebatch(incident="limits/file-quota-exhausted")
def test_a_quota_of_files_has_words_of_its_own(client: Any) -> None:
    """azure-sdk-for-java#47401."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.files.create(file=("in.jsonl", jsonl([LINE])), purpose="batch")
    assert caught.value.body == {
        "code": "quotaExceeded",
        "message": "The quota for files without expiry is reached. The maximum is 0.",
    }


@pytest.mark.parametrize("seconds", [3_600, 1_209_599])
def test_an_expiry_is_of_two_weeks_at_least(seconds: int, client: Any) -> None:
    """OpenAI takes an hour."""
    with pytest.raises(openai.BadRequestError, match="1209600"):
        client.files.create(
            file=("in.jsonl", b"{}\n"),
            purpose="batch",
            expires_after={"anchor": "created_at", "seconds": seconds},
        )


def test_a_dotted_form_says_the_expiry_too(fakebatch: FakeBatch) -> None:
    """As Microsoft's REST sample writes it; the answer is a 201."""
    answer = httpx.post(
        f"{ENDPOINT}/openai/files?api-version={VERSION}",
        headers={"api-key": "mine"},
        data={
            "purpose": "batch",
            "expires_after.anchor": "created_at",
            "expires_after.seconds": "1209600",
        },
        files={"file": ("in.jsonl", b"{}\n", "application/json")},
    )
    file = answer.json()

    assert answer.status_code == 201
    assert file["expires_at"] - file["created_at"] == 1_209_600


def test_the_classic_api_without_a_version_is_told(fakebatch: FakeBatch) -> None:
    """The message shows which address demands what."""
    with pytest.raises(RefusedRequest, match=r"\?api-version"):
        httpx.get(f"{ENDPOINT}/openai/batches", headers={"api-key": "mine"})


def test_a_batch_from_a_blob_is_told(client: Any) -> None:
    """Containers are not emulated, and it is said so rather than answered wrongly."""
    asked: Any = {"input_file_id": None, "endpoint": "/chat/completions"}
    with pytest.raises(UsageError, match="blob container"):
        client.batches.create(**asked, completion_window="24h", extra_body={"input_blob": "x"})


def test_canceled_with_one_l_is_never_seen(client: Any, fakebatch: FakeBatch) -> None:
    """Microsoft's own loop waits for it: that the wait never ends is told."""
    fakebatch.schedule(in_progress="10h")
    batch = client.batches.cancel(run(client, fakebatch, LINE).id)
    with pytest.raises(FakeBatchError, match=r"is 'cancelled'\. Nothing has changed since"):
        while batch.status not in ("completed", "failed", "canceled"):
            time.sleep(600)
            batch = client.batches.retrieve(batch.id)


# --- direct calls


def answers(client: Any) -> list[str]:
    """The models by which three direct calls are answered."""
    asked = [{"role": "user", "content": "hello"}]
    return [
        client.chat.completions.create(model="my-chat", messages=asked).model,
        client.completions.create(model="my-text", prompt="hello").model,
        client.embeddings.create(model="my-vectors", input="hello").model,
    ]


@pytest.mark.parametrize("made", CLIENTS.values(), ids=CLIENTS)
def test_a_direct_call_is_answered(made: Any, fakebatch: FakeBatch) -> None:
    """The classic API has the deployment in the path: a rule meets the call all the same."""
    names = ["my-chat", "my-text", "my-vectors"]
    client = made()
    deployment = getattr(client, "_azure_deployment", None)
    assert answers(client) == ([deployment] * 3 if deployment else names)
    fakebatch.on().reply("by a rule")
    completion = client.chat.completions.create(
        model="my-chat", messages=[{"role": "user", "content": "hello"}]
    )
    assert completion.choices[0].message.content == "by a rule"
    operations = [call.operation for call in fakebatch.journal]
    assert operations[:3] == [
        "chat.completions.create",
        "completions.create",
        "embeddings.create",
    ]


@pytest.mark.parametrize("model", ["acme/large", "acme%2Flarge"])
def test_a_deployment_may_have_a_slash(model: str, fakebatch: FakeBatch) -> None:
    """Older clients send it as it is (openai 1.109: f"/deployments/{model}{options.url}")."""
    url = f"{ENDPOINT}/openai/deployments/{model}/embeddings?api-version={VERSION}"
    response = httpx.post(url, json={"input": "hello"}, headers={"api-key": "mine"})
    assert response.json()["model"] == "acme/large"


async def _asks_directly() -> str:
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=f"{ENDPOINT}/", api_version=VERSION, api_key="mine"
    ) as client:
        answer = await client.embeddings.create(model="my-vectors", input="hello")
    return answer.model


def test_an_async_client_calls_directly(fakebatch: FakeBatch) -> None:
    """Also with a slash at the end of its endpoint."""
    assert asyncio.run(_asks_directly()) == "my-vectors"


def test_a_deployment_for_batches_alone_is_a_rule(client: Any, fakebatch: FakeBatch) -> None:
    """`OperationNotSupported` (litellm#5279); the batches of the deployment go on."""
    error = {"code": "OperationNotSupported", "message": "The operation does not work."}
    fakebatch.on_call("chat.completions.create").fail(400, body={"error": error})
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="my-deployment", messages=[])
    assert caught.value.code == "OperationNotSupported"
    assert run(client, fakebatch, LINE).status == "completed"


BELOW_A_DEPLOYMENT = {
    "files": ("GET", "/deployments/d/files", 404, "Resource not found"),
    "batches": ("POST", "/deployments/d/batches", 404, "Resource not found"),
    "nothing": ("GET", "/deployments/d", 404, "Resource not found"),
    "a wrong method": ("GET", "/deployments/d/embeddings", 405, "Not allowed to GET"),
}


@pytest.mark.parametrize(
    ("method", "path", "status", "message"), BELOW_A_DEPLOYMENT.values(), ids=BELOW_A_DEPLOYMENT
)
def test_nothing_but_direct_calls_is_below_a_deployment(
    method: str, path: str, status: int, message: str, fakebatch: FakeBatch
) -> None:
    """Files and batches were not found there (betalgo/openai#628)."""
    url = f"{ENDPOINT}/openai{path}?api-version={VERSION}"
    response = httpx.request(method, url, headers={"api-key": "mine"})
    assert response.status_code == status
    assert message in response.json()["error"]["message"]


def test_what_is_not_emulated_below_a_deployment_is_the_test_s(
    client: Any, httpx2_mock: Any, fakebatch: FakeBatch
) -> None:
    """A route answers it; without one it is refused."""
    speech: dict[str, Any] = {"model": "my-voice", "voice": "alloy", "input": "hello"}
    with pytest.raises(RefusedRequest, match="/deployments/my-voice/audio/speech is not emulated"):
        client.audio.speech.create(**speech)
    path = "/openai/deployments/my-voice/audio/speech"
    httpx2_mock.post(path=path).respond(content=b"RIFF")
    assert client.audio.speech.create(**speech).content == b"RIFF"


RESPONSES = {
    "custom_id": "a",
    "method": "POST",
    "url": "/v1/responses",
    "body": {"model": "my-deployment", "input": "hi"},
}


@pytest.mark.parametrize("endpoint", ["/chat/completions", "/chat/responses"])
@pytest.mark.parametrize(
    ("line", "kind"),
    [(LINE, "chat.completion"), (RESPONSES, "response")],
    ids=["lines for chat", "lines for responses"],
)
def test_the_input_decides_between_chat_and_responses(
    endpoint: str, line: dict[str, Any], kind: str, client: Any, fakebatch: FakeBatch
) -> None:
    """Of the endpoints without /v1: "the system will read your input file"."""
    done = run(client, fakebatch, line, endpoint=endpoint)

    result = json.loads(client.files.content(done.output_file_id).content)
    assert result["response"]["body"]["object"] == kind
    assert done.endpoint == endpoint


@pytest.mark.parametrize(
    ("endpoint", "lines"),
    [
        ("/v1/chat/completions", [RESPONSES]),
        ("/chat/completions", [RESPONSES, {**LINE, "custom_id": "b"}]),
        ("/chat/completions", [{**RESPONSES, "url": "/v1/embeddings"}]),
        ("/chat/completions", [{**RESPONSES, "url": ["/v1/responses"]}, LINE]),
    ],
    ids=["an endpoint with /v1", "lines of both", "lines for embeddings", "a url that is a list"],
)
def test_the_lines_of_a_batch_are_for_a_single_endpoint(
    endpoint: str, lines: list[dict[str, Any]], client: Any, fakebatch: FakeBatch
) -> None:
    """`url_mismatch`: a row differs from the rest, or from the endpoint."""
    done = run(client, fakebatch, *lines, endpoint=endpoint)

    assert done.status == "failed"
    assert {one.code for one in done.errors.data} <= {"url_mismatch", "invalid_request"}


@pytest.mark.parametrize("id_", ["file-2PbNWcDDgw3QXQKkvgK3Wk", "file_01jh6x76wtemjr74t1", "x"])
def test_an_input_file_id_of_another_form_is_refused_at_once(id_: str, client: Any) -> None:
    """One of OpenAI's: 400. One of Azure's that does not exist fails the batch."""
    batch: Any = {"endpoint": "/chat/completions", "completion_window": "24h"}
    with pytest.raises(openai.BadRequestError, match="'InputFileId' must be a valid file id"):
        client.batches.create(input_file_id=id_, **batch)

    assert client.batches.create(input_file_id=f"file-{'0' * 32}", **batch).status == "validating"

"""What the endpoints of models answer: as lines of a batch, and called directly."""

from __future__ import annotations

import base64
import struct
from typing import Any

import openai
import pytest
from openai import types

from fakebatch import FakeBatch
from support.client import Driver, chat
from support.doors import Refused
from support.typed import strictly

LINE_KEYS = ["id", "custom_id", "response", "error"]

ENDPOINTS = [
    pytest.param(
        "/v1/chat/completions",
        {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]},
        types.chat.ChatCompletion,
        id="chat completions",
    ),
    pytest.param(
        "/v1/responses",
        {"model": "gpt-4o", "input": "hi"},
        types.responses.Response,
        id="responses",
    ),
    pytest.param(
        "/v1/embeddings",
        {"model": "text-embedding-3-small", "input": ["hi", "ho"]},
        types.CreateEmbeddingResponse,
        id="embeddings",
    ),
    pytest.param(
        "/v1/completions",
        {"model": "gpt-3.5-turbo-instruct", "prompt": "hi"},
        types.Completion,
        id="completions",
    ),
    pytest.param(
        "/v1/moderations",
        {"model": "omni-moderation-latest", "input": "hi"},
        types.ModerationCreateResponse,
        id="moderations",
    ),
]

IN_BATCHES_ALONE = [
    pytest.param(
        "/v1/images/generations",
        {"model": "gpt-image-1", "prompt": "a cat", "n": 2},
        types.ImagesResponse,
        id="images",
    ),
    pytest.param(
        "/v1/images/edits",
        {"model": "gpt-image-1", "prompt": "a dog", "images": []},
        types.ImagesResponse,
        id="edits of images",
    ),
]


@pytest.mark.sync
@pytest.mark.parametrize(("url", "body", "kind"), [*ENDPOINTS, *IN_BATCHES_ALONE])
def test_a_line_of_each_endpoint_succeeds(
    do: Driver, url: str, body: dict[str, Any], kind: type[openai.BaseModel]
) -> None:
    """The body in the result line has every field the SDK declares, of the declared type."""
    line = {"custom_id": "a", "method": "POST", "url": url, "body": body}
    done = do.run([line], endpoint=url)
    (result,) = do.results(done.output_file_id)

    assert list(result) == LINE_KEYS
    assert list(result["response"]) == ["status_code", "request_id", "body"]
    assert (result["custom_id"], result["error"]) == ("a", None)
    assert result["response"]["status_code"] == 200
    strictly(kind.construct(**result["response"]["body"]))


VIDEO = {
    "custom_id": "a",
    "method": "POST",
    "url": "/v1/videos",
    "body": {"model": "sora-2", "prompt": "a cat"},
}


def test_a_batch_for_videos_gets_the_replies_that_a_test_gives(
    do: Driver, fakebatch: FakeBatch
) -> None:
    """Its create is answered as for any endpoint."""
    fakebatch.on(endpoint="/v1/videos").reply({"id": "video_1", "status": "queued"})
    done = do.run([VIDEO], endpoint="/v1/videos")
    (result,) = do.results(done.output_file_id)

    assert (done.status, done.endpoint) == ("completed", "/v1/videos")
    assert result["response"]["body"] == {"id": "video_1", "status": "queued"}


def test_videos_have_no_default_reply(do: Driver, refused: Refused) -> None:
    """The poll that needs one fails the test, and says what to do."""
    with refused() as message:
        do.run([VIDEO], endpoint="/v1/videos")

    what, known, advice = message
    assert what == (
        "fakebatch: There is no default reply to custom_id 'a', a request for /v1/videos."
    )
    assert known.startswith("Default replies exist for /v1/chat/completions, ")
    assert advice == 'Give its body: fakebatch.on(endpoint="/v1/videos").reply({...}).'


@pytest.mark.parametrize(("url", "body", "kind"), ENDPOINTS)
def test_a_direct_call_is_answered_in_the_declared_types(
    do: Driver, url: str, body: dict[str, Any], kind: type[openai.BaseModel]
) -> None:
    """Beside the batch, the SDK's call for the same endpoint gets what a line would."""
    assert isinstance(do(do.client.post, url.removeprefix("/v1"), body=body, cast_to=kind), kind)


def test_direct_calls_echo(do: Driver) -> None:
    """Without a word from the test the answer is what was asked."""
    client = do.client
    asked: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one"}]

    said = do(client.chat.completions.create, model="gpt-4o", messages=asked)
    assert said.choices[0].message.content == "one"
    assert do(client.responses.create, model="gpt-4o", input="two").output_text == "two"
    assert do(client.completions.create, model="m", prompt="three").choices[0].text == "three"
    assert do(client.moderations.create, input="x", model="m").results[0].flagged is False


def test_a_rule_holds_for_direct_calls_too(do: Driver, fakebatch: FakeBatch) -> None:
    """The words of a rule answer a line and a direct call alike."""
    fakebatch.on(contains="weather").reply("sunny")
    asked: Any = [{"role": "user", "content": "weather?"}]
    said = do(do.client.chat.completions.create, model="gpt-4o", messages=asked)

    assert said.choices[0].message.content == "sunny"


def test_embeddings_are_unit_vectors_of_the_text(do: Driver) -> None:
    """As long as asked for, the same for the same text, in both encodings."""
    create = do.client.embeddings.create
    asked: Any = {"model": "text-embedding-3-small", "dimensions": 8}
    floats = do(create, input=["x", "y", "x"], encoding_format="float", **asked).data
    raw = do.wire(
        do.client.embeddings.with_raw_response.create, input="x", encoding_format="base64", **asked
    )

    vectors = [one.embedding for one in floats]
    assert [one.index for one in floats] == [0, 1, 2]
    assert vectors[0] == vectors[2] != vectors[1]
    assert [sum(part * part for part in one) for one in vectors] == [pytest.approx(1)] * 3
    decoded = struct.unpack("<8f", base64.b64decode(raw["data"][0]["embedding"]))
    assert list(decoded) == pytest.approx(vectors[0])
    assert len(do(create, input="x", model="text-embedding-3-small").data[0].embedding) == 1536


def test_the_models_are_listed_by_alias_and_snapshot(do: Driver) -> None:
    """Each once, in their order; the guide's model is among them, and serves a batch."""
    listed = [one.id for one in do.all(do.client.models.list)]
    done = do.run([chat("a", model="gpt-6-luna")])

    assert listed == sorted({*listed})
    assert {"gpt-6-luna", "gpt-5", "gpt-5-2025-08-07"} <= {*listed}
    assert (done.status, done.model) == ("completed", "gpt-6-luna")


@pytest.mark.fakebatch(models=["gpt-4o", "gpt-5"])
def test_the_models_there_are(do: Driver) -> None:
    """Listed and shown; another is not found, and fails a batch that asks for it."""
    assert [one.id for one in do.all(do.client.models.list)] == ["gpt-4o", "gpt-5"]
    assert do(do.client.models.retrieve, "gpt-5").object == "model"
    with pytest.raises(openai.NotFoundError, match="'gpt-4o-mini' does not exist"):
        do(do.client.models.retrieve, "gpt-4o-mini")
    assert do.run([chat("a")]).errors.data[0].code == "model_not_found"


def test_a_model_may_have_a_slash(do: Driver, fakebatch: FakeBatch) -> None:
    """Whether the SDK escapes it, as 3 does, or sends it as it is, as 1 does."""
    assert do(do.client.models.retrieve, "acme/large").id == "acme/large"
    assert fakebatch.journal.count("models.retrieve", id="acme/large") == 1

"""Moonshot, whose documents this project began with: its example, its limits, its words."""

from __future__ import annotations

import json
import os
from typing import Any

import httpx
import openai
import pytest

from fakebatch import FakeBatch
from support.client import Driver, chat, jsonl

pytestmark = [pytest.mark.fakebatch(dialect="moonshot"), pytest.mark.sync]

BASE = "https://api.moonshot.cn/v1"
LINE = chat("request-1", model="kimi-k2.6")

KEYS = (
    "id object endpoint input_file_id completion_window status output_file_id error_file_id "
    "created_at in_progress_at expires_at finalizing_at completed_at failed_at cancelling_at "
    "cancelled_at request_counts metadata"
)


@pytest.mark.parametrize("site", ["https://api.moonshot.cn/v1", "https://api.moonshot.ai/v1"])
def test_the_example_of_the_guide_works_word_for_word(site: str, fakebatch: FakeBatch) -> None:
    """The request of the vendor's page: an input file and a window, no endpoint; both sites."""
    headers = {"Authorization": "Bearer sk-mine"}
    uploaded = httpx.post(
        f"{site}/files",
        headers=headers,
        data={"purpose": "batch"},
        files={"file": ("batch_input.jsonl", jsonl([LINE]))},
    ).json()
    created = httpx.post(
        f"{site}/batches",
        headers=headers,
        json={"input_file_id": uploaded["id"], "completion_window": "24h"},
    )
    batch = created.json()

    assert created.status_code == 200
    assert (batch["endpoint"], batch["completion_window"]) == ("/v1/chat/completions", "24h")
    assert batch["status"] == "validating"
    assert batch["expires_at"] == batch["created_at"] + 86_400
    fakebatch.clock.advance("2h")
    done = httpx.get(f"{site}/batches/{batch['id']}", headers=headers).json()
    assert (done["status"], done["request_counts"]["completed"]) == ("completed", 1)


def test_the_vendors_polling_loop(do: Driver) -> None:
    """The loop of the guide, which guards against missing counts, ends with a result."""
    batch = do.create([LINE])
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        do.sleep(30)
        batch = do(do.client.batches.retrieve, batch.id)
        assert (batch.request_counts.completed if batch.request_counts else 0) <= 1

    assert batch.status == "completed"
    (line,) = do.results(batch.output_file_id)
    assert line["response"]["body"]["choices"][0]["message"]["content"] == "hi"


def test_a_batch_has_the_keys_of_the_reference_and_no_more(do: Driver) -> None:
    """There is no `errors`, `expired_at`, `model` or `usage`: the SDK shows None for them."""
    retrieve = do.client.batches.with_raw_response.retrieve
    done = do.run([LINE])

    assert " ".join(do.wire(retrieve, done.id)) == KEYS
    assert done.errors is done.expired_at is done.usage is None


def test_a_failed_validation_has_no_reason(do: Driver) -> None:
    """`failed_at` is all there is; a client that reads `errors.data` meets None."""
    done = do.run([LINE, LINE])

    assert (done.status, done.failed_at) == ("failed", done.created_at + 65)
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'data'"):
        _ = done.errors.data


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(LINE, id="a custom_id twice"),
        pytest.param(chat("b", model="kimi-k2.7-code"), id="two models"),
        pytest.param(chat("b", model="kimi-k2.5"), id="a model of old"),
        pytest.param(chat("b", model="kimi-k3"), id="a model that is not offered for batches"),
        pytest.param({**chat("b", model="kimi-k2.6"), "url": "/v1/embeddings"}, id="another url"),
        pytest.param({**chat("b", model="kimi-k2.6"), "method": "GET"}, id="no POST"),
    ],
)
def test_what_validation_does_not_let_pass(do: Driver, second: dict[str, Any]) -> None:
    """Unique ids, one model, which must exist and be allowed, method and url as documented."""
    assert do.run([LINE, second]).status == "failed"


@pytest.mark.parametrize("window", ["12h", "24h", "1d", "3d", "7d", "168h"])
def test_a_window_of_half_a_day_to_a_week(do: Driver, window: str) -> None:
    """Hours or days; it comes back as it was sent, and decides when the batch expires."""
    hours = int(window[:-1]) * (24 if window.endswith("d") else 1)
    batch = do.create([LINE], completion_window=window)

    assert batch.completion_window == window
    assert batch.expires_at == batch.created_at + hours * 3_600


@pytest.mark.parametrize(
    "window", ["11h", "8d", "169h", "30m", "0d", "1.5d", "7 d", "week", "024h"]
)
def test_a_window_that_is_none(do: Driver, window: str) -> None:
    """Out of range or of another grammar: 400."""
    with pytest.raises(openai.BadRequestError) as caught:
        do.create([LINE], completion_window=window)

    assert caught.value.type == "invalid_request_error"


def test_lines_carry_their_custom_id_as_id(do: Driver) -> None:
    """`id` is the custom_id and `request_id` is empty: neither is unique on the server."""
    done = do.run([LINE, chat("request-2", model="kimi-k2.6")])

    for line in do.results(done.output_file_id):
        assert line["id"] == line["custom_id"]
        assert line["response"]["request_id"] == ""
        assert list(line) == ["id", "custom_id", "response", "error"]


def test_a_file_is_ready(do: Driver) -> None:
    """Its status is none of OpenAI's, its id has an underscore, and it never says it expires."""
    wire = do.wire(
        do.client.files.with_raw_response.create, file=("a.jsonl", b"{}\n"), purpose="batch"
    )

    assert (wire["status"], wire["id"][:5], len(wire["id"])) == ("ready", "file_", 31)
    assert "expires_at" not in wire


def test_a_name_is_taken_once(do: Driver) -> None:
    """The second file of a name gets a number, as the third does."""
    assert [do.upload([LINE]).filename for _ in range(3)] == [
        "in.jsonl",
        "in (1).jsonl",
        "in (2).jsonl",
    ]


@pytest.mark.parametrize(
    ("file", "words"),
    [
        pytest.param(
            ("in.jsonl", b""), "File size is zero, please confirm and re-upload", id="empty"
        ),
        pytest.param(
            ("in.jsonl", b"{}\n" * 9), "File size is too large, max file size", id="too large"
        ),
        pytest.param(("in.json", b"{}\n"), "Must be .jsonl", id="another extension"),
    ],
)
@pytest.mark.fakebatch(limits={"file_bytes": 20})
def test_an_upload_that_is_refused(do: Driver, file: tuple[str, bytes], words: str) -> None:
    """Extension, emptiness and size are looked at when the file comes."""
    with pytest.raises(openai.BadRequestError, match=words):
        do(do.client.files.create, file=file, purpose="batch")


def test_a_purpose_of_openais_is_refused(do: Driver) -> None:
    """The six purposes are those of the vendor's own message."""
    with pytest.raises(openai.BadRequestError, match="Invalid purpose: assistants, only file-ext"):
        do(do.client.files.create, file=("a.jsonl", b"{}\n"), purpose="assistants")


@pytest.mark.fakebatch(limits={"batch_files": 2})
def test_there_are_only_so_many_batch_files(do: Driver) -> None:
    """The organisation has a number of them; a deletion makes room."""
    first, _ = do.upload([LINE]), do.upload([LINE])
    with pytest.raises(openai.BadRequestError, match="limit of 2"):
        do.upload([LINE])
    do(do.client.files.delete, first.id)

    assert do.upload([LINE]).status == "ready"


def test_a_list_names_neither_end(do: Driver) -> None:
    """`object`, `data` and `has_more`; the SDK pages by the id of the last all the same."""
    ids = [do.create([LINE]).id for _ in range(23)]
    page = do.wire(do.client.batches.with_raw_response.list)

    assert list(page) == ["object", "data", "has_more"]
    assert len(page["data"]) == 20
    assert [one.id for one in do.all(do.client.batches.list)] == ids[::-1]


def test_an_error_has_neither_param_nor_code(do: Driver) -> None:
    """Message and type, with the vendor's own types."""
    with pytest.raises(openai.NotFoundError) as caught:
        do(do.client.batches.retrieve, "batch_x")

    body = json.loads(caught.value.response.content)
    assert list(body) == ["error"]
    assert list(body["error"]) == ["message", "type"]
    assert caught.value.type == "resource_not_found_error"
    assert caught.value.code is caught.value.param is None


@pytest.mark.fakebatch(api_keys=["sk-good"])
@pytest.mark.parametrize(
    ("headers", "type_"),
    [
        pytest.param({}, "invalid_authentication_error", id="no key"),
        pytest.param(
            {"Authorization": "Bearer sk-bad"}, "incorrect_api_key_error", id="a wrong key"
        ),
    ],
)
def test_a_key_that_is_none(headers: dict[str, str], type_: str, fakebatch: FakeBatch) -> None:
    """401, in the types of the vendor's table."""
    answer = httpx.get(f"{BASE}/batches", headers=headers)

    assert (answer.status_code, answer.json()["error"]["type"]) == (401, type_)


def test_a_cancel_has_its_moments(do: Driver, fakebatch: FakeBatch) -> None:
    """From validating, in_progress and finalizing; a second one is refused with 400."""
    batch = do(do.client.batches.cancel, do.create([LINE]).id)
    assert batch.status == "cancelling"
    with pytest.raises(openai.BadRequestError, match="does not allow cancel"):
        do(do.client.batches.cancel, batch.id)
    fakebatch.clock.advance("1h")
    with pytest.raises(openai.BadRequestError, match="'cancelled'"):
        do(do.client.batches.cancel, batch.id)


def test_result_files_have_a_purpose_of_their_own(do: Driver, fakebatch: FakeBatch) -> None:
    """`batch_output`, which nobody may upload."""
    done = do.run([LINE])

    assert fakebatch.files[done.output_file_id].purpose == "batch_output"


def test_the_key_of_the_samples_is_a_dummy(fakebatch: FakeBatch) -> None:
    """MOONSHOT_API_KEY, which the vendor's samples read, holds no real key while active."""
    client = openai.OpenAI(base_url=BASE, api_key=os.environ["MOONSHOT_API_KEY"])
    assert "not-a-real-key" in client.api_key
    assert client.batches.list().data == []


def test_a_download_is_plain_text(do: Driver) -> None:
    """Of an uploaded file as of a result; OpenAI calls both an octet stream."""
    done = do.run([LINE])
    for id_ in (done.input_file_id, done.output_file_id):
        response = do(do.client.files.content, id_).response
        assert response.headers["content-type"] == "text/plain"


TYPES = {
    401: "incorrect_api_key_error",
    403: "permission_denied_error",
    404: "resource_not_found_error",
    429: "rate_limit_reached_error",
    500: "server_error",
}


@pytest.mark.parametrize(("status", "kind"), TYPES.items())
def test_an_error_of_a_rule_has_the_type_of_its_status(
    do: Driver, fakebatch: FakeBatch, status: int, kind: str
) -> None:
    """As the reference lists them."""
    fakebatch.on_call("batches.retrieve").fail(status)
    with pytest.raises(openai.APIStatusError) as caught:
        do(do.client.with_options(max_retries=0).batches.retrieve, "batch_x")

    assert (caught.value.status_code, caught.value.type) == (status, kind)

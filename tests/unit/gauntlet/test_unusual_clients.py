"""Whole clients with the verdict that is right: correct ones of unusual habits, and wrong ones."""

from __future__ import annotations

import json
import time
from array import array
from base64 import b64decode
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletion

import fakebatch
from support.loops import ENDS, Requests, Results, downloaded, ended, fetched, read, submitted

pytestmark = [pytest.mark.sync]


def answered(results: Results) -> Results:
    return {id_: answer for id_, answer in results.items() if isinstance(answer, dict)}


def id_of(request: Mapping[str, Any]) -> str:
    return str(request["custom_id"])


def without(requests: Requests, results: Results) -> Requests:
    return [request for request in requests if request["custom_id"] not in results]


# --- right


def in_two_batches(requests: Requests) -> Results:
    return fetched(requests[:5]) | fetched(requests[5:])


def one_batch_a_request(requests: Requests) -> Results:
    with ThreadPoolExecutor(len(requests)) as pool:
        parts = [*pool.map(lambda request: fetched([request]), requests)]
    return {id_: answer for part in parts for id_, answer in part.items()}


def cancels_and_submits_the_rest(requests: Requests) -> Results:
    client = openai.OpenAI()
    batch = submitted(requests)
    while not (batch.request_counts and batch.request_counts.completed >= 2):
        time.sleep(600)
        batch = client.batches.retrieve(batch.id)
    results = answered(downloaded(ended(client.batches.cancel(batch.id))))
    assert 0 < len(results) < len(requests)
    return results | fetched(without(requests, results))


def looks_at_the_list(requests: Requests, pause: float = 600) -> Results:
    client, batch = openai.OpenAI(), submitted(requests)
    while batch.status not in ENDS:
        time.sleep(pause)
        batch = next(each for each in client.batches.list() if each.id == batch.id)
    return downloaded(batch)


def deletes_files_at_once(requests: Requests) -> Results:
    client, batch = openai.OpenAI(), ended(submitted(requests))
    results = downloaded(batch)
    client.files.delete(batch.input_file_id)
    client.files.delete(batch.output_file_id or "")
    return results


def streams(requests: Requests) -> Results:
    file_id = ended(submitted(requests)).output_file_id or ""
    with openai.OpenAI().files.with_streaming_response.content(file_id) as response:
        return read(b"".join(response.iter_bytes(7)).split(b"\n"))


def has_no_sdk(requests: Requests) -> Results:
    headers = {"Authorization": "Bearer key"}
    with httpx.Client(base_url="https://api.openai.com/v1", headers=headers) as client:
        content = "\n".join(map(json.dumps, requests))
        made = client.post(
            "/files", data={"purpose": "batch"}, files={"file": ("a.jsonl", content)}
        )
        params = {"input_file_id": made.json()["id"], "endpoint": requests[0]["url"]}
        batch = client.post("/batches", json={**params, "completion_window": "24h"}).json()
        while batch["status"] not in ENDS:
            time.sleep(600)
            batch = client.get(f"/batches/{batch['id']}").json()
        ids = batch["output_file_id"], batch["error_file_id"]
        rows = (client.get(f"/files/{id_}/content").content.split(b"\n") for id_ in ids if id_)
        return read(row for part in rows for row in part)


def uploads_parts(requests: Requests) -> Results:
    client, content = openai.OpenAI(), "\n".join(map(json.dumps, requests)).encode()
    upload = client.uploads.create(
        bytes=len(content), filename="a.jsonl", mime_type="application/jsonl", purpose="batch"
    )
    parts = [
        client.uploads.parts.create(upload.id, data=part).id
        for part in (content[:100], content[100:])
    ]
    file = client.uploads.complete(upload.id, part_ids=parts).file
    assert file is not None
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    return downloaded(ended(batch))


def permutes_the_ids(requests: Requests) -> Results:
    own = [{**each, "custom_id": requests[-n - 1]["custom_id"]} for n, each in enumerate(requests)]
    results = fetched(own)
    return {each["custom_id"]: results[own[n]["custom_id"]] for n, each in enumerate(requests)}


def returns_typed_bodies(requests: Requests) -> Results:
    return {id_: ChatCompletion.model_validate(body) for id_, body in fetched(requests).items()}


def sorts_embeddings(requests: Requests) -> Results:
    return {
        id_: {**body, "data": sorted(body["data"], key=lambda each: each["index"])}
        for id_, body in fetched(requests).items()
    }


def falls_back_to_direct_calls(requests: Requests) -> Results:
    client = openai.OpenAI()
    with pytest.raises(openai.APIError):
        submitted(requests)
    return {
        each["custom_id"]: client.chat.completions.create(**each["body"]).model_dump()
        for each in requests
    }


def splits_what_was_refused(requests: Requests) -> Results:
    results = downloaded(ended(submitted(requests)))
    for model in {each["body"]["model"] for each in without(requests, results)}:
        results |= fetched([each for each in requests if each["body"]["model"] == model])
    return results


def submits_failed_lines_again(requests: Requests) -> Results:
    results = answered(fetched(requests))
    return results | fetched(without(requests, results))


def with_words_of_its_own(requests: Requests) -> Results:
    own = deepcopy([*requests])
    for number, each in enumerate(own):
        each["custom_id"] = f"question {number}"
        [message] = each["body"]["messages"]
        message["content"] = f"This one is for you: {message['content']}"
    results = answered(fetched(own))
    left = without(own, results)
    results |= fetched(left) if left else {}
    answers = [results.get(id_, ValueError("no result")) for id_ in map(id_of, own)]
    return dict(zip(map(id_of, requests), answers, strict=True))


def refuses_ids_that_are_there_twice(requests: Requests) -> Results:
    ids = [each["custom_id"] for each in requests]
    twice = {id_: ValueError("twice") for id_ in ids if ids.count(id_) > 1}
    return fetched(without(requests, twice)) | twice


def refuses_all_for_one_id(requests: Requests) -> Results:
    return dict.fromkeys((each["custom_id"] for each in requests), ValueError("twice"))


def asks_directly(requests: Requests) -> Results:
    client, results = openai.OpenAI(max_retries=0), Results()
    for each in requests:
        try:
            url = each["url"].removeprefix("/v1")
            response = client.post(url, body=each["body"], cast_to=httpx.Response)
            results[each["custom_id"]] = json.loads(response.content)
        except openai.BadRequestError as error:
            results[each["custom_id"]] = error
    return results


def asks_failed_ones_directly(requests: Requests) -> Results:
    results = answered(fetched(requests))
    return results | asks_directly(without(requests, results))


def decodes_vectors(requests: Requests) -> Results:
    results = fetched(requests)
    for item in (item for body in results.values() for item in body["data"]):
        if isinstance(vector := item["embedding"], str):
            item["embedding"] = array("f", b64decode(vector))
    return results


# --- wrong


def looks_numbers_up_as_texts(requests: Requests) -> Results:
    results = fetched(requests)
    return {id_: results.get(id_, ValueError("no result")) for id_ in map(id_of, requests)}


def asks_answered_ones_directly(requests: Requests) -> Results:
    results = fetched(requests)
    finished = [each for each in requests if each["custom_id"] in answered(results)]
    return results | asks_directly(finished[:3])


def asks_directly_twice(requests: Requests) -> Results:
    results = asks_failed_ones_directly(requests)
    return results | asks_directly(requests[:1])


def submits_what_it_asked_directly(requests: Requests) -> Results:
    return asks_directly(requests[:3]) | fetched(requests)


def raises_without_a_download(requests: Requests) -> Results:
    batch = ended(submitted(requests))
    raise ValueError(batch.error_file_id)


def fails_without_a_download(requests: Requests) -> Results:
    batch = ended(submitted(requests))
    return dict.fromkeys(map(id_of, requests), ValueError(batch.error_file_id))


class NotAvailable:
    """The missing value of pandas: it is neither true nor false that it equals something."""

    def __eq__(self, other: object) -> NotAvailable:  # type: ignore[override]
        return self

    __ne__ = __eq__  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")


def answers_with_a_missing_value(requests: Requests) -> Results:
    return fetched(requests) | {"row-1": NotAvailable()}


def submits_finished_lines_again(requests: Requests) -> Results:
    results = fetched(requests)
    finished = [each for each in requests if each["custom_id"] in answered(results)]
    return results | fetched(finished[: len(requests) - len(finished)])


def submits_all_again_after_an_expiry(requests: Requests) -> Results:
    ended(submitted(requests))  # what it had finished is not even downloaded
    return fetched(requests)


def looks_at_the_list_too_often(requests: Requests) -> Results:
    return looks_at_the_list(requests, 10)


def reports_a_failure_of_a_stranger(requests: Requests) -> Results:
    return fetched(requests) | {"row-99": ValueError("who?")}


def reports_nothing_of_a_stranger(requests: Requests) -> Results:
    return fetched(requests) | {"row-99": None}


def raises_with_answers_in_hand(requests: Requests) -> Results:
    results = fetched(requests)
    raise next(answer for answer in results.values() if isinstance(answer, ValueError))


def numbers_embeddings_anew(requests: Requests) -> Results:
    return {
        id_: {**body, "data": [{**each, "index": n} for n, each in enumerate(body["data"])]}
        for id_, body in fetched(requests).items()
    }


def answers_expired_lines_with_nothing(requests: Requests) -> Results:
    results = fetched(requests)
    return dict.fromkeys(results, "") | answered(results)


def answers_with_the_error(requests: Requests) -> Results:
    results = fetched(requests)
    return {id_: str(answer) for id_, answer in results.items()} | answered(results)


def stops_after_a_day(requests: Requests) -> Results:
    client, batch = openai.OpenAI(), submitted(requests)
    time.sleep(86_400)
    if client.batches.retrieve(batch.id).status not in ENDS:
        return {each["custom_id"]: TimeoutError("24 h") for each in requests}
    return downloaded(ended(batch))


def takes_results_by_position(requests: Requests) -> Results:
    bodies = [*fetched(requests).values()]
    return {each["custom_id"]: body for each, body in zip(requests, bodies, strict=False)}


def submits_until_it_works(requests: Requests) -> Results:
    for _ in range(20):
        batch = ended(submitted(requests))
        if batch.status != "failed":
            return downloaded(batch)
    raise TimeoutError


Client = Callable[[Requests], Results]

CLIENTS: list[tuple[Client, str, list[str]]] = [
    # the client, the incident, the outcome and the verdicts that object to it
    (in_two_batches, "error-file-ignored", ["pass"]),
    (cancels_and_submits_the_rest, "shuffled-order", ["pass"]),
    (looks_at_the_list, "error-file-ignored", ["pass"]),
    (deletes_files_at_once, "shuffled-order", ["pass"]),
    (streams, "shuffled-order", ["pass"]),
    (has_no_sdk, "error-file-ignored", ["pass"]),
    (uploads_parts, "shuffled-order", ["pass"]),
    (permutes_the_ids, "shuffled-order", ["pass"]),
    (returns_typed_bodies, "shuffled-order", ["pass"]),
    (sorts_embeddings, "embeddings-quirks", ["pass"]),
    (falls_back_to_direct_calls, "file-quota-exhausted", ["pass"]),
    (splits_what_was_refused, "mixed-model-in-file", ["pass"]),
    (submits_failed_lines_again, "server-error-lines", ["pass"]),
    (submits_finished_lines_again, "server-error-lines", ["fail", "no double spend"]),
    (submits_all_again_after_an_expiry, "expired-with-partial-output", ["fail", "no double spend"]),
    (looks_at_the_list_too_often, "shuffled-order", ["unclean", "clean"]),
    (reports_a_failure_of_a_stranger, "shuffled-order", ["fail", "no lie"]),
    (reports_nothing_of_a_stranger, "shuffled-order", ["fail", "no lie"]),
    (raises_with_answers_in_hand, "billing-stop", ["fail", "no loss"]),
    (numbers_embeddings_anew, "embeddings-quirks", ["fail", "no lie"]),
    (answers_expired_lines_with_nothing, "expired-with-partial-output", ["fail", "no lie"]),
    (answers_with_the_error, "error-file-ignored", ["fail", "no lie"]),
    (stops_after_a_day, "late-past-expiry", ["fail", "no loss"]),
    (takes_results_by_position, "shuffled-order", ["fail", "no lie"]),
    (submits_until_it_works, "create-ok-then-failed", ["fail", "no double spend"]),
    (fetched, "custom-id-shape", ["fail", "no lie", "no loss"]),
    (one_batch_a_request, "duplicate-custom-id-input", ["fail", "no loss"]),
    (with_words_of_its_own, "expired-with-line-separator", ["pass"]),
    (with_words_of_its_own, "custom-id-shape", ["pass"]),
    (looks_numbers_up_as_texts, "custom-id-shape", ["fail", "no loss"]),
    (refuses_ids_that_are_there_twice, "duplicate-custom-id-input", ["info"]),
    (refuses_all_for_one_id, "duplicate-custom-id-input", ["info"]),
    (asks_directly, "embedding-request-refused", ["pass"]),
    (asks_directly, "batch-only-deployment", ["fail", "no loss"]),
    (asks_failed_ones_directly, "server-error-lines", ["pass"]),
    (asks_answered_ones_directly, "server-error-lines", ["fail", "no double spend"]),
    (asks_directly_twice, "counts-lie-status-zero", ["fail", "no double spend"]),
    (submits_what_it_asked_directly, "server-error-lines", ["fail", "no double spend"]),
    (decodes_vectors, "embeddings-quirks", ["pass"]),
    (raises_without_a_download, "billing-stop", ["fail", "no loss"]),
    (fails_without_a_download, "billing-stop", ["fail", "no loss"]),
    (fails_without_a_download, "output-expired-or-deleted", ["unclean", "clean"]),
    (answers_with_a_missing_value, "shuffled-order", ["fail", "no lie"]),
    (one_batch_a_request, "upload-too-large", ["pass"]),
    (one_batch_a_request, "upload-413-html", ["pass"]),
    (one_batch_a_request, "error-file-ignored", ["pass"]),
]


@pytest.mark.parametrize(
    ("client", "incident", "expected"),
    CLIENTS,
    ids=[f"{client.__name__} in {incident}" for client, incident, _ in CLIENTS],
)
def test_a_client_that(client: Client, incident: str, expected: list[str]) -> None:
    """A correct client passes whatever its habits, and a wrong one does not."""
    [verdict] = fakebatch.run_gauntlet(client, only=incident, check=False)
    found = [verdict.outcome, *dict.fromkeys(each.check for each in verdict.findings)]
    assert found == expected, verdict.findings

"""Proofs: the result files and their lines."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import openai

from contract.proofs import Trial


def completed_null_output(trial: Trial) -> bool:
    """Completed, without an output file and with a reason for each line."""
    batch = trial.do.run(trial.requests)
    failed = trial.do.results(batch.error_file_id) if batch.error_file_id else []
    return (
        (batch.status, batch.output_file_id, batch.errors) == ("completed", None, None)
        and batch.request_counts.failed == len(failed) == len(trial.requests)
        and {line["response"]["body"]["error"]["code"] for line in failed}
        == {"unsupported_parameter"}
    )


def error_file_ignored(trial: Trial) -> bool:
    """Both files are there, and no id is in both: nine answers and a failure."""
    batch = trial.do.run(trial.requests)
    output, errors = _both(trial, batch)
    ids = [line["custom_id"] for line in (*output, *errors)]
    counts = batch.request_counts
    return (
        (len(output), len(errors)) == (counts.completed, counts.failed) == (9, 1)
        and sorted(ids) == _ids(trial)
        and errors[0]["response"]["body"]["error"]["code"] == "context_length_exceeded"
    )


def line_error_in_body_not_error(trial: Trial) -> bool:
    """`error` is null in every line, also in two that failed with 400."""
    output, errors = _both(trial, trial.do.run(trial.requests))
    return (
        {str(line["error"]) for line in (*output, *errors)} == {"None"}
        and [line["response"]["status_code"] for line in errors] == [400, 400]
        and {*errors[0]["response"]["body"]["error"]} == {"message", "type", "param", "code"}
    )


def counts_lie_status_zero(trial: Trial) -> bool:
    """No line is counted as failed, and one is in the error file."""
    batch = trial.do.run(trial.requests)
    failed = trial.do.results(batch.error_file_id) if batch.error_file_id else []
    return (
        (batch.request_counts.completed, batch.request_counts.failed) == (10, 0)
        and [line["response"]["status_code"] for line in failed] == [0]
        and len(trial.do.results(batch.output_file_id)) == 9
    )


def missing_custom_ids(trial: Trial) -> bool:
    """Ten lines are counted and nine written; the missing one is there in a second batch."""
    batch = trial.do.run(trial.requests)
    output, errors = _both(trial, batch)
    missing = {*_ids(trial)} - {line["custom_id"] for line in (*output, *errors)}
    if (batch.request_counts.completed, len(missing)) != (10, 1):
        return False
    again = trial.do.run([line for line in trial.requests if line["custom_id"] in missing])
    return [line["custom_id"] for line in trial.do.results(again.output_file_id)] == [*missing]


def length_refusal_null_content(trial: Trial) -> bool:
    """Ten lines with status 200, three of which have no answer, each for its own reason."""
    batch = trial.do.run(trial.requests)
    choices = [_body(line)["choices"][0] for line in trial.do.results(batch.output_file_id)]
    reasons = Counter(choice["finish_reason"] for choice in choices)
    nulls = [choice["message"] for choice in choices if choice["message"]["content"] is None]
    return (
        batch.request_counts.completed == len(choices) == 10
        and reasons == {"stop": 8, "length": 1, "content_filter": 1}
        and sorted(message["refusal"] is None for message in nulls) == [False, True]
    )


def download_truncated(trial: Trial) -> bool:
    """A download without an error that is shorter than the file."""
    file_id = trial.do.run(trial.requests).output_file_id
    size: int = trial.do(trial.do.client.files.retrieve, file_id).bytes
    return len(trial.do(trial.do.client.files.content, file_id).content) < size


def shuffled_order(trial: Trial) -> bool:
    """The last request comes first."""
    lines = trial.do.results(trial.do.run(trial.requests).output_file_id)
    ids = [line["custom_id"] for line in lines]
    return ids == [line["custom_id"] for line in reversed(trial.requests)]


def unicode_line_separators(trial: Trial) -> bool:
    """As bytes, ten lines of JSON; as text, lines that are cut."""
    file_id = trial.do.run(trial.requests).output_file_id
    content = trial.do(trial.do.client.files.content, file_id)
    assert all(json.loads(line) for line in content.content.splitlines())
    return len(content.text.splitlines()) > len(content.content.splitlines()) == 10


def failed_line_in_output_file(trial: Trial) -> bool:
    """There is no error file, nothing is counted as failed, and one line has status 400."""
    batch = trial.do.run(trial.requests)
    lines = trial.do.results(batch.output_file_id)
    statuses = Counter(line["response"]["status_code"] for line in lines)
    return (
        (batch.error_file_id, batch.request_counts.failed) == (None, 0)
        and statuses == {200: 9, 400: 1}
        and {line["error"] for line in lines} == {None}
    )


def output_404_after_completed(trial: Trial) -> bool:
    """The file that a completed batch names is not found, and found a minute later."""
    batch = trial.do.poll(trial.do.create(trial.requests), every=5)[-1]
    try:
        trial.do(trial.do.client.files.content, batch.output_file_id)
    except openai.NotFoundError:
        trial.do.sleep(60)
        return len(trial.do.results(batch.output_file_id)) == 10
    return False


def download_5xx(trial: Trial) -> bool:
    """A download raises after its retries, with a page of HTML; the next one is whole."""
    batch = trial.do.run(trial.requests)
    try:
        trial.do(trial.do.client.files.content, batch.output_file_id)
    except openai.InternalServerError as error:
        is_html = error.response.headers["content-type"].startswith("text/html")
        return is_html and len(trial.do.results(batch.output_file_id)) == 10
    return False


def malformed_output_line(trial: Trial) -> bool:
    """Nine lines can be parsed; of one nothing but its beginning is there, with its custom_id."""
    batch = trial.do.run(trial.requests)
    content: bytes = trial.do(trial.do.client.files.content, batch.output_file_id).content
    broken: list[bytes] = []
    for line in content.splitlines():
        try:
            json.loads(line)
        except json.JSONDecodeError:
            broken.append(line)
    ids = [f'"{id_}"'.encode() for id_ in _ids(trial)]
    return [sum(id_ in line for id_ in ids) for line in broken] == [1]


def huge_lines(trial: Trial) -> bool:
    """One of ten lines is longer than 64 KiB, and valid."""
    lines = trial.do.results(trial.do.run(trial.requests).output_file_id)
    return [len(json.dumps(line)) > 2**16 for line in lines].count(True) == 1


def server_error_lines(trial: Trial) -> bool:
    """Three lines fail, each in its way, and succeed in a second batch of these lines alone."""
    _, errors = _both(trial, trial.do.run(trial.requests))
    statuses = [line["response"] and line["response"]["status_code"] for line in errors]
    codes = [line["error"]["code"] for line in errors if line["response"] is None]
    if (sorted(map(str, statuses)), codes) != (["429", "500", "None"], ["request_timeout"]):
        return False
    failed = {line["custom_id"] for line in errors}
    again = trial.do.run([line for line in trial.requests if line["custom_id"] in failed])
    return (again.request_counts.completed, again.error_file_id) == (3, None)


def content_filter_azure(trial: Trial) -> bool:
    """A prompt is refused with an innererror, an answer is cut off; both are so again."""
    output, errors = _both(trial, trial.do.run(trial.requests))
    inner = [_body(line)["error"].get("innererror", {}).get("code") for line in errors]
    reasons = [_body(line)["choices"][0]["finish_reason"] for line in output]
    if (inner, reasons.count("content_filter")) != (["ResponsibleAIPolicyViolation"], 1):
        return False
    filtered = {errors[0]["custom_id"], output[reasons.index("content_filter")]["custom_id"]}
    lines = [line for line in trial.requests if line["custom_id"] in filtered]
    output, errors = _both(trial, trial.do.run(lines))
    reasons = [_body(line)["choices"][0]["finish_reason"] for line in output]
    return (len(errors), reasons) == (1, ["content_filter"])


def body_null_or_empty(trial: Trial) -> bool:
    """Four lines of the output file have no answer, each at another level, and no error."""
    batch = trial.do.run(trial.requests)
    output = trial.do.results(batch.output_file_id)
    responses = [line["response"] for line in output]
    bodies = [response["body"] for response in responses if response is not None]
    return (
        (batch.error_file_id, batch.request_counts.failed) == (None, 0)
        and {str(line["error"]) for line in output} == {"None"}
        and (responses.count(None), bodies.count(None), bodies.count({})) == (1, 1, 1)
        and sum("messages" in body and "choices" not in body for body in bodies if body) == 1
    )


def model_name_resolved(trial: Trial) -> bool:
    """Batch and answers name the same snapshot, which is not the one of the alias."""
    batch = trial.do.run(trial.requests)
    models = {_body(line)["model"] for line in trial.do.results(batch.output_file_id)}
    return models == {batch.model} == {"gpt-6-luna-2026-10-01"}


def per_line_param_rejection(trial: Trial) -> bool:
    """Completed without an output file; each line failed for its temperature."""
    batch = trial.do.run(trial.requests)
    errors = trial.do.results(batch.error_file_id) if batch.error_file_id else []
    messages = {_body(line)["error"]["message"] for line in errors}
    return (
        (batch.status, batch.output_file_id) == ("completed", None)
        and len(errors) == len(trial.requests)
        and messages == {"invalid temperature: only 1 is allowed for this model"}
    )


def multi_item_output(trial: Trial) -> bool:
    """One response has two messages: the text of the first is no JSON, that of the second is."""
    batch = trial.do.run(trial.requests, endpoint="/v1/responses")
    texts = [
        [part["text"] for item in _body(line)["output"] for part in item["content"]]
        for line in trial.do.results(batch.output_file_id)
    ]
    split = [each for each in texts if len(each) > 1]
    return len(split) == 1 and [*map(_is_json, split[0])] == [False, True]


def reasoning_before_answer(trial: Trial) -> bool:
    """The first item of each output is reasoning without content, the second a message."""
    batch = trial.do.run(trial.requests, endpoint=trial.requests[0]["url"])
    outputs = [_body(line).get("output", []) for line in trial.do.results(batch.output_file_id)]
    kinds = {tuple(item["type"] for item in output) for output in outputs}
    return kinds == {("reasoning", "message")} and "content" not in outputs[0][0]


def duplicate_output_lines(trial: Trial) -> bool:
    """One id is in the output file twice, another in both files."""
    output, errors = _both(trial, trial.do.run(trial.requests))
    times = Counter(line["custom_id"] for line in output)
    twice = [id_ for id_, count in times.items() if count == 2]
    both = [line["custom_id"] for line in errors if line["custom_id"] in times]
    return sorted(times) == _ids(trial) and (len(twice), len(both)) == (1, 1) and twice != both


def output_expired_or_deleted(trial: Trial) -> bool:
    """The file that a completed batch names is not found, also an hour later, nor in a list."""
    batch = trial.do.run(trial.requests)
    for _ in range(2):
        try:
            trial.do(trial.do.client.files.content, batch.output_file_id)
        except openai.NotFoundError:
            trial.do.sleep(3600)
        else:
            return False
    listed = trial.do.all(trial.do.client.files.list, purpose="batch_output")
    named = trial.do(trial.do.client.batches.retrieve, batch.id).output_file_id
    return listed == [] and named == batch.output_file_id is not None


def empty_output_file(trial: Trial) -> bool:
    """Ten lines are completed, and the output file has no bytes."""
    batch = trial.do.run(trial.requests)
    content: bytes = trial.do(trial.do.client.files.content, batch.output_file_id).content
    return (batch.request_counts.completed, content) == (10, b"")


def crlf_and_blank_lines(trial: Trial) -> bool:
    """The mark, ten lines that end in CRLF, and two that are blank."""
    batch = trial.do.run(trial.requests)
    content: bytes = trial.do(trial.do.client.files.content, batch.output_file_id).content
    lines = content.split(b"\r\n")
    return (
        content.startswith(b"\xef\xbb\xbf{")
        and (len(lines), lines[10:]) == (13, [b"", b"", b""])
        and all(_is_json(line.decode("utf-8-sig")) for line in lines[:10])
    )


def encoding_mojibake(trial: Trial) -> bool:
    """The SDK's text is not the text of the bytes, in each line."""
    batch = trial.do.run(trial.requests)
    content = trial.do(trial.do.client.files.content, batch.output_file_id)
    lines = zip(content.text.split("\n"), content.content.decode().split("\n"), strict=True)
    return [wrong == right for wrong, right in lines].count(False) == len(trial.requests)


def read_timeout_on_content(trial: Trial) -> bool:
    """A download times out through all retries, after half an hour; the next one is fine."""
    batch, began = trial.do.run(trial.requests), trial.fake.clock.elapsed
    try:
        trial.do(trial.do.client.files.content, batch.output_file_id)
    except openai.APITimeoutError:
        waited = trial.fake.clock.elapsed - began
        return waited >= 1800 and len(trial.do.results(batch.output_file_id)) == 10
    return False


def embeddings_quirks(trial: Trial) -> bool:
    """Several items a line, none in the order of its inputs, and base64 in one line."""
    batch = trial.do.run(trial.requests, endpoint="/v1/embeddings")
    lines = trial.do.results(batch.output_file_id)
    orders = {tuple(item["index"] for item in _body(line)["data"]) for line in lines}
    kinds = Counter(type(_body(line)["data"][0]["embedding"]) for line in lines)
    return orders == {(2, 1, 0), (1, 0)} and kinds == {list: 4, str: 1}


def embedding_request_refused(trial: Trial) -> bool:
    """A line with three inputs, of which one is empty, fails as a whole; three lines do not."""
    endpoint = trial.requests[0]["url"]
    output, errors = _both(trial, trial.do.run(trial.requests, endpoint=endpoint))
    return (
        len(output) == 3
        and [line["response"]["status_code"] for line in errors] == [400]
        and "'$.input' is invalid" in _body(errors[0])["error"]["message"]
    )


def error_beside_null_body(trial: Trial) -> bool:
    """A line of the output file has a status, an `error`, and a body that is null."""
    batch = trial.do.run(trial.requests)
    failed = [line for line in trial.do.results(batch.output_file_id) if line["error"]]
    return (
        [line["response"]["status_code"] for line in failed] == [400]
        and _body(failed[0]) is None
        and failed[0]["error"]["type"] == "BadRequestError"
        and batch.error_file_id is None
    )


def error_without_response(trial: Trial) -> bool:
    """The line of the error file has three keys, and its error no code."""
    _, errors = _both(trial, trial.do.run(trial.requests))
    return [(sorted(line), sorted(line["error"])) for line in errors] == [
        (["custom_id", "error", "id"], ["message", "type"])
    ]


def line_id_is_batch_id(trial: Trial) -> bool:
    """Ten lines, one id, no `error`."""
    lines = trial.do.results(trial.do.run(trial.requests).output_file_id)
    ids = Counter(line["id"] for line in lines)
    return [*ids.values()] == [10] and not any("error" in line for line in lines)


def body_is_json_string(trial: Trial) -> bool:
    """Each body is a string that has the answer as JSON; the error file is there, and empty."""
    batch = trial.do.run(trial.requests)
    bodies = [_body(line) for line in trial.do.results(batch.output_file_id)]
    return (
        all(isinstance(body, str) and json.loads(body)["choices"] for body in bodies)
        and batch.error_file_id is not None
        and trial.do.results(batch.error_file_id) == []
    )


def _both(trial: Trial, batch: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The lines of both result files."""
    files = (batch.output_file_id, batch.error_file_id)
    output, errors = (trial.do.results(file_id) if file_id else [] for file_id in files)
    return output, errors


def _ids(trial: Trial) -> list[str]:
    """The custom_ids of the requests, sorted."""
    return sorted(line["custom_id"] for line in trial.requests)


def _body(line: dict[str, Any]) -> Any:
    return line["response"]["body"]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    return True

"""Result files of other providers: the lines as they were recorded, and what they stand for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import groq
import openai
import pytest

from fakebatch import FakeBatch
from fakebatch.dialects import DIALECTS
from support.client import chat, jsonl
from support.providers import line, pattern

NAMES = "\u00fc \u4f60\u597d"
"""Characters beyond ASCII."""

# The values that ids and times have are left out; the rest is as in the recordings.
LINES: dict[str, tuple[str, str]] = {
    # groq-api-cookbook, March 2025
    "groq": (
        (
            r'\{"id":"batch_req_out_[0-9a-z]{26}","custom_id":"a","response":\{"status_code":200,'
            r'"request_id":"(req_[0-9a-z]{26})","body":\{"id":.*"content":"' + NAMES + r'".*,'
            r'"x_groq":\{"id":"\1"\}\}\},"error":null\}'
        ),
        r'\{"id":"batch_req_out_[0-9a-z]{26}","custom_id":"a","response":\{"status_code":400,.*',
    ),
    # glm-batch-image-caption, August 2025; how a failed line looks is not known
    "zhipu": (
        (
            r'\{"response":\{"status_code":200,"body":\{.*,"request_id":"a"\}\},"custom_id":"a",'
            r'"id":"(batch_[0-9]{19})"\}'
        ),
        r'\{"response":\{"status_code":400,"body":\{.*\}\},"custom_id":"a","id":"batch_[0-9]{19}"\}',
    ),
    # source of ogx: json.dumps around model_dump_json; ogx#6019
    "ogx": (
        (
            r'\{"id": "(batch_req_[0-9a-f]+)", "custom_id": "a", "response": \{"status_code": 200, '
            r'"request_id": "\1", "body": "\{\\"id\\":\\"chatcmpl-.*\}"\}\}'
        ),
        (
            r'\{"id": "batch_req_[0-9a-f]+", "custom_id": "a", '
            r'"error": \{"type": "request_failed", "message": "No\."\}\}'
        ),
    ),
    # a client with notes of what came back
    "siliconflow": (
        (
            r'\{"id": "[^"]+", "custom_id": "a", "response": \{"body": \{.*\}\}, "error": null, '
            r'"trace_id": "[^"]+"\}'
        ),
        (
            r'\{"id": "[^"]+", "custom_id": "a", "response": \{"body": \{"error": \{.*\}\}\}, '
            r'"error": null, "trace_id": "[^"]+"\}'
        ),
    ),
    # Microsoft's guide: the keys; a line has no id
    "azure": (
        (
            r'\{"custom_id": "a", "response": \{"body": \{.*\}, "request_id": "[0-9a-f-]{36}", '
            r'"status_code": 200\}, "error": null\}'
        ),
        (
            r'\{"custom_id": "a", "response": \{"body": \{.*\}, "request_id": "[0-9a-f-]{36}", '
            r'"status_code": 400\}, "error": null\}'
        ),
    ),
}


def provider(name: str) -> FakeBatch:
    """A provider whose files are ready at once."""
    return FakeBatch(dialect=DIALECTS[name].set(files={"statuses": {"processed": 0}}))


def written(fake: FakeBatch, *lines: dict[str, Any]) -> dict[str, str]:
    """The content of the result files of a batch that has ended, by kind."""
    batch = fake.batches.add(lines, status="completed")
    files = {"output": batch.output_file_id, "errors": batch.error_file_id}
    known = {file.id: file.content.decode() for file in fake.files.values()}
    return {
        kind: next((text for id_, text in known.items() if id_ in address), "")
        for kind, address in files.items()
        if address
    }


@pytest.mark.parametrize("name", LINES)
def test_a_result_line_is_written_as_it_was_recorded(name: str) -> None:
    """Keys and their order, blanks, escapes, and which ids are the same."""
    request = line(DIALECTS[name], "a", messages=[{"role": "user", "content": NAMES}])
    answered, failed = LINES[name]
    with provider(name) as fake:
        output = written(fake, request)["output"]
        fake.on(custom_id="a").fail(400, message="No.")
        errors = written(fake, request)["errors"]

    assert re.fullmatch(answered, output.rstrip("\n"))
    assert re.fullmatch(failed, errors.rstrip("\n"))


@pytest.mark.parametrize("name", DIALECTS)
def test_a_provider_escapes_what_is_beyond_ascii_or_does_not(name: str) -> None:
    """By its setting; a rule of the test that asks for raw text has its way."""
    dialect = DIALECTS[name]
    request = line(dialect, "a")
    with provider(name) as fake:
        fake.on(custom_id="a").reply(NAMES)
        usual = written(fake, request)["output"]
        fake.on_batch(nth=2).result_files(raw=True)
        raw = written(fake, request)["output"]

    assert usual.isascii() != dialect.result_lines.raw
    assert NAMES in raw


@pytest.mark.fakebatch(dialect="groq")
def test_a_direct_call_names_its_request_too(fakebatch: FakeBatch) -> None:
    """`x_groq.id`, as in a result line; a body that the test gives stays as it is."""
    client = groq.Groq()
    fakebatch.on(contains="whole").reply({"id": "mine"})

    def body(text: str) -> Any:
        messages: Any = [{"role": "user", "content": text}]
        return client.chat.completions.create(model="m", messages=messages).to_dict()

    assert re.fullmatch(pattern("req_{ulid}"), body("hello")["x_groq"]["id"])
    assert body("whole") == {"id": "mine"}


@pytest.mark.fakebatch(dialect="zhipu")
def test_the_lines_of_a_batch_have_its_id(fakebatch: FakeBatch) -> None:
    """Every line has the same `id`; what a line stands for is its custom_id."""
    lines = [line(DIALECTS["zhipu"], name) for name in ("a", "b")]
    output = written(fakebatch, *lines)["output"]
    found = [json.loads(one) for one in output.splitlines()]

    assert {one["id"] for one in found} == {fakebatch.batches.only().id}
    assert {one["response"]["body"]["request_id"] for one in found} == {"a", "b"}


@pytest.mark.parametrize("rule", ["", "a line that a rule selects", "lines in another order"])
@pytest.mark.fakebatch(dialect="ogx")
def test_results_are_in_the_order_of_the_input(fakebatch: FakeBatch, rule: str) -> None:
    """However they are made, unless the test demands another order."""
    names = [f"r-{number}" for number in range(20)]
    if rule == "a line that a rule selects":
        fakebatch.on(custom_id="r-7").reply("seven")
    elif rule:
        fakebatch.on_batch().result_files(order="shuffled")
    output = written(fakebatch, *(chat(name) for name in names))["output"]
    order = [json.loads(one)["custom_id"] for one in output.splitlines()]

    assert sorted(order) == sorted(names)
    assert (order == names) == (rule != "lines in another order")


@pytest.mark.fakebatch(dialect="ogx")
def test_moments_that_a_server_does_not_note_are_null(fakebatch: FakeBatch) -> None:
    """OGX notes the creation and the end, and knows neither an expiry nor a usage."""
    wire = fakebatch.batches.add([chat("a")], status="completed").json
    moments = {name for name, value in wire.items() if name.endswith("_at") and value is not None}

    assert moments == {"created_at", "completed_at"}
    assert (wire["model"], wire["usage"]) == (None, None)


# --- a server of one's own

GATEWAY = """
title = "AIBrix before July 2026"     # aibrix#2135, aibrix#2149, aibrix#2409
like = "compatible"
base_urls = ["http://localhost:8090/v1"]
auth = {}
always_written_files = ["output", "errors"]

[ids]
batch = "{uuid}"
file = "{uuid}"
line = "{uuid}"

[statuses]
finalizing = "finalized"

[result_lines]
compact = true
raw = true
in_order = true
"""


def test_what_another_server_does_can_be_written_into_a_file(tmp_path: Path) -> None:
    """Ids without a prefix, a status of its own, an error file although no line failed."""
    path = tmp_path / "aibrix.toml"
    path.write_text(GATEWAY, "utf-8")
    with FakeBatch(dialect=path) as fake:
        client = openai.OpenAI(base_url="http://localhost:8090/v1", api_key="none")
        content = jsonl(chat(name, text=NAMES) for name in ("a", "b"))
        file = client.files.create(file=("in.jsonl", content), purpose="batch")
        batch: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = client.batches.create(input_file_id=file.id, **batch)
        seen = list[str]()
        while "completed" not in seen:
            fake.clock.advance("30s")
            seen.append(client.batches.retrieve(batch.id).status)
        done = client.batches.retrieve(batch.id)
        output, errors = (
            client.files.content(id_ or "").read()
            for id_ in (done.output_file_id, done.error_file_id)
        )

    assert all(re.fullmatch(pattern("{uuid}"), id_) for id_ in (file.id, batch.id))
    assert {*seen} == {"validating", "in_progress", "finalized", "completed"}
    assert (done.request_counts and done.request_counts.failed, errors) == (0, b"")
    assert [json.loads(one)["custom_id"] for one in output.splitlines()] == ["a", "b"]
    assert NAMES.encode() in output
    assert b'", "' not in output

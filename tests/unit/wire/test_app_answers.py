from __future__ import annotations

import json
import re
from typing import Any

import pytest

from fakebatch import RefusedRequest, UsageError
from fakebatch.wire.app import masked
from fakebatch.wire.messages import Reply
from fakebatch.wire.operations import OPERATIONS
from support.batches import requests
from support.calling import BATCH, FORM, app, call, form, upload


def chat(model: str = "gpt-5-nano", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}


NO_KEY = "You didn't provide an API key."

BAD_KEYS = {
    "none": (None, NO_KEY),
    "an empty header": ("", NO_KEY),
    "no key behind Bearer": ("Bearer", NO_KEY),
    "blanks behind Bearer": ("Bearer  ", NO_KEY),
    "another scheme": ("Basic c2stZ29vZA==", NO_KEY),
    "a key without scheme": ("sk-good", NO_KEY),
    "another key": ("Bearer sk-bad", "Incorrect API key provided: ******."),
    "a long other key": ("Bearer not-a-real-key", "Incorrect API key provided: not-a-re**-key."),
    "the key in another case": ("Bearer SK-GOOD", "Incorrect API key provided: *******."),
}


@pytest.mark.parametrize(("key", "beginning"), BAD_KEYS.values(), ids=BAD_KEYS)
@pytest.mark.parametrize("path", ["/batches", "/files", "/nowhere", "/vector_stores"])
def test_a_key_is_asked_for_before_anything_else(
    path: str, key: str | None, beginning: str
) -> None:
    """Without a key that is known there is a 401, whatever the route, and no `detail`."""
    answer = call(app(frozenset({"sk-good"})), "GET", path, key=key)
    said = json.loads(answer.body)
    assert (answer.status, list(said)) == (401, ["error"])
    assert said["error"]["message"].startswith(beginning)
    assert answer.headers["www-authenticate"] == 'Bearer realm="OpenAI API"'


@pytest.mark.parametrize("key", ["Bearer sk-good", "bearer sk-good", "Bearer  sk-good "])
def test_the_key_opens_every_route(key: str) -> None:
    """The scheme may be written in any case, with blanks around the key."""
    assert call(app(frozenset({"sk-good"})), "GET", "/batches", key=key).status == 200


def test_any_key_will_do_where_none_is_told() -> None:
    """Without `api_keys` every key is accepted, and one is needed still."""
    assert call(app(), "GET", "/files", key="Bearer anything").status == 200
    assert call(app(), "GET", "/files", key=None).status == 401


MASKED = {
    "an empty key": ("", ""),
    "a short key": ("sk-1", "****"),
    "twelve characters": ("a" * 12, "*" * 12),
    "thirteen": ("abcdefghijklm", "abcdefgh*jklm"),
}


@pytest.mark.parametrize(("key", "expected"), MASKED.values(), ids=MASKED)
def test_a_key_is_never_quoted_whole(key: str, expected: str) -> None:
    """Of a long key the ends are shown, of a short one nothing."""
    assert expected == masked(key)


def test_every_answer_is_signed() -> None:
    """Headers of the service, and a request id that no other answer has."""
    of = app()
    answers = [call(of, "GET", path) for path in ("/files", "/files/x", "/batches", "/nowhere")]
    for answer in answers:
        assert answer.headers["openai-version"] == "2020-10-01"
        assert answer.headers["server"] == "cloudflare"
        assert re.fullmatch(r"\d+", answer.headers["openai-processing-ms"])
        assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["x-request-id"])
    assert len({answer.headers["x-request-id"] for answer in answers}) == 4


def test_no_answer_speaks_of_rate_limits() -> None:
    """Routes of files and batches carry no `x-ratelimit-*` headers."""
    headers = call(app(), "GET", "/batches").headers
    assert not [name for name in headers if name.startswith("x-ratelimit")]


def test_header_names_are_in_small_letters() -> None:
    """Transports compare names as they are."""
    of = app()
    file = upload(of)
    for path in ("/files", f"/files/{file['id']}/content", "/nowhere"):
        assert all(name == name.lower() for name in call(of, "GET", path).headers)


def created() -> tuple[Reply, Reply, Reply]:
    """The upload of a file, the creation of a batch, a page of batches."""
    of = app()
    file = call(of, "POST", "/files", form(requests(1), purpose="batch"), headers=FORM)
    asked = {**BATCH, "input_file_id": json.loads(file.body)["id"]}
    return file, call(of, "POST", "/batches", asked), call(of, "GET", "/batches")


def test_json_is_written_as_the_service_writes_it() -> None:
    """Two blanks of indent, ASCII; files end with a line end, batches do not."""
    for answer, end in zip(created(), ("\n", "", ""), strict=True):
        assert answer.headers["content-type"] == "application/json"
        assert json.dumps(json.loads(answer.body), indent=2) + end == answer.body.decode()


def test_a_cancel_is_written_on_one_line() -> None:
    """It alone was seen without line ends."""
    of = app()
    asked = {**BATCH, "input_file_id": upload(of, requests(1))["id"]}
    batch = json.loads(call(of, "POST", "/batches", asked).body)
    body = call(of, "POST", f"/batches/{batch['id']}/cancel").body
    assert b"\n" not in body
    assert json.loads(body)["status"] == "cancelling"


def test_the_same_calls_get_the_same_bytes() -> None:
    """One seed, one sequence of calls: ids, headers and bodies are the same."""
    assert created() == created()


def test_a_download_is_the_bytes_and_their_name() -> None:
    """Content is an octet stream, attached under the name of the upload."""
    of = app()
    file = upload(of, b"{}\r\n\x00\xff", "a b.jsonl")
    answer = call(of, "GET", f"/files/{file['id']}/content")
    assert answer.body == b"{}\r\n\x00\xff"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="a b.jsonl"'


NAMES = {
    "quotes": "a%22b.jsonl",
    "line ends": "a%0D%0Ax-injected: 1",
    "umlauts": "zürich.jsonl",
    "Chinese": "批处理.jsonl",
}


@pytest.mark.parametrize("filename", NAMES.values(), ids=NAMES)
def test_a_download_has_one_ascii_header_whatever_its_name(filename: str) -> None:
    """A name that no header can hold is written so that every HTTP library can carry it."""
    of = app()
    file = upload(of, b"{}", filename)
    header = call(of, "GET", f"/files/{file['id']}/content").headers["content-disposition"]
    assert re.fullmatch(r'attachment; filename="[ !#-~]*"(; filename\*=[!-~]+)?', header)


def test_a_file_without_name_is_an_upload() -> None:
    """Bytes sent without a name are accepted under the name the SDK gives them."""
    body = form(purpose="batch").replace(b'; filename="in.jsonl"', b"")
    answer = call(app(), "POST", "/files", body, headers=FORM)
    assert json.loads(answer.body)["filename"] == "upload"


def test_a_direct_call_is_answered_as_a_line_would_be() -> None:
    """Beside batches, a model can be asked directly."""
    answer = call(app(), "POST", "/chat/completions", chat())
    said = json.loads(answer.body)
    assert (answer.status, said["model"]) == (200, "gpt-5-nano-2025-08-07")
    assert said["choices"][0]["message"]["content"] == "hi"


KNOWN = ", ".join(operation.name for operation in OPERATIONS)


def not_emulated(what: str) -> list[str]:
    return [
        f"fakebatch: {what} is not emulated.",
        f"The operations are {KNOWN}.",
        "Answer it with a respx route of your own, or do not call it in this test.",
    ]


LOUD: dict[str, tuple[str, Any, type[BaseException], list[str]]] = {
    "what the service has and we have not": (
        "/vector_stores",
        b"",
        RefusedRequest,
        not_emulated("POST /vector_stores"),
    ),
    "deep below it": (
        "/fine_tuning/jobs/1",
        b"",
        RefusedRequest,
        not_emulated("POST /fine_tuning/jobs/1"),
    ),
    "a stream": (
        "/chat/completions",
        chat(stream=True),
        UsageError,
        [
            "fakebatch: POST /chat/completions asks for a stream.",
            "fakebatch does not stream responses; a batch cannot stream either.",
            "Call it without stream=True.",
        ],
    ),
}


@pytest.mark.parametrize(("path", "body", "kind", "lines"), LOUD.values(), ids=LOUD)
def test_what_is_not_emulated_is_said_loudly(
    path: str, body: Any, kind: type[BaseException], lines: list[str]
) -> None:
    """No Exception, which the SDK would retry: three lines to the author of the test."""
    with pytest.raises(kind) as caught:
        call(app(), "POST", path, body)
    assert lines == str(caught.value).split("\n")
    assert not isinstance(caught.value, Exception)
